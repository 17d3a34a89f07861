{#- Every server: have glusterd accept non-root clients, and bricks keep running while it restarts. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors and 'server' in node.roles %}

{%- set servers = [] %}
{#- Of those with `create` the pool is gluster_one.pool's. #}
{%- for volume in node.volumes.values() if volume.server and not volume.create %}
{%- do servers.extend(volume.servers) %}
{%- endfor %}

gluster_one_glusterd:
  gluster_one.glusterd_configured:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
    - servers: {{ (servers | unique | list or none) | json }}
{%- if node.restart.keep_bricks %}

gluster_one_bricks_kept:
  gluster_one.bricks_kept:
    - name: {{ node.glusterd.service | json }}
{%- endif %}
{%- endif %}
