"""
The fleet as one page: what ``salt-run gluster_one.status html=FILE`` writes. It needs nothing but itself.
"""

import re
import time

import jinja2
import markupsafe

__virtualname__ = "gluster_one_html"

# Findings that are shown of one node or volume, as on a terminal, and causes before the others are folded up.
MOST = 20
# Nodes, or bricks of a volume, that have their names in the picture, and all of what is said of them; more are dots.
NAMED, WHOLE = {"nodes": 400, "bricks": 60}, {"nodes": 40, "bricks": 24}

PAGE = """\
{%- macro why(findings) %}
{%- set all = findings | list %}
{%- for finding in all[:most] %}
<p class="said {{ finding.severity }}"><b>{{ finding.on }}</b>: {{ finding.seen }} (expected: {{ finding.expected }})
<code>{{ finding.cure }}</code></p>
{%- endfor %}
{%- if all | length > most %}
<p>and {{ all | length - most }} more</p>
{%- endif %}
{%- endmacro %}
{%- macro said_of(cause) %}
<div class="said {{ cause.severity }}"><b>{{ cause.what }}</b> <code>{{ cause.cure }}</code>
{%- if cause.effect %}
<div>{{ cause.effect }}</div>
{%- endif %}
{%- if cause.about %}
<div>felt by {{ cause.about[:most] | join(', ') }}{{ ' and %d more' % (cause.about | length - most) if
cause.about | length > most }}</div>
{%- endif %}
{%- if cause.felt_by | length > 3 %}
<details><summary>felt by {{ cause.felt_by | length }} nodes{{ vms(cause) }}</summary>
{{ cause.felt_by | join(', ') }}{{ named(cause) }}</details>
{%- elif cause.felt_by %}
<div>felt by {{ cause.felt_by | join(', ') }}{{ vms(cause) }}</div>
{%- endif %}</div>
{%- endmacro %}
{%- macro known(number) %}{{ number if number is not none else '?' }}{% endmacro %}
{%- macro vms(cause) -%}
{%- if cause.machines and cause.machines | length <= 3 %}{{ named(cause) }}
{%- elif cause.machines %}, {{ cause.machines | length }} VMs{% endif %}
{%- endmacro %}
{%- macro named(cause) -%}
{%- for name in cause.machines or [] %}, VM {{ name.removeprefix('one-') }}{% endfor %}
{%- endmacro %}
<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{%- if data.reload %}<meta http-equiv="refresh" content="{{ data.reload }}">{% endif %}
<title>gluster_one: {{ data.summary }}</title>
<style>
:root { color-scheme: light dark; --fine: #2e7d32; --warning: #9a5b00; --error: #c62828; --unknown: #6b6b6b;
  --edge: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --edge: #66bb6a; } }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 80rem; margin: 1rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.2rem 0 .4rem; }
p { margin: .3rem 0; }
.said { margin: .5rem 0; border-left: .3rem solid var(--unknown); padding-left: .6rem; }
.said.error { border-color: var(--error); } .said.warning { border-color: var(--warning); }
code { background: #8883; padding: .05rem .3rem; border-radius: .2rem; }
summary { cursor: pointer; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
th, td { overflow-wrap: normal; }
.boxes, .set { display: flex; flex-wrap: wrap; gap: .25rem; }
.set { border: 1px solid #8888; border-radius: .35rem; padding: .2rem; }
.box { border-radius: .3rem; padding: .1rem .5rem; color: #fff; background: var(--unknown); font-size: .8rem;
  border: 1px solid transparent; display: inline-block; max-width: 100%; }
.box.fine { background: var(--fine); } .box.warning { background: var(--warning); }
.box.error { background: var(--error); font-weight: bold; }
.box.felt { background: none; border-color: var(--edge); color: inherit; }
.box small { display: block; opacity: .9; font-weight: normal; }
.named .box { width: 4.6rem; padding: 0 .25rem; font-size: .7rem; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.dots { gap: .15rem; } .dots .set { padding: .1rem; gap: .1rem; }
.dots .box { width: .6rem; height: .6rem; padding: 0; font-size: 0; border-radius: .15rem; }
@media (max-width: 40rem) {
  .named .box { width: .8rem; height: .8rem; padding: 0; font-size: 0; }
}
</style>
<h1>{{ data.summary }}</h1>
<p>{{ now }} &middot; <span class="box fine">well</span> <span class="box felt">feels a cause</span>
<span class="box warning">warning</span> <span class="box error">error</span> <span class="box">not known</span></p>
<section id="causes">
{%- for cause in causes[:most] %}{{ said_of(cause) }}{% endfor %}
{%- if causes | length > most %}
<details><summary>{{ causes | length - most }} more causes</summary>
{%- for cause in causes[most:] %}{{ said_of(cause) }}{% endfor %}
</details>
{%- endif %}
{%- if hidden %}
<p>and {{ hidden }} more, of nodes with more than {{ most }} of their own</p>
{%- endif %}
</section>
<section id="picture">
{%- for name, volume in volumes %}
<h2>Volume {{ name }}</h2>
<p>{{ volume.bricks | join(' of ') if volume.bricks else '?' }} bricks online, {{
known(volume.heal) }} files to be healed, {{ known(volume.split_brain) }} in split-brain, {{
known(volume.free_percent) }} % free</p>
{%- set look = size('bricks', volume.sets) %}
<div class="boxes {{ look }}">
{%- for set in volume.sets or [] %}
<div class="set">{% for brick, online in set -%}
{%- if look == 'whole' -%}
<span class="box {{ 'fine' if online else 'error' }}">{{ brick }}</span>
{%- else -%}
<span class="box {{ 'fine' if online else 'error' }}" title="{{ brick }}">{{ brick.partition(':/')[0] }}</span>
{%- endif %}
{%- endfor %}</div>
{%- endfor %}
{%- if not volume.sets %}
<span class="box">?</span>
{%- endif %}
</div>
{%- endfor %}
<h2>Nodes</h2>
<div class="boxes {{ size('nodes', [nodes, data.absent]) }}">
{%- for name, node in nodes %}
<span class="box {{ state[name] }}" title="{{ name }}: {{ node.own[:most] | map(attribute='seen') | join('; ') or 'well'
}}">{{ name }}{% if few %}<small>{{ node.roles | join(' ') or 'no role' }}</small>{% endif %}</span>
{%- endfor %}
{%- for name in data.absent %}
<span class="box error" title="{{ name }}: does not answer">{{ name }}{% if few %}<small>does not answer</small>{% endif
%}</span>
{%- endfor %}
</div>
</section>
{%- if data.datastores %}
<h2>Datastores</h2>
<div class="scroll">
<table><tr><th>Datastore<th>Id<th>Type<th>Drivers<th>Size<th>Volume</tr>
{%- for name, store in data.datastores | dictsort %}
<tr><td>{{ name }}<td>{{ store.id }}<td>{{ store.type }}<td>{{ store.drivers }}<td>{{
store.total_mb ~ ' MB' if store.total_mb else '-' }}<td>{{ store.volume }}</tr>
{%- endfor %}
</table>
</div>
{%- endif %}
{%- if data.findings or data.absent %}
<details{{ ' open' if few }}><summary><b>All that was found</b></summary>
{%- for name in data.absent %}
<p class="said error"><b>{{ name }}</b>: does not answer</p>
{%- endfor %}
{%- for name, _ in volumes %}
{%- set said = of_volume[name] %}
{%- if said %}
<h2>Volume {{ name }}</h2>
{{- why(said) }}
{%- endif %}
{%- endfor %}
{%- for name, node in nodes if node.own %}
<h2>{{ name }}</h2>
{{- why(node.own) }}
{%- endfor %}
</details>
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
        What the runner returned (dict), with ``reload`` where the page is to load itself again after so many seconds.
        What minions have said is shown, and never taken for HTML.

    Returns a string.
    """
    state = {name: "felt" if node["findings"] else "fine" for name, node in data["nodes"].items()}
    for cause in reversed(data["causes"]):  # errors come first, and so count last
        state.update({name: cause["severity"] for name in cause["at"] if name in state})
    of_volume = {name: [] for name in data["volumes"]}
    for finding in data["findings"]:
        name = finding.get("volume", finding["on"] if finding["kind"] == "volume_unseen" else None)
        of_volume.get(name, []).append(finding)
    nodes = [
        (name, {**node, "own": [each for each in node["findings"] if "volume" not in each]})
        for name, node in _in_order(data["nodes"])
    ]
    shown = [cause for cause in data["causes"] if cause["shown"]]
    page = jinja2.Environment(autoescape=True, finalize=_visible).from_string(PAGE)
    return page.render(
        data=data, most=MOST, now=time.strftime("%Y-%m-%d %H:%M:%S %z"), size=_size, state=state, nodes=nodes,
        causes=shown, hidden=len(data["causes"]) - len(shown), volumes=_in_order(data["volumes"]), of_volume=of_volume,
        few=len(nodes) + len(data["absent"]) <= WHOLE["nodes"],
    ).lstrip()  # fmt: skip


def _in_order(parts):
    """
    Parts of the fleet by their names, numbers in these by what they are worth: kvm2 before kvm10.
    """

    def key(part):
        words = re.split(r"(\d+)", part[0])
        return [int(word[:100]) if number % 2 else word for number, word in enumerate(words)]

    return sorted(parts.items(), key=key)


def _size(what, lists):
    """
    How much of each there is room for in the picture: all that is to be said, a name, or a dot.
    """
    count = sum(map(len, lists or []))
    return "whole" if count <= WHOLE[what] else "named" if count <= NAMED[what] else "dots"
