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
STATUS = ("Created", "Started", "Stopped")
NUMBERS = ("replica", "arbiter", "disperse", "redundancy")
# How many servers have to say the same, where there are so many.
SAY = 2
WAYS = (
    "give one of {old: kvm3, new: kvm3} for a server that was reinstalled, {old: kvm3, new: kvm4} for one that another "
    "takes the place of, {brick: 'kvm3:/data/one_vol/brick'} for a brick whose disk was replaced, or {leave: kvm3, to: "
    "kvm4} for one that leaves, without `to` where it has no bricks"
)
SYNC = "`salt {} saltutil.sync_all`"
HEALED = "wait until it is healed (`gluster volume heal VOLUME info`), and run again"
PAGE = "docs/status.md, A server that is not in the pool"


def __virtual__():
    return __virtualname__


def replace_case(old=None, new=None, brick=None, leave=None, to=None, accept_only_copy=None):
    """
    What is to be replaced, by the arguments of :func:`replace_plan`.

    old, new, brick, leave, to, accept_only_copy
        See there.

    Returns a dict ``{"errors": [], "old": "kvm3", "new": "kvm4", "brick": None, "leaves": False, "accepts": False}``,
    with a sentence among ``errors`` where the arguments are none of the four kinds. ``new`` is None where nothing takes
    the place of a server that leaves.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_case old=kvm3 new=kvm4
    """
    given = {"old": old, "new": new, "brick": brick, "leave": leave, "to": to}
    given = {key: value for key, value in given.items() if value is not None}
    case = {"errors": [], "old": old or leave, "new": new or to, "brick": brick, "leaves": "leave" in given}
    case["accepts"] = accept_only_copy is True
    keys = set(given)
    if accept_only_copy not in (None, True) or accept_only_copy and keys != {"old", "new"}:
        return {
            **case,
            "errors": [
                f"the pillar has accept_only_copy: {accept_only_copy!r}, which can be true beside old and new, or is "
                "left out"
            ],
        }
    host, place, path = (brick if isinstance(brick, str) else "").partition(":/")
    if keys == {"brick"} and place and path:
        case.update(old=host, new=host)
    elif keys not in ({"old", "new"}, {"leave", "to"}, {"leave"}):
        return {**case, "errors": [f"the pillar has {given!r}: {WAYS}"]}
    for name in replace_names(case):
        if not isinstance(name, str) or not re.fullmatch(HOST, name):
            return {**case, "errors": [f"the pillar has {given!r}, and {name!r} is not a host name: {WAYS}"]}
    if case["leaves"] and case["new"] and _same(case["old"], case["new"]):
        return {**case, "errors": [f"{leave} cannot take its own place: {WAYS}"]}
    return case


def replace_names(case):
    """
    The names of servers in a replacement.

    case
        What :func:`replace_case` returned (dict).

    Returns a list of the old server's name and the new one's, if there is one.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_names '{old: kvm3, new: kvm4}'
    """
    return [name for name in (case["old"], case["new"]) if name is not None]


def _uuid(view, server):
    return (view["servers"].get(server) or {}).get("uuid")


def _bricks(view):
    """
    Each brick of all volumes, with the uuid of its server.
    """
    return [pair for info in view["volumes"].values() for pair in zip(info["bricks"], info["servers"])]


def _same(name, other):
    return name.casefold() == other.casefold()


def heal_timeout_errors(heal_timeout):
    """
    What is wrong with the ``heal_timeout`` of an orchestration's pillar.

    heal_timeout
        The value, None where the pillar has none.

    Returns a list of sentences.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.heal_timeout_errors 3600
    """
    if heal_timeout is None or type(heal_timeout) is int and heal_timeout > 0:
        return []
    return [f"the pillar has heal_timeout: {heal_timeout!r}: seconds above 0 are needed, such as 86400"]


