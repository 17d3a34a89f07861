{#- Every server of a volume with `create`: look whether its bricks are fit. The first: create the volume if it is not there,
    set its options, and start it; in gluster_one.orchestrate.grow: add the sets of bricks that it lacks. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pool
  - gluster_one.volume
{%- if not node.errors %}
{%- for name, volume in node.volumes.items() if volume.create and node.pool.servers %}
{%- set bricks = [] %}
{%- for brick in volume.create.bricks if brick.own %}
{%- do bricks.append({'gluster': 'gluster_one_brick_' ~ brick.path}) %}

{{ bricks[-1].gluster | json }}:
  gluster.brick_prepared:
    - name: {{ brick.path | json }}
    - device: {{ brick.device | json }}
    - require:
      - gluster: gluster_one_pool
{%- endfor %}
{%- if volume.coordinator %}

gluster_one_created_{{ name }}:
  gluster.volume_present:
    - name: {{ name | json }}
{%- for key, value in volume.create.arguments.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
    - grow: {{ pillar.get('gluster_one_grow', False) }}
    - timeout: {{ node.timeout }}
    - require: {{ ([{'gluster': 'gluster_one_pool'}] + bricks) | json }}
    - require_in:
      - gluster_one: gluster_one_volume_{{ name }}

gluster_one_started_{{ name }}:
  gluster.volume_started:
    - name: {{ name | json }}
    - only_new: True
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_volume_{{ name }}
{%- endif %}
{%- endfor %}
{%- endif %}
