"""
What the pillar ``gluster_one`` makes of this minion
====================================================

The formula's defaults, the check of every key and value, and the roles: the SLS files take from here what they hand to
the states, and touch nothing when there is an error.
"""

import contextlib
import difflib
import posixpath
import re

import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

try:
    import salt.utils.secret  # of Salt 3008, which masks values unless it is asked not to
except ImportError:
    UNMASKED = {}
else:
    UNMASKED = {"unmask": True}

__virtualname__ = "gluster_one_pillar"

# The formula's defaults, as the pillar has them; those of a system are in gluster_one/os.yaml.
DEFAULTS = {
    "timeout": 120,
    "beacon": {"interval": 60},
    "free_percent": 10,
    "heal_files": 100,
    "keep_bricks": True,
    "rollout": {"batch": 10},
}
# What os.yaml has to have.
SYSTEM = ("glusterd_service", "glusterd_volume_file", "user", "group", "datastores_dir", "qemu_gluster_package")
ORDER = 20000  # behind the states of SLS files without an order
NEW_GROUP = "virt"  # the option group of a volume that is created, of Gluster's for the images of VMs
ROLES = ("head", "hypervisor", "server")
# Where nothing may be mounted, and what may not be covered with all that lies in it.
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
           "/var/cache", "/var/lib/glusterd", "/var/log")  # fmt: skip
_USED = (*_SYSTEM, "/home", "/root", "/run", "/tmp", "/var/lib/gluster_one", "/var/lib/one", "/var/run", "/var/tmp")


def __virtual__():
    return __virtualname__


