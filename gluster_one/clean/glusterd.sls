{#- Every server: glusterd's options as they were, when nobody has the volumes open. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'server' in node.roles %}

gluster_one_clean_glusterd:
  gluster_one.glusterd_reset:
    - name: {{ node.glusterd.path | json }}
    - failhard: True
    - volumes: {{ node.volumes | list | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
