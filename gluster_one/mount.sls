{#- The head and every hypervisor: mount the volumes and link the directories of their datastores to them.
    The head links each datastore where it creates it. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- set head = 'head' in node.roles %}
{%- for name, volume in node.volumes.items() if head or 'hypervisor' in node.roles %}
{%- set ids = {} %}
{%- for store, wanted in volume.datastores.items() if not head %}
{%- do ids.update({store: wanted.get('datastore_id')}) %}
{%- endfor %}

gluster_one_mount_{{ name }}:
  gluster_one.datastore_mounted:
    - name: {{ volume.mount | json }}
    - volume: {{ name | json }}
    - servers: {{ volume.servers | json }}
    - links: {{ volume.links | json }}
    - datastores: {{ ids | json }}
    - options: {{ volume.mount_options | json }}
    - user: {{ node.user | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
    - timeout: {{ node.timeout }}
    - id: {{ volume.id | json }}
{%- if volume.create and (opts.test or not volume.coordinator) %}
    - awaited: True
{%- endif %}
{%- if volume.order is defined %}
    - order: {{ volume.order }}
{%- endif %}

gluster_one_mount_{{ name }}_known:
  gluster_one.volume_known:
    - name: {{ name | json }}
    - id: {{ volume.id | json }}
    - server: {{ volume.server | json }}
    - mount: {{ volume.mount | json }}
{%- if volume.order is defined %}
    - order: {{ volume.order }}
{%- endif %}
    - require:
      - gluster_one: gluster_one_mount_{{ name }}
{%- endfor %}
{%- endif %}
