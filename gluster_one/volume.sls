{#- One node a volume, the first server named for it: the volume itself, where the pillar has bricks, and its options. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{#- Also on the other servers: the first waits for what they say of their bricks. #}
{%- if node.volumes.values() | selectattr('own_bricks') | list or node.volumes.values() | selectattr('peering') | list %}
  - gluster_one.pool
{%- endif %}
{%- for name, volume in node.volumes.items() if volume.coordinator %}
{%- if volume.bricks %}

gluster_one_present_{{ name }}:
  gluster_one.volume_present:
    - name: {{ name | json }}
    - bricks: {{ volume.bricks | json }}
{%- for key, value in volume.layout.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_peers_{{ name }}
{%- if volume.own_bricks %}
      - gluster_one: gluster_one_bricks_ready_{{ name }}
{%- endif %}
{%- endif %}

gluster_one_volume_{{ name }}:
  gluster_one.volume_configured:
    - name: {{ name | json }}
    - options: {{ volume.options | json }}
    - uid: {{ volume.uid | json }}
    - gid: {{ volume.gid | json }}
    - group: {{ volume.group | json }}
    - wait: {{ (not volume.bricks) | json }}
    - timeout: {{ node.timeout }}
{%- endfor %}
{%- endif %}