def node(pillar=None):
    """
    This minion's plan: what the pillar makes of it, with defaults and the system's values, or the pillar's errors.

    pillar
        The value of the pillar key ``gluster_one`` (dict). Default: what the master says now, and not what the minion
        has in memory, which is of its start or its last refresh; then the plan has no secrets of datastores, as the
        answer is kept by the master.

    Returns a dict. ``errors`` is a list of sentences, each naming a key, its value and what is allowed; when it has
    any, nothing else is there::

        {"errors": [], "id": "kvm1", "roles": ["hypervisor", "server"], "named": True, "timeout": 120,
         "user": "oneadmin",
         "glusterd": {"service": "glusterd", "path": "/etc/glusterfs/glusterd.vol"}, "packages": False,
         "package": "qemu-block-extra",
         "datastores_dir": "/var/lib/one/datastores", "opennebula": {}, "beacon": {"interval": 60}, "batch": 10,
         "restart": {"keep_bricks": True, "outage": None}, "free_percent": 10, "heal_files": 100,
         "names": ["10.0.0.1", "kvm1"], "pool": {"servers": ["kvm1", "kvm2"], "options": {}, "dropped": []},
         "volumes": {"one_vol": {"id": None, "servers": ["kvm1", "kvm2"], "server": True, "coordinator": True,
                                 "access": ["native"],
                                 "mount": "/var/lib/gluster_one/one_vol", "links": [], "mount_options": [],
                                 "options": {}, "create": None,
                                 "uid": "oneadmin", "gid": "oneadmin", "group": None, "hosts": [["kvm1"]],
                                 "datastores": {"glusterds": {"volume": "one_vol", "host": "kvm1"}}}}}

    On a head with several volumes each has ``order``, the place of its states among all of a run (int).

    ``pool`` has what this node does for its pool: the servers that are to be in it, itself among them, none where no
    volume of its own has ``create``; the pool's options, none where another node sets them; and those that this node
    has set and the pillar no longer has. ``create`` of a volume has what ``gluster_layout.creation`` returns, of each
    brick whether it is this node's, and the option group of a new volume::

        {"arguments": {"replica": 2, ..., "bricks": ["kvm1:/data/one_vol/brick", ...]}, "group": "virt",
         "bricks": [{"server": "kvm1", "path": "/data/one_vol/brick", "device": None, "own": True}, ...]}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_pillar.node
    """
    if pillar is None:
        whole = __salt__["pillar.items"](**UNMASKED)
        if whole.get("_errors"):
            return {"errors": [_unrendered(whole["_errors"])]}
        return __utils__["one_datastore_rules.without_secrets"](node(whole.get("gluster_one") or {}))
    if not pillar:
        return {
            "errors": [
                f"gluster_one is {pillar!r} in the pillar of {__grains__['id']}: it needs volumes, such as {{volumes: "
                "{one_vol: {servers: [kvm1, kvm2, kvm3]}}}; see pillar.example, and whether the pillar's top file "
                "names this minion"
            ]
        }
    system = __utils__["gluster_system.values"]()
    errors = _errors(pillar)
    lacking = [key for key in SYSTEM if key not in system]
    if lacking:
        errors.append(
            f"gluster_one/os.yaml has no {', '.join(lacking)} for {__grains__['id']}: the formula's own file is "
            "needed, or one with all its keys, in the saltenv of this minion"
        )
    if errors:
        return {"errors": errors}
    settings = {**DEFAULTS, **pillar}
    names = _names(pillar["volumes"])
    named = any(_names_one(volume["servers"], names) for volume in pillar["volumes"].values())
    roles = set(pillar.get("roles") or ["hypervisor"]) | ({"server"} if named else set())
    datastores_dir = pillar.get("datastores_dir", system["datastores_dir"]).rstrip("/")
    plan = {
        "errors": [],
        "id": __grains__["id"],
        "names": sorted(names),
        "roles": sorted(roles),
        "named": named,
        "timeout": settings["timeout"],
        "user": pillar.get("user", system["user"]),
        "glusterd": {"service": system["glusterd_service"], "path": system["glusterd_volume_file"]},
        # Where the formula makes volumes, it begins with the packages.
        "packages": pillar.get("packages", any("create" in volume for volume in pillar["volumes"].values())),
        "package": system["qemu_gluster_package"],
        "datastores_dir": datastores_dir,
        "opennebula": {
            key: value for key, value in (pillar.get("opennebula") or {}).items() if key in ("endpoint", "auth_file")
        },
        "beacon": _beacon(pillar.get("beacon")),
        "batch": {**DEFAULTS["rollout"], **settings["rollout"]}["batch"],
        "restart": {"keep_bricks": settings["keep_bricks"], "outage": settings.get("outage")},
        "free_percent": settings["free_percent"],
        "heal_files": settings["heal_files"],
    }
    plan["volumes"] = {name: _volume(name, volume, plan, system) for name, volume in pillar["volumes"].items()}
    if "head" in roles and len(plan["volumes"]) > 1:
        # Each volume's datastores are created right behind its own mount, and wait for no other that cannot be mounted.
        for number, volume in enumerate(plan["volumes"].values(), 1):
            volume["order"] = ORDER + 1000 * number
    plan["pool"] = _pool(pillar, plan["names"])
    errors = _errors_here(pillar, plan)
    return {"errors": errors} if errors else plan


def _pool(pillar, names):
    """
    What this node does for its pool. Volumes that share a server are in one pool; a pillar may have several.
    """
    volumes = pillar["volumes"].values()
    servers = _in_one_pool([volume["servers"] for volume in volumes if "create" in volume], names)
    known = _in_one_pool([volume["servers"] for volume in volumes], names)
    wanted, ours = pillar.get("pool_options", {}), {}
    with contextlib.suppress(CommandExecutionError):  # an error of the plan's volumes
        ours = __salt__["gluster_one_record.recorded"]("pool_options")
    return {
        "servers": servers,
        "options": wanted if _names_one(known[:1], names) else {},
        "dropped": __utils__["gluster_options.missing"](ours, wanted),
    }


def _in_one_pool(lists, names):
    """
    Which of several lists' servers are in one pool with the node that has these names, each once.
    """
    pool, more = set(), {*names}
    while more:
        pool |= more
        more = {server.casefold() for servers in lists if _names_one(servers, pool) for server in servers} - pool
    found = {
        server.casefold(): server for servers in reversed(lists) if _names_one(servers, pool) for server in servers
    }
    every = [server.casefold() for servers in lists for server in servers]
    return [found[server] for server in dict.fromkeys(every) if server in found]


def _names(volumes):
    """
    The names by which the volumes' servers may mean this minion. Where one of a volume's servers is a name of its
    grains, the others are not looked up.
    """
    own = __utils__["gluster_hosts.own_names"]
    names = own()
    lists = [volume["servers"] for volume in volumes.values()]
    return own([server for servers in lists if not _names_one(servers, names) for server in servers])


