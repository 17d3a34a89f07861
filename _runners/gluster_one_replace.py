"""
Whether a server or a brick can be replaced now, and how
========================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Nothing is asked here: what minions have
said comes in, and a plan or reasons go out. What one server says of the pool counts only as others say the same.
"""

import re

__virtualname__ = "gluster_one"

MEMBER = "Peer in Cluster"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HOST = r"[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?"
NUMBERS = ("replica", "arbiter", "disperse", "redundancy")
# How many servers have to say the same, where there are so many.
SAY = 2
WAYS = (
    "give one of {old: kvm3, new: kvm3} for a server that was reinstalled, {old: kvm3, new: kvm4} for one that another "
    "takes the place of, {brick: 'kvm3:/data/one_vol/brick'} for a brick whose disk was replaced, or {leave: kvm3, to: "
    "kvm4} for one that leaves"
)
HEALED = "wait until it is healed (`gluster volume heal VOLUME info`), and run again"
PAGE = "docs/status.md, A server that is not in the pool"


def __virtual__():
    return __virtualname__


def replace_case(old=None, new=None, brick=None, leave=None, to=None):
    """
    What is to be replaced, by the arguments of :func:`replace_plan`.

    old, new, brick, leave, to
        See there.

    Returns a dict ``{"errors": [], "old": "kvm3", "new": "kvm4", "brick": None, "leaves": False}``, with a sentence
    among ``errors`` where the arguments are none of the four kinds.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_case old=kvm3 new=kvm4
    """
    given = {"old": old, "new": new, "brick": brick, "leave": leave, "to": to}
    given = {key: value for key, value in given.items() if value is not None}
    case = {"errors": [], "old": old or leave, "new": new or to, "brick": brick, "leaves": "leave" in given}
    keys = set(given)
    host, place, path = (brick if isinstance(brick, str) else "").partition(":/")
    if keys == {"brick"} and place and path:
        case.update(old=host, new=host)
    elif keys not in ({"old", "new"}, {"leave", "to"}):
        return {**case, "errors": [f"the pillar has {given!r}: {WAYS}"]}
    for name in (case["old"], case["new"]):
        if not isinstance(name, str) or not re.fullmatch(HOST, name):
            return {**case, "errors": [f"the pillar has {given!r}, and {name!r} is not a host name: {WAYS}"]}
    if case["leaves"] and _same(case["old"], case["new"]):
        return {**case, "errors": [f"{leave} cannot take its own place: {WAYS}"]}
    return case


def _uuid(view, server):
    return (view["servers"].get(server) or {}).get("uuid")


def _same(name, other):
    return name.casefold() == other.casefold()


def replace_misnamed(case, at, servers):
    """
    What is wrong with the names of the servers.

    case
        What :func:`replace_case` returned (dict).

    at
        The minions that go by each of the two names (dict of lists of strings).

    servers
        The minions of which the pillar has a server's name (list of strings).

    Returns a list of sentences.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_misnamed '{old: kvm3, new: kvm3, leaves: False}' '{kvm3: [kvm3]}' '[kvm3]'
    """
    old, new = case["old"], case["new"]
    if len(at[new]) != 1:
        several = f"the minions {', '.join(at[new])} go by {new}" if at[new] else f"no accepted minion goes by {new}"
        return [f"{several}: give its name in the pillar's servers, see `salt-key`"]
    if at[new][0] not in servers:
        instead = "" if _same(old, new) else f" in place of {old}, and its bricks in create, where the pillar has it"
        return [f"{new} is not among the pillar's servers: write it there{instead}, and run again"]
    if not _same(old, new) and [each for each in at[old] if each in servers]:
        return [
            f"{old} is among the pillar's servers: write {new} in its place, in servers and in the bricks of create, "
            "where the pillar has it, and run again"
        ]
    return []


