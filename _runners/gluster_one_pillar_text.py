"""
The text of a pillar that describes a fleet
===========================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. What minions have said stands in the text. A
file of the pillar is a template of Jinja's on the master, as a rule: nothing in it may be one.
"""

import collections
import re
import textwrap

import salt.utils.yaml

__virtualname__ = "gluster_one"

HEAD = (
    "What gluster_one has to know to run this fleet as it is. A comment stands where a line differs from the formula's "
    "default."
)
NOTHING = "There is nothing to describe: no datastore of OpenNebula is on a volume of Gluster."
TOP = (
    "Which minions get it, in top.sls of the master's pillar_roots. One with other roles than a hypervisor's gets one "
    "more file:"
)
SHORT = 1000  # a longer key is not read as one before a colon: YAML's limit is 1024


def __virtual__():
    return __virtualname__


def pillar_text(found, errors=None):
    """
    The same as the text of the pillar's files.

    found
        What :func:`described` returns (dict).

    errors
        What minions have said to be wrong with it (dict by minion of lists of strings, default none).

    Returns a string, YAML: nothing in it is read by Jinja.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.pillar_text '{pillar: {volumes: {}}, comments: {}, remarks: [], minions: [], roles: {}}'
    """
    said = collections.defaultdict(list)
    for minion, each in sorted((errors or {}).items()):
        for error in each:
            said[error].append(minion)
    lines = ["#!yaml", *_wrapped(HEAD)]
    if said:
        lines += ["#", "# To be put right first, as a run stops there:"]
        lines += [line for error, minions in said.items() for line in _item(f"{', '.join(minions)}: {error}")]
    if found["remarks"]:
        lines += ["#", "# What is not well, or not in the pillar:"]
        lines += [line for remark in found["remarks"] for line in _item(remark)]
    if not found["pillar"]["volumes"]:
        return "\n".join([*lines, "#", *_wrapped(NOTHING), ""])
    lines += ["#", "# The file gluster_one.sls, for all of these minions:", "", "gluster_one:"]
    lines += _yaml(found["pillar"], (), found["comments"])
    lines += ["", *_wrapped(TOP), "#", "# base:"]
    roles = {}
    for minion, each in found["roles"].items():
        roles.setdefault(tuple(each), []).append(minion)
    more = {f"gluster_one_{'_'.join(each)}": each for each in roles}
    for name, minions in (("gluster_one", found["minions"]), *((name, roles[each]) for name, each in more.items())):
        lines += [f"#   {_flow(','.join(minions))}:", "#     - match: list", f"#     - {name}"]
    for name, each in more.items():
        lines += ["#", f"# The file {name}.sls:", "#", "# gluster_one:", f"#   roles: {_flow(list(each))}"]
    apply = f"salt -L {','.join(found['minions'])} state.apply gluster_one"
    return "\n".join([*lines, "#", *_wrapped(f"What the first run would change: {apply} test=True"), ""])


def _yaml(value, path, comments):
    """
    The lines of a mapping, each key below its comments.
    """
    lines, indent = [], "  " * (len(path) + 1)
    for key, each in value.items():
        for comment in comments.get((*path, key), ()):
            lines += _wrapped(comment, indent)
        start = f"{indent}{_flow(key)}:"
        if len(start) > SHORT:
            lines.append(f"{indent}? {_flow(key)}")
            start = f"{indent}:"
        if isinstance(each, dict) and each:
            lines += [start, *_yaml(each, (*path, key), comments)]
        else:
            lines.append(f"{start} {_flow(each)}")
    return lines


def _flow(value):
    """
    A value in one line, as YAML and not as Jinja.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    quoted = isinstance(value, str) and (not value.isprintable() or re.search(r"[\[\]{},]", value))
    # As an item of a list, where more has to be quoted than in a line of its own.
    text = salt.utils.yaml.safe_dump(
        [value], default_flow_style=True, default_style='"' if quoted else None, width=10**6
    )
    text = text.removesuffix("\n")[1:-1]
    return text.replace("{", "\\x7b") if quoted else text


def _item(text):
    return _wrapped(text, first="- ", rest="  ")


def _wrapped(text, indent="", first="", rest=""):
    """
    A comment in lines of up to 118 characters, in which Jinja finds nothing, either.
    """
    text = re.sub(r"\{(?=[{%#])", "{ ", text)
    about = {"initial_indent": f"{indent}# {first}", "subsequent_indent": f"{indent}# {rest}"}
    return textwrap.wrap(text, 118, **about, break_long_words=False, break_on_hyphens=False)
