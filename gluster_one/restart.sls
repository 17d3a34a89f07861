{#- Every server, on request: restart glusterd and bricks where needed, one server at a time; see docs/restart.md. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.bricks
  - gluster_one.glusterd
{%- if not node.errors and 'server' in node.roles %}

gluster_one_glusterd_restarted:
  gluster_one.glusterd_restarted:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
    - keep_bricks: False  # that is gluster_one.glusterd's
    - outage: {{ node.restart.outage | json }}
    - orchestrated: {{ pillar.get('gluster_one_orchestrated', False) }}
    - timeout: {{ node.timeout }}
    - require:
      - sls: gluster_one.bricks
      - sls: gluster_one.glusterd
{%- endif %}
