"""
Whether a peer that is no full member of its pool can become one without loss, and how
======================================================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Nothing is asked here: what minions have
said comes in, and a plan or reasons go out.
"""

import re

__virtualname__ = "gluster_one"

MEMBER, REJECTED = "Peer in Cluster", "Peer Rejected"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HOST = r"[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?"
VERSION = r"\d{1,4}(\.\d{1,4}){0,3}"
PAGE = "docs/status.md, A server that is not in the pool"
NEWER = (
    "if that of the others is to stay, `gluster volume set {} user.checked yes` on one of them until its version is "
    "the higher one (docs/repair-peer.md)"
)
START = (
    "start it (`salt {0} state.apply gluster_one.started`), or restart it where it hangs (`salt {0} service.restart "
    "glusterd`), and run again"
)
JOIN = "a run takes it in where the pillar has create, else `gluster peer probe {}` on a member"


def __virtual__():
    return __virtualname__


def repair_misnamed(peer):
    """
    What is wrong with the argument of :func:`repair_plan`.

    peer
        See there.

    Returns a sentence, None where nothing is.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.repair_misnamed kvm3
    """
    if isinstance(peer, str) and re.fullmatch(HOST, peer):
        return None
    return f"the pillar has peer: {peer!r}: give the name that the pool has for the server, such as {{peer: kvm3}}"


def repair_decided(peer, views, own, target, listed):
    """
    What is to be done, by what all servers of the pool say.

    peer
        The server that is no full member (string).

    views
        What each of the other servers' minions said to ``gluster_repair.view`` (dict); None of one that said nothing.

    own
        What the minion of the peer itself said to it; None where there is none, or it said nothing.

    target
        Its minion (string), None where there is none.

    listed
        Whether the pillar has it as a server (bool).

    Returns a dict: ``errors``, sentences with what to do; ``fine``, what is so where there is nothing to do; ``steps``
    for ``orchestrate/steps.jinja``.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.repair_decided kvm3 '{}' '{}' kvm3 true
    """
    fine = f"{peer} is a full member of its pool, and takes all others for members"
    found = {"errors": [], "fine": fine, "steps": []}
    wrong = [f"{minion} does not say how it takes its peers: {_said(said)}" for minion, said in sorted(views.items())
             if not _is_view(said)]  # fmt: skip
    if own is not None and not _is_view(own):
        wrong.append(f"the minion of {peer} does not say how it takes its peers: {_said(own)}")
    wrong = wrong or [
        f"glusterd does not answer on {minion}: {START.format(minion)}"
        for minion, said in sorted(views.items())
        if not said["running"]
    ]
    every = {**views, target or peer: own} if own else views
    wrong = wrong or _mixed(every) or _prepared(every)
    if wrong:
        return {**found, "errors": wrong}
    records = {minion: _record(said, peer, own) for minion, said in views.items()}
    probing = sorted(minion for minion, said in views.items() if _named(peer, said["unfinished"]))
    if not any(records.values()):
        there = own if own and own["running"] else None
        return _kept(_forgotten(found, peer, views, there, probing, listed), views, target, own)
    if own and not own["running"]:
        return {**found, "errors": [f"glusterd does not answer on {peer}: {START.format(target)}"]}
    wrong = _strange(peer, views, records, own)
    if wrong:
        return {**found, "errors": wrong}
    return _kept(_joined(found, peer, views, records, own, target, probing), views, target, own)


def _mixed(views):
    """
    That the servers have several versions of Gluster, as a list of one sentence: what makes one definition newer than
    another, as steps here do, restarts bricks then.
    """
    versions = {minion: said["version"] or "of an unknown version" for minion, said in sorted(views.items())}
    if len(set(versions.values())) == 1:
        return []
    there = ", ".join(f"{version} on {minion}" for minion, version in versions.items())
    return [
        f"the servers have several versions of Gluster ({there}), and bricks would be restarted: upgrade all to one "
        "version; where servers reject each other on the way, docs/upgrade.md, Gluster 10 and 11 in one pool"
    ]


def _prepared(views):
    """
    That the servers are in the middle of a preparation, in which they reject each other, as a list of one sentence.
    """
    names = sorted({name for said in views.values() for name in said["paused"]})
    if not names:
        return []
    return [
        f"an upgrade is being prepared, for which the server quorum of volume {', '.join(names)} is off, and bricks "
        "would be restarted: go on with `salt-run state.orchestrate gluster_one.orchestrate.upgrade "
        "pillar='{prepare: true}'` (docs/upgrade.md)"
    ]


