"""
Whether a server may be upgraded, what has to be done after it, and whether the pool may speak a newer protocol
===============================================================================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. The plan of
``gluster_one.orchestrate.upgrade`` is made here: what servers say comes in, and reasons or steps go out.
"""

import re
import sys
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

MEMBER, REJECTED = "Peer in Cluster", "Peer Rejected"
HOST = r"[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?"
GIVE = "give one of {prepare: true}, {before: SERVER}, {after: SERVER} and {op_version: true}"
ORCHESTRATE = "salt-run state.orchestrate gluster_one.orchestrate."
APT = "apt-get update; apt-cache show --no-all-versions {} | grep -E '^(Version|Depends)'"
BY_HAND = "docs/upgrade.md, Gluster 10 and 11 in one pool"
PREPARE = f"`{ORCHESTRATE}upgrade pillar='{{prepare: true}}'`"
# Seconds for which the servers have to see each other in the same way after one has come back.
STEADY = 8
# Seconds after which a brick that runs, and that glusterd takes for down, is not about to be found any more.
FOUND = 30


def __virtual__():
    return __virtualname__


def upgrade_case(before=None, after=None, op_version=None, heal_timeout=None, prepare=None):
    """
    What the arguments of :func:`upgrade_plan` ask for.

    before, after, op_version, heal_timeout, prepare
        See there.

    Returns a dict: ``errors``, sentences that name key, value and what is allowed; ``what``, the key that is given, and
    ``server``, None where that is ``prepare`` or ``op_version``::

        {"errors": [], "what": "before", "server": "kvm2"}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_case before=kvm2
    """
    given = {"prepare": prepare, "before": before, "after": after, "op_version": op_version}
    given = {key: value for key, value in given.items() if value is not None}
    errors = []
    if len(given) != 1:
        there = (
            ", ".join(f"{key}: {value!r}" for key, value in given.items())
            or "none of prepare, before, after and op_version"
        )
        errors.append(f"the pillar has {there}: {GIVE}")
    for key, value in given.items():
        if key == "op_version" and value is not True:
            errors.append(
                f"the pillar has op_version: {value!r}: only true is possible, which sets the newest version that all "
                "servers and clients speak"
            )
        elif key == "prepare" and value is not True:
            errors.append(f"the pillar has prepare: {value!r}: only true is possible, which prepares all servers")
        elif key in ("before", "after") and not (isinstance(value, str) and re.fullmatch(HOST, value)):
            errors.append(f"the pillar has {key}: {value!r}: a name of the pillar's servers is needed, such as kvm2")
    errors += __salt__["gluster_one.heal_timeout_errors"](heal_timeout)
    what = next(iter(given), None)
    return {"errors": errors, "what": what, "server": before or after}


