{#- The head and every hypervisor: links, mount and line of fstab, when nobody uses the mount. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and ('hypervisor' in node.roles or 'head' in node.roles) %}
{%- for name, volume in node.volumes.items() %}

gluster_one_clean_mount_{{ name }}:
  gluster_one.datastore_unmounted:
    - name: {{ volume.mount | json }}
    - failhard: True
    - volume: {{ name | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
    - timeout: {{ node.timeout }}
{%- endfor %}
{%- endif %}
