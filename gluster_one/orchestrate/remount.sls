{#- Mount again with the options of fstab, one node after the other; see docs/rollout.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.remount_plan', [pillar.get('target', '*')]) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{%- set all = [] %}
{%- for minion in plan.minions %}
{%- do all.append({'id': 'remount on ' ~ minion, 'minions': [minion], 'sls': 'gluster_one.remount'}) %}
{%- endfor %}
{{ steps(all, plan.timeout) }}
{%- if plan.used %}
{{ refused(plan.used, 'left as they are') }}
{%- elif not all %}

nothing is to be remounted:
  test.nop: []
{%- endif %}
{%- endif %}