def upgrade_plan(before=None, after=None, op_version=None, heal_timeout=None, prepare=None):
    """
    Whether a server may be upgraded now, or the steps of ``gluster_one.orchestrate.upgrade`` before or after that.

    before
        The server that is to be upgraded (string), by its name in the pillar's ``servers``.

    after
        The server that was upgraded and has been rebooted (string). It is waited for, as long as the pillar's
        ``timeout`` says.

    op_version
        True: whether the pool may speak the newest version of Gluster's protocol.

    heal_timeout
        Seconds to wait for the heal after a server (int, default 86400, a day).

    prepare
        True: have all servers, before the first one is upgraded, write definitions of volumes that Gluster 11 writes in
        the same way.

    One of ``prepare`` and the first three is needed. Nothing is changed.

    Returns a dict; ``errors`` are sentences that say why not, each with what to do, and ``fine`` says what is so, or
    comes next::

        {"errors": [], "fine": "kvm2 may be upgraded now: ...", "timeout": 120,
         "steps": [{"id": "formula on kvm2", "minions": ["kvm2"], "sls": "gluster_one"}]}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_plan before=kvm2
    """
    case = upgrade_case(before, after, op_version, heal_timeout, prepare)
    if case["errors"]:
        return {"errors": case["errors"]}
    known, parts, servers = __salt__["gluster_one.everyone"]()
    server = case["server"]
    if server is None:
        return _pools_plan(known, parts, servers, prepare)
    at = __salt__["gluster_one.called"](server, known)
    if len(at) != 1 or at[0] not in servers:
        who = f"{' and '.join(at)} go by that name" if at[1:] else "that is not a server of the pillar"
        there = ", ".join(servers) or "none"
        return {"errors": [f"the pillar has {case['what']}: {server!r}: {who}; the servers are {there}"]}
    target, others = at[0], __salt__["gluster_one.replace_others"](at[0], parts)
    if not others:
        return {"errors": [f"no other server of the pool of {server} is among the minions that have gluster_one"]}
    minions, timeout = sorted([*others, target]), max(parts[minion]["timeout"] for minion in [*others, target])
    if before:
        __salt__["gluster_one.refresh"](minions)
        views = __salt__["gluster_one.ask"](minions, "gluster_upgrade.view", timeout=30)
        said = __salt__["gluster_one.ask"]([target], "gluster_upgrade.driver", timeout=30).get(target)
        reasons = __salt__["gluster_one.ok_to_stop"]([target])["reasons"]
        found = upgrade_before(server, target, {minion: views.get(minion) for minion in minions}, said, reasons)
        return {**found, "steps": [], "timeout": timeout}
    views = _settled(server, target, minions, timeout)
    found = upgrade_after(server, target, views)
    if not found["errors"]:
        found["errors"] = _held_for_down(target, views)
    if found["errors"]:
        return {"errors": found["errors"]}
    for step in [step for step in found["steps"] if "waits" in step]:
        hosts = __salt__["gluster_one.hosts_of_several"](known)
        step["waits"].update(timeout=heal_timeout or 86400, hosts=hosts)
    return {**found, "timeout": timeout}


def _settled(server, target, minions, timeout):
    """
    What the servers say, once one that has been rebooted is back, and all have seen it in the same way for some
    seconds; what they say then, if that does not come about in time.
    """
    begin, since, last, fresh, shown = time.monotonic(), None, None, False, None
    while True:
        answers = __salt__["gluster_one.ask"](minions, "gluster_upgrade.view", timeout=10)
        views = {minion: answers.get(minion) for minion in minions}
        now = time.monotonic()
        if not fresh and target in answers:
            __salt__["gluster_one.refresh"](minions)  # it may have come back with modules of before
            fresh, begin = True, time.monotonic()
            continue
        waits = upgrade_awaited(server, target, views)
        seen = waits or [(minion, _states(view)) for minion, view in views.items()]
        since, last = (since, last) if seen == last else (now, seen)
        if (not waits and now - since >= STEADY) or now - begin > timeout:
            return views
        if waits and (shown is None or now - shown >= 10):
            print(f"{time.strftime('%H:%M:%S')}            {waits}", file=sys.stderr, flush=True)
            shown = now
        time.sleep(2)


def _held_for_down(target, views):
    """
    Bricks that run and that their glusterd goes on taking for down, as sentences: when the servers' quorum is there
    again, it may start a brick twice, and no wait ends that.
    """
    begin, running = time.monotonic(), {brick for view in views.values() for brick in view["bricks"]
                                        if view["bricks"][brick] is not None}  # fmt: skip
    while True:
        said = __salt__["gluster_one.ask"]([target], "gluster_upgrade.held_for_down", timeout=60).get(target)
        held = sorted(brick for brick in running if brick in said) if isinstance(said, list) else []
        if not held or time.monotonic() - begin > FOUND:
            break
        time.sleep(2)
    return [
        f"glusterd of {minion} takes {', '.join(own)} for down, although it runs, and no wait ends that: "
        f"`salt {minion} state.apply gluster_one.started` starts it anew if its other copies are online"
        for minion, view in sorted(views.items())
        if (own := [_visible(brick) for brick in held if brick in view["bricks"]])
    ]


def _states(view):
    if not _is_view(view):
        return _said(view)
    return sorted((peer["uuid"], peer["state"]) for peer in view["peers"])