def _kept(found, views, target, own):
    """
    A plan, without its steps where one restarts a glusterd that must not be. Which servers count for a quorum, a step
    may change for those behind it.
    """
    said = {**views, target: own}
    servers = [
        step["minions"][0]
        for step in found["steps"]
        if {"forget", "peers", "again"} & set(step["pillar"].get("gluster_one_repair", ()))
    ]
    wrong = []
    for number, minion in enumerate(dict.fromkeys(servers)):
        losses = said[minion]["restart"]
        because = [*losses["bricks"], *(losses["quorum"] if number == 0 else [])]
        if because:
            text = "; ".join(map(__salt__["gluster_one.visible"], because))
            wrong.append(f"glusterd of {minion} has to be restarted, and is not: {text}")
    return {**found, "errors": wrong, "steps": []} if wrong else found


def is_membership(said):
    """
    Whether it is an answer of ``gluster_repair.membership``.

    said
        Anything.

    Returns a bool.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.is_membership '{}'
    """
    return (
        isinstance(said, dict)
        and _is_text(said.get("uuid"), UUID)
        and isinstance(said.get("running"), bool)
        and "version" in said
        and (said["version"] is None or _is_text(said["version"], VERSION))
        and _is_list(said.get("unfinished"), _is_host)
        and _is_list(said.get("peers"), _is_peer)
        and isinstance(said.get("volumes"), dict)
        and all(_is_text(name, r"[\w-]{1,255}") and _is_volume(each) for name, each in said["volumes"].items())
        and isinstance(said.get("paused"), dict)
        and all(_is_text(name, r"[\w-]{1,255}") and was in ("server", "none") for name, was in said["paused"].items())
    )


def _is_view(said):
    """
    Whether it is an answer of ``gluster_repair.view``.
    """
    return (
        is_membership(said)
        and isinstance(said.get("restart"), dict)
        and all(_is_list(said["restart"].get(kind), _is_sentence) for kind in ("bricks", "quorum"))
        and isinstance(said.get("counted"), dict)
        and all(_is_text(name, r"[\w-]{1,255}") and isinstance(each, bool) for name, each in said["counted"].items())
    )


def _record(view, peer, own):
    """
    The peer as another server has it, None where that does not know it.
    """
    named = [each for each in view["peers"] if _named(peer, each["hostnames"])]
    return next(iter(named or [each for each in view["peers"] if own and each["uuid"] == own["uuid"]]), None)


def _named(peer, names):
    return peer.casefold() in {name.casefold() for name in names}


