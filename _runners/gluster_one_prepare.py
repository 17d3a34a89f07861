"""
Definitions of volumes that two versions of Gluster write in the same way, before the first server is upgraded
==============================================================================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. The plan of ``{prepare: true}`` of
``gluster_one.orchestrate.upgrade``, and what it waits for between two servers.

Servers that have changed their definitions, and those that have not yet, reject each other, and no brick ends by that
as long as no volume has a server quorum. What was begun is known by what each volume itself keeps of its quorum
(``gluster_options.pause_changes``), so that the next run goes on wherever one has stopped.
"""

import sys
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

MEMBER, REJECTED = "Peer in Cluster", "Peer Rejected"
UPGRADE = "`salt-run state.orchestrate gluster_one.orchestrate.upgrade pillar='{{{}}}'`"
PREPARE = UPGRADE.format("prepare: true")
BY_HAND = "docs/upgrade.md, Gluster 10 and 11 in one pool"
HALF_WAY = "docs/upgrade.md, When it stops half way"
STARTED = "`salt {} state.apply gluster_one.started`"
# Seconds for which the servers have to be as they should before the next one is stopped.
STEADY = 8
# Seconds within which servers that have just been started see each other.
SETTLED = 30
# By how many seconds the age of a process may be wrong: two clocks, in whole seconds.
ROUNDED = 4
AGAIN = "has not run on"


def __virtual__():
    return __virtualname__


def prepare_plan(pool, hosts=(), timeout=120):
    """
    What :func:`upgrade_prepare` returns for a pool, by what its servers say now.

    pool
        The servers' minions (list of strings).

    hosts
        Addresses of one node each (list of lists of strings, default none), as :func:`rollout_plan` has them.

    timeout
        Seconds to wait, at the begin, until nothing has waited to be healed for some seconds (int, default 120). In the
        middle it is waited for half a minute until servers that have just been started see each other.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.prepare_plan '[kvm1, kvm2, kvm3]'
    """
    begin = time.monotonic()
    while True:
        at, views = time.time(), _views(pool)
        found = upgrade_prepare(views, at)
        begun = any(isinstance(view, dict) and view.get("paused") for view in views.values())
        if not (found["errors"] and begun) or time.monotonic() - begin > SETTLED:
            break
        time.sleep(2)
    if found["steps"] and not begun:
        wrong = _unhealed(pool, {"volumes": sorted(views[pool[0]]["volumes"]), "hosts": hosts}, timeout)
        return {**found, "errors": wrong, "steps": []} if wrong else found
    return found


def _unhealed(pool, asked, timeout):
    """
    What a server of a pool still says to be missing on its volumes, as a list of one sentence, an empty one once all
    have said for some seconds that nothing is.
    """
    begin, since = time.monotonic(), None
    while True:
        for minion in pool:  # one at a time: it takes the pool's lock
            answers = __salt__["gluster_one.ask"]([minion], "gluster_replace.unhealed", asked, timeout=30)
            said = answers.get(minion, "no answer")
            if said is not None:
                break
        now = time.monotonic()
        since = None if said is not None else now if since is None else since
        if since is not None and now - since >= STEADY:
            return []
        if now - begin > timeout:
            return [f"{minion} says: {_visible(said)}: wait until all is online, connected and healed, and run again"]
        time.sleep(2)


def _views(minions):
    answers = __salt__["gluster_one.ask"](minions, "gluster_upgrade.view", timeout=30)
    return {minion: answers.get(minion) for minion in minions}


