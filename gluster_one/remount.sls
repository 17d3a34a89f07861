{#- The head and every hypervisor, on request: mount again with the options of fstab, where nothing uses the mount. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.mount
{%- if not node.errors %}
{%- for name, volume in node.volumes.items() if 'head' in node.roles or 'hypervisor' in node.roles %}

gluster_one_remount_{{ name }}:
  gluster_one.datastore_remounted:
    - name: {{ volume.mount | json }}
    - volume: {{ name | json }}
    - servers: {{ volume.servers | json }}
    - options: {{ volume.mount_options | json }}
    - links: {{ volume.links | json }}
    - user: {{ node.user | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_mount_{{ name }}
{%- endfor %}
{%- endif %}
