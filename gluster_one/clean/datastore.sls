{#- The head: the datastores in OpenNebula, when nothing is on them. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'head' in node.roles %}
{%- for name, volume in node.volumes.items() if volume.datastores %}

gluster_one_clean_datastores_{{ name }}:
  gluster_one.one_datastores_absent:
    - name: {{ name | json }}
    - failhard: True
    - datastores: {{ volume.datastores | json }}
    - mount: {{ volume.mount | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
{%- for key, value in node.opennebula.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
{%- endfor %}
{%- endif %}
