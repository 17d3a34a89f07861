{#- Everything that the pillar asks of a node, part by part; each part decides by the node's roles. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
  - gluster_one.packages
  - gluster_one.pool
  - gluster_one.create
  - gluster_one.volume
  - gluster_one.glusterd
  - gluster_one.mount
  - gluster_one.datastore
  - gluster_one.native
  - gluster_one.beacon
{%- endif %}
{%- if not node.errors and ('head' in node.roles or 'hypervisor' in node.roles) %}
{%- for name, volume in node.volumes.items() if volume.create %}
{%- if loop.first %}

# A node that cannot do its part for a new volume does not wait for the volume.
extend:
{%- endif %}
  gluster_one_mount_{{ name }}:
    gluster_one:
      - require:
        - gluster_one_check: gluster_one_servers_{{ name }}
{%- if node.pool.servers %}
        - gluster: gluster_one_pool
{%- endif %}
{%- endfor %}
{%- endif %}
