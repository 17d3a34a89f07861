"""
The fleet as tables, causes first: what ``salt-run gluster_one.status`` shows on a terminal, and ``history``.
"""

import itertools
import shutil
import textwrap
import time

import salt.utils.color

__virtualname__ = "gluster_one"

WHERE = "type salt and salt-run commands on the master, gluster commands on a server"
# Of which the status itself says nothing.
BEFORE_A_STOP = "before a server is stopped or rebooted: salt-run gluster_one.ok_to_stop SERVER"


def __virtual__():
    return __virtualname__


def output(data, **kwargs):  # pylint: disable=unused-argument
    """
    The tables for what the runner ``gluster_one.status`` or ``gluster_one.history`` returned, or for any other answer
    its text. They are as wide as the terminal, and in colours if Salt's are on.

    data
        What the runner returned (dict).

    Returns a string.
    """
    if isinstance(data, dict) and "repairs" in data:
        return _table(_repairs(data)) if data["repairs"] else "no repairs"
    if not isinstance(data, dict) or "nodes" not in data:
        return "\n".join(map(_visible, str(data).split("\n")))
    tables = [_volumes(data), _nodes(data), _datastores(data)]
    causes = [_columns(_causes(data))] if data["causes"] else []
    ends = data["summary"] + (f"\n{WHERE}\n{BEFORE_A_STOP}" if causes else "")
    return "\n\n".join([*causes, *(_table(table) for table in tables if len(table) > 1), *_legend(tables), ends])


