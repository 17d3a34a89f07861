{#- For a volume with `create`: look at its servers' ports, from every node, and have its servers in one pool. The first
    server of a pool: set the pool's options. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.packages
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
{%- endif %}
{%- if node.pool.options %}

gluster_one_pool_options:
  gluster.pool_options_set:
    - options: {{ node.pool.options | json }}
    - timeout: {{ node.timeout }}
{%- if node.pool.servers %}
    - require:
      - gluster: gluster_one_pool
{%- endif %}
{%- endif %}
{%- endif %}