def _strange(peer, views, records, own):
    """
    What cannot be repaired without loss, or by this, as sentences.
    """
    known = sorted({record["uuid"] for record in records.values() if record})
    if len(known) > 1:
        return [f"the servers know {peer} by several uuids, {', '.join(known)}: see {PAGE}"]
    if own and own["uuid"] != known[0]:
        return [
            f"{peer} calls itself {own['uuid']}, and the pool knows it as {known[0]}: its /var/lib/glusterd was lost; "
            f"replace it by itself: salt-run state.orchestrate gluster_one.orchestrate.replace pillar='{{old: {peer}, "
            f"new: {peer}}}' (docs/replace.md)"
        ]
    found, members = [], {said["uuid"]: minion for minion, said in views.items()}
    for minion, said in sorted(views.items()):
        there = {each["uuid"]: each for each in said["peers"]}
        for uuid, other in sorted(members.items()):
            state = there[uuid]["state"] if uuid in there else "no peer"
            if uuid != said["uuid"] and state != MEMBER:
                found.append(f"{minion} sees {other} as {state!r}: repair that one first")
            elif uuid != said["uuid"] and not (there[uuid]["connected"] or said["unfinished"]):
                found.append(f"{minion} sees {other} disconnected: start glusterd there, and run again")
        for uuid, each in sorted(there.items()):
            if uuid not in members and uuid != known[0]:
                found.append(
                    f"{each['hostnames'][-1]}, a member of the pool, is not among the servers that were asked: name it "
                    "in the pillar's servers, by its minion's identifier"
                )
    if own:
        pool = {*members, *(each["uuid"] for said in views.values() for each in said["peers"])}
        strangers = [each["hostnames"][-1] for each in own["peers"] if each["uuid"] not in pool]
        if strangers:
            found.append(f"{peer} is in a pool with {', '.join(strangers)}, who are not in this one: see {PAGE}")
    volumes = {minion: said["volumes"] for minion, said in views.items()}
    first = min(volumes)
    others = [minion for minion in sorted(volumes) if volumes[minion] != volumes[first]]
    if others:
        found.append(
            f"{first} and {', '.join(others)} have other definitions of volumes: repair these first, see {PAGE}"
        )
    for name, volume in sorted(own["volumes"].items()) if own else ():
        others = ", ".join(sorted(views))
        there = volumes[first].get(name) or {"id": None}
        if there["id"] != volume["id"]:
            found.append(
                f"{peer} has a volume {name} ({volume['id']}) that the others do not have: it would stay apart; see "
                f"`gluster volume info {name}` there, and delete it if nobody needs it"
            )
        elif volume["version"] > there["version"]:
            found.append(
                f"{peer} has a newer definition of volume {name} ({volume['version']}) than {others} "
                f"({there['version']}): compare `gluster volume info {name}` of both; {NEWER.format(name)}"
            )
        elif volume["version"] == there["version"] and volume["bricks"] != there["bricks"]:
            found.append(
                f"{peer} and {others} have changed the bricks of volume {name} apart: it is made of {_bricks(volume)} "
                f"there, and of {_bricks(there)} here, and neither definition is newer ({volume['version']}); "
                f"{NEWER.format(name)}"
            )
    return list(dict.fromkeys(found))


def _bricks(volume):
    return __salt__["gluster_one.visible"](" ".join(volume["bricks"]))


def _forgotten(found, peer, views, own, probing, listed):
    """
    A peer that was probed and has never answered; it holds nothing of the pool.
    """
    if not probing:
        text = f"{peer} is not in the pool of {', '.join(sorted(views))}: correct the name; {JOIN.format(peer)}"
        return {**found, "errors": [text]}
    steps = [_step(f"forget the probe of {peer}", minion, forget=[peer]) for minion in probing]
    first = min(views)
    # Through a server that is not a full member itself it would come into a pool of its own.
    others = [each for said in views.values() for each in said["peers"]]
    whole = all(each["state"] == MEMBER for each in others)
    whole = whole and all(said["volumes"] == views[first]["volumes"] for said in views.values())
    if own and listed and whole and not own["peers"] and not own["volumes"]:
        part = {"gluster_one_replace": {"take_in": peer}}
        steps.append({"id": f"take in {peer} on {first}", "minions": [first], "sls": "gluster_one.replace",
                      "pillar": part})  # fmt: skip
    steps.append(_step("members", first, joined=True))
    return {**found, "steps": steps}


def _apart(peer, views, records, own):
    """
    Why a peer that all keep as a full member, and that keeps them so, is none yet, as sentences.
    """
    members, found = {said["uuid"]: minion for minion, said in views.items()}, []
    unseen = [
        (minion, peer)
        for minion, record in sorted(records.items())
        if not (record["connected"] or views[minion]["unfinished"])
    ]
    unseen += [
        (peer, members[each["uuid"]])
        for each in own["peers"]
        if each["uuid"] in members and not (each["connected"] or own["unfinished"])
    ]
    for minion, other in unseen:
        found.append(
            f"{minion} sees {other} disconnected: start glusterd there, see that port 24007 is open for each of them, "
            "and run again"
        )
    first = min(views)
    there = views[first]["volumes"]
    for name in sorted(there.keys() | own["volumes"].keys()):
        here, volume = own["volumes"].get(name), there.get(name)
        if here != volume and not found:
            version = "none" if here is None else f"version {here['version']}"
            found.append(
                f"{peer} has another definition of volume {name} ({version}) than {', '.join(sorted(views))} (version "
                f"{volume['version']}), although all take each other for members: `systemctl restart glusterd` on "
                f"{peer}, and run again: it takes over what is newer, or is rejected, which this repairs"
            )
    return found