def upgrade_prepare(views, at=0):
    """
    The steps that take what Gluster 11 drops out of the definitions of all servers of a pool, one after the other, or
    that go on with that where it was begun.

    views
        As for :func:`upgrade_awaited`, of all its servers.

    at
        When they were asked for, in seconds since 1970 (number, default 0): bricks have to run on from then.

    Returns ``errors``, ``steps`` and ``fine`` as :func:`upgrade_plan`.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_prepare '{kvm1: null}'
    """
    minions, first = sorted(views), min(views)
    none = {"errors": __salt__["gluster_one.upgrade_unheard"](views), "steps": [], "fine": None}
    if none["errors"]:
        return none
    to_do = [minion for minion, view in sorted(views.items()) if view["lines"] and _is_older(view)]
    paused = {name: was for view in views.values() for name, was in sorted(view["paused"].items())}
    if not (to_do or paused):
        return {**none, "fine": f"nothing to do: no volume of {', '.join(minions)} has what Gluster 11 drops"}
    # A volume that has nothing to take out would lose its bricks by the rejections as well.
    names = sorted(views[first]["settings"]) if to_do else []
    pause = [name for name in names if name not in paused or _has_quorum(views[first], name)]
    stopped = [] if pause else [minion for minion in minions if not views[minion]["running"]]
    errors = [] if paused else __salt__["gluster_one.upgrade_unready"](views)
    errors = [*(_refused(views, to_do) if to_do else []), *(errors or _unsteady(views, stopped))]
    errors += _with_quorum(views) if 0 < len(to_do) < len(minions) else []
    if errors:
        return {**none, "errors": list(dict.fromkeys(errors))}
    resume = {**paused, **{name: "server" if _has_quorum(views[first], name) else "none" for name in pause}}
    order, steps = [*stopped, *(minion for minion in to_do if minion not in stopped)], []
    if pause:
        steps.append(_step("no server quorum", first, pause=pause))
    for number, minion in enumerate(order):
        rest = [each for each in order[number:] if each in stopped]
        steps.append(_look(f"look before {minion}", minions, rest, at))
        steps.append(_step("definitions", minion, definitions=True, paused=sorted(resume)))
    steps.append(_look(f"look at the end, from {first}", minions, [], at))
    steps.append(_step("server quorum", first, resume=resume))
    steps.append({"id": f"status of the pool of {first}", "minions": minions, "well": True})
    who = ", ".join(minions)
    next_one = UPGRADE.format(f"before: {first}")
    return {**none, "steps": steps, "fine": f"{who} define volumes as Gluster 11 does; next: {next_one}"}


def _step(what, minion, **part):
    pillar = {"gluster_one_upgrade": part}
    return {"id": f"{what} on {minion}", "minions": [minion], "sls": "gluster_one.upgrade", "pillar": pillar}


def _look(what, minions, stopped, at):
    return {"id": what, "minions": minions, "steady": {"minions": minions, "stopped": stopped, "at": int(at)}}


def upgrade_steady(minions, stopped=(), at=0, timeout=120):
    """
    Wait until the next server of a preparation may stop its glusterd: all others see each other as they have to, all
    definitions have one version, the bricks have run on, and, where no glusterd is stopped, nothing waits to be healed.

    minions
        The servers' minions (list of strings).

    stopped
        Those of them whose glusterd does not have to run (list of strings, default none).

    at
        Since when bricks have to run, in seconds since 1970 (int, default 0: they have to run now).

    timeout
        Seconds to wait (int, default 120).

    Returns a sentence.

    Raises CommandExecutionError when it was not so in time, or a brick was restarted, with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.upgrade_steady '[kvm1, kvm2, kvm3]'
    """
    begin, since, last, shown = time.monotonic(), None, None, None
    while True:
        age = time.time() - at if at else 0
        views = _views(minions)
        wrong = __salt__["gluster_one.upgrade_unheard"](views)
        wrong = wrong or [*_unsteady(views, stopped, age), *_with_quorum(views)]
        again = [text for text in wrong if text.endswith(AGAIN)]
        seen = wrong or [sorted((peer["uuid"], peer["state"]) for peer in view["peers"]) for view in views.values()]
        now = time.monotonic()
        since, last = (now, seen) if wrong or seen != last else (since, last)
        if not wrong and now - since >= STEADY:
            wrong = _unhealed_now(minions[0]) if not stopped else []  # Gluster does not say it while a glusterd is away
            if not wrong:
                return f"{', '.join(minions)} are as they have to be, and their bricks have run on"
        if again or now - begin > timeout:
            raise CommandExecutionError(
                f"no other glusterd is stopped: {'; '.join(again or wrong[:5]) or 'the states of peers change'}; then "
                f"run {PREPARE} again, which goes on ({HALF_WAY})"
            )
        if wrong and (shown is None or now - shown >= 10):
            print(f"{time.strftime('%H:%M:%S')}            {wrong[0]}", file=sys.stderr, flush=True)
            shown = now
        time.sleep(2)


def _unhealed_now(minion):
    """
    What a server says to be waiting to be healed, as a list of one sentence, an empty one where nothing is.
    """
    said = __salt__["gluster_one.ask"]([minion], "gluster_upgrade.unhealed", timeout=60).get(minion)
    if isinstance(said, dict) and all(type(count) is int and count == 0 for count in said.values()):
        return []
    return [f"{minion} says of what waits to be healed: {_visible(said)}"]


