{#- For a volume with `create`: look at its servers' ports, from every node, and have its servers in one pool. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.packages
  - gluster_one.pool_options
{%- if not node.errors %}
{%- set mounts = 'head' in node.roles or 'hypervisor' in node.roles %}
{%- set looked = [] %}
{%- for name, volume in node.volumes.items() if volume.create %}
{%- if mounts or volume.server %}
{%- do looked.append({'gluster_one_check': 'gluster_one_servers_' ~ name}) %}

gluster_one_servers_{{ name }}:
  gluster_one_check.servers_reachable:
    - name: {{ name | json }}
    - servers: {{ volume.servers | json }}
    - mount: {{ (volume.mount if mounts else none) | json }}
    - timeout: {{ node.timeout }}
{%- if node.packages %}
    - require:
      - gluster_one: gluster_one_packages
{%- if 'server' in node.roles %}
      - gluster_one: gluster_one_glusterd_enabled
{%- endif %}
{%- endif %}
{%- endif %}
{%- endfor %}
{%- if node.pool.servers %}

gluster_one_pool:
  gluster.peered:
    - servers: {{ node.pool.servers | json }}
    - timeout: {{ node.timeout }}
    - require: {{ looked | json }}
{%- if node.pool.options %}
    - require_in:
      - gluster: gluster_one_pool_options
{%- endif %}
{%- endif %}
{%- endif %}
