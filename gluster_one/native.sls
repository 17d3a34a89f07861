{#- Every hypervisor: check that QEMU can open gluster://, and that oneadmin reads a file of each volume that way. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.mount
{%- if not node.errors and 'hypervisor' in node.roles %}

gluster_one_native_access:
  gluster_one_check.native_access_supported:
    - name: gluster://
    - package: {{ node.package | json }}
{%- for name, volume in node.volumes.items() %}
{%- for host in volume.hosts %}

gluster_one_native_{{ name }}{{ ' %s' | format(loop.index) if not loop.first }}:
  gluster_one_check.native_readable:
    - name: gluster://{{ name }}
    - volume: {{ name | json }}
    - host: {{ host | json }}
    - mount: {{ volume.mount | json }}
    - user: {{ node.user | json }}
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one_check: gluster_one_native_access
      - gluster_one: gluster_one_mount_{{ name }}
{%- endfor %}
{%- endfor %}
{%- endif %}
