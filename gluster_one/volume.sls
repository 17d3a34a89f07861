{#- The first of a volume's servers: set the volume's options; of one that was never started, before its start. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- for name, volume in node.volumes.items() if volume.coordinator %}

gluster_one_volume_{{ name }}:
  gluster_one.volume_configured:
    - name: {{ name | json }}
    - options: {{ volume.options | json }}
    - uid: {{ volume.uid | json }}
    - gid: {{ volume.gid | json }}
    - group: {{ volume.group | json }}
    - servers: {{ volume.servers | json }}
{%- if volume.create %}
    - new_group: {{ volume.create.group | json }}
{%- endif %}
    - timeout: {{ node.timeout }}
{%- if not ('head' in node.roles or 'hypervisor' in node.roles) %}{#- which look through their mount #}

gluster_one_volume_{{ name }}_known:
  gluster_one.volume_known:
    - name: {{ name | json }}
    - id: {{ volume.id | json }}
    - server: true
    - require:
      - gluster_one: gluster_one_volume_{{ name }}
{%- endif %}
{%- endfor %}
{%- endif %}
