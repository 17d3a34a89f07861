{#- A node's whole part taken back: see docs/clean.md. A part that fails ends it (failhard), and all nodes wait until the
    head has deleted the datastores. The beacon goes with the mount, so that no reactor mounts it again. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
  - gluster_one.clean.datastore
  - gluster_one.clean.mount
  - gluster_one.clean.beacon
  - gluster_one.clean.glusterd
  - gluster_one.clean.volume
{%- if 'hypervisor' in node.roles and 'head' not in node.roles %}

extend:
{%- for name, volume in node.volumes.items() %}
  gluster_one_clean_mount_{{ name }}:
    gluster_one:
      - datastores: {{ volume.datastores | list | json }}
{%- endfor %}
{%- endif %}
{%- endif %}
