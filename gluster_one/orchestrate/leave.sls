{#- Take away what runs have left on the whole fleet, its volumes' options last; see docs/leave.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', ['*']) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- else %}
{%- set more = {'gluster_one_orchestrated': True} %}
{%- do more.update({'gluster_one_delete_datastores': pillar.get('gluster_one_delete_datastores', False)}) %}
{%- set all = [{'id': 'check', 'minions': plan.minions, 'sls': 'gluster_one.absent', 'test': True, 'pillar': more}] %}
{%- for minion in plan.heads %}
{%- do all.append({'id': 'head (' ~ minion ~ ')', 'minions': [minion], 'sls': 'gluster_one.absent', 'pillar': more}) %}
{%- endfor %}
{%- for batch in plan.batches %}
{%- set id = 'nodes ' ~ loop.index ~ ' of ' ~ plan.batches | length ~ ' (' ~ batch | join(', ') ~ ')' %}
{%- do all.append({'id': id, 'minions': batch, 'sls': 'gluster_one.absent', 'pillar': more}) %}
{%- endfor %}
{%- for minion in plan.coordinators %}
{%- set id = 'volumes of ' ~ minion %}
{%- do all.append({'id': id, 'minions': [minion], 'sls': 'gluster_one.absent_volume', 'pillar': more}) %}
{%- endfor %}
{{ steps(all, plan.timeout) }}

the reactor's memory:
  salt.runner:
    - name: gluster_one.forget
    - minions: {{ plan.minions | json }}
    - require:
      - salt: {{ all[-1].id | json }}
{%- endif %}