def replace_steps(case, found, target, others, keep=False):
    """
    The steps of a replacement, for ``orchestrate/steps.jinja``.

    case
        What :func:`replace_case` returned (dict).

    found
        What :func:`replace_decided` returned (dict).

    target
        The new server's minion (string).

    others
        Those of the other servers (list of strings).

    keep
        Whether the old server is to stay in the pool (bool, default False).

    Returns a list of dicts.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_steps '{brick: "kvm3:/data/one_vol"}' '{bricks: []}' kvm3 '[kvm1, kvm2]'
    """
    steps, bricks = [], found["bricks"]

    def step(name, minion, **part):
        pillar = {"gluster_one_replace": part}
        steps.append({"id": f"{name} on {minion}", "minions": [minion], "sls": "gluster_one.replace", "pillar": pillar})

    def heal(volumes):
        waits = {"volumes": volumes, "minions": others}
        steps.append({"id": f"heal {', '.join(volumes)} ({len(steps)})", "minions": others, "waits": waits})

    volumes = sorted({brick["volume"] for brick in bricks})
    if case["brick"]:
        step("brick", target, bricks=bricks)
        heal(volumes)
    elif found["restore"]:
        step("glusterd and bricks", target, server=True, restore=found["restore"], bricks=bricks)
        if volumes:
            heal(volumes)
    else:
        if found["taken_in"] or bricks:
            step("glusterd", target, server=True)
            step(f"take in {case['new']}", others[0], take_in=case["new"])
        if case["leaves"]:  # its bricks hold all that was written: one after the other
            heal(volumes or found["volumes"])
            for brick in bricks:
                step(f"brick {brick['name']}", target, bricks=[brick])
                heal([brick["volume"]])
        elif bricks:
            step("bricks", target, bricks=bricks)
        if not case["leaves"]:
            heal(volumes or found["volumes"])
        if found["uuid"] and not keep:
            step(f"detach {case['old']}", others[0], detach=case["old"])
    return steps


def replace_decided(case, views, standing, names):
    """
    What is to be done, by what all other servers see.

    case
        What :func:`replace_case` returned (dict).

    views
        What each of the other servers' minions said to ``gluster_replace.view`` (dict); None of one that said nothing.

    standing
        What the minion of the new server said to ``gluster_replace.standing``.

    names
        The names of those servers in the pillar, by minion (dict of lists of strings).

    Returns a dict: ``errors``, sentences with what to do, and nothing else where there are some; the bricks that go, by
    volume; all volumes; the uuid that the pool has for the old server, None where it is not in it; the new bricks; what
    gives glusterd its place back, None where the server is another one; whether the new one is to be taken in::

        {"errors": [], "uuid": "...", "going": {"one_vol": ["kvm3:/data/one_vol"]}, "taken_in": False,
         "volumes": ["one_vol"],
         "bricks": [{"volume": "one_vol", "name": "kvm4:/data/one_vol", "old": "kvm3:/data/one_vol"}],
         "restore": {"uuid": "...", "operating_version": 100000, "peers": {}, "volumes": ["one_vol"]}}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_decided '{old: kvm3, new: kvm4}' '{}' '{}' '{}'
    """
    wrong = [f"{minion} does not say what it sees of the pool: {_said(said)}" for minion, said in sorted(views.items())
             if not _is_view(said)]  # fmt: skip
    if not _is_standing(standing):
        wrong.append(f"the minion of {case['new']} does not say what its glusterd has: {_said(standing)}")
    if wrong:
        return {"errors": wrong}
    wrong = _disagreements(case, views)
    if wrong:
        return {"errors": wrong}
    view = views[min(views)]
    uuid, new = _uuid(view, case["old"]), _uuid(view, case["new"])
    reinstalled = _same(case["old"], case["new"])
    wrong = _apart(case, views, {uuid, new})
    if reinstalled and not uuid:
        wrong.append(f"{case['old']} is not in the pool of {', '.join(sorted(views))}: correct the name, or see {PAGE}")
    going, bricks = {}, []
    for name, info in sorted(view["volumes"].items()):
        own = [brick for brick, server in zip(info["bricks"], info["servers"]) if server == uuid]
        own = [brick for brick in own if case["brick"] is None or _path(brick) == _path(case["brick"])]
        if own and info["status"] != "Started":
            wrong.append(f"volume {name} is {info['status']}: `gluster volume start {name}` first, or delete it")
        for brick in own:
            place = brick if reinstalled else f"{case['new']}:{_path(brick)}"
            bricks.append({"volume": name, "name": place, "old": None if reinstalled else brick})
            wrong += [] if reinstalled else _together(name, info, brick, new)
        going.update({name: own} if own else {})
    if case["brick"] and not bricks:
        wrong.append(f"no volume has the brick {case['brick']}: see `gluster volume info` on {min(views)}")
    if not reinstalled and not case["leaves"]:
        wrong += _alive(case, views, uuid, going)
    restore = None
    if reinstalled and uuid:
        wrong += _other_pool(case, standing, uuid)
        restore = {
            "uuid": uuid,
            "operating_version": view["operating_version"],
            "peers": _peer_names(views, names, uuid),
            "volumes": sorted(view["volumes"]),
        }
    elif not new and (standing["volumes"] or standing["peers"]):
        has = ", ".join(standing["volumes"] + standing["peers"])
        wrong.append(f"{case['new']} is in another pool, or has volumes of its own ({has}): take it out of that first")
    if wrong:
        return {"errors": wrong}
    return {
        "errors": [],
        "uuid": uuid,
        "going": going,
        "volumes": sorted(view["volumes"]),
        "bricks": bricks,
        "restore": restore,
        "taken_in": not reinstalled and not new,
    }


