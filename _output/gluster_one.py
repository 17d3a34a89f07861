"""
The fleet as tables, worst first: what ``salt-run gluster_one.status`` shows on a terminal.
"""

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def output(data, **kwargs):  # pylint: disable=unused-argument
    """
    The tables for what the runner ``gluster_one.status`` returned, or for any other answer its text.

    data
        What the runner returned (dict).

    Returns a string.
    """
    if not isinstance(data, dict) or "nodes" not in data:
        return str(data)
    tables = [_volumes(data["volumes"], data["findings"]), _nodes(data)]
    tables.append(_datastores(data["datastores"], data["findings"]))
    return "\n\n".join([*(_table(table) for table in tables if len(table) > 1), data["summary"]])


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
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _volumes(volumes, findings):
    rows = [["VOLUME", "BRICKS", "PEERS", "HEAL", "SPLIT-BRAIN", "FREE", ""]]
    of = {name: [each for each in findings if name in (each["on"], each.get("volume"))] for name in volumes}
    for name, volume in _worst_first(volumes, of):
        cells = [_part(volume["bricks"]), _part(volume["peers"]), _count(volume["heal"]), _count(volume["split_brain"])]
        free = f"{volume['free_percent']} %" if volume.get("free_percent") is not None else "-"
        rows.append([name, *cells, free, "; ".join(volume["wrong"])])
    return rows


def _part(pair):
    return "-" if pair is None else f"{pair[0]}/{pair[1]}" + (" !" if pair[0] < pair[1] else "")


def _count(number):
    return "-" if number is None else f"{number} !" if number else "0"


COLUMNS = {
    "MOUNT": ("mount", ("mount_gone", "mount_dead", "mount_hangs", "mount_other", "fstab")),
    "LINKS": ("links", ("link", "blocked")),
    "WRITABLE": ("writable", ("not_writable",)),
    "NATIVE": ("native", ("native", "native_read", "confined")),
}


def _nodes(data):
    rows = [["NODE", "ROLES", *COLUMNS, ""]]
    fine = {}
    for name, node in _worst_first(data["nodes"], {name: node["findings"] for name, node in data["nodes"].items()}):
        kinds = [finding["kind"] for finding in node["findings"]]
        cells = []
        for part, wrong in COLUMNS.values():
            bad = next((kind for kind in kinds if kind in wrong), None)
            fine_cell = "ok" if part in node["looked"] else "-"
            cells.append(f"{bad.split('_')[-1]} !" if bad else fine_cell)
        if not node["findings"]:
            fine.setdefault(tuple(cells), []).append(name)
        said = [f"{each['on']}: {each['seen']}: {each['cure']}" for each in node["findings"]]
        for number, text in enumerate(said):
            rows.append(
                [name, " ".join(node["roles"]), *cells, text] if not number else [""] * (len(rows[0]) - 1) + [text]
            )
    rows += [[name, "-", *["-"] * len(COLUMNS), "does not answer"] for name in data["absent"]]
    few = sum(map(len, fine.values())) <= 10
    for cells, names in fine.items():
        shown = names if few else [f"{len(names)} more nodes" if len(rows) > 1 else f"{len(names)} nodes"]
        rows += [[name, " ".join(data["nodes"][name]["roles"]) if few else "", *cells, ""] for name in shown]
    return rows


def _datastores(datastores, findings):
    rows = [["DATASTORE", "ID", "TYPE", "DRIVERS", "SIZE", "VOLUME", ""]]
    of = {name: [each for each in findings if each["on"] == name] for name in datastores}
    for name, store in _worst_first(datastores, of):
        size = f"{store['total_mb'] / 1024:.0f} GB" if store["total_mb"] else "-"
        wrong = "; ".join(each["seen"] for each in of[name])
        rows.append([name, str(store["id"]), store["type"], store["drivers"], size, store["volume"], wrong])
    return rows
