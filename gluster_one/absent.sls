{#- One node leaves: take away what runs have left on it, where nothing uses it; see docs/leave.md. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- set mounts, bricks, stores, first, steps = {}, [], [], [], [] %}
{%- for name, volume in node.volumes.items() %}
{%- do mounts.update({volume.mount: name}) %}
{%- do stores.extend(volume.datastores) %}
{%- do bricks.extend((volume.create.bricks if volume.create else []) | selectattr('own') | map(attribute='path')) %}
{%- endfor %}

# A node that still needs a volume stays as it is.
gluster_one_unused:
  gluster_one_check.mounts_unused:
    - mounts: {{ mounts | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
{%- if 'head' in node.roles %}
    - datastores: {{ stores | json }}
{%- for key, value in node.opennebula.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
{%- endif %}
{%- do first.append({'gluster_one_check': 'gluster_one_unused'}) %}
{%- for name, volume in node.volumes.items() if 'head' in node.roles %}
{%- for store, settings in volume.datastores.items() %}

{{ ('gluster_one_absent_' ~ store) | json }}:
  gluster_one.one_datastore_absent:
    - name: {{ store | json }}
    - datastore_id: {{ settings.get('datastore_id') | json }}
    - delete: {{ pillar.get('gluster_one_delete_datastores', False) and settings.get('datastore_id', 100) >= 100 }}
    - timeout: {{ node.timeout }}
{%- for key, value in node.opennebula.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
    - require:
      - gluster_one_check: gluster_one_unused
{%- do first.append({'gluster_one': 'gluster_one_absent_' ~ store}) %}
{%- endfor %}
{%- endfor %}
{%- if opts.file_client != 'local' %}

# Before what it would report, and the reactor repair.
gluster_one_beacon_absent:
  gluster_one.beacon_configured:
    - name: gluster_one
    - require: {{ first | json }}
{%- do first.append({'gluster_one': 'gluster_one_beacon_absent'}) %}
{%- endif %}
{%- for name, volume in node.volumes.items() %}

gluster_one_unmounted_{{ name }}:
  gluster_one.datastore_unmounted:
    - name: {{ volume.mount | json }}
    - volume: {{ name | json }}
    - links: {{ volume.links | json }}
    - user: {{ node.user | json }}
    - datastores_dir: {{ node.datastores_dir | json }}
    - require: {{ first | json }}
{%- do steps.append({'gluster_one': 'gluster_one_unmounted_' ~ name}) %}
{%- endfor %}

gluster_one_glusterd_restored:
  gluster_one.glusterd_restored:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
    - require: {{ first | json }}
{%- do steps.append({'gluster_one': 'gluster_one_glusterd_restored'}) %}

gluster_one_forgotten:
  gluster_one.node_forgotten:
    - bricks: {{ bricks | json }}
    - mounts: {{ mounts.keys() | list | json }}
    - require: {{ (first + steps) | json }}
{%- endif %}