def _joined(found, peer, views, records, own, target, probing):
    """
    A peer that others, or itself, do not keep as a full member.
    """
    members, first = {said["uuid"]: minion for minion, said in views.items()}, min(views)
    there = views[first]["volumes"]
    lacking = [minion for minion, record in sorted(records.items()) if not record or record["state"] != MEMBER]
    apart = own and {each["uuid"]: each["state"] for each in own["peers"]}
    if not lacking and (own is None or all(apart.get(uuid) == MEMBER for uuid in members)):
        if own is None:
            return {**found, "errors": [f"no minion speaks for {peer}, or it does not answer: start the host"]}
        wrong = _apart(peer, views, records, own)
        if wrong:
            return {**found, "errors": wrong}
        steps = [_step(f"forget the probe of {peer}", minion, forget=[peer]) for minion in probing]
        return {**found, "steps": [*steps, *_counted(views, own, target, {})]}
    if own is None:
        return {**found, "errors": [
            f"{', '.join(lacking)} has {peer} as {records[lacking[0]] and records[lacking[0]]['state']!r}, and its own "
            "minion does not answer: start the host, its minion and its glusterd, and run again"
        ]}  # fmt: skip
    steps = [_step(f"forget the probe of {peer}", minion, forget=[peer]) for minion in probing]
    # The higher version wins; of two that are equal and differ, neither. One that is newer there has been refused.
    above = {
        name: volume["version"]
        for name, volume in sorted(own["volumes"].items())
        if volume != there[name] and volume["version"] == there[name]["version"]
    }
    if above:
        steps.append(_step("volumes", first, renew=above))
    names = {}
    for said in views.values():
        for each in said["peers"]:
            names.setdefault(each["uuid"], each["hostnames"][::-1])
    names.update({uuid: names.get(uuid) or [minion] for uuid, minion in members.items()})
    names.update({each["uuid"]: each["hostnames"] for each in own["peers"]})
    steps.append(_step(f"{peer} keeps its peers", target, peers={uuid: names[uuid] for uuid in sorted(members)}))
    for minion in lacking:
        record = records[minion]
        if record is None or record["state"] != REJECTED:  # which ends by itself when both have the same volumes
            called = record["hostnames"] if record else [peer]
            steps.append(_step(f"keep {peer}", minion, peers={own["uuid"]: called}))
    steps.append(_step("members", first, joined=True))
    return {**found, "steps": [*steps, *_counted(views, own, target, above)]}


def _counted(views, own, target, above):
    """
    The steps by which Gluster takes the sizes of the peer's bricks right, where it has several of a volume. An option
    that was set while it was away leaves them wrong, until its glusterd has been started once more, as a member, and an
    option is set again; so does a run that was killed in between. `above` are the volumes that a step has set before.
    """
    first = min(views)
    there = views[first]["volumes"]
    again = {
        name: there[name]["version"] + (name in above)
        for name, right in sorted(own["counted"].items())
        if name in there and not (right and own["volumes"].get(name) == there[name])
    }
    if not again:
        return []
    return [_step("glusterd again", target, again=True), _step("sizes", first, joined=True, renew=again)]


def _step(what, minion, **part):
    pillar = {"gluster_one_repair": part}
    return {"id": f"{what} on {minion}", "minions": [minion], "sls": "gluster_one.repair", "pillar": pillar}


def _said(said):
    return __salt__["gluster_one.visible"]("no answer" if said is None else said)


def _is_text(said, pattern):
    return isinstance(said, str) and len(said) < 256 and bool(re.fullmatch(pattern, said))


def _is_list(said, fits):
    return isinstance(said, list) and len(said) <= 1000 and all(map(fits, said))


def _is_host(said):
    return _is_text(said, HOST)


def _is_sentence(said):
    return isinstance(said, str)


def _is_peer(said):
    return (
        isinstance(said, dict)
        and _is_text(said.get("uuid"), UUID)
        and _is_list(said.get("hostnames"), _is_host)
        and said["hostnames"] != []
        and isinstance(said.get("state"), str)
        and isinstance(said.get("connected"), bool)
    )


def _is_volume(said):
    return (
        isinstance(said, dict)
        and _is_text(said.get("id"), UUID)
        and type(said.get("version")) is int
        and 0 <= said["version"] < 2**31
        and _is_text(said.get("checksum"), "[0-9]+")
        and _is_list(said.get("bricks"), _is_sentence)
    )