def _refused(views, to_do):
    """
    Why the servers that have something to take out do not begin with it, or go on, as sentences with what to do.
    """
    found = []
    versions = {minion: view["version"] for minion, view in sorted(views.items())}
    if len(set(versions.values())) > 1:
        there = ", ".join(f"{version} on {minion}" for minion, version in versions.items())
        found.append(f"the servers have several versions of Gluster ({there}): {BY_HAND}")
    for minion in to_do:
        view = views[minion]
        for name, there in sorted(view["lines"].items()):
            for option in sorted({*there} & {*view["settings"].get(name, {})}):
                found.append(
                    f"volume {name} has {option}: {_visible(there[option])}, and Gluster 11 of Debian has no NFS "
                    f"server: `gluster volume set {name} {option} on` first"
                )
        for option in view["asked"]:
            found.append(
                f"the pillar of {minion} has {_visible(option)} among the options of a volume, and a run would set it "
                "again: take it out"
            )
        for name in view["snapshots"]:
            found.append(
                f"{minion} has the snapshot {_visible(name)}: its definition has the same line, and with snapshots "
                "this was not tried; if nobody needs it, delete it"
            )
        if view["ends"]:
            found.append(f"{minion}: {_visible(view['ends'])}")
    return found


def _is_older(view):
    return int(view["version"].split(".")[0]) < 11


def _has_quorum(view, name):
    return view["settings"].get(name, {}).get("cluster.server-quorum-type", "").lower() == "server"


def _with_quorum(views):
    """
    The volumes that have a server quorum, as sentences: by it servers that reject each other end their bricks.
    """
    return [
        f"volume {name} has a server quorum on {minion}: {HALF_WAY}"
        for minion, view in sorted(views.items())
        for name in sorted(view["settings"])
        if _has_quorum(view, name)
    ]


def _unsteady(views, stopped=(), age=0):
    """
    What is not as it has to be before a server stops its glusterd, as sentences. The bricks have to be so old, in
    seconds; the glusterd of those that are ``stopped`` does not have to run, nor do their bricks.
    """
    runs = [minion for minion in sorted(views) if minion not in stopped]
    found = [f"glusterd does not run on {each}: {STARTED.format(each)}" for each in runs if not views[each]["running"]]
    for minion in runs if not found else ():
        found += _apart(minion, {other: views[other] for other in runs})
        for brick, has in sorted(views[minion]["bricks"].items()):
            if has is None:
                found.append(f"{_visible(brick)} is down: {STARTED.format(minion)}")
            elif age and has < age - ROUNDED:
                found.append(f"{_visible(brick)} {AGAIN}")
    first = min(views)
    for name in sorted(set().union(*(view["volumes"] for view in views.values()))):
        there = {minion: view["volumes"].get(name) or {} for minion, view in sorted(views.items())}
        for key in ("id", "version"):
            if len({volume.get(key) for volume in there.values()}) > 1:
                each = ", ".join(f"{volume.get(key, 'none')} on {minion}" for minion, volume in there.items())
                found.append(f"the {key} of volume {name} is {each}: restart no glusterd, see {HALF_WAY}")
        for minion in there:
            mine, its = (views[each]["settings"].get(name, {}) for each in (first, minion))
            differing = ", ".join(_visible(key) for key in sorted({*mine, *its}) if mine.get(key) != its.get(key))
            if differing:
                found.append(f"{first} and {minion} differ in {differing} of volume {name}: see {HALF_WAY}")
    return found


def _apart(minion, views):
    """
    The others that a server does not take for members, as sentences. Those whose definitions have other lines reject
    it, and it rejects them.
    """
    found, own = [], views[minion]
    peers = {peer["uuid"]: peer for peer in own["peers"]}
    for other in [other for other in views if other != minion]:
        peer = peers.get(views[other]["uuid"], {"state": "no peer", "connected": False})
        rejected = peer["state"] == REJECTED and views[other]["lines"] != own["lines"]
        if not rejected and not (peer["state"] == MEMBER and peer["connected"]):
            state = "disconnected" if peer["state"] == MEMBER else repr(_visible(peer["state"]))
            found.append(f"{minion} has {other} as {state}")
    return found


def _visible(said):
    return __salt__["gluster_one.visible"](said)