def _names_one(servers, names):
    return any(server.casefold() in names for server in servers)


def _unrendered(errors):
    """
    What the master says of a pillar that it could not render: of each error its first line, as Salt shows lines of the
    pillar below it.
    """
    lines = [line.rstrip(".") for error in errors for line in str(error).strip().splitlines()[:1]]
    said = __utils__["gluster_process.visible"]("; ".join(lines)[:500])
    minion = __grains__["id"]
    return (
        f"the pillar of {minion} could not be rendered: {said}; correct it: `salt-run pillar.show_pillar {minion}` on "
        f"the master tries it, `salt {minion} saltutil.refresh_pillar` brings it"
    )


def _volume(name, volume, plan, system):
    """
    A volume's part, with the defaults.
    """
    datastores = {
        store: _datastore(name, volume, settings or {}) for store, settings in (volume.get("datastores") or {}).items()
    }
    mount = __salt__["gluster_mount.place"](volume.get("mount"), name, plan["user"])
    # How machines open what is there: a datastore may have another access than the volume's others.
    ways = [store.get("access", "native") for store in datastores.values() if "volume" in store]
    access = sorted({*ways} or {volume.get("access", "native")})
    return {
        "id": volume.get("id"),
        "servers": volume["servers"],
        "server": _names_one(volume["servers"], plan["names"]),
        "coordinator": volume["servers"][0].casefold() in plan["names"],
        "mount": mount,
        # Where the pillar has it below directories of somebody else, that is a link.
        "links": [path for path in [volume.get("mount")] if path not in (None, mount)],
        "mount_options": volume.get("mount_options", []),
        "options": volume.get("options", {}),
        "create": _creation(volume, plan["names"]),
        "uid": volume.get("uid", plan["user"]),
        "gid": volume.get("gid", system["group"]),
        "group": volume.get("group"),
        "datastores": datastores,
        "access": access,
        "hosts": _hosts(volume["servers"], datastores) if "native" in access else [],
    }


def _creation(volume, names):
    if "create" not in volume:
        return None
    made = __utils__["gluster_layout.creation"](volume["create"], volume["servers"])
    bricks = [{**brick, "own": brick["server"].casefold() in names} for brick in made["bricks"]]
    return {**made, "bricks": bricks, "group": NEW_GROUP}


def _hosts(servers, datastores):
    """
    The servers that VMs ask for a volume with datastores: for each native one a list, equal lists once.
    """
    native = [store for store in datastores.values() if store.get("access") != "fuse"]
    hosts = [store["host"] for store in native if "host" in store]
    hosts = hosts or (servers[:1] if datastores else [])
    # As a list, or as OpenNebula has several, with blanks between.
    hosts = [" ".join([host] if isinstance(host, str) else host).split() for host in hosts]
    hosts = [[host.removesuffix(":24007") for host in several] for several in hosts]
    return [host for number, host in enumerate(hosts) if host not in hosts[:number]]


def _datastore(name, volume, settings):
    """
    The arguments of ``one_datastore_present`` for a datastore.
    """
    if settings.get("type", "IMAGE_DS") != "IMAGE_DS":
        return dict(settings)
    access = {"access": volume["access"]} if "access" in volume else {}
    return {"volume": name, "host": volume["servers"][0], **access, **settings}


def _beacon(settings):
    """
    The beacon's settings with defaults, or False.
    """
    return settings is not False and {**DEFAULTS["beacon"], **(settings if isinstance(settings, dict) else {})}


def _kind(value):
    names = {bool: "a boolean", int: "a number", str: "a string", list: "a list", dict: "a mapping"}
    # Not by the type itself: Salt hands over kinds of its own of lists and dicts whose values it masks.
    named = (name for kind, name in names.items() if isinstance(value, kind))
    return next(named, "nothing" if value is None else type(value).__name__)


def _needs(types, needed, accept=lambda value: True):
    """
    A check by type and, within it, by a condition. A boolean is not a number here, unlike in Python.
    """
    types = types if isinstance(types, tuple) else (types,)

    def check(value):
        if isinstance(value, types) and (bool in types or not isinstance(value, bool)) and accept(value):
            return None
        return needed

    return check


