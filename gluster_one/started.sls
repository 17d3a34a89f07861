{#- Every server, on request: start glusterd and its bricks of started volumes where they are down. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'server' in node.roles %}

gluster_one_glusterd_running:
  gluster_one.glusterd_running:
    - name: {{ node.glusterd.service | json }}
{%- for name in node.volumes %}

gluster_one_bricks_{{ name }}:
  gluster_one.bricks_running:
    - name: {{ name | json }}
    - service: {{ node.glusterd.service | json }}
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_glusterd_running
{%- endfor %}
{%- endif %}