def upgrade_awaited(server, target, views):
    """
    What is still to come before it can be said how a server that was rebooted has come back.

    server, target
        The server and its minion (strings).

    views
        What each server's minion said to ``gluster_upgrade.view`` (dict); None of one that said nothing.

    Returns a sentence, None where nothing is.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_awaited kvm2 kvm2 '{}'
    """
    own = views.get(target)
    if own is None:
        return f"the minion of {server} does not answer"
    silent = [minion for minion, view in sorted(views.items()) if view is None]
    if silent:
        return f"{', '.join(silent)} does not answer"
    if not _is_view(own) or not own["running"]:
        return f"glusterd does not answer on {server}" if _is_view(own) else None
    for minion, view in sorted(views.items()):
        for peer in view["peers"] if _is_view(view) else ():
            if peer["state"] == MEMBER and not peer["connected"]:
                return f"{minion} sees {peer['hostnames'][-1]} disconnected"
    return None


def upgrade_before(server, target, views, driver, reasons):
    """
    Whether a server may be upgraded now.

    server, target, views
        See :func:`upgrade_awaited`.

    driver
        What its minion said to ``gluster_upgrade.driver``.

    reasons
        Those of :func:`ok_to_stop` (list of strings).

    Returns ``errors`` and ``fine`` as :func:`upgrade_plan`.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_before kvm2 kvm2 '{kvm2: null}' '{}' '[]'
    """
    errors = upgrade_unready(views)
    vms = re.compile(r"\d+ VMs? on ")
    errors += [f"{reason}: migrate {'it' if reason[:2] == '1 ' else 'them'} away" if vms.match(reason) else reason
               for reason in reasons]  # fmt: skip
    fine = [
        f"{server} may be upgraded now ({_installed(views)}): its packages and its reboot are yours; after that "
        f"`{_again('after', server)}`"
    ]
    lines = sorted({key for view in views.values() if _is_view(view) and _number(view) < (11,)
                    for each in view["lines"].values() for key in each})  # fmt: skip
    if lines:
        fine.append(
            f"if that brings Gluster 11, servers will reject each other, as the volumes have {', '.join(lines)}: first "
            f"{PREPARE}, while all have the same version ({BY_HAND})"
        )
    if not _is_driver(driver):
        errors.append(f"{target} does not say whether its QEMU keeps the gluster driver: {_said(driver)}")
    elif driver["needed"] and driver["candidate"] and not driver["gluster"]:
        errors.append(
            f"{_visible(driver['package'])} {_visible(driver['candidate'])}, to which apt upgrades {target}, does not "
            "need libgfapi: QEMU could not open gluster:// any more; docs/native-or-fuse.md has the way over, which "
            "has to be gone before"
        )
    elif driver["needed"] and not driver["candidate"]:
        fine.append(
            f"apt there knows no newer {_visible(driver['package'])}: with the sources of the new release "
            f"`{APT.format(_visible(driver['package']))}` has to name libgfapi, or VMs with gluster:// do not start "
            "there again"
        )
    return {"errors": list(dict.fromkeys(errors)), "fine": "; ".join(fine)}


def upgrade_unheard(views):
    """
    Which servers of a pool have not said how they are, or were not asked.

    views
        See :func:`upgrade_awaited`.

    Returns a list of sentences.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_unheard '{}'
    """
    return _silent(views) or _strangers(views)


def upgrade_unready(views):
    """
    What all servers of a pool have to be, and are not, before one is upgraded, or all are prepared for it.

    views
        See :func:`upgrade_awaited`.

    Returns a list of sentences.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_unready '{kvm2: null}'
    """
    return _unready(views) or _half_prepared(views) or _strangers(views) or _rejections(views) or _incompatible(views)


