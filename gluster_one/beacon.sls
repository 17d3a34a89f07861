{#- All nodes: configure the beacon that looks for faults; see docs/remediation.md. -#}
{%- if saltenv ~ ':gluster_one' in rendered_sls | default('') and pillar.gluster_one is mapping %}
{%- set node = salt['gluster_one_run.shared'](pillar.gluster_one).node %}
{%- else %}{% from 'gluster_one/map.jinja' import node with context %}{% endif %}
include:
  - gluster_one.pillar
{%- if not node.errors and opts.file_client != 'local' %}

gluster_one_beacon:
  gluster_one.beacon_configured:
    - name: gluster_one
{%- if node.beacon %}
    - interval: {{ node.beacon.interval }}
    - node: {{ node | json }}
{%- endif %}
{%- endif %}
