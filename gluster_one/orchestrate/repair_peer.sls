{#- Have a peer that is rejected, or was probed half, become a full member of its pool again; see docs/repair-peer.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.repair_plan', kwarg={'peer': pillar.get('peer')}) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- elif plan.steps %}
{{ steps(plan.steps, plan.timeout) }}
{%- else %}

nothing to repair:
  test.nop:
    - name: {{ plan.fine | json }}
{%- endif %}
