{#- Add the sets of bricks to volumes that `create` of the pillar has and they do not, and wait until all are in use; see
    docs/grow.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', ['*']) %}
{%- set heal_timeout = pillar.get('heal_timeout') %}
{%- set errors = salt['saltutil.runner']('gluster_one.heal_timeout_errors', [heal_timeout]) + plan.errors %}
{%- if errors %}
{{ refused(errors) }}
{%- elif not plan.creators %}
{{ refused(['no volume of the pillar has create, which says what bricks it is to have: docs/grow.md']) }}
{%- else %}
{%- set step = {'id': 'pool and bricks', 'minions': plan.creators, 'sls': 'gluster_one.create'} %}
{%- set all = [dict(step, pillar={'gluster_one_grow': True})] %}
{%- set waits = {'volumes': plan.creates, 'hosts': plan.hosts, 'timeout': heal_timeout or plan.timeout} %}
{%- for minion in plan.coordinators if minion in plan.creators %}
{%- do all.append({'id': 'bricks seen by ' ~ minion, 'minions': [minion], 'waits': dict(waits, minions=[minion])}) %}
{%- endfor %}
{{ steps(all, plan.timeout) }}
{%- endif %}
