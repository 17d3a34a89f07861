{#- All nodes, first of all: check the pillar. If it is wrong, nothing else is done. -#}
{%- from 'gluster_one/map.jinja' import node, run with context %}
gluster_one_pillar:
  gluster_one_check.pillar_valid:
    - name: gluster_one
    - errors: {{ node.errors | json }}
    - roles: {{ node.roles | default([]) | json }}
    - order: first
{%- if run.reload %}
    - force_reload_modules: True
{%- endif %}
