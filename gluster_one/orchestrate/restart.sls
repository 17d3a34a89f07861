{#- What is due of restarts, one server after the other: see docs/restart.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', [pillar.get('target', '*')]) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{%- set all = [] %}
{%- set in_order = {'gluster_one_orchestrated': True} %}
{%- for sls in ('bricks', 'restart') %}
{%- for minion in plan.servers %}
{%- set id = sls ~ ' on ' ~ minion %}
{%- do all.append({'id': id, 'minions': [minion], 'sls': 'gluster_one.' ~ sls, 'pillar': in_order}) %}
{%- endfor %}
{%- endfor %}
{{ steps(all) }}
{%- endif %}
