{#- Every node: it looks after itself no more. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and opts.file_client != 'local' %}

gluster_one_clean_beacon:
  gluster_one.beacon_absent:
    - name: gluster_one
    - failhard: True
{%- endif %}