def upgrade_after(server, target, views):
    """
    What has to be done after a server has been upgraded and rebooted.

    server, target, views
        See :func:`upgrade_awaited`.

    Returns ``errors``, ``steps`` and ``fine`` as :func:`upgrade_plan`.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_after kvm2 kvm2 '{}'
    """
    none = {"steps": [], "fine": None}
    errors = _unready(views, [target]) or _strangers(views) or _rejections(views)
    waits = upgrade_awaited(server, target, views)
    if not errors and waits:
        errors.append(f"{waits}: see /var/log/glusterfs/glusterd.log on both, and run the same command again")
    errors = errors or _incompatible(views)
    if errors:
        return {**none, "errors": errors}
    steps = [{"id": f"formula on {target}", "minions": [target], "sls": "gluster_one"}]
    minions = sorted(views)
    volumes = sorted(views[target]["volumes"])
    if volumes:
        steps.append({"id": "heal", "minions": minions, "waits": {"volumes": volumes, "minions": minions}})
    steps.append({"id": "status of the pool", "minions": minions, "well": True})
    return {"errors": [], "steps": steps, "fine": f"{server} is done ({_installed(views)}); next: {_next(views)}"}


def _next(views):
    """
    Which command comes next, by the versions that are installed.
    """
    newest = max(map(_number, views.values()))
    older = [minion for minion, view in sorted(views.items()) if _number(view) < newest]
    if older:
        return f"`{_again('before', older[0])}`"
    return f"the nodes that are no servers, in any order, then `{ORCHESTRATE}upgrade pillar='{{op_version: true}}'`"


def _incompatible(views):
    """
    Where the definitions that servers have of a volume differ, as sentences. Whoever restarts a glusterd has the two
    sides reject each other, or take over what is newer, which restarts bricks.
    """
    found, first = [], min(views)
    page = BY_HAND if _mixed(views) else "see docs/repair-peer.md"
    for name in sorted(set().union(*(view["volumes"] for view in views.values()))):
        there = {minion: view["volumes"].get(name) for minion, view in sorted(views.items())}
        lacking = [minion for minion, volume in there.items() if volume is None]
        if lacking or len({volume["id"] for volume in there.values()}) > 1:
            who = f"{', '.join(lacking)} has no volume {name}" if lacking else f"they have several volumes {name}"
            found.append(f"of the servers {', '.join(there)} {who}: see docs/repair-peer.md")
            continue
        for minion, volume in there.items():
            mine, its = (views[each]["settings"].get(name, {}) for each in (first, minion))
            differing = sorted(key for key in {*mine, *its} if mine.get(key) != its.get(key))
            if volume["checksum"] != there[first]["checksum"]:
                what = ", ".join(map(_visible, differing[:5])) or "the words of the definition"
                found.append(f"{first} and {minion} differ in {what} of volume {name}: {page}")
    return found


def upgrade_well(minions, timeout=120):
    """
    Wait until :func:`status` finds no error on the servers of a pool.

    minions
        The servers' minions (list of strings).

    timeout
        Seconds to wait (int, default 120).

    Returns a sentence.

    Raises CommandExecutionError when it was not so in time, with what was found.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_well '[kvm1, kvm2, kvm3]'
    """
    end = time.monotonic() + timeout
    while True:
        fleet = __salt__["gluster_one.status"]()["data"]
        wrong = [f"{minion} does not answer" for minion in minions if minion in fleet["absent"]]
        for minion in minions:
            for finding in fleet["nodes"].get(minion, {"findings": []})["findings"]:
                if finding["severity"] == "error":
                    wrong.append(f"{minion}: {finding['on']}: {finding['seen']} ({finding['cure']})")
        if not wrong:
            return f"status finds no error on {', '.join(minions)}"
        if time.monotonic() > end:
            text = "; ".join(wrong[:5])
            raise CommandExecutionError(
                f"the pool is not well after {timeout} s: {text}: repair it, and run this again"
            )
        time.sleep(2)


