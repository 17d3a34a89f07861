{#- Every server, on request: restart bricks that reject clients, and the self-heal daemon if they rejected it. -#}
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

gluster_one_heal_daemon_connected_{{ name }}:
  gluster_one.heal_daemon_connected:
    - name: {{ name | json }}
    - service: {{ node.glusterd.service | json }}
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_bricks_restarted_{{ name }}
{%- endfor %}
{%- endif %}
