"""
What minions say, and what of it is believed
============================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. A minion is root of one node and speaks for
that node alone. Its answer is data of any shape: it is checked, cut and cleaned here; all other code uses the result.

What a minion may say follows from its pillar as the master renders it. The pillar in the master's cache is no proof:
a minion that asks for its pillar may add to it what it likes (``pillar_override``), and that is what is kept.
"""

import posixpath
import re
import shlex

__virtualname__ = "gluster_one"

TEXT, NAME = 1000, 300
FINDINGS, VOLUMES, HOSTS, NAMES, MACHINES = 1000, 200, 10000, 200, 1000
ROLES = ("head", "hypervisor", "server")
# The formula's defaults of what the pillar says to the master, as gluster_one_pillar has them on the minions: a runner
# reaches no module, and a table of both would have each plan fail on a minion that has it of before.
BATCH, TIMEOUT = 10, 120
# What `report` of the modules beside this runner has for its version.
VERSION = 2
YOUNG = 3600  # seconds for which a brick has just come back
# Keys of every answer, and those that one has unless its pillar is wrong.
ALWAYS, USUALLY = ("roles", "looked", "findings", "volumes", "datastores"), ("names", "coordinates", "hosts")
STORES = "/var/lib/one/datastores"  # as gluster_one/os.yaml has it
READ = "see what it says: salt {minion} gluster_one.check"


def __virtual__():
    return __virtualname__


def visible(said, most=TEXT):
    """
    What a minion said, for a terminal, a page or an event: one line without control characters.

    said
        Anything.

    most
        How many characters are shown (int, default 1000).

    Returns a string: what is not printable (escape sequences, line breaks, marks that change the direction of writing)
    stands in it as in ``\\x1b``.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.visible 'a text'
    """
    try:
        text = said if isinstance(said, str) else str(said)
    except Exception:  # pylint: disable=broad-except
        # Too deep, or a number with too many digits.
        text = f"something that cannot be shown ({type(said).__name__})"
    text = text.strip(" \n")
    text = text if len(text) <= most else f"{text[:most]}..."
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def part(minion, known=None):
    """
    A minion's part in the fleet by the master's word: by its pillar, rendered now, and by the names of all minions.

    minion
        The minion (string).

    known
        What was looked up before (dict), for several minions in a row.

    Returns what :func:`rights` does, but for ``servers``, and ``volumes``, which says of each whether the minion is its
    coordinator or one of its servers, and who its coordinator is (list of minions: none, one, or several of the same
    name)::

        {"roles": ["hypervisor", "server"], "kinds": ["boot", ...], "datastores": {"glusterds": "one_vol"},
         "volumes": {"one_vol": {"coordinator": True, "server": True, "first": ["kvm1"], "names": ["kvm1"]}},
         "remediate": None, "maintenance": False, "batch": 10, "timeout": 120,
         "datastores_dir": "/var/lib/one/datastores", "error": None}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.part kvm1
    """
    known = {} if known is None else known
    parts = known.setdefault("parts", {})
    if minion in parts:
        return parts[minion]
    found = parts[minion] = {**rights(minion, known), "volumes": {}}
    for name, servers in found.pop("servers").items():
        own = [server for server in servers if __salt__["gluster_one.called"](server, known) == [minion]]
        first = __salt__["gluster_one.called"](servers[0], known) if servers else []
        found["volumes"][name] = {
            "coordinator": first == [minion], "server": bool(own), "first": first, "names": own,
        }  # fmt: skip
    if any(volume["server"] for volume in found["volumes"].values()):
        found["roles"].append("server")
    return found


def may_serve(minion, known=None):
    """
    Whether a minion that says nothing may be a server, as far as the master can tell.

    minion
        The minion (string).

    known
        As for :func:`part`.

    Returns a bool: True also where its pillar has a volume with a server whose name may be its own, although others
    claim it.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.may_serve kvm1
    """
    known = {} if known is None else known
    if "server" in part(minion, known)["roles"]:
        return True
    servers = {server for volume in rights(minion, known)["servers"].values() for server in volume}
    return any(__salt__["gluster_one.may_go_by"](minion, server, known) for server in servers)


