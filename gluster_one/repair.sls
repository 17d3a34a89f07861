{#- A server's part in gluster_one.orchestrate.repair_peer, which says in the pillar what that is; alone it does nothing. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
{%- set part = pillar.get('gluster_one_repair') or {} %}
include:
  - gluster_one.pillar
{%- if not node.errors %}
{%- set kept = [] %}
{%- if node.restart.keep_bricks and (part.get('forget') or part.get('peers') or part.get('again')) %}
{%- do kept.append({'gluster_one': 'gluster_one_repair_bricks_kept'}) %}

gluster_one_repair_bricks_kept:
  gluster_one.bricks_kept:
    - name: {{ node.glusterd.service | json }}
{%- endif %}
{%- if part.get('forget') %}

gluster_one_repair_forgotten:
  gluster_one.probes_forgotten:
    - name: {{ node.glusterd.service | json }}
    - servers: {{ part.get('forget') | json }}
    - require: {{ kept | json }}
{%- endif %}
{%- if part.get('again') %}

gluster_one_repair_again:
  gluster_one.glusterd_started_again:
    - name: {{ node.glusterd.service | json }}
    - require: {{ kept | json }}
{%- endif %}
{%- if part.get('joined') %}

gluster_one_repair_joined:
  gluster_one.pool_joined:
    - name: pool
    - timeout: {{ node.timeout }}
{%- endif %}
{%- for name, above in (part.get('renew') or {}).items() %}

{{ ('gluster_one_repair_' ~ name) | json }}:
  gluster_one.volume_renewed:
    - name: {{ name | json }}
    - above: {{ above }}
    - timeout: {{ node.timeout }}
{%- if part.get('joined') %}
    - require:
      - gluster_one: gluster_one_repair_joined
{%- endif %}
{%- endfor %}
{%- if part.get('peers') %}

gluster_one_repair_accepted:
  gluster_one.peers_accepted:
    - name: {{ node.glusterd.service | json }}
    - peers: {{ part.get('peers') | json }}
    - require: {{ kept | json }}
{%- endif %}
{%- endif %}