def _is_word(value):
    return isinstance(value, str) and value.isprintable() and len(value.split()) == 1 and value.strip() == value


def _is_path(value):
    # Two slashes at the beginning are a root of their own to POSIX, so that normpath leaves them.
    absolute = value.startswith("/") and not value.startswith("//")
    return absolute and posixpath.normpath(value) == value != "/" and _is_word(value)


def _like(state, argument):
    """
    A check that is the one of an argument of a state.
    """
    return lambda value: __salt__["gluster_one_arguments.argument_needed"](state, argument, value)


def _path(value):
    return _PATH(value) or _like("datastore_mounted", "name")(value)


def _account(value):
    return _TEXT(value) or _like("datastore_mounted", "user")(value)


def _host(value):
    needed = _like("one_datastore_present", "host")(value)
    if needed:
        return needed
    try:
        __utils__["one_datastore_rules.gluster_host"](value)
    except SaltInvocationError as exc:
        return "it" + str(exc).removeprefix(repr(value))
    return None


def _types():
    return __utils__["one_datastore_rules.arguments"]()["type"]["types"]


def _type(value):
    *others, last = types = _types()
    return _needs(str, f"{', '.join(others)} or {last} is needed", lambda value: value in types)(value)


def _remediate(value):
    kinds = __utils__["gluster_system.finding_kinds"]()
    if not kinds:  # the table cannot be had: no reason to reject what may be right
        return _needs(list, "a list of kinds of findings is needed")(value)
    repaired = [kind for kind, has in kinds.items() if "repair" in has]
    needed = f"a list is needed of {', '.join(repaired)}"
    return _needs(list, needed, lambda value: all(kind in repaired for kind in value))(value)


def _datastores(value):
    needed = _like("one_datastore_present", "name")("")  # which is none
    wrong = any(map(_like("one_datastore_present", "name"), value)) if isinstance(value, dict) else value is not None
    return f"datastores by name are needed, such as {{glusterds: {{}}}}; {needed}" if wrong else None


_POSITIVE = _needs(int, "a number of seconds above 0 is needed", lambda value: value > 0)


_PATH = _needs(
    str,
    "an absolute path without spaces is needed, with single slashes and none at its end, such as "
    "/var/lib/gluster_one/one_vol",
    _is_path,
)


_BOOL = _needs(bool, "true or false is needed")


_ALLOW = _needs(str, "allow is possible", lambda value: value == "allow")


_TEXT = _needs(str, "a text of one line is needed", lambda value: value.strip() and value.isprintable())


_OPTIONS = _needs(
    dict,
    "option names and values are needed, such as {network.ping-timeout: 10}, of one line and up to 4000 characters; "
    "those of a group each by its name",
    lambda value: (
        all(re.fullmatch(r"[a-z0-9-]+(\.[A-Za-z0-9._-]+)+", str(name)) for name in value)
        and not _like("volume_configured", "options")(value)
    ),
)


_OPENNEBULA = {
    "endpoint": _needs(
        str, "a URL is needed, such as http://localhost:2633/RPC2", re.compile(r"https?://[^/\s@]+(/\S*)?").fullmatch
    ),
    "auth_file": _needs(str, "the absolute path of a file with user:password is needed", _is_path),
    "username": _TEXT,
    "password": _TEXT,
    "token": _TEXT,
    "timeout": _POSITIVE,
    "ca_file": _needs(str, "the absolute path of a file with certificates is needed", _is_path),
    "proxy": _BOOL,
}


# What a datastore's key has to be, by its kind, where that is more than the check of the state's argument.
_DATASTORE = {
    "type": _type,
    "hosts": _host,
    "clusters": _needs(
        list,
        "a list of cluster names or identifiers is needed, such as [default]",
        lambda value: value and not _like("one_datastore_present", "clusters")(value),
    ),
    "attributes": _needs(
        dict,
        "attribute names (letters without umlauts, digits and _) and values are needed, such as {LIMIT_MB: 10000}, "
        'without control characters, each text without \\" and ]]> in it and without \\ at its end',
        lambda value: all(
            re.fullmatch(r"[A-Za-z0-9_]+", str(name)) and isinstance(each, (str, int, float))
            for name, each in value.items()
        )
        and not _like("one_datastore_present", "attributes")(value),
    ),
    "names": _needs(
        list,
        "a list of attribute names is needed, of letters without umlauts, digits and _",
        lambda value: all(isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_]+", name) for name in value),
    ),
    "permissions": _needs(
        (str, int), "letters such as um-u-----, or 640, are needed",
        lambda value: re.fullmatch(r"[0-7]{3}|([u-][m-][a-]){3}", str(value)),
    ),
    "seconds": _POSITIVE,
}  # fmt: skip