def _pools_plan(known, parts, servers, prepare):
    """
    The plan to prepare each pool that there is, or for a newer version of its protocol.
    """
    if not servers:
        return {"errors": ["no minion that has gluster_one is a server of one of its volumes"]}
    __salt__["gluster_one.refresh"](servers)
    plans, left = [], set(servers)
    timeout = max(parts[minion]["timeout"] for minion in servers)
    while left:
        pool = sorted({min(left), *__salt__["gluster_one.replace_others"](min(left), parts)})
        left -= {*pool}
        if prepare:
            hosts = __salt__["gluster_one.hosts_of_several"](known)
            found = __salt__["gluster_one.prepare_plan"](pool, hosts, timeout)
        else:
            answers = __salt__["gluster_one.ask"](pool, "gluster_upgrade.view", timeout=30)
            said = __salt__["gluster_one.ask"](pool[:1], "gluster_upgrade.op_versions", timeout=60).get(pool[0])
            found = upgrade_protocol({minion: answers.get(minion) for minion in pool}, said, known)
        plans.append(found)
    errors = [text for found in plans for text in found["errors"]]
    going_on = [found for found in plans if found.get("begun") and not found["errors"]]
    if errors and not going_on:
        return {"errors": errors}
    plans = going_on if errors else plans  # what one pool lacks keeps no other one half way
    fine = [*(found["fine"] for found in plans), *(f"not begun elsewhere: {text}" for text in errors)]
    steps = [step for found in plans for step in found["steps"]]
    return {"errors": [], "steps": steps, "fine": "; ".join(fine), "timeout": timeout}


def upgrade_protocol(views, said, known=None):
    """
    Whether a pool may speak a newer version of Gluster's protocol.

    views
        As for :func:`upgrade_awaited`, of all its servers.

    said
        What the first of them said to ``gluster_upgrade.op_versions``.

    known
        As for :func:`part`.

    Returns ``errors``, ``steps`` and ``fine`` as :func:`upgrade_plan`.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_protocol '{kvm1: null}' '{}'
    """
    none, first = {"steps": [], "fine": None}, min(views)
    errors = _unready(views) or _strangers(views) or _rejections(views)
    if errors:
        return {**none, "errors": errors}
    if not _is_op_versions(said):
        return {**none, "errors": [f"{first} does not say which versions of the protocol are spoken: {_said(said)}"]}
    newest = max(views.values(), key=_number)
    errors = [
        f"{minion} has Gluster {view['version']} and others have {newest['version']}: upgrade it first, "
        f"`{_again('before', minion)}`"
        for minion, view in sorted(views.items())
        if _number(view)[:1] < _number(newest)[:1]
    ]
    pool, most = said["pool"], said["most"]
    if most <= pool and not errors:
        fine = f"the pool of {', '.join(sorted(views))} speaks version {pool} of Gluster's protocol"
        return {"errors": [], "steps": [], "fine": f"nothing to do: {fine}, the newest of its servers"}
    for name, clients in sorted(said["clients"].items()):
        for address, version in sorted(clients.items()):
            if version < most and not errors[20:]:
                who = ", ".join(__salt__["gluster_one.called"](address, known)) or "no accepted minion"
                errors.append(
                    f"a client of volume {name} at {address} ({who}) speaks version {version or 'unknown'}, and {most} "
                    "is to be set: upgrade that node and reboot it, or unmount the volume there and stop its VMs that "
                    "use gluster://"
                )
    if errors:
        return {**none, "errors": errors}
    pillar = {"gluster_one_upgrade": {"op_version": most}}
    step = {"id": f"protocol {most} on {first}", "minions": [first], "sls": "gluster_one.upgrade", "pillar": pillar}
    well = {"id": f"status of the pool of {first}", "minions": sorted(views), "well": True}
    return {"errors": [], "steps": [step, well], "fine": f"the pool of {', '.join(sorted(views))}: {pool} to {most}"}


def _unready(views, rebooted=None):
    """
    What all servers of a pool have to be before and after one is upgraded, as sentences about those that are not.
    `rebooted` are those that have to run the programs that are installed, None for all.
    """
    wrong = _silent(views) or [
        f"glusterd does not run on {minion}: `salt {minion} state.apply gluster_one.started`"
        for minion, view in sorted(views.items())
        if not view["running"]
    ]
    wrong = wrong or [
        f"{minion} is being upgraded, {', '.join(view['replaced'])} there still runs the program of before: reboot it, "
        f"then `{_again('after', minion)}`"
        for minion, view in sorted(views.items())
        if view["replaced"] and (rebooted is None or minion in rebooted)
    ]
    return wrong


def _silent(views):
    return [f"{minion} does not say how its glusterd is: {_said(view)}" for minion, view in sorted(views.items())
            if not _is_view(view)]  # fmt: skip


