"""
What there is on a node that somebody has set up by hand
========================================================

For ``salt-run gluster_one.adopt``, which describes a fleet as a pillar. It needs no pillar, and nothing is changed. The
master keeps what a job returns: no value goes there that may be a secret.
"""

import contextlib
import json
import os
import sys
import time

import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one_adopt"

VERSION = 1  # of the answer: the master knows one
# Of what could be any number.
MOST = 200
# What an administrator has not typed: Gluster sets it for each new volume, or by commands other than `volume set`.
GIVEN = {
    "transport.address-family": "inet", "nfs.disable": "on", "storage.fips-mode-rchecksum": "on",
    "performance.client-io-threads": "off", "cluster.granular-entry-heal": "on",
}  # fmt: skip
MANAGED = ("features.quota", "features.inode-quota", "features.bitrot", "features.scrub", "geo-replication.indexing",
           "changelog.changelog", "changelog.capture-del-path", "cluster.enable-shared-storage")  # fmt: skip
# What is described by keys of its own.
OWN = ("server.allow-insecure", "storage.owner-uid", "storage.owner-gid")
GROUP = "virt"  # the option group that administrators set for images of VMs
# What of a datastore the formula's pillar can say; all else may be a secret.
STORE = ("id", "name", "type", "ds_mad", "tm_mad", "base_path", "DISK_TYPE", "GLUSTER_HOST", "GLUSTER_VOLUME", "DRIVER")
# List a directory that a mount may have: neither an entry nor what a link leads to is looked at.
LIST = """
import itertools, json, os, sys
os.chdir(sys.argv[1])
with os.scandir(".") as entries:
    names = [entry.name for entry in itertools.islice(entries, 100000)]
names = [name for name in names if name.isdecimal() and name.isascii() and len(name) < 9]
links = {}
for name in names[: int(sys.argv[2])]:
    try:
        links[name] = os.readlink(name)
    except OSError:
        links[name] = None
print(json.dumps(links))
"""


def __virtual__():
    return __virtualname__


def found():
    """
    What there is on this node: Gluster's mounts, fstab, datastores' directories, glusterd's pool and OpenNebula.

    Returns a dict. ``refused`` of a mount is why the pillar cannot have its directory as ``mount``, None where it can,
    and ``place`` where the formula would mount the volume then. ``leads`` of a datastore's directory is the volume that
    is there, with the directory in it behind a slash, None for none, ``mounted`` where that is mounted. ``pool`` is
    None where glusterd has never been started, ``opennebula`` where there are no credentials of the head's; each has
    ``error``, why there is no more::

        {"version": 1, "names": ["10.0.0.1", "kvm1"], "user": "oneadmin", "uid": 9869, "gid": 9869,
         "datastores_dir": "/var/lib/one/datastores",
         "mounts": [{"path": "/mnt", "device": "kvm1:/one_vol", "volume": "one_vol", "state": "alive",
                     "servers": ["kvm1"], "options": ["log-level=WARNING"], "flags": ["nosuid", "nodev"],
                     "place": "/mnt", "refused": None}],
         "fstab": [{"path": "/mnt", "device": "kvm1:/one_vol", "volume": "one_vol", "options": ["ro"], "away": ["ro"]}],
         "directories": {"0": {"link": None, "leads": None, "mounted": None},
                         "100": {"link": "../mnt", "leads": "one_vol", "mounted": "/mnt"}},
         "pool": {"uuid": "...", "peers": [{"uuid": "...", "hostnames": ["kvm2"], "connected": True, "state": "..."}],
                  "options": {"cluster.server-quorum-ratio": "51%"}, "insecure": True, "error": None,
                  "volumes": {"one_vol": {"id": "...", "status": "Started", "replica": 3, "bricks": ["kvm1:/b", ...],
                                          "servers": ["uuid", ...], "insecure": "on", "uid": "9869", "gid": "9869",
                                          "options": {"network.ping-timeout": "10"}, "group": None, "hidden": []}}},
         "opennebula": {"datastores": [{"id": 100, "name": "glusterds", "images": 2, ...}], "error": None,
                        "hosts": ["kvm1"], "ds_mad": ["fs"], "tm_mad": ["shared"]}}

    ``flags`` are those of nosuid and nodev that a mount lacks, ``away`` the options that keep the volume from being
    there after a boot, ``hidden`` the names of options whose values are not shown.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_adopt.found
    """
    system = __utils__["gluster_system.values"]()
    user, stores = system.get("user", "oneadmin"), system.get("datastores_dir", "/var/lib/one/datastores")
    mounts = _mounts(user)
    lines = __salt__["gluster_fstab.gluster_lines"]()
    return {
        "version": VERSION,
        "names": sorted(__utils__["gluster_hosts.own_names"]()),
        "user": user,
        "uid": salt.utils.user.get_uid(user),
        "gid": salt.utils.user.get_gid(system.get("group", user)),
        "datastores_dir": stores,
        "mounts": mounts,
        "fstab": [
            {
                "path": line["path"],
                "device": line["device"],
                "volume": line["volume"],
                "options": line["opts"],
                "away": [option for option in line["opts"] if __salt__["gluster_one_arguments.keeps_away"](option)],
            }
            for line in lines[:MOST]
        ],
        "directories": _directories(stores),
        "pool": _pool(),
        "opennebula": _opennebula(),
    }


