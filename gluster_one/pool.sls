{#- Servers of volumes that the pillar has bricks for: each looks at its own bricks, the first takes the others into the
    pool, the second sees that the first has its name there. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- for name, volume in node.volumes.items() %}
{%- if volume.own_bricks %}

gluster_one_bricks_ready_{{ name }}:
  gluster_one.bricks_ready:
    - name: {{ name | json }}
    - bricks: {{ volume.own_bricks | json }}
{%- endif %}
{%- if volume.peering %}

gluster_one_peers_{{ name }}:
  gluster_one.peered:
    - name: {{ name | json }}
    - servers: {{ volume.servers | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
{%- endfor %}
{%- endif %}