def _visible(text):
    """
    A text without what a terminal would take for a command.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _worst_first(parts, findings):
    """
    Parts of the fleet as pairs of name and facts: those with errors, with warnings, with nothing, each by name.

    parts
        The facts by name (dict).

    findings
        The findings of each part by its name (dict of lists).
    """

    def rank(name):
        severities = {finding["severity"] for finding in findings[name]}
        return (0 if "error" in severities else 1 if severities else 2), name

    return [(name, parts[name]) for name in sorted(parts, key=rank)]


def _table(rows):
    """
    Rows of cells as lines; the last cell of a row is a list of texts, which are wrapped beside the others, or below
    them where there is too little room.
    """
    rows = [[*map(_visible, cells), [_visible(" ".join(text.split("\n"))) for text in texts]] for *cells, texts in rows]
    width = shutil.get_terminal_size((160, 24)).columns
    colors = salt.utils.color.get_colors(__opts__.get("color"), __opts__.get("color_theme"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    begin = sum(widths) + 2 * len(widths)
    indent = begin if width - begin >= 40 else 4
    lines = []
    for number, (*cells, texts) in enumerate(rows):
        line = "  ".join(_colored(cell, size, colors if number else None) for cell, size in zip(cells, widths))
        wrapped = [
            part for text in texts for part in textwrap.wrap(text, max(width - indent, 40), break_on_hyphens=False)
        ]
        if indent == begin and wrapped:
            line += f"  {wrapped.pop(0)}"
        lines += [line.rstrip(), *(" " * indent + part for part in wrapped)]
    return "\n".join(lines)


def _columns(rows):
    """
    Rows of three texts, wrapped beside each other, or below each other where there is too little room; a fourth one
    has lines of its own below them.
    """
    rows = [[_visible(" ".join(text.split("\n"))) for text in row] for row in rows]
    width = shutil.get_terminal_size((160, 24)).columns
    felt = min(max(len(row[1]) for row in rows), width // 4)
    first = min(max(len(row[0]) for row in rows), (width - felt - 4) // 2)
    wide = width >= 100
    sizes = [first, felt, width - felt - first - 4] if wide else [width, width - 4, width - 4]
    lines = []
    for row in rows:
        cells = [textwrap.wrap(text, size, break_on_hyphens=False) for text, size in zip(row, sizes)]
        if wide:
            lines += ["  ".join(map(str.ljust, each, sizes)) for each in itertools.zip_longest(*cells, fillvalue="")]
        else:
            lines += [*cells[0], *("    " + part for part in cells[1] + cells[2])]
        lines += ["    " + part for part in textwrap.wrap(row[3], width - 4, break_on_hyphens=False)]
    return "\n".join(map(str.rstrip, lines))


def _colored(cell, size, colors):
    """
    A cell, filled up with blanks; what is wrong in red, what is not known in yellow.
    """
    name = "LIGHT_RED" if cell.endswith("!") else "YELLOW" if cell in ("-", "?") else None
    around = (colors[name], colors["ENDC"]) if colors and name else ("", "")
    return f"{around[0]}{cell}{around[1]}".ljust(size + len("".join(map(str, around))))


def _causes(data):
    """
    What is wrong, who feels it, what to do, and what it means for VMs and data, once where it is the same for several;
    of what one minion says alone the first causes.
    """
    rows, more, effects = [("CAUSE", "FELT BY", "WHAT TO DO", "")], {}, {None}
    for cause in data["causes"]:
        if cause["shown"]:
            named = data.get("verbose") and len(cause["at"]) > 1
            what = f"{cause['what']} ({', '.join(cause['at'])})" if named else cause["what"]
            effect = "" if cause["effect"] in effects else cause["effect"]
            effects.add(cause["effect"])
            rows.append((what, _felt(cause, data.get("verbose")), cause["cure"], effect))
        else:
            more[cause["said_by"][0]] = more.get(cause["said_by"][0], 0) + 1
    for minion, number in more.items():
        rows.append((f"{minion}: {number} more", "-", f"salt {minion} gluster_one.check", ""))
    return rows


def _felt(cause, verbose):
    """
    The nodes and VMs that feel a cause, by their names where there is one, or a few VMs, or they are asked for.
    """
    parts = cause["about"]
    if len(parts) > MOST and not verbose:
        parts = [f"{len(parts)} images and VMs"]
    # libvirt has OpenNebula's VM 7 as one-7.
    machines = [f"VM {name.removeprefix('one-')}" for name in cause["machines"] or []]
    for names, what, few in ((cause["felt_by"], "nodes", 1), (machines, "VMs", FEW)):
        parts = parts + (names if verbose or len(names) <= few else [f"{len(names)} {what}"])
    return ", ".join(parts) or "-"


def _volumes(data):
    volumes = data["volumes"]
    rows = [["VOLUME", "BRICKS", "PEERS", "HEAL", "SPLIT-BRAIN", "FREE", []]]
    of = {name: [each for each in data["findings"] if name in (each["on"], each.get("volume"))] for name in volumes}
    for name, volume in _worst_first(volumes, of):
        cells = [_part(volume["bricks"]), _part(volume["peers"]), _count(volume["heal"]), _count(volume["split_brain"])]
        free = f"{volume['free_percent']} %" if volume.get("free_percent") is not None else "?"
        rows.append([name, *cells, free, _first(volume["wrong"], "see the nodes") if data.get("verbose") else []])
    return rows


def _part(pair):
    return "?" if pair is None else f"{pair[0]}/{pair[1]}" + (" !" if pair[0] < pair[1] else "")


def _count(number):
    return "?" if number is None else f"{number} !" if number else "0"


# Cells that do not say it by themselves.
SIGNS = {"?": "not known", "-": "not applicable or not checked", "bricks": "some are not connected"}


def _legend(tables):
    """
    A line for the cells of tables that do not say by themselves what they mean, in a list; none without such cells.
    """
    cells = {cell.removesuffix(" !") for table in tables for row in table for cell in row[1:-1]}
    signs = [f"{sign}: {what}" for sign, what in SIGNS.items() if sign in cells]
    return ["; ".join(signs)] if signs else []


# What was looked at; the runner says which findings are about it.
COLUMNS = ("MOUNT", "LINKS", "WRITABLE", "NATIVE")
# Nodes of which the same is to be said share a line where they are more: those with findings or silent, and the others.
ALIKE, FINE = 3, 10
# VMs that feel a cause have their names where there are no more.
FEW = 3
# Findings that are shown of one node, volume or datastore: a node that goes wrong, or lies, may have a thousand.
MOST = 20


def _first(texts, where):
    more = len(texts) - MOST
    return list(texts) if more <= 0 else [*texts[:MOST], f"and {more} more: {where}"]


def _nodes(data):
    """
    A row for each node, or for those that are alike; those at which a cause lies first.
    """
    faults, alike, verbose = {name: [] for name in data["nodes"]}, {}, data.get("verbose")
    for cause in data["causes"]:
        for name in cause["at"]:
            faults.get(name, []).append(cause)
    for name, node in _worst_first(data["nodes"], faults):
        said = [
            (each["on"], each["seen"], each["cure"].replace(f"salt {name} ", "salt NODE ")) for each in node["findings"]
        ]
        worst = min((cause["severity"] for cause in faults[name]), default="")
        key = _cells(node), tuple(said) if verbose else (), worst
        alike.setdefault(bool(worst), {}).setdefault(key, []).append(name)
    rows = [["NODE", "ROLES", *COLUMNS, []]]
    rows += _alike(data, alike.get(True, {}), lambda names: len(names) <= ALIKE, True)
    silent = {(("-",) * len(COLUMNS), (("does not answer",),), ""): data["absent"]} if data["absent"] else {}
    rows += _alike(data, silent, lambda names: verbose or len(names) <= ALIKE, True)
    few = sum(map(len, alike.get(False, {}).values())) <= FINE
    return rows + _alike(data, alike.get(False, {}), lambda names: few, False, " more" if len(rows) > 1 else "")


def _alike(data, alike, each, named, more=""):
    """
    The rows of nodes of which the same is to be said: one for each, or one for all.
    """
    rows = []
    for (cells, said, _), names in alike.items():
        if not each(names):
            texts = _first([*map(": ".join, said)], "salt NODE gluster_one.check")
            shown = [f"on {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"] if named or said else []
            rows.append([f"{len(names)}{more} node{'' if len(names) == 1 else 's'}", "", *cells, texts + shown])
            continue
        for name in names:
            texts = [": ".join(words).replace("salt NODE ", f"salt {name} ") for words in said]
            rows.append([name, _roles(data, name), *cells, _first(texts, f"salt {name} gluster_one.check")])
    return rows


def _roles(data, name):
    return " ".join(data["nodes"][name]["roles"]) if name in data["nodes"] else "-"


def _cells(node):
    """
    What is to be said of a node in each column: marked where it is this node's fault.
    """
    cells = []
    for part in map(str.lower, COLUMNS):
        about = [finding for finding in node["findings"] if finding.get("column") == part]
        about.sort(key=lambda finding: finding["explained_by"] is not None)
        bad = next((finding["kind"].split("_")[-1] for finding in about), None)
        bad = node.get("columns", {}).get(part) or ("no" if bad == part else bad)
        own = about and about[0]["explained_by"] is None
        cells.append(bad + " !" * bool(own) if bad else "ok" if part in node["looked"] else "-")
    return tuple(cells)


def _datastores(data):
    datastores = data["datastores"]
    rows = [["DATASTORE", "ID", "TYPE", "DRIVERS", "SIZE", "VOLUME", []]]
    of = {name: [each for each in data["findings"] if each["on"] == name] for name in datastores}
    for name, store in _worst_first(datastores, of):
        size = f"{store['total_mb'] / 1024:.0f} GB" if store["total_mb"] else "-"
        wrong = _first([each["seen"] for each in of[name]], "see the nodes") if data.get("verbose") else []
        rows.append([name, str(store["id"]), store["type"], store["drivers"], size, store["volume"], wrong])
    return rows


def _repairs(data):
    """
    A row for each node and kind of finding, those of the latest repairs first.
    """
    of = {}
    for one in data["repairs"]:  # the latest first
        of.setdefault((one["minion"], one["kind"]), []).append(one)
    rows = [["NODE", "FINDING", "REPAIRED", "FAILED", "LAST", []]]
    for (minion, kind), those in of.items():
        last, did = those[0], [one["did"] for one in those]
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last["at"]))
        flaps = " !" if kind in data["flapping"].get(minion, ()) else ""
        why = {"repaired": "", "failed": "failed: ", "gave_up": "given up: "}[last["did"]] + (last["why"] or "")
        counts = f"{did.count('repaired')}{flaps}", str(did.count("failed"))
        rows.append([minion, kind, *counts, when, [text for text in (", ".join(last["on"]), why) if text]])
    return rows
