{#- One node a volume, the first server named for it: the volume's options as they were, when nobody has it open. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- for name, volume in node.volumes.items() if volume.coordinator %}

gluster_one_clean_volume_{{ name }}:
  gluster_one.volume_reset:
    - name: {{ name | json }}
    - failhard: True
    - timeout: {{ node.timeout }}
{%- endfor %}
{%- endif %}