def replace_misnamed(case, at, servers):
    """
    What is wrong with the names of the servers.

    case
        What :func:`replace_case` returned (dict).

    at
        The minions that go by each of the names (dict of lists of strings).

    servers
        The minions of which the pillar has a server's name (list of strings).

    Returns a list of sentences.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_misnamed '{old: kvm3, new: kvm3, leaves: False}' '{kvm3: [kvm3]}' '[kvm3]'
    """
    old, new = case["old"], case["new"]
    listed = [each for each in at[old] if each in servers]
    if new is None:
        text = f"{old} is among the pillar's servers: take it out there, where it has no bricks, and run again; {WAYS}"
        return [text] if listed else []
    if len(at[new]) != 1:
        several = f"the minions {', '.join(at[new])} go by {new}" if at[new] else f"no accepted minion goes by {new}"
        return [f"{several}: give its name in the pillar's servers, see `salt-key`"]
    if at[new][0] not in servers:
        instead = "" if _same(old, new) else f" in place of {old}, and its bricks in create, where the pillar has it"
        return [f"{new} is not among the pillar's servers: write it there{instead}, and run again"]
    if not _same(old, new) and listed:
        return [
            f"{old} is among the pillar's servers: write {new} in its place, in servers and in the bricks of create, "
            "where the pillar has it, and run again"
        ]
    return []


def replace_others(target, parts):
    """
    The other servers of a server's pool, as far as the pillar tells: those of its volumes, of their other volumes, and
    so on. A pillar may have volumes of several pools.

    target
        The server's minion (string).

    parts
        What :func:`part` returned, by minion (dict).

    Returns a list of minions.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_others kvm4 '{}'
    """
    volumes = {
        # Two pools may have volumes of one name, with other first servers.
        minion: {(name, *each["first"]) for name, each in part["volumes"].items() if each["server"]}
        for minion, part in parts.items()
    }
    found, more = set(), {target}
    while more:
        found |= more
        own = set().union(*(volumes.get(minion, ()) for minion in found))
        more = {minion for minion, each in volumes.items() if each & own} - found
    return sorted(found - {target})


def replace_steps(case, found, target, others, keep=False):
    """
    The steps of a replacement, for ``orchestrate/steps.jinja``.

    case
        What :func:`replace_case` returned (dict).

    found
        What :func:`replace_decided` returned (dict).

    target
        The new server's minion (string, None where there is none).

    others
        Those of the other servers (list of strings).

    keep
        Whether the old server is to stay in the pool (bool, default False).

    Returns a list of dicts.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_steps '{new: kvm3, brick: "kvm3:/data/b"}' '{bricks: []}' kvm3 '[kvm1, kvm2]'
    """
    steps, bricks = [], found["bricks"]
    if case["new"] is None and not found["uuid"]:
        return steps

    def step(name, minion, **part):
        pillar = {"gluster_one_replace": part}
        steps.append({"id": f"{name} on {minion}", "minions": [minion], "sls": "gluster_one.replace", "pillar": pillar})

    def heal(volumes):
        if volumes:
            waits = {"volumes": volumes, "minions": others}
            steps.append({"id": f"heal {', '.join(volumes)} ({len(steps)})", "minions": others, "waits": waits})

    volumes = sorted({brick["volume"] for brick in bricks})
    if case["brick"]:
        step("brick", target, bricks=bricks)
        heal(volumes)
    elif found["restore"]:
        step("glusterd and bricks", target, server=True, restore=found["restore"], bricks=bricks)
        heal(volumes)
    else:
        if found["taken_in"] or bricks:
            step("glusterd", target, server=True)
            step(f"take in {case['new']}", others[0], take_in=case["new"])
        # A run before may have moved bricks that are not healed yet, and been ended then.
        if case["leaves"]:  # its bricks hold all that was written: one after the other
            heal(found["volumes"])
            for brick in bricks:
                step(f"brick {brick['name']}", target, bricks=[brick])
                heal([brick["volume"]])
        elif bricks:
            step("bricks", target, bricks=bricks)
        if not case["leaves"]:
            heal(found["volumes"])
        if found["uuid"] and not keep:
            step(f"detach {case['old']}", others[0], detach=case["old"])
    return steps


