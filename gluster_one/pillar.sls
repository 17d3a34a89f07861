{#- All nodes, first of all: check the pillar. If it is wrong, nothing else is done. -#}
{%- from 'gluster_one/map.jinja' import node, run with context %}
{%- if run.reload and not node.errors %}
# Where modules were synced, with a state of Salt's own: for one that is new it would look in each of its modules.
gluster_one_modules:
  test.nop:
    - order: first
    - force_reload_modules: True

{% endif %}
gluster_one_pillar:
  gluster_one_check.pillar_valid:
    - name: gluster_one
    - errors: {{ node.errors | json }}
    - roles: {{ node.roles | default([]) | json }}
    - order: first
{%- if run.reload and not node.errors %}
    - require:
      - test: gluster_one_modules
{%- endif %}
