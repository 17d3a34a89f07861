{#- Everything that the pillar asks of a node, part by part. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- if node.volumes.values() | selectattr('coordinator') | list %}
  - gluster_one.volume
{%- endif %}
{%- if 'server' in node.roles %}
  - gluster_one.glusterd
{%- endif %}
{%- if 'hypervisor' in node.roles or 'head' in node.roles %}
  - gluster_one.mount
{%- endif %}
{%- if 'head' in node.roles %}
  - gluster_one.datastore
{%- endif %}
{%- if 'hypervisor' in node.roles %}
  - gluster_one.native
{%- endif %}
  - gluster_one.beacon
{%- endif %}
