{#- What a node needs to have installed, by its roles, each on its own where some distributions have none of it; and a
    server's glusterd, started. One that is stopped gets its options before, so that it need not be restarted for them. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and node.manage_packages %}

gluster_one_packages:
  pkg.installed:
    - pkgs: {{ node.packages.gluster | json }}
{%- for package in node.packages.native %}

gluster_one_{{ package }}:
  pkg.installed:
    - name: {{ package | json }}
{%- endfor %}
{%- if node.packages.pyone %}

gluster_one_pyone:
{%- if node.packages.pyone == 'pip' %}
  pip.installed:
    - name: pyone
{%- else %}
  pkg.installed:
    - name: {{ node.packages.pyone | json }}
{%- endif %}
{%- endif %}
{%- if 'server' in node.roles %}
{%- if not salt['service.status'](node.glusterd.service) %}

gluster_one_glusterd_stopped:
  gluster_one.glusterd_configured:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
    - restart: False
{%- endif %}

gluster_one_glusterd_running:
  service.running:
    - name: {{ node.glusterd.service | json }}
    - enable: True
{%- endif %}
{%- endif %}