def _disagreements(case, views):
    """
    What servers do not say alike, as sentences.
    """
    shared = {
        f"which member of the pool {case['old']} is": lambda view: _uuid(view, case["old"]),
        f"which member of the pool {case['new']} is": lambda view: _uuid(view, case["new"]),
        "who is in the pool": lambda view: sorted({view["uuid"], *(peer["uuid"] for peer in view["peers"])}),
        "which version the pool speaks": lambda view: view["operating_version"],
        "which volumes there are": lambda view: {
            name: [info[key] for key in ("id", "bricks", "servers", *NUMBERS)] for name, info in view["volumes"].items()
        },
    }  # fmt: skip
    found, first = [], min(views)
    for what, of in shared.items():
        others = [minion for minion in sorted(views) if of(views[minion]) != of(views[first])]
        if others:
            found.append(
                f"{first} and {', '.join(others)} do not say the same of {what}: compare `gluster peer status` and "
                f"`gluster volume info` there, and see {PAGE}"
            )
    own = [view["uuid"] for view in views.values()]
    if len(set(own)) < len(own):
        found.append(f"two of {', '.join(sorted(views))} say to be the same member of the pool: see {PAGE}")
    members = {views[first]["uuid"], *(peer["uuid"] for peer in views[first]["peers"])}
    more = len(members - {_uuid(views[first], name) for name in (case["old"], case["new"])})
    if not found and len(views) < min(SAY, more):
        found.append(f"only {first} says so, and the pool has {more} other members: name them in the pillar's servers")
    return found


def _apart(case, views, but):
    """
    Which servers see another one that stays away, as sentences.
    """
    found = []
    for minion, view in sorted(views.items()):
        for peer in view["peers"]:
            name = peer["hostnames"][-1]
            if peer["uuid"] in but:
                if peer["connected"] and not peer["answers"]:
                    found.append(
                        f"{minion} still takes {name} for connected, and it does not answer: run again in a minute"
                    )
            elif peer["state"] != MEMBER:
                found.append(f"{minion} sees {name} as {peer['state']!r}: with that nothing is changed, see {PAGE}")
            elif not peer["connected"] or not peer["answers"]:
                found.append(f"{minion} sees {name} disconnected: start glusterd there, and run again")
    return found


def _together(name, info, brick, new):
    """
    That the new server has another brick of the same set, in a list.
    """
    size = info["disperse"] or info["replica"] or 1
    first = info["bricks"].index(brick) // size * size
    others = list(zip(info["bricks"], info["servers"]))[first : first + size]
    there = [other for other, server in others if new and server == new and other != brick]
    return [f"volume {name} has {', '.join(there)} in the set of {brick}: choose a server that has none of it"] * bool(
        there
    )


def _alive(case, views, uuid, going):
    """
    That a server that is to be lost is there, in a list.
    """
    online = {
        brick
        for view in views.values()
        for name, bricks in going.items()
        for brick in bricks
        if brick in (view["volumes"][name]["online"] or ())
    }
    if online:
        return [
            f"{', '.join(sorted(online))} of {case['old']} still runs: for a server that is there give "
            f"{{leave: {case['old']}, to: {case['new']}}}; one that is lost has to be off before"
        ]
    return []


def _other_pool(case, standing, uuid):
    if standing["uuid"] == uuid:
        return []
    if case["brick"]:
        return [
            f"glusterd of {case['old']} calls itself {standing['uuid']}, and the pool knows it as {uuid}: it was "
            f"reinstalled, so give {{old: {case['old']}, new: {case['old']}}}"
        ]
    has = standing["volumes"] + standing["peers"]
    if has:
        return [
            f"{case['old']} is in another pool, or has volumes of its own ({', '.join(has)}), as {standing['uuid']}, "
            f"and the pool knows it as {uuid}: correct the name"
        ]
    return []


def _peer_names(views, names, but):
    """
    The names of the members that stay, by their uuids, as the others know them.
    """
    own = {view["uuid"]: names.get(minion) or [minion] for minion, view in views.items()}
    found = {}
    for minion in sorted(views):
        for peer in views[minion]["peers"]:
            if peer["uuid"] != but:
                found.setdefault(peer["uuid"], []).extend(reversed(peer["hostnames"]))
    for uuid, those in own.items():
        known = found.setdefault(uuid, [])
        known[:] = known or those
    return {uuid: list(dict.fromkeys(those)) for uuid, those in sorted(found.items())}


