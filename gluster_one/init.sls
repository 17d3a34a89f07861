{#- A node's whole part: what the pillar makes of it. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
  - gluster_one.packages
{#- The volume before glusterd: the servers take turns by a lock on it, which they can mount only once it lets them in. #}
{%- if node.volumes.values() | selectattr('coordinator') | list %}
  - gluster_one.volume
{%- endif %}
{%- if 'server' in node.roles %}
  - gluster_one.glusterd
{%- endif %}
{#- After glusterd: a server says that its bricks are ready when its glusterd will not be restarted any more. #}
{%- if node.volumes.values() | selectattr('own_bricks') | list or node.volumes.values() | selectattr('peering') | list %}
  - gluster_one.pool
{%- endif %}
{%- if 'hypervisor' in node.roles or 'head' in node.roles %}
  - gluster_one.mount
{%- endif %}
{%- if 'head' in node.roles %}
  - gluster_one.datastore
{%- endif %}
  - gluster_one.beacon
{%- endif %}
