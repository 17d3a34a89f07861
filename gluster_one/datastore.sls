{#- The head: create the datastores in OpenNebula or change their attributes, and link their directories. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'head' in node.roles %}
  - gluster_one.mount
{%- for name, volume in node.volumes.items() %}
{%- for store, settings in volume.datastores.items() %}

{{ ('gluster_one_datastore_' ~ store) | json }}:
  gluster_one.one_datastore_present:
    - name: {{ store | json }}
{%- for key, value in settings.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
    - mount: {{ volume.mount | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
    - timeout: {{ node.timeout }}
{%- for key, value in node.opennebula.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
{%- if volume.order is defined %}
    - order: {{ volume.order + loop.index }}
{%- endif %}
    - require:
      - gluster_one: gluster_one_mount_{{ name }}_known
{%- endfor %}
{%- endfor %}
{%- endif %}