def replace_decided(case, views, standing, names, target):
    """
    What is to be done, by what all other servers see.

    case
        What :func:`replace_case` returned (dict).

    views
        What each of the other servers' minions said to ``gluster_replace.view`` (dict); None of one that said nothing.

    standing
        What the minion of the new server said to ``gluster_replace.standing``; None where there is none.

    names
        The names of those servers in the pillar, by minion (dict of lists of strings).

    target
        The new server's minion (string, None where there is none).

    Returns a dict: ``errors``, sentences with what to do, and nothing else where there are some; the bricks that go, by
    volume; the volumes of these, and those with bricks of the new server, all where there is none; the uuid that the
    pool has for the old server, None where it is not in it; the new bricks; what gives glusterd its place back, None
    where the server is another one; whether the new one is to be taken in; what the old one is called; and by minion
    the bricks of which it has to say whether others have all that they have: each that stays of a set that loses one,
    with the first brick of a dispersed set, None where it is a replicated one::

        {"errors": [], "uuid": "...", "going": {"one_vol": ["kvm3:/data/one_vol"]}, "taken_in": False,
         "volumes": ["one_vol"],
         "bricks": [{"volume": "one_vol", "name": "kvm4:/data/one_vol", "old": "kvm3:/data/one_vol"}],
         "restore": {"uuid": "...", "operating_version": 100000, "peers": {}, "volumes": ["one_vol"]},
         "called": ["10.0.0.3", "kvm3"],
         "witnesses": {"kvm1": {"kvm1:/data/one_vol": None}, "kvm2": {"kvm2:/data/one_vol": None}}}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_decided '{old: kvm3, new: kvm4}' '{}' '{}' '{}' kvm4
    """
    wrong = [f"{minion} does not say what it sees of the pool: {_said(said)}" for minion, said in sorted(views.items())
             if not _is_view(said)]  # fmt: skip
    if case["new"] is not None and not _is_standing(standing):
        wrong.append(f"the minion of {case['new']} does not say what its glusterd has: {_said(standing)}")
    if wrong:
        return {"errors": wrong}
    wrong = _disagreements(case, views) or _mistaken(case, views) or _unplaced(case, views)
    if wrong:
        return {"errors": wrong}
    view = views[min(views)]
    uuid, new = _uuid(view, case["old"]), _uuid(view, case["new"])
    reinstalled = case["new"] is not None and _same(case["old"], case["new"])
    wrong = _apart(case, views, {uuid, new})
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
        wrong += _only_copies(case, name, info, own)
        going.update({name: own} if own else {})
    if case["brick"] and not bricks:
        wrong.append(f"no volume has the brick {case['brick']}: see `gluster volume info` on {min(views)}")
    if not reinstalled and not case["leaves"]:
        wrong = wrong or _alive(case, views, uuid, going)
    restore = None
    if reinstalled and uuid:
        wrong += _other_pool(case, standing, uuid)
        restore = {
            "uuid": uuid,
            "operating_version": view["operating_version"],
            "peers": _peer_names(views, names, uuid),
            "volumes": sorted(view["volumes"]),
        }
    elif case["new"] is not None and not new and (standing["volumes"] or standing["peers"]):
        has = ", ".join(standing["volumes"] + standing["peers"])
        wrong.append(f"{case['new']} is in another pool, or has volumes of its own ({has}): take it out of that first")
    at = {said["uuid"]: minion for minion, said in views.items()}
    if case["brick"]:  # its server may have another one of the set
        at[uuid] = target
    silent, witnesses = _witnesses(view, going, at)
    wrong = wrong or silent
    if wrong:
        return {"errors": wrong}
    return {
        "errors": [],
        "uuid": uuid,
        "going": going,
        "volumes": sorted(
            name
            for name, info in view["volumes"].items()
            if case["new"] is None or name in going or (new and new in info["servers"])
        ),
        "bricks": bricks,
        "restore": restore,
        "taken_in": case["new"] is not None and not reinstalled and not new,
        "called": sorted({case["old"], *_hostnames(views, uuid)}),
        "witnesses": witnesses,
    }


def _hostnames(views, uuid):
    return {
        name for view in views.values() for peer in view["peers"] if peer["uuid"] == uuid for name in peer["hostnames"]
    }


def _sets(info):
    """
    The bricks of a volume that have the same files, each with its server's uuid.
    """
    size, bricks = info["disperse"] or info["replica"] or 1, list(zip(info["bricks"], info["servers"]))
    return [bricks[first : first + size] for first in range(0, len(bricks), size)]


