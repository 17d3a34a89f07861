{#- Every hypervisor: check that QEMU can open gluster://, and that oneadmin reads a file of each volume that way. Where
    the pillar has `access: fuse`, that it writes and reads a file on the mount. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.mount
{%- if not node.errors and 'hypervisor' in node.roles %}
{%- if 'native' in node.volumes.values() | map(attribute='access') | sum(start=[]) %}

gluster_one_native_access:
  gluster_one_check.native_access_supported:
    - name: gluster://
    - package: {{ node.package | json }}
{%- endif %}
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
{%- if volume.order is defined %}
    - order: {{ volume.order + 900 }}
{%- endif %}
    - require:
      - gluster_one_check: gluster_one_native_access
      - gluster_one: gluster_one_mount_{{ name }}_known
{%- endfor %}
{%- if 'fuse' in volume.access %}

gluster_one_files_{{ name }}:
  gluster_one_check.files_usable:
    - name: {{ volume.mount | json }}
    - user: {{ node.user | json }}
    - timeout: {{ node.timeout }}
{%- if volume.order is defined %}
    - order: {{ volume.order + 900 }}
{%- endif %}
    - require:
      - gluster_one: gluster_one_mount_{{ name }}_known
{%- endif %}
{%- endfor %}
{%- endif %}
