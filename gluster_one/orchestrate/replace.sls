{#- Replace a server, or a brick whose disk was replaced, or have a server leave; see docs/replace.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set given = {} %}
{%- for key in ('old', 'new', 'brick', 'leave', 'to', 'accept_only_copy', 'heal_timeout') if key in pillar %}
{%- do given.update({key: pillar[key]}) %}
{%- endfor %}
{%- set plan = salt['saltutil.runner']('gluster_one.replace_plan', kwarg=given) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{{ steps(plan.steps, plan.timeout) }}
{%- if plan.fine %}

nothing to replace:
  test.nop:
    - name: {{ plan.fine | json }}
{%- endif %}
{%- if plan.named %}
{{ refused(plan.named, 'these name a server that is gone, or stays for them') }}
{%- endif %}
{%- endif %}
