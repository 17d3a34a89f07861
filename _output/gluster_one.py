"""
The fleet as tables, worst first: what ``salt-run gluster_one.status`` shows on a terminal.
"""

import shutil
import textwrap

import salt.utils.color

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def output(data, **kwargs):  # pylint: disable=unused-argument
    """
    The tables for what the runner ``gluster_one.status`` returned, or for any other answer its text. They are as wide
    as the terminal, and in colours if Salt's are on.

    data
        What the runner returned (dict).

    Returns a string.
    """
    if not isinstance(data, dict) or "nodes" not in data:
        return "\n".join(map(_visible, str(data).split("\n")))
    tables = [_volumes(data["volumes"], data["findings"]), _nodes(data)]
    tables.append(_datastores(data["datastores"], data["findings"]))
    return "\n\n".join([*(_table(table) for table in tables if len(table) > 1), data["summary"]])


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


def _colored(cell, size, colors):
    """
    A cell, filled up with blanks; what is wrong in red, what is not known in yellow.
    """
    name = "LIGHT_RED" if cell.endswith("!") else "YELLOW" if cell == "-" else None
    around = (colors[name], colors["ENDC"]) if colors and name else ("", "")
    return f"{around[0]}{cell}{around[1]}".ljust(size + len("".join(map(str, around))))


def _volumes(volumes, findings):
    rows = [["VOLUME", "BRICKS", "PEERS", "HEAL", "SPLIT-BRAIN", "FREE", []]]
    of = {name: [each for each in findings if name in (each["on"], each.get("volume"))] for name in volumes}
    for name, volume in _worst_first(volumes, of):
        cells = [_part(volume["bricks"]), _part(volume["peers"]), _count(volume["heal"]), _count(volume["split_brain"])]
        free = f"{volume['free_percent']} %" if volume.get("free_percent") is not None else "-"
        rows.append([name, *cells, free, _first(volume["wrong"], "see the nodes")])
    return rows


def _part(pair):
    return "-" if pair is None else f"{pair[0]}/{pair[1]}" + (" !" if pair[0] < pair[1] else "")


def _count(number):
    return "-" if number is None else f"{number} !" if number else "0"


# What was looked at; the runner says which findings are about it.
COLUMNS = ("MOUNT", "LINKS", "WRITABLE", "NATIVE")
# Nodes of which the same is to be said share a line where they are more: those with findings, those without.
ALIKE, FINE = 3, 10
# Findings that are shown of one node, volume or datastore: a node that goes wrong, or lies, may have a thousand.
MOST = 20


def _first(texts, where):
    more = len(texts) - MOST
    return list(texts) if more <= 0 else [*texts[:MOST], f"and {more} more: {where}"]


def _nodes(data):
    """
    A row for each node, or for those that are alike: with the same cells and findings.
    """
    alike = {}
    for name, node in _worst_first(data["nodes"], {name: node["findings"] for name, node in data["nodes"].items()}):
        said = [
            (each["on"], each["seen"], each["cure"].replace(f"salt {name} ", "salt NODE ")) for each in node["findings"]
        ]
        alike.setdefault((_cells(node), tuple(said)), []).append(name)
    wrong = [(names, *key) for key, names in alike.items() if key[1]]
    fine = [(names, cells, ()) for (cells, said), names in alike.items() if not said]
    rows = [["NODE", "ROLES", *COLUMNS, []]]
    for names, cells, said in wrong:
        if len(names) > ALIKE:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            texts = _first([*map(": ".join, said)], "salt NODE gluster_one.check")
            rows.append([f"{len(names)} nodes", "", *cells, [*texts, f"on {shown}"]])
        else:
            for name in names:
                texts = [": ".join(each).replace("salt NODE ", f"salt {name} ") for each in said]
                rows.append([name, _roles(data, name), *cells, _first(texts, f"salt {name} gluster_one.check")])
    rows += [[name, "-", *["-"] * len(COLUMNS), ["does not answer"]] for name in data["absent"]]
    few = sum(len(names) for names, *_ in fine) <= FINE
    for names, cells, _ in fine:
        if few:
            rows += [[name, _roles(data, name), *cells, []] for name in names]
        else:
            rows.append([f"{len(names)} more nodes" if len(rows) > 1 else f"{len(names)} nodes", "", *cells, []])
    return rows


def _roles(data, name):
    return " ".join(data["nodes"][name]["roles"])


def _cells(node):
    """
    What is to be said of a node in each column.
    """
    cells = []
    for part in map(str.lower, COLUMNS):
        about = [finding["kind"] for finding in node["findings"] if finding.get("column") == part]
        bad = next((kind.split("_")[-1] for kind in about), None)
        bad = node.get("columns", {}).get(part) or ("no" if bad == part else bad)
        cells.append(f"{bad} !" if bad else "ok" if part in node["looked"] else "-")
    return tuple(cells)


def _datastores(datastores, findings):
    rows = [["DATASTORE", "ID", "TYPE", "DRIVERS", "SIZE", "VOLUME", []]]
    of = {name: [each for each in findings if each["on"] == name] for name in datastores}
    for name, store in _worst_first(datastores, of):
        size = f"{store['total_mb'] / 1024:.0f} GB" if store["total_mb"] else "-"
        wrong = _first([each["seen"] for each in of[name]], "see the nodes")
        rows.append([name, str(store["id"]), store["type"], store["drivers"], size, store["volume"], wrong])
    return rows
