{#- Add the sets of bricks to volumes that `create` of the pillar has and they do not; see docs/grow.md. -#}
{%- from 'gluster_one/orchestrate/steps.jinja' import steps, refused %}
{%- set plan = salt['saltutil.runner']('gluster_one.rollout_plan', ['*']) %}
{%- if plan.errors %}
{{ refused(plan.errors) }}
{%- elif not plan.creators %}
{{ refused(['no volume of the pillar has create, which says what bricks it is to have: docs/grow.md']) }}
{%- else %}
{%- set step = {'id': 'pool and bricks', 'minions': plan.creators, 'sls': 'gluster_one.create'} %}
{{ steps([dict(step, pillar={'gluster_one_grow': True})], plan.timeout) }}
{%- endif %}