def rights(minion, known=None):
    """
    What the pillar of a minion, rendered now, lets it have; other minions' grains are read as :func:`goes_by` does.

    minion
        The minion (string).

    known
        What was looked up before (dict), for several minions in a row.

    Returns a dict; ``kinds`` are the findings that it can have, also where another minion goes by the name of a server
    that it has itself. ``error`` says why its pillar cannot be rendered, and then nothing else is in it::

        {"roles": ["hypervisor"], "kinds": ["boot", ...], "servers": {"one_vol": ["kvm1", "kvm2"]}, "creates": [],
         "datastores": {"glusterds": "one_vol"}, "remediate": None, "maintenance": False, "batch": 10, "timeout": 120,
         "datastores_dir": "/var/lib/one/datastores", "error": None}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.rights kvm1
    """
    known = {} if known is None else known
    pillars = known.setdefault("pillars", {})
    try:
        with __salt__["gluster_one.loading"]():
            pillar = pillars[minion] = pillars.get(minion) or __salt__["pillar.show_pillar"](minion)
        settings, error = _dict(_dict(pillar).get("gluster_one")), _dict(pillar).get("_errors")
    except Exception as exc:  # pylint: disable=broad-except
        settings, error = {}, exc
    batch = _dict(settings.get("rollout")).get("batch")
    found = {
        "roles": [role for role in _list(settings.get("roles")) or ["hypervisor"] if role in ROLES[:2]],
        "servers": {},
        "creates": [],  # the volumes whose server it is and that a run creates
        "datastores": {},
        "remediate": settings.get("remediate"),
        "maintenance": bool(settings.get("maintenance")),
        "batch": batch if batch and _number(batch) else BATCH,
        "timeout": settings.get("timeout") if _number(settings.get("timeout"), 86400) else TIMEOUT,
        "datastores_dir": str(settings.get("datastores_dir") or STORES),
        "error": visible(error) if error else None,
    }
    able = {"anybody", *found["roles"]}
    able |= {"mounts"} if able & {"head", "hypervisor"} else set()
    for name, volume in _dict(settings.get("volumes")).items():
        servers = [server for server in _list(_dict(volume).get("servers")) if isinstance(server, str)]
        own = [server for server in servers if __salt__["gluster_one.goes_by"](minion, server, known)]
        able |= {"server"} if own else set()
        able |= {"coordinator"} if own[:1] == servers[:1] != [] else set()
        found["servers"][name] = servers
        found["creates"] += [name] if own and "create" in _dict(volume) else []
        found["datastores"].update(dict.fromkeys(_dict(_dict(volume).get("datastores")), name))
    found["kinds"] = sorted(kind for kind, has in __salt__["gluster_one.kinds"]().items() if has["who"] in able)
    return found


def sound(answer):
    """
    A minion's answer to ``gluster_one.report``, with only what has the right shape and length.

    answer
        Anything.

    Returns a dict with all keys of a report; ``wrong``, sentences about what was left out; and ``many``, sentences
    about lists that are too long, which an honest minion's may be, too.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.sound '{roles: [head]}'
    """
    wrong, many = [], []
    said = _dict(answer)
    lacking = [key for key in ALWAYS if key not in said]
    kinds = [_dict(each).get("kind") for each in _list(said.get("findings"))[:FINDINGS]]
    lacking += [key for key in USUALLY if key not in said and "pillar" not in kinds]

    def part_of(key, kind, most, check):
        value = said.get(key, kind())
        if not isinstance(value, kind):
            wrong.append(f"{key} is {visible(value, 40)}")
            return kind()
        if len(value) > most:
            many.append(f"{key} has {len(value)} entries, more than {most}")
        entries = list(value.items() if kind is dict else value)[:most]
        kept = [found for found in map(check, entries) if found is not None]
        if len(kept) < len(entries):
            wrong.append(f"{len(entries) - len(kept)} of its {key} cannot be read")
        return kind(kept)

    found = {
        "roles": part_of("roles", list, len(ROLES), lambda role: role if _in(role, ROLES) else None),
        "looked": part_of("looked", list, 20, lambda word: _text(word, 40)),
        "findings": part_of("findings", list, FINDINGS, _finding),
        "volumes": part_of("volumes", dict, VOLUMES, lambda pair: _pair(pair, _facts)),
        "datastores": part_of("datastores", dict, VOLUMES, lambda pair: _pair(pair, _store)),
        "names": part_of("names", list, NAMES, lambda name: _text(name, NAME)),
        "coordinates": part_of(
            "coordinates", dict, VOLUMES, lambda pair: _pair(pair, lambda yes: yes if isinstance(yes, bool) else None)
        ),
        "hosts": part_of("hosts", list, HOSTS, lambda name: _text(name, NAME)),
        "back": part_of("back", dict, VOLUMES, lambda pair: _pair(pair, _age)),
        # Not a hypervisor's that does not say which VMs run: that is not none.
        "machines": part_of("machines", list, MACHINES, lambda name: _text(name, NAME)) if "machines" in said else None,
    }  # fmt: skip
    version = said.get("version")
    outdated = type(version) is not int or version != VERSION
    if outdated:
        has = f"version {visible(version, 40)}" if "version" in said else "no version"
        wrong.insert(0, f"its report has {has}, and the master's is {VERSION}: its modules are not the master's")
    if lacking:
        wrong.insert(int(outdated), f"it lacks {', '.join(lacking)}")
    return {**found, "wrong": wrong, "many": many, "outdated": outdated}


