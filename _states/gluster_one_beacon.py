"""
The beacon gluster_one of a minion
==================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import contextlib
import os

import salt.utils.beacons
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def beacon_configured(name, interval=None, node=None):
    """
    The beacon ``gluster_one`` is configured on this minion, at once and after a restart, or is removed.

    In place of Salt's ``beacon.present`` and ``beacon.absent``: the former fails with ``test=True`` where it would
    change something, and both where what is configured is not a list of dicts (Salt 3008.5: KeyError, ValueError).

    name
        The beacon (string): ``gluster_one``.

    interval
        Seconds between two checks (int). Without it the beacon is removed.

    node
        What it checks (dict), see ``gluster_one_pillar.node``. Secrets of datastores are left out: everybody on the
        node can read what Salt makes of it, /etc/salt/minion.d/beacons.conf; so are addresses that no server has.

    .. code-block:: yaml

        gluster_one:
          gluster_one.beacon_configured:
            - interval: 60
            - node: {{ salt['gluster_one_pillar.node']() | json }}
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    node = node and _lasting(__utils__["one_datastore_rules.without_secrets"](node))
    wanted = [{"interval": interval}, {"disable_during_state_run": True}, {"node": node}] if interval else None
    fine = f"checks every {interval} s" if interval else "no beacon"
    try:
        __salt__["gluster_one_arguments.require_arguments"]("beacon_configured", name=name, interval=interval)
        changes = _changes(name, wanted)
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        # Both ask for what is in the minion's pillar alone, and so replace whatever is there.
        if wanted or not _readable(_configured(name)):
            _done(__salt__["beacons.add"](name, wanted or [{"node": {"id": name}}], include_opts=False))
        if not wanted:
            _done(__salt__["beacons.delete"](name))
        _done(__salt__["beacons.save"]())
        if not wanted:
            _remove_empty_file()
        return __utils__["gluster_states.changed"](ret, changes, _changes(name, wanted), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _lasting(node):
    """
    A plan without what changes by itself: of the node's names and addresses those that the pillar's servers have. The
    beacon adds those that it has when it looks.
    """
    servers = {server.casefold() for volume in node["volumes"].values() for server in volume.get("servers", [])}
    return {**node, "names": [name for name in node.get("names", []) if name in servers]}


def _remove_empty_file():
    """
    Remove the file that Salt leaves empty behind the last beacon.
    """
    above = os.path.join(os.path.dirname(__opts__["conf_file"]), os.path.dirname(__opts__["default_include"]))
    path = os.path.join(above, "beacons.conf")
    with contextlib.suppress(FileNotFoundError):
        if os.path.getsize(path) == 0:
            os.unlink(path)


def _configured(name):
    """
    None where there is none; one that is there with nothing in it is an empty string.
    """
    found = __salt__["beacons.list"](return_yaml=False, include_pillar=False)
    return (found[name] or "") if name in found else None


def _changes(name, wanted):
    now = _configured(name)
    if now == wanted:
        return {}
    before, after = _settings(now), _settings(wanted)
    change = {"old": _said(before), "new": _said(after)}
    if before and after:
        others = sorted({*before, *after} - {"beacon", "interval"})
        differ = [key for key in others if before.get(key) != after.get(key)]
        change["new"] += f", by another pillar ({', '.join(differ)})" if differ else ""
    return {"beacon": change}


def _settings(config):
    """
    What the node has, and the interval, in one dict; an empty one where it cannot be read.
    """
    if config is None:
        return None
    settings = salt.utils.beacons.list_to_dict(config) if _readable(config) else {}
    node = settings.get("node")
    return {**node, "interval": settings.get("interval")} if isinstance(node, dict) else {}


def _said(settings):
    if settings is None:
        return None
    return f"every {settings['interval']} s" if settings else "not readable"


def _readable(config):
    return isinstance(config, list) and all(isinstance(part, dict) for part in config)


def _done(said):
    if not said["result"]:
        raise CommandExecutionError(said["comment"])