def _mounts(user):
    """
    Gluster's mounts, each with its client.
    """
    table = {mount["path"]: mount for mount in __salt__["gluster_mount.mount_table"]() if mount["volume"]}
    shown = []
    for path, mount in list(table.items())[:MOST]:
        client = __salt__["gluster_mount.client"](path)
        try:
            state = __salt__["gluster_mount.mount_health"](path)["state"]
        except CommandExecutionError:
            state = "unknown"
        shown.append(
            {
                "path": path,
                "device": mount["device"],
                "volume": mount["volume"],
                "state": state,
                "servers": __salt__["gluster_mount.client_servers"](client),
                "options": __salt__["gluster_mount_plan.client_options"](word.removeprefix("--") for word in client),
                "flags": __salt__["gluster_fstab.flags_missing"](mount["options"]),
                **_place(path, mount["volume"], user),
            }
        )
    return shown


def _place(path, volume, user):
    """
    Where the formula mounts a volume that the pillar has on this directory, and why it cannot be there.
    """
    key = f"gluster_one:volumes:{volume}:mount is "
    made = __salt__["gluster_one_pillar.node"]({"volumes": {volume: {"servers": ["server"], "mount": path}}})
    refused = [error for error in made["errors"] if error.startswith(key)]
    place = __salt__["gluster_mount.place"](path, volume, user)
    return {"place": place, "refused": refused[0].removeprefix(key) if refused else None}


def _directories(stores):
    """
    The directories of datastores by identifier, the volumes to which they lead, and where those are mounted.
    """
    command = [sys.executable, "-I", "-S", "-c", LIST, stores, str(MOST)]
    status, out, _ = __utils__["gluster_process.run"](command)
    links = json.loads(out) if status == 0 else {}
    mounts = {mount["path"]: mount["volume"] for mount in __salt__["gluster_mount.mount_table"]()}
    shown = {}
    for name, link in sorted(links.items(), key=lambda pair: int(pair[0])):
        path = os.path.join(stores, name)
        mounted, leads = _leads(path if link is None else _end(path, link), mounts)
        shown[name] = {"link": link, "leads": leads, "mounted": mounted}
    return shown


def _end(path, link):
    """
    The last path to which a link leads that can be looked at.
    """
    try:
        return __salt__["gluster_links.link_state"](path, "/")["ends"][-1]
    except (CommandExecutionError, OSError, LookupError):
        return os.path.normpath(os.path.join(os.path.dirname(path), link))


def _leads(path, mounts):
    """
    The mount point below which a path is, and its volume with the directory in it; None where it is of none of Gluster.
    """
    inside = []
    while path not in mounts and path != "/":
        path, name = os.path.split(path)
        inside.insert(0, name)
    volume = mounts.get(path)
    return (path, "/".join([volume, *inside])) if volume else (None, None)


