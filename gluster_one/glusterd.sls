{#- Every server: glusterd accepts clients that are not root. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'server' in node.roles %}

gluster_one_glusterd:
  gluster_one.glusterd_configured:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
{%- endif %}
