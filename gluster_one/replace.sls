{#- A server's part in gluster_one.orchestrate.replace, which says in the pillar what that is; alone it does nothing. -#}
{%- from 'gluster_one/map.jinja' import node with context %}
{%- set part = pillar.get('gluster_one_replace') or {} %}
include:
  - gluster_one.{{ 'packages' if part.get('server') else 'pillar' }}
{%- if not node.errors %}
{%- if part.get('server') %}

gluster_one_replace_glusterd:
  gluster_one.glusterd_configured:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
{%- if node.packages %}
    - require:
      - gluster_one: gluster_one_packages
    - require_in:
      - gluster_one: gluster_one_glusterd_enabled
{%- endif %}
{%- if node.restart.keep_bricks %}

gluster_one_replace_bricks_kept:
  gluster_one.bricks_kept:
    - name: {{ node.glusterd.service | json }}
    - require:
      - gluster_one: gluster_one_replace_glusterd
{%- endif %}

gluster_one_replace_enabled:
  gluster_one.glusterd_enabled:
    - name: {{ node.glusterd.service | json }}
    - require:
      - gluster_one: gluster_one_replace_glusterd
{#- One that is started by this run has read its file. #}
{%- if not part.get('restore') and salt['glusterd.service'](node.glusterd.service).get('running') %}

gluster_one_replace_restarted:
  gluster_one.glusterd_restarted:
    - name: {{ node.glusterd.service | json }}
    - path: {{ node.glusterd.path | json }}
    - keep_bricks: False
    - orchestrated: True
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_replace_enabled
{%- endif %}
{%- endif %}
{%- if part.get('restore') %}

gluster_one_replace_restored:
  gluster_one.server_restored:
    - name: {{ node.glusterd.service | json }}
{%- for key, value in part.restore.items() %}
    - {{ key }}: {{ value | json }}
{%- endfor %}
    - timeout: {{ node.timeout }}
    - require:
      - gluster_one: gluster_one_replace_enabled
{%- endif %}
{%- if part.get('take_in') %}

gluster_one_replace_taken_in:
  gluster_one.server_taken_in:
    - name: {{ part.get('take_in') | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
{%- for brick in part.get('bricks') or [] %}
{%- set path = '/' ~ brick.name.partition(':/')[2] %}
{%- set devices = [] %}
{%- for volume in node.volumes.values() if volume.create %}
{%- for own in volume.create.bricks if own.own and own.path == path %}
{%- do devices.append(own.device) %}
{%- endfor %}
{%- endfor %}

{{ ('gluster_one_replace_' ~ brick.name) | json }}:
  gluster_one.brick_replaced:
    - name: {{ brick.name | json }}
    - volume: {{ brick.volume | json }}
    - old: {{ brick.old | json }}
    - device: {{ (devices | first | default(none)) | json }}
    - timeout: {{ node.timeout }}
{%- if part.get('restore') %}
    - require:
      - gluster_one: gluster_one_replace_restored
{%- endif %}
{%- endfor %}
{%- if part.get('detach') %}

gluster_one_replace_detached:
  gluster_one.server_detached:
    - name: {{ part.get('detach') | json }}
    - timeout: {{ node.timeout }}
{%- endif %}
{%- endif %}
