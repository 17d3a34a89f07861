{#- Restart glusterd and bricks where needed, one server after the other; see docs/restart.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused, add_restarts %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', [pillar.get('target', '*')]) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{%- set all = [] %}
{{- add_restarts(all, plan) }}
{{ steps(all, plan.timeout) }}
{%- endif %}