def _strangers(views):
    """
    Members of the pool of which no minion has spoken, as sentences.
    """
    known = {view["uuid"] for view in views.values()}
    names = {peer["uuid"]: peer["hostnames"][-1] for view in views.values() for peer in view["peers"]}
    return [
        f"{name}, a member of the pool, is not among the servers that were asked: name it in the pillar's servers, by "
        "its minion's identifier"
        for uuid, name in sorted(names.items())
        if uuid not in known
    ]


def _rejections(views):
    """
    Which servers do not take each other for members, as sentences with the cure of each.
    """
    found, mixed = [], _mixed(views)
    for minion, view in sorted(views.items()):
        for other, its in sorted(views.items()):
            state = next((peer["state"] for peer in view["peers"] if peer["uuid"] == its["uuid"]), "no peer")
            if other != minion and state != MEMBER:
                cure = f"`{ORCHESTRATE}repair_peer pillar='{{peer: {other}}}'`"
                found.append(f"{minion} has {other} as {_visible(state)!r}: {BY_HAND if mixed else cure}")
    return found


def _mixed(views):
    return len(set(map(_number, views.values()))) > 1


def _half_prepared(views):
    """
    That a preparation was begun and has not come to its end, as a list of one sentence.
    """
    names = sorted({name for view in views.values() for name in view["paused"]})
    if not names:
        return []
    return [f"the server quorum of volume {', '.join(names)} is off, as the preparation is not at its end: {PREPARE}"]


def _installed(views):
    there = [f"{view['version']} on {minion}" for minion, view in sorted(views.items()) if _is_view(view)]
    return f"Gluster {', '.join(there)}"


def _number(view):
    return tuple(map(int, view["version"].split(".")))


def _again(key, server):
    return f"{ORCHESTRATE}upgrade pillar='{{{key}: {server}}}'"


def _visible(said):
    return __salt__["gluster_one.visible"](said)


def _said(said):
    return _visible("no answer" if said is None else said)


def _is_view(said):
    """
    Whether it is an answer of ``gluster_upgrade.view``, of a server that has Gluster.
    """
    return (
        __salt__["gluster_one.is_membership"](said)
        and said["version"] is not None
        and isinstance(said.get("replaced"), list)
        and all(isinstance(name, str) and re.fullmatch(r"\w{1,20}", name) for name in said["replaced"])
        and all(_are_texts_by_volume(said.get(key)) for key in ("settings", "lines"))
        and isinstance(said.get("bricks"), dict)
        and all(isinstance(brick, str) for brick in said["bricks"])
        and all(age is None or type(age) is int for age in said["bricks"].values())
        and all(re.fullmatch(r"[\w-]{1,255}", str(name)) for name in [*said["settings"], *said["lines"]])
        and all(re.fullmatch(r"[\w.-]{1,100}", key) for each in said["lines"].values() for key in each)
        and all(isinstance(said.get(key), list) for key in ("asked", "snapshots"))
        and isinstance(said.get("ends"), (str, type(None)))
    )


def _are_texts_by_volume(said):
    return (
        isinstance(said, dict)
        and all(isinstance(each, dict) for each in said.values())
        and all(isinstance(text, str) for each in said.values() for pair in each.items() for text in pair)
    )


def _is_driver(said):
    texts = isinstance(said, dict) and (said.get("package"), said.get("candidate") or "")
    return (
        bool(texts)
        and isinstance(said.get("needed"), bool)
        and all(isinstance(text, str) and re.fullmatch(r"[a-zA-Z0-9.+:~-]{0,100}", text) for text in texts)
    )


def _is_op_versions(said):
    numbers = isinstance(said, dict) and isinstance(said.get("clients"), dict) and [said.get("pool"), said.get("most")]
    if not numbers or not all(isinstance(each, dict) for each in said["clients"].values()):
        return False
    numbers += [number for each in said["clients"].values() for number in each.values()]
    names = [name for each in said["clients"].values() for name in each]
    return all(type(number) is int for number in numbers) and all(
        isinstance(name, str) and re.fullmatch(HOST, name) for name in [*said["clients"], *names]
    )
