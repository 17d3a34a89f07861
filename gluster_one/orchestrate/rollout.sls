{#- The formula on a whole fleet, step by step: see docs/rollout.md. Every step needs the one before it. -#}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', [pillar.get('target', '*')]) %}
{%- if plan.errors %}
nothing was begun:
  test.configurable_test_state:
    - result: False
    - changes: False
    - comment: {{ plan.errors | join('\n') | json }}
{%- else %}
{%- set steps = [{'id': 'check', 'minions': plan.minions, 'sls': 'gluster_one', 'test': True}] %}
{%- for minion in plan.coordinators %}
{%- do steps.append({'id': 'volume on ' ~ minion, 'minions': [minion], 'sls': 'gluster_one.volume'}) %}
{%- endfor %}
{%- for minion in plan.servers %}
{%- do steps.append({'id': 'glusterd on ' ~ minion, 'minions': [minion], 'sls': 'gluster_one.glusterd'}) %}
{%- endfor %}
{%- for minion in plan.heads %}
{%- do steps.append({'id': 'head ' ~ minion, 'minions': [minion], 'sls': 'gluster_one'}) %}
{%- endfor %}
{%- for batch in plan.batches %}
{%- do steps.append({'id': 'hypervisors ' ~ loop.index ~ ' of ' ~ plan.batches | length, 'minions': batch, 'sls': 'gluster_one'}) %}
{%- endfor %}

{%- for step in steps %}

{{ ('say ' ~ step.id) | json }}:
  salt.runner:
    - name: gluster_one.rollout_step
    - step: {{ step.id | json }}
    - minions: {{ step.minions | json }}
{%- if not loop.first %}
    - require:
      - salt: {{ steps[loop.index0 - 1].id | json }}
{%- endif %}

{{ step.id | json }}:
  salt.state:
    - tgt: {{ step.minions | json }}
    - tgt_type: list
    - sls: {{ step.sls | json }}
    - queue: True
{%- if step.test is defined %}
    - test: True
{%- endif %}
    - require:
      - salt: {{ ('say ' ~ step.id) | json }}
{%- endfor %}
{%- endif %}
