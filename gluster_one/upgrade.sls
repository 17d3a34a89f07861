{#- A server's part in gluster_one.orchestrate.upgrade, which says in the pillar what that is; alone it does nothing. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
{%- set part = pillar.get('gluster_one_upgrade') or {} %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- if part.get('op_version') %}

gluster_one_upgrade_op_version:
  gluster_one.op_version_set:
    - name: pool
    - version: {{ part.get('op_version') | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
{%- endif %}