def _witnesses(view, going, at):
    """
    Of which bricks that stay nobody says what others lack, as sentences, and who says it of the rest.
    """
    silent, found = [], {}
    for name, bricks in going.items():
        for together in _sets(view["volumes"][name]):
            stay = [pair for pair in together if pair[0] not in bricks]
            for brick, server in stay if len(stay) < len(together) else ():
                if server in at:
                    first = together[0][0] if view["volumes"][name]["disperse"] else None
                    found.setdefault(at[server], {})[brick] = first
                else:
                    silent.append(
                        f"nobody says whether others have all that {brick} has: name its server in the pillar's servers"
                    )
    return silent, found


def _disagreements(case, views):
    """
    What servers do not say alike, as sentences.
    """
    shared = {
        **{
            f"which member of the pool {name} is": lambda view, name=name: _uuid(view, name)
            for name in replace_names(case)
        },
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
    more = len(members - {_uuid(views[first], name) for name in replace_names(case)})
    if not found and len(views) < min(SAY, more):
        found.append(f"only {first} says so, and the pool has {more} other members: name them in the pillar's servers")
    return found


def _mistaken(case, views):
    """
    That the old server is no member of the pool, or another one than is meant, in a list.
    """
    view, old, new = views[min(views)], case["old"], case["new"]
    uuid, other = _uuid(view, old), _uuid(view, new)
    own = [minion for minion, said in sorted(views.items()) if said["uuid"] == uuid]
    if own:
        return [f"{old} is a name of {own[0]}, which is in the pillar's servers and answers: correct the name"]
    if uuid == other and uuid and not _same(old, new):
        return [
            f"{new} is the member {old} of the pool: where that was reinstalled give {{old: {old}, new: {old}}}; "
            f"another server needs an address that is none of {old}'s"
        ]
    bricks = _bricks(view)
    named = any(_same(brick.partition(":/")[0], old) for brick, _ in bricks)
    # All was done before: the old one is detached, and the new one has its bricks.
    done = other and any(server == other for _, server in bricks) and not _same(old, new)
    if not uuid and not named and new is None:
        known = {said["uuid"] for said in views.values()}
        strangers = sorted(peer["hostnames"][0] for peer in view["peers"] if peer["uuid"] not in known)
        if strangers:
            return [
                f"{old} is not in the pool of {', '.join(sorted(views))}, which also has {', '.join(strangers)}: "
                "correct the name, or name those in the pillar's servers"
            ]
    if uuid or not named and (done or new is None):
        return []
    return [f"{old} is not in the pool of {', '.join(sorted(views))}: correct the name, or see {PAGE}"]


def _unplaced(case, views):
    """
    That a server that leaves has bricks, and nobody is to take them, in a list.
    """
    view = views[min(views)]
    uuid = _uuid(view, case["old"])
    bricks = [brick for brick, server in _bricks(view) if server == uuid]
    if case["new"] is not None or not bricks:
        return []
    return [
        f"{case['old']} has {', '.join(bricks)}: give {{leave: {case['old']}, to: SERVER}}, with the server that takes "
        "over its bricks"
    ]


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
    (others,) = [together for together in _sets(info) if brick in dict(together)]
    there = [other for other, server in others if new and server == new and other != brick]
    return [f"volume {name} has {', '.join(there)} in the set of {brick}: choose a server that has none of it"] * bool(
        there
    )


def _only_copies(case, name, info, going):
    """
    Of which sets no files stay, or one brick of which nobody could say what it lacks, as sentences.
    """
    found, old = [], case["old"]
    for together in _sets(info):
        bricks = [brick for brick, _ in together]
        lost, stay = [brick for brick in bricks if brick in going], [brick for brick in bricks if brick not in going]
        if not lost or info["disperse"]:
            continue
        # The last one of a set with an arbiter has the files' names alone; what the others lack is noted there, too.
        if not set(stay) & set(bricks[: len(bricks) - info["arbiter"]]):
            found.append(
                f"volume {name} has the files of {', '.join(lost)} nowhere else: they cannot be replaced; bring {old} "
                "back, or restore them from a backup"
            )
        elif len(stay) == 1 and not (case["brick"] or case["leaves"] or case["accepts"] or _same(old, case["new"])):
            found.append(
                f"{stay[0]} would be the only copy that volume {name} has, and only the lost brick {lost[0]} could say "
                f"what it lacks: where {old} can be started again, do so, wait until all is healed and give {{leave: "
                f"{old}, to: {case['new']}}}; else accept it with accept_only_copy: true beside old and new"
            )
    return found


def _alive(case, views, uuid, going):
    """
    That a server that is to be lost is there, or may be, in a list.
    """
    running, unknown = set(), set()
    for view in views.values():
        # One that is connected and does not answer was refused before; one that answers is there, connected or not.
        running |= {"glusterd" for peer in view["peers"] if peer["uuid"] == uuid and peer["answers"]}
        for name, bricks in going.items():
            online = view["volumes"][name]["online"]
            running |= set(bricks) & set(online or ())
            unknown |= {name} if online is None else set()
    if running:
        return [
            f"{', '.join(sorted(running))} of {case['old']} still runs: for a server that is there give "
            f"{{leave: {case['old']}, to: {case['new']}}}; one that is lost has to be off before"
        ]
    return [
        f"it is not known which bricks of volume {name} are online: another Gluster command, or a brick, hangs; run "
        "again in a minute"
        for name in sorted(unknown)
    ]


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


def replace_unready(witnesses, samples):
    """
    Why what goes may not be replaced now, by what the other servers said several times within some seconds.

    witnesses
        By minion the bricks of which it has to say that, as :func:`replace_decided` returned them (dict of dicts). What
        it says of other bricks does not count.

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
            found += [f"{_visible(text)} ({minion})" for text in said["blockers"][:20]]
            for brick, first in sorted(witnesses.get(minion, {}).items()):
                count = said["backlog"].get(brick)
                if brick not in (said["backlog"] if first is None else said["versions"].get(first, {})):
                    found.append(
                        f"{minion} does not say whether others have all that {brick} has: {SYNC.format(minion)}, and "
                        "run again"
                    )
                elif count:
                    found.append(
                        f"{brick} has changes of {count} file{'s' if count > 1 else ''} that others than what is to be "
                        f"replaced lack: {HEALED}"
                    )
    if not found and samples:
        found += _stale(witnesses, samples[0], samples[-1])
    return list(dict.fromkeys(found))


def _stale(witnesses, first, last):
    """
    Sets of dispersed bricks of which two have a file in different versions, the same both times: a file that is being
    written has others then.
    """
    sets = {}
    for minion, bricks in sorted(witnesses.items()):
        for brick, together in bricks.items():
            if together is not None:
                before, now = (sample[minion]["versions"][together][brick] for sample in (first, last))
                sets.setdefault(together, {})[brick] = before, now
    found = []
    for _, bricks in sorted(sets.items()):
        for gfid in sorted(set().union(*(now for _, now in bricks.values()))):
            seen = [(before.get(gfid), now.get(gfid)) for before, now in bricks.values()]
            if all(one == other for one, other in seen) and len(set(seen)) > 1:
                found.append(f"{', '.join(sorted(bricks))} have a file in different versions: {HEALED}")
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
    return known and all(_is_volume_name(name) and _is_volume(each) for name, each in volumes.items())


def _is_volume_name(said):
    return isinstance(said, str) and bool(re.fullmatch(r"[\w-]{1,255}", said))


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
    numbers = all(type(said.get(key)) is int and said[key] >= 0 for key in NUMBERS)
    online = said.get("online") is None or _is_list(said["online"], lambda brick: isinstance(brick, str))
    return same and numbers and online and _is_uuid(said.get("id")) and said.get("status") in STATUS


def _is_standing(said):
    lists = (
        isinstance(said, dict)
        and _is_list(said.get("volumes"), _is_volume_name)
        and _is_list(said.get("peers"), _is_host)
    )
    return lists and (said.get("uuid") is None or _is_uuid(said["uuid"]))


def _is_readiness(said):
    """
    Whether it is an answer of ``gluster_replace.readiness``.
    """
    if not isinstance(said, dict) or not _is_list(said.get("blockers"), lambda each: isinstance(each, str)):
        return False

    def by_brick(value, fits):
        return isinstance(value, dict) and all(_is_brick(brick) and fits(each) for brick, each in value.items())

    def is_text(value):
        return isinstance(value, str)

    def is_versions(value):
        return isinstance(value, dict) and all(map(is_text, [*value, *value.values()]))

    return by_brick(said.get("backlog"), lambda count: type(count) is int and count >= 0) and by_brick(
        said.get("versions"), lambda bricks: by_brick(bricks, is_versions)
    )
