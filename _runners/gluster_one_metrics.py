"""
The fleet as metrics of Prometheus
==================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. The text is for node_exporter's textfile
collector: docs/monitoring.md.
"""

__virtualname__ = "gluster_one"

# Of a label's value: longer names are cut, as each value is a series that Prometheus keeps.
LABEL = 128
TYPES = ("IMAGE_DS", "SYSTEM_DS", "FILE_DS", "BACKUP_DS")
# By metric its help; all are gauges.
METRICS = {
    "look_timestamp_seconds": "When the fleet was looked at.",
    "look_duration_seconds": "How long that took.",
    "nodes": "Nodes by state: error and warning have a cause of their own, felt only feel one, silent do not answer.",
    "node_answers": "Whether a node answers.",
    "causes": "Causes of what was found, by kind and severity.",
    "cause_vms": "VMs on the nodes that feel the causes of a kind and severity, as far as the nodes say which run.",
    "findings": "Findings by kind, severity and reporting node; explained ones are consequences of a cause.",
    "bricks": "Bricks of a volume.",
    "bricks_online": "Bricks of a volume that are online.",
    "peers": "Peers of a volume's coordinator.",
    "peers_connected": "Peers of a volume's coordinator that are connected.",
    "heal_pending_files": "Files of a volume that wait to be healed.",
    "split_brain_files": "Files of a volume in split-brain.",
    "volume_free_ratio": "Which part of a volume is free, from 0 to 1.",
    "datastore_size_bytes": "The size of a datastore as OpenNebula sees it.",
    "images_unusable": "Images that QEMU cannot open as they are, or not read to the end (the finding image).",
    "vms_unusable": "VMs with a disk of which that is so: they may not start again.",
}


def __virtual__():
    return __virtualname__


def metrics(fleet):
    """
    What :func:`status` returns in the text format of Prometheus. What is not known has no sample.

    fleet
        The data of the status (dict).

    Returns a string.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.metrics '{nodes: {}, absent: [], causes: [], findings: [], volumes: {}, datastores: {}}'
    """
    samples = {name: {} for name in METRICS}

    def add(name, value, **labels):
        if value is not None:
            key = tuple(sorted((label, str(each)[:LABEL]) for label, each in labels.items()))
            samples[name][key] = samples[name].get(key, 0) + value

    add("look_timestamp_seconds", fleet.get("at"))
    add("look_duration_seconds", fleet.get("seconds"))
    minions = {name: node for name, node in fleet["nodes"].items() if node.get("minion", True)}
    _nodes(fleet, minions, add)
    _findings(fleet, minions, add)
    for name, volume in fleet["volumes"].items():
        online, bricks = volume["bricks"] or (None, None)
        connected, peers = volume["peers"] or (None, None)
        free = volume["free_percent"]
        add("bricks", bricks, volume=name)
        add("bricks_online", online, volume=name)
        add("peers", peers, volume=name)
        add("peers_connected", connected, volume=name)
        add("heal_pending_files", volume["heal"], volume=name)
        add("split_brain_files", volume["split_brain"], volume=name)
        add("volume_free_ratio", None if free is None else free / 100, volume=name)
    for name, store in fleet["datastores"].items():
        size = store["total_mb"] and store["total_mb"] * 1024 * 1024
        kind = store["type"] if store["type"] in TYPES else "other"
        add("datastore_size_bytes", size, datastore=name, type=kind, volume=store["volume"])
    return "".join(
        f"# HELP gluster_one_{name} {text}\n# TYPE gluster_one_{name} gauge\n"
        + "".join(f"gluster_one_{name}{_labels(key)} {value}\n" for key, value in sorted(samples[name].items()))
        for name, text in METRICS.items()
    )


def _nodes(fleet, minions, add):
    """
    The nodes by state.
    """
    states = {name: "felt" if node["findings"] else "well" for name, node in minions.items()}
    for cause in reversed(fleet["causes"]):  # errors come first, and so count last
        states.update({name: cause["severity"] for name in cause["at"] if name in states})
    states.update(dict.fromkeys(fleet["absent"], "silent"))
    for state in ("well", "felt", "warning", "error", "silent"):
        add("nodes", list(states.values()).count(state), state=state)
    for name, state in states.items():
        add("node_answers", int(state != "silent"), node=name)


def _findings(fleet, minions, add):
    """
    Causes and findings; a kind that the table does not have, as of a minion of another version, is ``other``.
    """
    known = __salt__["gluster_one.kinds"]()
    kinds = [(cause, cause["kind"] if cause["kind"] in known else "other") for cause in fleet["causes"]]
    for cause, kind in kinds:
        add("causes", 1, kind=kind, severity=cause["severity"])
    machines = {}
    for cause, kind in kinds:
        machines.setdefault((kind, cause["severity"]), set()).update(cause["machines"] or ())
    for (kind, severity), names in machines.items():
        add("cause_vms", len(names), kind=kind, severity=severity)
    said_by = {id(one): name for name, node in minions.items() for one in node["findings"]}
    unusable = {"VM": set(), "image": set()}
    for finding in fleet["findings"]:
        kind = finding["kind"] if finding["kind"] in known else "other"
        explained = "false" if finding["explained_by"] is None else "true"
        node = said_by.get(id(finding), "")
        add("findings", 1, kind=kind, severity=finding["severity"], node=node, explained=explained)
        thing = __salt__["gluster_one.image_of"](finding)
        if thing:
            unusable[thing[0]].add(thing[1])
    if fleet["datastores"]:  # else the head has not looked
        add("images_unusable", len(unusable["image"]))
        add("vms_unusable", len(unusable["VM"]))


def _labels(pairs):
    pairs = [f'{name}="{_escaped(value)}"' for name, value in pairs]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escaped(value):
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