def _age(said):
    """
    For how many seconds a brick is back; longer ones explain nothing any more.
    """
    return said if _number(said) and said < YOUNG else None


def sound_node(said):
    """
    A minion's answer to ``gluster_one_pillar.node``, with what is used of it.

    said
        Anything.

    Returns a dict, with ``errors`` alone where there are some; None when it is no such answer.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.sound_node '{errors: [no pillar]}'
    """
    if not isinstance(said, dict) or not isinstance(said.get("errors"), list):
        return None
    node = {"errors": [visible(error) for error in said["errors"][:20]]}
    if node["errors"]:
        return node
    roles, names, volumes = said.get("roles"), said.get("names"), said.get("volumes")
    texts = isinstance(roles, list) and isinstance(names, list) and len(roles + names) <= 300
    if not texts or not all(isinstance(text, str) and len(text) < 256 for text in roles + names):
        return None
    if not isinstance(volumes, dict) or len(volumes) > 200:
        return None
    for name, volume in volumes.items():
        if not isinstance(name, str) or not isinstance(volume, dict) or not isinstance(volume.get("coordinator"), bool):
            return None
    numbers = {key: said.get(key) for key in ("batch", "timeout")}
    if not all(type(number) is int and 0 < number <= 10**6 for number in numbers.values()):
        return None
    coordinates = {visible(name): {"coordinator": volume["coordinator"]} for name, volume in volumes.items()}
    return {**node, **numbers, "roles": roles, "names": [visible(name) for name in names], "volumes": coordinates}


def keeps_returns():
    """
    Whether this master keeps what jobs return.

    Returns a bool: False with ``job_cache: False`` and with an ``ext_job_cache``, to which the minions return.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.keeps_returns
    """
    return bool(__opts__.get("job_cache", True) and not __opts__.get("ext_job_cache"))


def keeps_mine():
    """
    Whether the master keeps what minions write to their mines.

    Returns a bool.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.keeps_mine
    """
    return bool(__opts__.get("minion_data_cache", True) or __opts__.get("enforce_mine_cache"))


def cure(finding, minion, volume=None, head=False, known=None):
    """
    What to do about a finding, by the master's own table.

    finding
        The finding (dict), of :func:`sound`.

    minion
        Whose it is (string).

    volume
        The volume that it is about (string, default: not known).

    head
        Whether the minion is the head (bool, default False), which links the datastores where it creates them.

    known
        As for :func:`part`.

    Returns a string.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.cure '{kind: fstab, "on": /mnt, seen: x, expected: y, severity: error}' kvm1
    """
    kind, on = finding["kind"], finding["on"]
    has = __salt__["gluster_one.kinds"]().get(kind, {})
    words, others = has.get("cure", READ), has.get("cures", {})
    if head or not on.startswith("/"):
        words = others.get("head", words)
    # A cure is never a minion's text; where it takes words of a finding, these are checked.
    about = (each for each in (on, finding["seen"].rpartition(": ")[2]) if each in others and each != "head")
    words = others.get(next(about, None), words)
    path = re.fullmatch(r"(/[\w.@:+-]+)+", on, re.ASCII) and posixpath.normpath(on) == on
    host = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", on)
    if ("{on}" in words and not path) or ("{host}" in words and not host):
        words = READ
    above, name = posixpath.split(on) if path else ("", "")
    # Few need it, and the pillar may have to be rendered for it.
    stores = rights(minion, known)["datastores_dir"] if "{datastores_dir}" in words else ""
    return words.format(
        minion=shlex.quote(minion), volume=shlex.quote(volume) if volume else "VOLUME", on=on, host=on, above=above,
        name=name, datastores_dir=shlex.quote(stores),
    )  # fmt: skip


