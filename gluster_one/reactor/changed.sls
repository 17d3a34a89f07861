{#- A beacon has noticed something. Nothing of the event is used but the minion's id, and that only as a name to look up:
    what is wrong, and whether it is repaired, comes from the minion's own mine and from the pillar. -#}
{%- set minion = data.get('id') %}
{%- if minion is string and minion | length < 256 %}
gluster_one_remediate:
  runner.gluster_one.remediate:
    - args:
      - minion: {{ minion | json }}
{%- endif %}