def _datastore_keys():
    """
    The checks of a datastore's keys: those of ``one_datastore_rules.arguments`` that are the pillar's, too.
    """
    rows = __utils__["one_datastore_rules.arguments"]()
    return {
        key: _DATASTORE.get(row["kind"]) or _like("one_datastore_present", key)
        for key, row in rows.items()
        if row["pillar"]
    }


_VOLUME = {
    "id": _like("volume_known", "id"),
    "servers": _like("volume_configured", "servers"),
    "mount": _path,
    "mount_options": _like("datastore_mounted", "options"),
    "access": _like("one_datastore_present", "access"),
    "options": _OPTIONS,
    "uid": _like("volume_configured", "uid"),
    "gid": _like("volume_configured", "gid"),
    "group": _like("volume_configured", "group"),
    "datastores": _datastores,
    "create": _needs(dict, "a mapping is needed, such as {replica: 3, bricks: /data/one_vol/brick}"),
}  # fmt: skip


# What these have to be together, gluster_layout says.
_CREATE = {
    **dict.fromkeys(("replica", "arbiter", "disperse", "redundancy"), lambda value: None),
    "split_brain": lambda value: None if value is None else _ALLOW(value),
    "bricks": _needs(
        (str, list),
        "a path on each of servers is needed, such as /data/one_vol/brick, or a list of those, or of bricks",
    ),
}


_TOP = {
    "roles": _needs(
        list, f"a list is needed of {', '.join(ROLES)}", lambda value: value and all(role in ROLES for role in value)
    ),
    "user": _account,
    "datastores_dir": _path,
    "timeout": _POSITIVE,
    "beacon": _needs(
        (bool, dict, type(None)), "false is possible, or {interval: 60}, in seconds",
        lambda value: not value or value is True
        or (value.keys() <= {"interval"} and not _POSITIVE(value.get("interval", 1))),
    ),
    "remediate": _remediate,
    "maintenance": _BOOL,
    "packages": _BOOL,
    "keep_bricks": _BOOL,
    "outage": _ALLOW,
    "free_percent": _needs(int, "a number from 0 to 100 is needed", lambda value: 0 <= value <= 100),
    "heal_files": _needs(int, "a number of files is needed", lambda value: value >= 0),
    "rollout": _needs(
        dict, "{batch: 10} is possible: hypervisors at a time",
        lambda value: value.keys() <= {"batch"} and not _POSITIVE(value.get("batch", 1)),
    ),
    "pool_options": _like("pool_options_set", "options"),
    "opennebula": _needs((dict, type(None)), "a mapping is needed, such as {endpoint: 'http://localhost:2633/RPC2'}"),
    "volumes": _needs(
        dict,
        "volumes by name are needed, such as {one_vol: {servers: [kvm1, kvm2, kvm3]}}; a name has letters, digits, _ "
        "and -, and is in quotes where it has digits alone; to have none, remove gluster_one from the pillar (it "
        "leaves what is there)",
        lambda value: value and not any(map(_like("volume_configured", "name"), value)),
    ),
}  # fmt: skip


# Why what is required may be missing although a file of the pillar has it.
_LOST = {
    "volumes": "; where another file of the pillar has them, the master's pillar_source_merging_strategy has dropped "
    "that file's gluster_one (overwrite and none do): leave it at smart, or have one file with all of gluster_one"
}