def replace_unready(going, samples):
    """
    Why what goes may not be replaced now, by what the other servers said several times within some seconds.

    going
        The bricks that go, by volume (dict of lists of strings).

    samples
        What each server said to ``gluster_replace.readiness``, each time (list of dicts by minion).

    Returns a list of sentences, an empty one where it may begin.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_unready '{}' '[]'
    """
    found = []
    for sample in samples:
        for minion, said in sorted(sample.items()):
            if not _is_readiness(said):
                found.append(f"{minion} does not say whether the others have all that was written: {_said(said)}")
                continue
            found += [_visible(text) for text in said["blockers"][:20]]
            found += [
                f"{_visible(brick)} has changes of {count} file{'s' if count > 1 else ''} that others than what is to "
                f"be replaced lack: {HEALED}"
                for brick, count in sorted(said["backlog"].items())
                if count
            ]
    if not found and samples:
        found += _stale(samples[0], samples[-1])
    return list(dict.fromkeys(found))


def _stale(first, last):
    """
    Sets of dispersed bricks of which two have a file in different versions, the same both times: a file that is being
    written has others then.
    """
    before, now = ({}, {})
    for sample, kept in ((first, before), (last, now)):
        for said in sample.values():
            for together, bricks in said["versions"].items():
                kept.setdefault(together, {}).update(bricks)
    found = []
    for together, bricks in sorted(now.items()):
        for gfid in sorted(set().union(*bricks.values())):
            seen = [
                (before.get(together, {}).get(brick, {}).get(gfid), files.get(gfid)) for brick, files in bricks.items()
            ]
            if all(one == other for one, other in seen) and len(set(seen)) > 1:
                found.append(f"{', '.join(map(_visible, sorted(bricks)))} have a file in different versions: {HEALED}")
                break
    return found


def _path(brick):
    return f"/{brick.partition(':/')[2]}".rstrip("/")


def _said(said):
    return _visible("no answer" if said is None else said)


def _visible(text):
    return __salt__["gluster_one.visible"](text)


def _is_list(said, fits, most=1000):
    return isinstance(said, list) and len(said) <= most and all(map(fits, said))


def _is_host(said):
    return isinstance(said, str) and len(said) < 256 and bool(re.fullmatch(HOST, said))


def _is_uuid(said):
    return isinstance(said, str) and bool(re.fullmatch(UUID, said))


def _is_brick(said):
    return isinstance(said, str) and len(said) < 4096 and said.isprintable() and ":/" in said and said == said.strip()


def _is_view(said):
    """
    Whether it is an answer of ``gluster_replace.view``.
    """
    if not isinstance(said, dict) or not _is_uuid(said.get("uuid")) or type(said.get("operating_version")) is not int:
        return False
    servers, volumes = said.get("servers"), said.get("volumes")
    if not isinstance(servers, dict) or not isinstance(volumes, dict) or not _is_list(said.get("peers"), _is_peer):
        return False
    members = [member for member in servers.values() if member is not None]
    known = all(isinstance(member, dict) and _is_uuid(member.get("uuid")) for member in members)
    return known and all(
        re.fullmatch(r"[\w-]{1,255}", str(name)) and _is_volume(each) for name, each in volumes.items()
    )


def _is_peer(said):
    return (
        isinstance(said, dict)
        and _is_uuid(said.get("uuid"))
        and _is_list(said.get("hostnames"), _is_host, 50)
        and said["hostnames"] != []
        and all(isinstance(said.get(key), bool) for key in ("connected", "answers"))
        and isinstance(said.get("state"), str)
    )


def _is_volume(said):
    if not isinstance(said, dict) or not _is_list(said.get("bricks"), _is_brick):
        return False
    same = _is_list(said.get("servers"), _is_uuid) and len(said["servers"]) == len(said["bricks"])
    numbers = all(type(said.get(key)) is int for key in NUMBERS)
    online = said.get("online") is None or _is_list(said["online"], lambda brick: isinstance(brick, str))
    return same and numbers and online and _is_uuid(said.get("id")) and isinstance(said.get("status"), str)


def _is_standing(said):
    lists = isinstance(said, dict) and all(
        _is_list(said.get(key), lambda each: isinstance(each, str)) for key in ("volumes", "peers")
    )
    return lists and (said.get("uuid") is None or _is_uuid(said["uuid"]))


def _is_readiness(said):
    if not isinstance(said, dict) or not _is_list(said.get("blockers"), lambda each: isinstance(each, str)):
        return False
    backlog, versions = said.get("backlog"), said.get("versions")
    if not isinstance(backlog, dict) or not all(type(count) is int for count in backlog.values()):
        return False
    return isinstance(versions, dict) and all(isinstance(files, dict) for files in versions.values())
