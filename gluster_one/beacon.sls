{#- Every node looks after itself; see docs/remediation.md. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and opts.file_client != 'local' %}

gluster_one_beacon:
{%- if node.beacon %}
  beacon.present:
    - save: True
    - interval: {{ node.beacon.interval }}
    - disable_during_state_run: True
    - node: {{ node.node | json }}
{%- else %}
  beacon.absent:
    - save: True
{%- endif %}
    - name: gluster_one
{%- endif %}