def _errors(pillar):
    """
    What is wrong with the pillar's keys and values, as sentences.
    """
    errors = _section("gluster_one", pillar, _TOP, required=["volumes"])
    if errors:
        return errors
    errors = _section("gluster_one:opennebula", pillar.get("opennebula") or {}, _OPENNEBULA)
    known, rows = _datastore_keys(), __utils__["one_datastore_rules.arguments"]()
    for name, volume in pillar["volumes"].items():
        key = f"gluster_one:volumes:{name}"
        wrong = _section(key, volume, _VOLUME, required=["servers"])
        errors += wrong or _create_errors(f"{key}:create", volume)
        datastores = volume.get("datastores") if isinstance(volume, dict) else None
        if _VOLUME["datastores"](datastores):
            continue
        for store, settings in (datastores or {}).items():
            errors += _section(f"{key}:datastores:{store}", settings if settings is not None else {}, known)
            if not isinstance(settings, dict):
                continue
            kind = settings.get("type")
            for only in ("host", "access"):
                if settings.get(only) and kind in _types() and kind not in rows[only]["types"]:
                    why = rows[only]["why"].format(type=kind)
                    errors.append(f"{key}:datastores:{store}:{only} is {settings[only]!r}: {why}, leave it out")
    return errors


def _create_errors(key, volume):
    """
    What is wrong with how a volume is to be created, with servers that are right.
    """
    if "create" not in volume:
        return []
    errors = _section(key, volume["create"], _CREATE, required=["bricks"])
    try:
        if not errors:
            made = __utils__["gluster_layout.creation"](volume["create"], volume["servers"])
            for device in [brick["device"] for brick in made["bricks"] if brick["device"] is not None]:
                needed = _like("brick_prepared", "device")(device)
                errors += [f"{key}:bricks has the device {device!r}: {needed}"] if needed else []
    except SaltInvocationError as exc:
        errors.append(f"{key}: {exc}")
    return errors


def _section(key, section, known, required=()):
    if not isinstance(section, dict):
        return [f"{key} is {_kind(section)}: a mapping is needed, with the keys {', '.join(known)}"]
    errors = []
    for name, value in section.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            known_text = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            shown = name if isinstance(name, str) and name.isprintable() else repr(name)
            errors.append(f"{key}:{shown} is not a known key: {known_text}")
            continue
        needed = known[name](value)
        if needed:
            wrong = _wrong(value, known[name])
            wrong = __utils__["one_datastore_rules.shown"](wrong) if name == "attributes" else wrong
            shown = f"{wrong!r} ({_kind(value)})"
            if name in ("password", "token"):
                shown = "****"
            elif name in ("auth_file", "opennebula") or "@" in str(value):
                shown = _kind(value)  # what is here by mistake may be a password
            errors.append(f"{key}:{name} is {shown}: {needed}")
    if set(section) <= set(known):  # one that seems to be missing may be misspelt
        missing = [name for name in required if name not in section]
        errors += [f"{key}:{name} is missing: {known[name](None)}{_LOST.get(name, '')}" for name in missing]
    return errors


class _Elided:
    """
    What lies deeper than an error is about.
    """

    def __repr__(self):
        return "{...}"


def _wrong(value, check):
    """
    Of a mapping what is wrong by itself, if something is, with the beginning of it; any other value.
    """
    if not isinstance(value, dict):
        return value
    wrong = value.copy()  # one of Salt's own, which masks what it shows
    for key, each in value.items():
        if not check({key: each}):
            del wrong[key]
        elif isinstance(each, dict) and each:
            wrong[key] = _Elided()
    return wrong or value


def _is_in(path, directory):
    return path == directory or path.startswith(f"{directory}/")


def _mount_errors(plan):
    """
    Each volume has a directory of its own, in which nothing else lies.
    """
    errors, mounts = [], {}
    for name, volume in plan["volumes"].items():
        for path in (volume["mount"], *volume["links"]):
            key = f"gluster_one:volumes:{name}:mount is {path!r}"
            other = mounts.setdefault(path, name)
            own = f"a directory of its own is needed, such as /var/lib/gluster_one/{name}"
            if other != name:
                errors.append(f"{key}, where volume {other} is mounted: each volume needs a directory of its own")
            elif _is_in(plan["datastores_dir"], path):
                errors.append(
                    f"{key}, in which OpenNebula's {plan['datastores_dir']} lies, where each node has links of its own "
                    f"that lead to the volume: {own}"
                )
            elif any(_is_in(path, each) for each in _SYSTEM) or any(_is_in(each, path) for each in _USED):
                errors.append(f"{key}, which is the system's: {own}")
    for path, name in mounts.items():
        above = next((each for each in mounts if each != path and _is_in(path, each)), None)
        if above:
            errors.append(
                f"gluster_one:volumes:{name}:mount is {path!r}, which lies in {above!r}, where volume {mounts[above]} "
                "is mounted: each volume needs a directory outside of all others'"
            )
    return errors


