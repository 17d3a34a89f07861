{#- Apply the formula to the whole fleet, step by step; see docs/rollout.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused, add_restarts %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', [pillar.get('target', '*')]) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{%- set all = [{'id': 'check', 'minions': plan.minions, 'sls': 'gluster_one', 'test': True}] %}
{%- if plan.creators %}
{%- do all.append({'id': 'pool and new volumes', 'minions': plan.creators, 'sls': 'gluster_one.create'}) %}
{%- endif %}
{%- for minion in plan.coordinators %}
{%- do all.append({'id': 'volume on ' ~ minion, 'minions': [minion], 'sls': 'gluster_one.volume'}) %}
{%- endfor %}
{%- for minion in plan.servers %}
{%- do all.append({'id': 'glusterd on ' ~ minion, 'minions': [minion], 'sls': 'gluster_one.glusterd'}) %}
{%- endfor %}
{{- add_restarts(all, plan.servers) }}
{%- for minion in plan.heads %}
{%- do all.append({'id': 'head (' ~ minion ~ ')', 'minions': [minion], 'sls': 'gluster_one'}) %}
{%- endfor %}
{%- for batch in plan.batches %}
{%- set id = 'hypervisors ' ~ loop.index ~ ' of ' ~ plan.batches | length ~ ' (' ~ batch | join(', ') ~ ')' %}
{%- do all.append({'id': id, 'minions': batch, 'sls': 'gluster_one'}) %}
{%- endfor %}
{{ steps(all, plan.timeout) }}
{%- endif %}
