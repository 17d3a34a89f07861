{#- All nodes, where the pillar has `packages: true`: install what a node's roles need, and start glusterd on servers. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors and node.packages %}

gluster_one_packages:
  gluster_one.packages_installed:
    - name: packages
    - roles: {{ node.roles | json }}
    - native: {{ 'native' in node.volumes.values() | map(attribute='access') | sum(start=[]) }}
    - reload_modules: True
{%- if 'head' in node.roles %}

gluster_one_pyone:
  gluster_one.pyone_installed:
    - name: pyone
    - reload_modules: True
{%- endif %}
{%- if 'server' in node.roles %}

gluster_one_glusterd_enabled:
  gluster_one.glusterd_enabled:
    - name: {{ node.glusterd.service | json }}
    - require:
      - gluster_one: gluster_one_packages
{%- endif %}
{%- endif %}
