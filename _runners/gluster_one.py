"""
OpenNebula's GlusterFS datastore over the whole fleet
=====================================================

``status`` shows it, ``ok_to_stop`` says whether a server may go down, ``remediate`` is what the reactor calls,
``rollout_plan`` and ``rollout_step`` are of the orchestration ``gluster_one.orchestrate.rollout``.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import sys
import time

import salt.cache
import salt.client
import salt.loader
import salt.utils.files
import salt.utils.minions
from salt.exceptions import SaltClientError, SaltInvocationError
from salt.utils.args import split_input

log = logging.getLogger(__name__)

# What puts a finding right: the formula applied again to that node. Nothing else from an event or a mine is used.
REPAIRS = {
    "glusterd_down": "gluster_one.started",
    "brick_down": "gluster_one.started",
    "glusterd_option": "gluster_one.glusterd",
    "volume_option": "gluster_one.volume",
    "mount_gone": "gluster_one.mount",
    "mount_dead": "gluster_one.mount",
    "fstab": "gluster_one.mount",
    "link": "gluster_one.mount",
    "datastore": "gluster_one.datastore",
}
# What these SLS would undo although somebody may have meant it: while that is found, they are not applied.
HELD_BY = {
    "gluster_one.datastore": ("datastore_gone",),
    "gluster_one.volume": ("volume_stopped", "volume_gone", "peer_gone"),
}
# These concern the pool: on one server at a time.
ONE_AT_A_TIME = ("gluster_one.started", "gluster_one.glusterd")
BANK = "gluster_one/remediate"
ATTEMPTS = 3
# Seconds after the first failure, doubled after each more.
BACK_OFF = 15
NO_ANSWER = "the minion did not answer"
UNCHANGED = "the formula finds nothing to change there"
# A volume at which no server has looked.
UNSEEN = {"bricks": None, "sets": None, "peers": None, "free_percent": None, "heal": None, "split_brain": None}
# Seconds that a server waits for the others.
PATIENCE = 600
# Seconds after which a minion is asked, again and again, whether the job still runs there.
ASK_AFTER = 15


def status(target="*", native=False, timeout=15, html=None):
    """
    The whole fleet: volumes, nodes and datastores, worst first, each with what to do.

    target
        Which minions (string, a glob, default ``*``). Those whose pillar has no ``gluster_one`` are left out.

    native
        Have each hypervisor read a file over ``gluster://``, too (bool, default False).

    timeout
        Seconds after which a minion that has not answered is asked whether it is still at it (int, default 15).

    html
        A file in which to leave the same as a page for a browser, with a picture of the fleet (string, default none).

    On a terminal it is a table; ``--out json`` gives the data. The exit status is 0 only when all nodes answer and
    nothing is found.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.status
    """
    asked = _ours(target)
    if not asked:
        raise SaltInvocationError(
            f"target is {target!r}: no accepted minion of that name has gluster_one in its pillar"
        )
    answers = _ask(asked, "gluster_one.report", {"native": native, "marks": _marks(timeout)}, timeout)
    nodes, absent, volumes, datastores, findings = {}, [], {}, {}, []
    for minion in asked:
        answer = answers.get(minion)
        if minion not in answers:
            absent.append(minion)
        elif not isinstance(answer, dict):
            nodes[minion] = {"roles": [], "looked": [], "findings": [_unable(str(answer))]}
        else:
            nodes[minion] = {key: answer[key] for key in ("roles", "looked", "findings")}
            for name, facts in answer["volumes"].items():
                volumes.setdefault(name, dict(UNSEEN)).update(facts)
            datastores.update(answer["datastores"])
        findings += nodes.get(minion, {}).get("findings", [])
    for name, volume in volumes.items():
        volume["wrong"] = [
            finding["seen"] if finding["on"] == name else f"{finding['on']}: {finding['seen']}"
            for finding in findings
            if name in (finding["on"], finding.get("volume"))
        ]
    wrong = len(findings)
    silent = f", {len(absent)} {'node does' if len(absent) == 1 else 'nodes do'} not answer" if absent else ""
    count = f"{wrong or 'no'} finding{'' if wrong == 1 else 's'} on {len(nodes)} node{'' if len(nodes) == 1 else 's'}"
    fleet = {
        "volumes": volumes,
        "nodes": nodes,
        "absent": absent,
        "datastores": datastores,
        "findings": findings,
        "summary": count + silent,
        "retcode": int(bool(wrong or absent)),
    }
    if html:
        with salt.utils.files.fopen(html, "w") as stream:
            # The option --out, which is for what is shown, would win in salt.output.
            stream.write(salt.loader.outputters(__opts__)["gluster_one_html"](fleet))
    return {"data": fleet, "outputter": "gluster_one"}


def _marks(timeout):
    """
    What the head has just left on each volume, for the others to see.
    """
    mark = secrets.token_hex(8)
    heads = set(_ours("*")) & set(_accepted("gluster_one:roles:head", "pillar"))
    left = _ask(sorted(heads), "gluster_one.mark", {"text": mark}, timeout) if heads else {}
    return {volume: mark for volumes in left.values() if isinstance(volumes, list) for volume in volumes}


def _unable(said):
    cure = "salt MINION saltutil.sync_all, or apply gluster_one"
    return {
        "kind": "check_failed",
        "on": "check",
        "seen": said,
        "expected": "an answer",
        "severity": "error",
        "cure": cure,
    }


def _accepted(target, kind="glob"):
    """
    The accepted minions of a target.
    """
    return salt.utils.minions.CkMinions(__opts__).check_minions(target, kind)["minions"]


def _ours(target):
    """
    The accepted minions of a glob whose pillar, as the master has it, has gluster_one.
    """
    return sorted(set(_accepted(target)) & set(_accepted("gluster_one:volumes:*", "pillar")))


def _ask(minions, function, arguments=None, timeout=15):
    """
    The answers of minions by their names, counted on a terminal while they come in.
    """
    answers = {}
    shown = sys.stderr.isatty() and len(minions) > 10
    with salt.client.get_local_client(mopts=__opts__) as client:
        for part in client.cmd_iter(minions, function, tgt_type="list", kwarg=arguments or {}, timeout=timeout):
            answers.update({minion: answer.get("ret") for minion, answer in part.items() if "ret" in answer})
            if shown:
                print(f"\r{len(answers)} of {len(minions)} nodes have answered", end="", file=sys.stderr, flush=True)
    if shown:
        print(file=sys.stderr)
    return answers


def ok_to_stop(minions, timeout=15, restart=False):
    """
    Whether a node may go down now, and why not; or several at once.

    minions
        The nodes' minions (string, with commas between several, or list).

    timeout
        See :func:`status`.

    restart
        Only glusterd is to be restarted, and all else goes on (bool, default False): a volume of which each file is on
        one brick alone does not keep it then, nor does a machine.

    Returns a dict ``{"ok": True, "reasons": []}`` with ``retcode`` 0 or 1, which is the command's exit status. What is
    not known counts against it. No machine may run on a node that goes. A server may go when it is known that nothing
    waits to be healed, all volumes keep their bricks' and the servers' quorum, and every client is connected to all the
    other bricks.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.ok_to_stop kvm2
    """
    going = split_input(minions)
    strangers = sorted(set(going) - set(_accepted("*")))
    if strangers or not going:
        raise SaltInvocationError(
            f"minions is {minions!r}: no accepted minion is called {', '.join(strangers) or 'that'}, see `salt-key`"
        )
    ours = _ours("*")
    nodes = _ask(ours, "gluster_one_pillar.node", timeout=timeout)
    nodes = {name: node for name, node in nodes.items() if isinstance(node, dict) and not node.get("errors")}
    reasons = [] if restart else _machines(going, timeout)
    servers = [minion for minion in going if "server" in nodes.get(minion, {"roles": ["server"]})["roles"]]
    others = [name for name, node in nodes.items() if name not in going and "server" in node["roles"]]
    if servers and not others:
        reasons.append("no other server answers, so nobody could say")
    elif servers:
        names = {name for minion in servers for name in nodes.get(minion, {}).get("names") or _names(minion)}
        stay = sorted(set(ours) - set(going))
        apart = {} if restart else {**dict.fromkeys(stay), **_ask(stay, "gluster_one.apart", timeout=timeout)}
        asked = {"names": sorted(names), "restart": restart, "apart": apart}
        for other in others:  # the first that can say, and so one at a time: it takes the pool's lock
            answer = _ask([other], "gluster_one.stop_blockers", asked, timeout).get(other)
            if isinstance(answer, list):
                break
        reasons += answer if isinstance(answer, list) else [f"{other} could not say: {answer or 'no answer'}"]
    return {"ok": not reasons, "reasons": reasons, "retcode": int(bool(reasons))}


def _names(minion):
    """
    The names of a minion that does not answer, by its grains as the master has them.
    """
    grains = salt.cache.factory(__opts__).fetch(f"minions/{minion}", "data").get("grains") or {}
    return [minion, *(grains[key] for key in ("host", "fqdn") if grains.get(key))]


def _machines(minions, timeout):
    """
    Which machines run on these nodes, as sentences.
    """
    answers = _ask(minions, "gluster_one.machines", timeout=timeout)
    reasons = []
    for minion in minions:
        found = answers.get(minion, "no answer")
        if not isinstance(found, list):
            reasons.append(f"it is not known which machines run on {minion}: {found}")
        elif found:
            shown = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            reasons.append(f"{len(found)} machine{'s' if len(found) > 1 else ''} on {minion}: {shown}")
    return reasons


def rollout_plan(target="*"):
    """
    In which order a rollout goes over the fleet.

    target
        Which minions (string, a glob, default ``*``). Those whose pillar has no ``gluster_one`` are left out.

    Returns a dict of lists of minions, ``batches`` of lists of them::

        {"errors": [], "minions": ["head", "kvm1", ...], "coordinators": ["kvm1"], "servers": ["kvm1", "kvm2", "kvm3"],
         "heads": ["head"], "batches": [["kvm1", "kvm2"], ["kvm3"]]}

    ``errors`` are sentences about minions that do not answer and pillars that are wrong: then nothing is to be begun,
    and nothing else is there.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.rollout_plan
    """
    ready = _ask(sorted(_accepted(target)), "saltutil.refresh_pillar", {"wait": True})
    asked = _ours(target)
    nodes, answered = {}, ready
    if set(asked) <= set(ready):  # a silent one is waited for once
        _ask(asked, "state.show_sls", {"mods": "gluster_one"})  # which syncs the modules
        nodes = answered = _ask(asked, "gluster_one_pillar.node")
    wrong = [f"{minion} does not answer" for minion in asked if minion not in answered]
    wrong += [f"{minion}: {answer}" for minion, answer in sorted(nodes.items()) if not isinstance(answer, dict)]
    nodes = {minion: node for minion, node in nodes.items() if isinstance(node, dict)}
    wrong += [f"{minion}: {error}" for minion, node in sorted(nodes.items()) for error in node["errors"]]
    if wrong:
        return {"errors": wrong}
    of = {
        role: sorted(minion for minion, node in nodes.items() if role in node["roles"]) for role in ("head", "server")
    }
    rest = [minion for minion in sorted(nodes) if minion not in of["head"]]
    size = min((node["batch"] for node in nodes.values()), default=1)
    coordinators = [
        minion for minion in sorted(nodes) if any(volume["coordinator"] for volume in nodes[minion]["volumes"].values())
    ]
    return {
        "errors": [],
        "minions": sorted(nodes),
        "coordinators": coordinators,
        "servers": of["server"],
        "heads": of["head"],
        "batches": [rest[first : first + size] for first in range(0, len(rest), size)],
    }


def rollout_step(step, minions):
    """
    Say on the terminal and on the event bus which step of a rollout begins.

    step
        The step (string).

    minions
        The minions that it concerns (list of strings).

    Returns the step.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.rollout_step 'glusterd on kvm2' '[kvm2]'
    """
    print(f"{time.strftime('%H:%M:%S')}  {step}: {', '.join(minions)}", file=sys.stderr, flush=True)
    __salt__["event.send"]("gluster_one/rollout", {"step": step, "minions": minions})
    return step


def remediate(minion):
    """
    Put right what a minion has reported, by applying the formula to it again. The reactor calls it.

    The minion's findings are read from its mine, where only it can have left them; what the event said is not used.
    Which kinds are put right is the pillar's ``remediate``. One job for each minion at a time, servers one after
    another. After a failure, also when nothing was to be changed, that kind of finding waits, each time longer; after
    three in a row it is given up until it is gone, with an event ``gluster_one/<minion>/gave_up``.

    minion
        The minion (string).

    Returns a sentence that says what was done.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.remediate kvm2
    """
    if not isinstance(minion, str) or minion not in _accepted([minion], "list"):
        return "no accepted minion is called that"
    with _lock(minion) as held:
        if not held:
            return f"{minion} is being put right already"
        cache = salt.cache.factory(__opts__)
        at, found = _reported(minion)
        # A kind that has gone is forgotten: should it come back, it is something new.
        past = {kind: known for kind, known in (cache.fetch(BANK, minion) or {}).items() if kind in found}
        if not found & set(REPAIRS):
            cache.flush(BANK, minion)
            return f"{minion} has reported nothing that could be put right"
        said = {kind: _waits(past.get(kind), at) for kind in REPAIRS if kind in found}
        if not all(said.values()):
            settings = (__salt__["pillar.show_pillar"](minion) or {}).get("gluster_one") or {}
            if settings.get("maintenance"):
                return f"{minion} is under maintenance"
            mods = {}
            for kind in [kind for kind, why in said.items() if not why]:
                sls = _sls(kind, settings.get("roles") or [])
                holding = [other for other in HELD_BY.get(sls, ()) if other in found]
                if kind not in settings.get("remediate", REPAIRS):
                    said[kind] = "is to be left as it is"
                elif holding:
                    said[kind] = f"is left: {' and '.join(holding)} is to be looked at by somebody first"
                else:
                    mods[kind] = sls
            said.update(_put_right(minion, at, mods, past) if mods else {})
        # Also without a job, so that what has gone is forgotten.
        cache.store(BANK, minion, past)
        return f"{minion}: {'; '.join(f'{kind} {what}' for kind, what in said.items())}"


def _waits(known, at):
    """
    Why a kind of finding is not put right now, or None.

    known
        What the cache has of it (dict), None for a new one.

    at
        When the minion has last looked (float).
    """
    if not known:
        return None
    if known["at"] == at:
        return "was not looked at again since it was to be put right"
    if known["failures"] >= ATTEMPTS:
        return f"was given up after {ATTEMPTS} failures"
    if time.time() < known["next"]:
        return f"is tried again in {known['next'] - time.time():.0f} s"
    return None


def _sls(kind, roles):
    """
    What puts a finding right on a minion of these roles. The head makes a datastore's link with the datastore.
    """
    return "gluster_one.datastore" if kind == "link" and "head" in roles else REPAIRS[kind]


def _put_right(minion, at, mods, past):
    """
    Apply the SLS of each kind of finding, keep in ``past`` what came of it, and say it: a dict by kind.
    """
    came = _repair(minion, mods.values())
    if NO_ANSWER in came.values() and _reported(minion)[0] != at:  # it was started anew, and the job was lost with it
        came = _repair(minion, mods.values())
    # It may have come right meanwhile by itself.
    still = _reported(minion)[1]
    failed = {kind: came[sls] for kind, sls in mods.items() if came[sls] and kind in still}
    for kind in mods:
        failures = past.get(kind, {"failures": 0})["failures"] + 1 if kind in failed else 0
        pause = BACK_OFF * 2 ** (failures - 1) if failures else 0
        past[kind] = {"at": at, "failures": failures, "next": time.time() + pause}
    given_up = [kind for kind in mods if past[kind]["failures"] == ATTEMPTS]
    if given_up:
        why = "; ".join(dict.fromkeys(failed[kind] for kind in given_up))
        __salt__["event.send"](f"gluster_one/{minion}/gave_up", {"kinds": given_up, "why": why})
    return {kind: f"could not be put right: {failed[kind]}" if kind in failed else "put right" for kind in mods}


@contextlib.contextmanager
def _lock(name, patience=0):
    """
    Hold a lock of the master, free again when its holder ends; yields whether it was got within so many seconds.
    """
    directory = os.path.join(__opts__["cachedir"], "gluster_one")
    os.makedirs(directory, exist_ok=True)
    deadline = time.monotonic() + patience
    with salt.utils.files.fopen(os.path.join(directory, f"{name}.lock"), "a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    break
            time.sleep(0.5)
        yield False


def _reported(minion):
    """
    When a minion has last looked, by its own clock, and the kinds of all its findings (set).
    """
    mine = __salt__["mine.get"]([minion], "gluster_one.findings", "list").get(minion)
    if not isinstance(mine, dict) or not isinstance(mine.get("findings"), list):
        return None, set()
    kinds = [finding.get("kind") for finding in mine["findings"] if isinstance(finding, dict)]
    return mine.get("at"), {kind for kind in kinds if isinstance(kind, str)}


def _repair(minion, mods):
    """
    Apply these SLS in one job; returns what failed of each, or None, by its name. That nothing was changed fails, too:
    what was found is still there.
    """
    mods = list(dict.fromkeys(mods))
    alone = set(mods) & set(ONE_AT_A_TIME)
    with _lock("servers", PATIENCE) if alone else contextlib.nullcontext(True) as held:
        if not held:
            return dict.fromkeys(mods, "another server is being put right")
        try:
            with salt.client.get_local_client(mopts=__opts__) as client:
                answer = client.cmd(
                    [minion], "state.apply", [",".join(mods)], tgt_type="list", kwarg={"queue": True}, timeout=ASK_AFTER
                ).get(minion)
        except SaltClientError as exc:
            return dict.fromkeys(mods, str(exc))
    if not isinstance(answer, dict):
        silent = not answer or str(answer).startswith("Minion did not return")
        return dict.fromkeys(mods, NO_ANSWER if silent else str(answer))
    came = {}
    for sls in mods:
        own = ("gluster_one.pillar", sls)
        states = [state for state in answer.values() if state.get("__sls__") in own]
        failed = [f"{state.get('name')}: {state.get('comment')}" for state in states if state.get("result") is False]
        changed = any(state.get("result") and state.get("changes") for state in states)
        came[sls] = "; ".join(failed) or (None if changed else UNCHANGED)
    return came
