{#- What is due of restarts, one server after the other: see docs/restart.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', [pillar.get('target', '*')]) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{%- set all = [] %}
{%- for sls in ('bricks', 'restart') %}
{%- for minion in plan.servers %}
{%- do all.append({'id': sls ~ ' on ' ~ minion, 'minions': [minion], 'sls': 'gluster_one.' ~ sls,
                   'pillar': {'gluster_one_orchestrated': True}}) %}
{%- endfor %}
{%- endfor %}
{{ steps(all) }}
{%- endif %}