def who(kind):
    """
    Who can have a kind of finding.

    kind
        The kind (string).

    Returns ``coordinator``, ``server``, ``head``, ``hypervisor``, ``mounts`` (head or hypervisor), ``anybody``, or
    ``master`` for what only the master finds.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.who heal
    """
    return __salt__["gluster_one.kinds"]().get(kind, {}).get("who", "anybody")


def _finding(said):
    """
    A finding as the minion has it, without its cure; None when it is none.
    """
    if not isinstance(said, dict) or not isinstance(said.get("kind"), str):
        return None
    if not re.fullmatch(r"[a-z][a-z_]{0,39}", said["kind"]) or not _text(said.get("on"), NAME):
        return None
    scalar = (str, int, float, type(None))
    if not isinstance(said.get("seen"), scalar) or not isinstance(said.get("expected"), scalar):
        return None
    found = {
        "kind": said["kind"],
        "on": _text(said["on"], NAME),
        "seen": visible(said.get("seen")),
        "expected": visible(said.get("expected")),
        "severity": "warning" if _in(said.get("severity"), ("warning",)) else "error",
    }
    has = __salt__["gluster_one.kinds"]().get(found["kind"], {})
    found.update({key: has[key] for key in ("severity", "column") if key in has})
    return {**found, "volume": _text(said["volume"], NAME)} if _text(said.get("volume"), NAME) else found


def _facts(said):
    """
    What is said of a volume, each fact only where it has the right shape.
    """
    if not isinstance(said, dict):
        return None
    checks = {
        "bricks": _counts, "peers": _counts, "sets": _sets,
        "heal": _number, "split_brain": _number, "free_percent": lambda value: _number(value, 100),
    }  # fmt: skip
    facts = {key: said[key] for key, check in checks.items() if said.get(key) is not None and check(said[key])}
    if len(facts) < sum(said.get(key) is not None for key in checks):
        return None
    if "sets" in facts:
        facts["sets"] = [[[visible(name, NAME), online] for name, online in bricks] for bricks in facts["sets"]]
    return facts


def _store(said):
    fine = (
        isinstance(said, dict)
        and _number(said.get("id"))
        and (said.get("total_mb") is None or _number(said["total_mb"]))
        and all(isinstance(said.get(key), str) for key in ("type", "drivers", "volume"))
    )
    if not fine:
        return None
    texts = {key: visible(said[key], NAME) for key in ("type", "drivers", "volume")}
    return {"id": said["id"], **texts, "total_mb": said.get("total_mb")}


def _counts(said):
    return isinstance(said, (list, tuple)) and len(said) == 2 and all(map(_number, said)) and said[0] <= said[1]


def _sets(said):
    def brick(pair):
        right = isinstance(pair, (list, tuple)) and len(pair) == 2
        return right and isinstance(pair[0], str) and isinstance(pair[1], bool)

    each = isinstance(said, (list, tuple)) and len(said) <= 1000
    return each and all(
        isinstance(bricks, (list, tuple)) and len(bricks) <= 100 and all(map(brick, bricks)) for bricks in said
    )


def _pair(pair, check):
    name, value = _text(pair[0], NAME), check(pair[1])
    return None if name is None or value is None else (name, value)


def _text(said, most):
    """
    A text that is not empty, visible; None for anything else.
    """
    return visible(said, most) or None if isinstance(said, str) else None


def _number(said, most=10**15):
    """
    Whether it is a whole number that can be a count.
    """
    return isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= most


def _in(said, words):
    return isinstance(said, str) and said in words


def _dict(said):
    return said if isinstance(said, dict) else {}


def _list(said):
    return said if isinstance(said, list) else []