def _errors_here(pillar, plan):
    """
    What is wrong between keys, or on this minion: one mount point for two volumes, no such account, credentials where
    they do not belong.
    """
    errors = []
    mounting = {"head", "hypervisor"} & set(plan["roles"])
    if mounting and salt.utils.user.get_uid(plan["user"]) is None:
        return [
            f"gluster_one:user is {plan['user']!r}: there is no such account on {plan['id']}; install OpenNebula's "
            "packages (opennebula on the head, opennebula-node-kvm on a hypervisor)"
        ]
    errors += __salt__["gluster_links.user_errors"](plan["user"], plan["datastores_dir"]) if mounting else []
    if "server" in (pillar.get("roles") or []) and not plan["named"]:
        errors.append(
            f"gluster_one:roles has server, and no volume names {plan['id']} among its servers: name it as the "
            f"pool does; known here are {', '.join(plan['names'])}"
        )
    errors += _mount_errors(plan)
    for name, volume in plan["volumes"].items():
        for key, kind, find in (("uid", "user", salt.utils.user.get_uid), ("gid", "group", salt.utils.user.get_gid)):
            owner = volume[key]
            if volume["coordinator"] and not str(owner).isdecimal() and find(owner) is None:
                errors.append(
                    f"gluster_one:volumes:{name}:{key} is {owner!r}: there is no such {kind} on {plan['id']}; give the "
                    f"number that it has on the head, or install OpenNebula's packages, which make oneadmin"
                )
        # Where the formula makes the pool, that state looks at it.
        errors += [] if volume["create"] else _first_server_errors(name, volume)
        errors += _other_volume_errors(name, volume, mounting)
    created = [volume["create"] for volume in plan["volumes"].values() if volume["create"]]
    try:
        __utils__["gluster_layout.require_disjoint"](sum((each["arguments"]["bricks"] for each in created), []))
    except SaltInvocationError as exc:
        errors.append(f"gluster_one:volumes: {exc}")
    stores = [store for volume in plan["volumes"].values() for store in volume["datastores"]]
    for store in sorted({store for store in stores if stores.count(store) > 1}):
        errors.append(f"gluster_one:volumes: datastore {store} is listed under two volumes: it can be on one only")
    secret = {"password", "token"} & set(pillar.get("opennebula") or {})
    if secret and "head" not in plan["roles"]:
        errors.append(
            f"gluster_one:opennebula:{min(secret)} is in the pillar of {plan['id']}, which is not a head: keep it in "
            "the pillar of the head alone"
        )
    return errors


def _other_volume_errors(name, volume, mounting):
    """
    It is the volume that the pillar means, and that this node has used until now.
    """
    mount = volume["mount"] if mounting else None
    try:
        error = __salt__["gluster_one_record.other_volume"](name, volume["id"], volume["server"], mount)
    except CommandExecutionError as exc:
        error = str(exc)
    return [error] if error else []


def _first_server_errors(name, volume):
    """
    On a server: the first one, which all mount from and at which new VMs open their disks, is in its pool.
    """
    first, servers = volume["servers"][0], volume["servers"]
    if volume["coordinator"] or not volume["server"]:
        return []
    members = [[name.casefold() for name in names] for names in __salt__["glusterd.peers"]()]
    known = [name for names in members for name in names]
    # A member that goes by none of the servers' names may be the first one, by another network's address.
    strangers = [names for names in members if not {name.casefold() for name in servers} & set(names)]
    if not known or strangers or first.casefold() in known or __utils__["gluster_hosts.known_as"](first, known):
        return []
    return [
        f"gluster_one:volumes:{name}:servers begins with {first!r}, which is not in the pool of this server (with "
        f"{', '.join(known)}): name a member first, or run `gluster peer probe {first}` here"
    ]
