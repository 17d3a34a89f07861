{#- Every server, when somebody asks for it: bricks that refuse clients are restarted. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'server' in node.roles %}
{%- for name in node.volumes %}

gluster_one_bricks_restarted_{{ name }}:
  gluster_one.bricks_restarted:
    - name: {{ name | json }}
    - outage: {{ node.restart.outage | json }}
    - orchestrated: {{ pillar.get('gluster_one_orchestrated', False) }}
    - timeout: {{ node.timeout }}
{%- endfor %}
{%- endif %}
