{#- The first of a volume's servers, once all nodes have left: set the options of volume and pool back, and remove
    .gluster_one from the volume; see docs/leave.md. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- set steps = [] %}
{%- for name, volume in node.volumes.items() if volume.coordinator %}

gluster_one_restored_{{ name }}:
  gluster_one.volume_restored:
    - name: {{ name | json }}
    - orchestrated: {{ pillar.get('gluster_one_orchestrated', False) }}
    - timeout: {{ node.timeout }}
{%- do steps.append({'gluster_one': 'gluster_one_restored_' ~ name}) %}
{%- endfor %}
{%- if steps %}

gluster_one_pool_restored:
  gluster.pool_options_restored:
    - timeout: {{ node.timeout }}
    - require: {{ steps | json }}
{%- endif %}
{%- for name, volume in node.volumes.items() if volume.coordinator %}

# Behind all that takes the servers' lock, which lies there.
gluster_one_files_absent_{{ name }}:
  gluster_one.volume_files_absent:
    - name: {{ name | json }}
    - timeout: {{ node.timeout }}
    - require:
      - gluster: gluster_one_pool_restored
{%- endfor %}
{%- endif %}