def _pool():
    """
    The pool of this node's glusterd, and its volumes.
    """
    uuid = __salt__["glusterd.info"]()["uuid"]
    if not uuid:
        return None
    pool = {"uuid": uuid, "peers": [], "volumes": {}, "options": {}, "insecure": False, "error": None}
    run = f"adopt {time.monotonic_ns()}"  # one process reads both, within a limit
    try:
        pool["peers"] = __salt__["gluster.peer_status"](run=run)
        volumes = __salt__["gluster.volume_info"](run=run)
        stored = __salt__["glusterd.pool_options"]()
        known = __utils__["gluster_options.pool_options"]()
        pool["options"] = {option: value for option, value in stored.items() if option in known}
        pool["volumes"] = {name: _volume(info, stored) for name, info in volumes.items()}
        insecure = {"rpc-auth-allow-insecure": __salt__["glusterd.options"]().get("rpc-auth-allow-insecure", "off")}
        pool["insecure"] = not __utils__["gluster_options.option_changes"](insecure, dict.fromkeys(insecure, "on"))
    except CommandExecutionError as exc:
        pool["error"] = _visible(exc)
    return pool


def _volume(info, of_pool):
    """
    A volume, with the options that somebody has typed in: those of a group that has been set are named by the group.
    """
    options = info["options"]
    try:
        group = __utils__["gluster_options.wanted_options"](0, 0, group=GROUP, copies=info["replica"] > 1)
        group = {name: value for name, value in group.items() if name not in OWN}
        differing = _differing(options, group)
    except CommandExecutionError:
        group, differing = {}, {}
    if None in [change["old"] for change in differing.values()]:  # it has never been set
        group, differing = {}, {}
    typed = {
        name: value
        for name, value in options.items()
        if not name.startswith("user.gluster_one.")
        and name not in (*OWN, *MANAGED, *of_pool)
        and (name not in group or name in differing)
        and (name in differing or name not in GIVEN or _differing({name: value}, {name: GIVEN[name]}))
    }
    hidden = [name for name in typed if __utils__["one_datastore_rules.is_secret"](name)]
    return {
        **{key: info[key] for key in ("id", "status", "replica", "bricks", "servers")},
        **dict(zip(("insecure", "uid", "gid"), map(options.get, OWN))),
        "options": {name: value for name, value in typed.items() if name not in hidden},
        "group": GROUP if group else None,
        "hidden": sorted(hidden),
    }


def _differing(current, wanted):
    """
    The options that differ, those of the pool included.
    """
    return __utils__["gluster_options.pool_option_changes"](current, wanted)


def _opennebula():
    """
    The datastores and the hosts that oned has, where this node has the head's credentials.
    """
    settings = (__pillar__.get("gluster_one") or {}).get("opennebula") or {}
    path = settings.get("auth_file") or "/var/lib/one/.one/one_auth"
    if not settings.get("username") and __utils__["gluster_process.run"](["test", "-e", path])[0] != 0:
        return None
    seen = {"datastores": [], "hosts": [], "ds_mad": [], "tm_mad": [], "error": None}
    try:
        stores = __salt__["opennebula.datastore_list"]()
        seen["datastores"] = [
            {
                **{key: store.get(key) for key in STORE},
                "images": None if store["images"] is None else len(store["images"]),
            }
            for store in stores
        ]
        seen["hosts"] = [host["name"] for host in __salt__["opennebula.host_list"]()]
    except (CommandExecutionError, SaltInvocationError) as exc:
        seen["error"] = _visible(exc)
    with contextlib.suppress(CommandExecutionError):  # oned tells it to the group oneadmin alone
        drivers = {} if seen["error"] else __salt__["opennebula.drivers"]()
        seen.update({key: drivers[key] for key in ("ds_mad", "tm_mad") if key in drivers})
    return seen


def _visible(exc):
    return __utils__["gluster_process.visible"](str(exc), 500)
