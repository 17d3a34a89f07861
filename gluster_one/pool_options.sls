{#- The first server of a pool: set the pool's options; the one that has set them: set dropped ones back. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors and node.pool.options %}

gluster_one_pool_options:
  gluster.pool_options_set:
    - options: {{ node.pool.options | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
{%- if not node.errors and node.pool.dropped %}

gluster_one_pool_options_dropped:
  gluster.pool_options_restored:
    - options: {{ node.pool.dropped | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
