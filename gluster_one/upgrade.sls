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
{%- for name in part.get('pause') or [] %}

{{ ('gluster_one_upgrade_quorum_' ~ name) | json }}:
  gluster_one.server_quorum_paused:
    - name: {{ name | json }}
    - timeout: {{ node.timeout }}
{%- endfor %}
{%- if part.get('definitions') %}
{%- if node.restart.keep_bricks %}

gluster_one_upgrade_bricks_kept:
  gluster_one.bricks_kept:
    - name: {{ node.glusterd.service | json }}
{%- endif %}

gluster_one_upgrade_definitions:
  gluster_one.definitions_prepared:
    - name: {{ node.glusterd.service | json }}
    - paused: {{ part.get('paused') | json }}
    - kept: {{ node.restart.keep_bricks | json }}
    - timeout: {{ node.timeout }}
{%- if node.restart.keep_bricks %}
    - require:
      - gluster_one: gluster_one_upgrade_bricks_kept
{%- endif %}
{%- endif %}
{%- for name, paused in (part.get('resume') or {}).items() %}

{{ ('gluster_one_upgrade_quorum_' ~ name) | json }}:
  gluster_one.server_quorum_resumed:
    - name: {{ name | json }}
    - paused: {{ paused | json }}
    - timeout: {{ node.timeout }}
{%- endfor %}
{%- endif %}
