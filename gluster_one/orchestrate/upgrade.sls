{#- Prepare servers for an upgrade, say whether one may be upgraded now, do what has to follow, or set the pool's protocol last; see docs/upgrade.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set given = {} %}
{%- for key in ('prepare', 'before', 'after', 'op_version', 'heal_timeout') if key in pillar %}
{%- do given.update({key: pillar[key]}) %}
{%- endfor %}
{%- set plan = salt['saltutil.runner']('gluster_one.upgrade_plan', kwarg=given) %}
{%- if plan.errors %}
{{ refused(plan.errors, 'do not upgrade it now' if 'before' in given else 'nothing was begun') }}
{%- else %}
{{ steps(plan.steps, plan.timeout) }}

the end:
  test.nop:
    - name: {{ plan.fine | json }}
{%- if plan.steps %}
    - require:
      - salt: {{ (plan.steps | last).id | json }}
{%- endif %}
{%- endif %}
