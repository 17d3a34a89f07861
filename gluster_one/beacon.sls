{#- Every node looks after itself; see docs/remediation.md. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
include:
  - gluster_one.pillar
{%- if not node.errors and opts.file_client != 'local' %}
{%- set now = (opts.get('beacons') or {}).get('gluster_one', []) %}
{#- Salt cannot change what is no list of dicts (and runs no beacon at all beside some of that): it has to go first. #}
{%- set useless = now is not sequence or now is mapping or now is string or now | reject('mapping') | list != [] %}
{%- if useless %}

gluster_one_beacon_useless:
  beacon.absent:
    - name: gluster_one
    - save: True
{%- endif %}
{%- if not (useless and opts.test) %}

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
{%- endif %}
