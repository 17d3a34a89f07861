{#- A server's part in gluster_one.orchestrate.upgrade, which says in the pillar what that is; alone it does nothing. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
{%- set part = pillar.get('gluster_one_upgrade') or {} %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- set kept = [] %}
{%- if node.restart.keep_bricks and (part.get('hold') or part.get('convert')) %}
{%- do kept.append({'gluster_one': 'gluster_one_upgrade_bricks_kept'}) %}

gluster_one_upgrade_bricks_kept:
  gluster_one.bricks_kept:
    - name: {{ node.glusterd.service | json }}
{%- endif %}
{%- if part.get('hold') %}

gluster_one_upgrade_held:
  gluster_one.glusterd_held:
    - name: {{ node.glusterd.service | json }}
    - require: {{ kept | json }}
{%- endif %}
{%- if part.get('convert') %}

gluster_one_upgrade_converted:
  gluster_one.definitions_converted:
    - name: {{ node.glusterd.service | json }}
    - versions: {{ part.get('convert') | json }}
    - members: {{ (part.get('members') or []) | json }}
    - timeout: {{ node.timeout }}
    - require: {{ kept | json }}
{%- endif %}
{%- if part.get('joined') %}

gluster_one_upgrade_joined:
  gluster_one.pool_joined:
    - name: pool
    - timeout: {{ node.timeout }}
{%- endif %}
{%- if part.get('op_version') %}

gluster_one_upgrade_op_version:
  gluster_one.op_version_set:
    - name: pool
    - version: {{ part.get('op_version') | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
{%- endif %}
