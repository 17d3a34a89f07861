"""
The fleet as one page: what ``salt-run gluster_one.status html=FILE`` writes. It needs nothing but itself.
"""

import time

import jinja2
import markupsafe

__virtualname__ = "gluster_one_html"

# Findings that are shown of one node or volume, as on a terminal.
MOST = 20

PAGE = """\
{%- macro worst(findings) -%}
{{ 'error' if findings | selectattr('severity', 'equalto', 'error') | list else 'warning' if findings else 'fine' }}
{%- endmacro %}
{%- macro why(findings) %}
{%- set all = findings | list %}
{%- for finding in all[:most] %}
<p class="{{ finding.severity }}"><b>{{ finding.on }}</b>: {{ finding.seen }} (expected: {{ finding.expected }})
<code>{{ finding.cure }}</code></p>
{%- endfor %}
{%- if all | length > most %}
<p>and {{ all | length - most }} more</p>
{%- endif %}
{%- endmacro %}
<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>gluster_one</title>
<style>
:root { color-scheme: light dark; --fine: #2e7d32; --warning: #b26a00; --error: #c62828; --unknown: #757575; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.sets, .nodes { display: flex; flex-wrap: wrap; gap: .6rem; }
.set { border: 1px solid #8888; border-radius: .5rem; padding: .4rem; display: flex; gap: .4rem; flex-wrap: wrap; }
.box { border-radius: .35rem; padding: .2rem .55rem; color: #fff; background: var(--unknown); font-size: .85rem; }
.fine { background: var(--fine); } .warning { background: var(--warning); } .error { background: var(--error); }
.box small { display: block; opacity: .85; }
p { margin: .3rem 0; } p.error, p.warning { background: none; border-left: .3rem solid; padding-left: .6rem; }
p.error { border-color: var(--error); } p.warning { border-color: var(--warning); }
code { background: #8883; padding: .05rem .3rem; border-radius: .2rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
</style>
<h1>{{ data.summary }}</h1>
<p>{{ now }} &middot; <span class="box fine">well</span> <span class="box warning">warning</span>
<span class="box error">error</span> <span class="box">not known</span></p>
{%- for cause in data.causes if cause.shown %}
<p class="{{ cause.severity }}"><b>{{ cause.what }}</b>{% if cause.felt_by %} &middot; felt by {{
cause.felt_by | join(', ') if cause.felt_by | length < 4 else '%s nodes' % cause.felt_by | length }}{% endif %}{%
if cause.machines %}, {{ cause.machines | length }} VM{{ 's' if cause.machines | length > 1 else '' }}{% endif %}
<code>{{ cause.cure }}</code></p>
{%- endfor %}
{%- for cause in data.causes if not cause.shown %}{% if loop.first %}
<p>and {{ loop.length }} more, of nodes with more than {{ most }} of their own</p>
{%- endif %}{% endfor %}
{%- for name, volume in data.volumes | dictsort %}
<h2>Volume {{ name }}</h2>
<p>{{ volume.bricks | join(' of ') if volume.bricks else 'an unknown number of' }} bricks online, {{
volume.heal if volume.heal is not none else 'an unknown number of' }} files to be healed, {{
volume.split_brain if volume.split_brain is not none else 'an unknown number' }} in split-brain{{
', %s %% free' % volume.free_percent if volume.free_percent is not none else '' }}</p>
<div class="sets">
{%- for set in volume.sets or [] %}
<div class="set">{% for brick, online in set %}<span class="box {{ 'fine' if online else 'error' }}">{{ brick }}</span>
{%- endfor %}</div>
{%- endfor %}
</div>
{{- why(data.findings | selectattr('volume', 'defined') | selectattr('volume', 'equalto', name)) }}
{{- why(data.findings | selectattr('kind', 'equalto', 'volume_unseen') | selectattr('on', 'equalto', name)) }}
{%- endfor %}
<h2>Nodes</h2>
<div class="nodes">
{%- for name, node in data.nodes | dictsort %}
{%- set own = node.findings | rejectattr('volume', 'defined') | list %}
<span class="box {{ worst(at[name]) }}" title="{{ own[:most] | map(attribute='seen') | join('; ') or 'well' }}">
{{ name }}<small>{{ node.roles | join(' ') or 'no role' }}</small></span>
{%- endfor %}
{%- for name in data.absent %}
<span class="box error" title="does not answer">{{ name }}<small>does not answer</small></span>
{%- endfor %}
</div>
{%- for name in data.absent %}
<p class="error"><b>{{ name }}</b>: does not answer</p>
{%- endfor %}
{%- for name, node in data.nodes | dictsort if node.findings | rejectattr('volume', 'defined') | list %}
<h2>{{ name }}</h2>
{{- why(node.findings | rejectattr('volume', 'defined')) }}
{%- endfor %}
{%- if data.datastores %}
<h2>Datastores</h2>
<table><tr><th>Datastore<th>Id<th>Type<th>Drivers<th>Size<th>Volume</tr>
{%- for name, store in data.datastores | dictsort %}
<tr><td>{{ name }}<td>{{ store.id }}<td>{{ store.type }}<td>{{ store.drivers }}<td>{{
store.total_mb ~ ' MB' if store.total_mb else '-' }}<td>{{ store.volume }}</tr>
{%- endfor %}
</table>
{%- endif %}
</html>
"""


def __virtual__():
    return __virtualname__


def _visible(value):
    """
    What a minion has said without control characters, also those that turn the direction of writing.
    """
    if not isinstance(value, str) or isinstance(value, markupsafe.Markup):
        return value
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in value
    )


def output(data, **kwargs):  # pylint: disable=unused-argument
    """
    The page for what the runner ``gluster_one.status`` returned.

    data
        What the runner returned (dict). What minions have said is shown, and never taken for HTML.

    Returns a string.
    """
    page = jinja2.Environment(autoescape=True, finalize=_visible).from_string(PAGE)
    at = {name: [] for name in data["nodes"]}
    for cause in data["causes"]:
        for name in cause["at"]:
            at.get(name, []).append(cause)
    return page.render(data=data, most=MOST, at=at, now=time.strftime("%Y-%m-%d %H:%M:%S %z")).lstrip()
