"""
OpenNebula's GlusterFS datastore over the whole fleet
=====================================================

``status`` shows it, ``ok_to_stop`` says whether a server may go down, ``adopt`` describes what was set up by hand;
``rollout_plan``, ``remount_plan`` and ``rollout_step`` are of the orchestrations.
"""

import logging
import math
import os
import secrets
import shlex
import sys
import time

import salt.loader
import salt.utils.atomicfile
import salt.utils.files
from salt.exceptions import CommandExecutionError, SaltInvocationError
from salt.utils.args import split_input

log = logging.getLogger(__name__)

# A minion that has said that its job runs is waited for so many times the timeout, and counts as silent then.
PATIENCE = 10
# The finding that a client is not connected to all bricks, as far as its addresses tell.
APART = "client_apart"
SYNC = "salt {} saltutil.sync_all, or apply gluster_one"
# How many servers have to say that another may go down, where there are so many: one alone might say anything.
SAY = 2
# Seconds for which nothing may wait to be healed before something is replaced, and after it: right after it Gluster
# says 0 or 1, and all of it up to eight seconds later.
STEADY, QUIET = 8, 12


def status(target="*", native=False, timeout=15, html=None, verbose=False, metrics=None, reload=None):
    """
    Show the whole fleet: causes of what is wrong, what to do, what they mean; then volumes, nodes and datastores.

    target
        Which minions (string, a glob, default ``*``). Those whose pillar has no ``gluster_one`` are left out.

    native
        Have each hypervisor read a file over ``gluster://``, too (bool, default False).

    timeout
        Seconds after which a minion that has not answered is asked whether its job runs (int, default 15). One that
        has said so is waited for, also where the master is too busy to hear it again, until it has taken ten times as
        long: 150 seconds. One that has not, for Salt's ``gather_job_timeout`` more.

    html
        A file to which to write the same as a page for a browser, with a picture of the fleet, in one step (string,
        default none).

    verbose
        Show the names of the nodes and VMs that feel a cause, and what was found of each volume, node and datastore
        (bool, default False).

    metrics
        A file to which to write metrics for Prometheus, in one step (string, default none): docs/monitoring.md.

    reload
        Seconds after which a browser loads the page again, for one that a timer writes (int, default: it does not).

    On a terminal it is a table; ``--out json`` gives the data. The exit status is 0 only when all nodes answer and
    nothing is found.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.status
    """
    begin = time.monotonic()
    html = html and _place("html", html, "/var/www/html/gluster_one.html")
    metrics = metrics and _place("metrics", metrics, "/var/lib/prometheus/node-exporter/gluster_one.prom")
    if reload is not None and not (html and type(reload) is int and reload > 0):
        raise SaltInvocationError(f"reload is {reload!r}: a number of seconds above 0 is needed, such as 60, with html")
    everyone = _ours("*")
    asked = everyone if target == "*" else _ours(target)
    if not asked:
        raise SaltInvocationError(_nobody(target))
    pillars = {}  # as rendered once; who goes by which name is known only when all have answered
    marks = _marks(everyone, timeout, {"pillars": pillars})
    words = {"native": native, "marks": marks}
    answers = ask(asked, "gluster_one.report", words, timeout)
    answers.update(_with_hosts(answers, words, timeout, {"pillars": pillars}))
    fleet = __salt__["gluster_one.overview"](answers, asked, asked == everyone, {"pillars": pillars})
    fleet.update(verbose=verbose, at=time.time(), seconds=time.monotonic() - begin)
    if html:
        # The option --out, which is for what is shown, would win in salt.output.
        _write(html, salt.loader.outputters(__opts__)["gluster_one_html"]({**fleet, "reload": reload}))
    if metrics:
        _write(metrics, __salt__["gluster_one.metrics"](fleet))
    return {"data": fleet, "outputter": "gluster_one"}


def _write(path, text):
    """
    Write a file in one step: nobody reads half of it, nor that of another look.
    """
    with salt.utils.atomicfile.atomic_open(path, "wb") as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def _place(key, path, example):
    """
    The path of a file that can be written in one step, by renaming another one to it.
    """
    place = os.path.abspath(path)  # a link there is replaced, not followed
    there = os.path.exists(place) and not os.path.islink(place)
    if not os.path.isdir(os.path.dirname(place)) or (there and not os.path.isfile(place)):
        raise SaltInvocationError(
            f"{key} is {path!r}: a file in a directory that is there is needed, such as {example}"
        )
    return place


def _with_hosts(answers, words, timeout, known):
    """
    What coordinators say that have found clients without a connection to all bricks, once they know which addresses
    are one host's: each host says that itself.
    """
    said = {minion: __salt__["gluster_one.sound"](answer) for minion, answer in answers.items()}
    known["said"] = {minion: each["names"] for minion, each in said.items()}
    apart = [minion for minion in said if any(one["kind"] == APART for one in said[minion]["findings"])]
    apart = [minion for minion in apart if APART in __salt__["gluster_one.part"](minion, known)["kinds"]]
    hosts = __salt__["gluster_one.hosts_of_several"](known) if apart else []
    again = ask(apart, "gluster_one.report", {**words, "hosts": hosts}, timeout) if hosts else {}
    return {minion: answer for minion, answer in again.items() if isinstance(answer, dict)}


def _nobody(target):
    more = __salt__["gluster_one.below"]()
    if not more and __salt__["gluster_one.accepted"](target):  # the pillar is new, or they come from another master
        more = f" as this master knows it: `salt {shlex.quote(str(target))} saltutil.refresh_pillar`, and again"
    return f"target is {target!r}: no accepted minion of that name has gluster_one in its pillar{more}"


def _marks(everyone, timeout, known):
    """
    What the head has just written to each volume, for the others to see.
    """
    mark = f"{time.time_ns():020d} {secrets.token_hex(8)}"
    heads = [minion for minion in everyone if _has(minion, "roles", "head")]
    heads = [minion for minion in heads if "head" in __salt__["gluster_one.part"](minion, known)["roles"]]
    left = ask(heads, "gluster_one.mark", {"text": mark}, timeout) if heads else {}
    own = {minion: __salt__["gluster_one.part"](minion, known)["volumes"] for minion in left}
    return {
        name: mark for minion, names in left.items() if isinstance(names, list) for name in own[minion] if name in names
    }


def _ours(target):
    """
    The accepted minions of a glob whose pillar, as the master has it, has gluster_one, or could not be rendered.
    """
    return sorted(minion for minion in __salt__["gluster_one.accepted"](target) if _has(minion, "volumes"))


def _has(minion, key, value=None):
    """
    Whether a minion's pillar in the master's cache has this key of gluster_one, or a list of that name with this value;
    also where the master cannot say, or where the pillar could not be rendered and may have it.
    """
    pillar = _cached(minion)
    if pillar is None or _unrendered(pillar):
        return True
    settings = pillar.get("gluster_one")
    found = settings.get(key) if isinstance(settings, dict) else None
    return bool(found) if value is None else isinstance(found, (list, str)) and value in found


def _cached(minion):
    """
    A minion's pillar in the master's cache (dict), None where the master cannot say. Salt's own target finds nobody
    where one minion has left what cannot be loaded.
    """
    try:
        return __salt__["gluster_one.kept_of"](minion)[1]
    except Exception:  # pylint: disable=broad-except
        return None


def _unrendered(pillar):
    return bool(pillar and pillar.get("_errors"))


def ask(minions, function, arguments=None, timeout=15, until=None):
    """
    What minions answer to a function of an execution module, each for itself. While they answer they are counted on a
    terminal.

    minions
        The minions (list of strings).

    function
        The function (string).

    arguments
        Its arguments by name (dict, default none).

    timeout
        As for :func:`status` (int, default 15).

    until
        A time, as ``time.monotonic`` has it, for more questions than this one, which has half of what is left of it
        (float, default none).

    Returns a dict of what they have returned, by minion; one that has not answered is not in it.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.ask '[kvm1]' test.ping
    """
    answers = {}
    if not minions or until and time.monotonic() >= until:
        return answers
    until = until and (time.monotonic() + until) / 2
    shown = sys.stderr.isatty() and len(minions) > 10
    deadline = min(time.monotonic() + PATIENCE * timeout, until or math.inf)
    with __salt__["gluster_one.client"](minions) as client:
        job = client.run_job(
            minions, function, tgt_type="list", kwarg=arguments or {}, timeout=timeout, listen=True
        ) or {"jid": "", "minions": []}  # fmt: skip
        awaited = answers
        try:
            for part in _followed(client, job, timeout, deadline):  # nothing, while nothing comes
                if time.monotonic() > deadline:
                    break
                if not part:
                    time.sleep(0.01)
                    continue
                for minion, answer in part.items():
                    if minion in minions and isinstance(answer, dict) and "ret" in answer:
                        answers[minion] = answer["ret"]
                if shown:
                    said = f"{len(answers)} of {len(minions)} nodes have answered"
                    print(f"\r{said}", end="", file=sys.stderr, flush=True)
                if len(answers) == len(minions):  # of a job that any minion can say is on more of them
                    break
        except Exception as exc:  # pylint: disable=broad-except
            # Salt's client takes what a minion says of a job to be of the right shape: one that is not ends it.
            log.warning("gluster_one: the answers to job %s could not be followed: %s", job["jid"], exc)
            awaited = minions
        if job["jid"] and __salt__["gluster_one.keeps_returns"]():
            now = time.monotonic()
            answers = _kept(job["jid"], minions, awaited, min(max(timeout, deadline - now), (until or math.inf) - now))
    if shown:
        print(file=sys.stderr)
    return answers


def _followed(client, job, timeout, deadline):
    """
    What comes in of a job. Salt's client follows a job no more once nobody has said for a while that it runs; on a busy
    master that is often said too late, or lost. Here a minion that has said so once is waited for.
    """
    rest = job["minions"]
    while rest and job["jid"]:
        arguments = {"timeout": timeout, "tgt": rest, "tgt_type": "list", "block": False}
        for part in client.get_iter_returns(job["jid"], rest, **arguments):
            rest = [minion for minion in rest if minion not in (part or ())]
            yield part
        rest = [minion for minion in rest if minion in client.at_it]
        if rest and sys.stderr.isatty():
            left = max(0, round(deadline - time.monotonic()))
            more = f" and {len(rest) - 3} more" if len(rest) > 3 else ""
            print(f"waiting up to {left} s for {', '.join(rest[:3])}{more}: the job runs there", file=sys.stderr)


def _kept(jid, minions, awaited, timeout):
    """
    The answers as the master has kept them: where nothing was kept of those that are awaited, it is waited for. What
    came as an event may be of any minion that knows the job, and what did not come may be kept. Salt's master keeps
    the first return by the name that stands in it: a minion that names another one there, as the ``resource_id`` of
    Salt 3008 or like a syndic, is that other one.
    """
    deadline, kept = time.monotonic() + timeout, {}
    while True:
        kept.update(__salt__["gluster_one.kept_returns"](jid, [minion for minion in minions if minion not in kept]))
        if set(awaited) <= set(kept) or time.monotonic() > deadline:
            return kept
        time.sleep(0.1)


def _visible(said):
    return __salt__["gluster_one.visible"](said)


def ok_to_stop(minions, timeout=15, restart=False, unasked=None):
    """
    Whether one or several nodes may go down now, and why not.

    minions
        The nodes' minions (string, with commas between several, or list).

    timeout
        See :func:`status`; all questions together last at most ten times as long.

    restart
        Only glusterd is to be restarted, all else keeps running (bool, default False): a volume with each file on
        one brick alone does not prevent it then, nor does a VM.

    unasked
        Minions that are not asked, as if they did not exist (list of strings, default none).

    Returns a dict ``{"ok": True, "reasons": []}`` with ``retcode`` 0 or 1, which is the command's exit status. What is
    not known counts against it, and so does a master that keeps no returns. No VM may run on a node that stops. A
    server may stop when it is known that nothing waits to be healed, all volumes keep their brick quorum and server
    quorum, and every client is connected to all the other bricks.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.ok_to_stop kvm2
    """
    going = split_input(minions)
    strangers = sorted(set(going) - set(__salt__["gluster_one.accepted"]()))
    if strangers or not going:
        raise SaltInvocationError(
            f"minions is {minions!r}: no accepted minion is called {', '.join(strangers) or 'that'}, see `salt-key`"
            f"{__salt__['gluster_one.below']()}"
        )
    if not __salt__["gluster_one.keeps_returns"]():
        reason = (
            "this master keeps no returns (job_cache: False, or an ext_job_cache), and an event may be any minion's: "
            "set job_cache: True without ext_job_cache in the master's configuration"
        )
        return {"ok": False, "reasons": [reason], "retcode": 1}
    limits = {"timeout": timeout, "until": time.monotonic() + PATIENCE * timeout}
    ours = [minion for minion in _ours("*") if minion not in (unasked or ())]
    begin = time.monotonic()
    nodes = ask(ours, "gluster_one_pillar.node", **limits)
    took = time.monotonic() - begin
    silent = [minion for minion in ours if minion not in nodes]  # they are waited for once
    nodes = {name: __salt__["gluster_one.sound_node"](node) for name, node in nodes.items()}
    nodes = {name: node for name, node in nodes.items() if node and not node["errors"]}
    known = {"said": {name: node["names"] for name, node in nodes.items()}}
    reasons = [] if restart else _machines(going, silent, limits)
    # Whatever the pillar makes of it: who knows volumes of a pool is a server of it. One that does not say may be one.
    members = ask([minion for minion in going if minion not in silent], "glusterd.volumes", **limits)
    servers = [
        minion
        for minion in going
        if minion not in nodes
        or members.get(minion) not in ([], {})
        or "server" in (*nodes[minion]["roles"], *__salt__["gluster_one.part"](minion, known)["roles"])
    ]
    # By the pillar, and not by their own word: anybody might say yes.
    others = [
        name
        for name, node in nodes.items()
        if name not in going
        and "server" in node["roles"]
        and "server" in __salt__["gluster_one.part"](name, known)["roles"]
    ]
    if servers and not others:
        reasons.append("no other server answers, so nobody could say")
    elif servers:
        names = {minion: _names(minion, nodes, known) for minion in servers}
        stay = sorted(set(ours) - set(going))
        said = (
            {} if restart else ask([minion for minion in stay if minion not in silent], "gluster_one.apart", **limits)
        )
        apart = {} if restart else {minion: _apart(said.get(minion)) for minion in stay}
        unsaid = [name for name in stay if name not in nodes and __salt__["gluster_one.may_serve"](name, known)]
        asked = {"names": names, "restart": restart, "apart": apart}
        found = _blockers(others, unsaid, asked, limits)
        hosts = __salt__["gluster_one.hosts_of_several"](known) if any("a client at" in each for each in found) else []
        # Clients may be one by the word of their host, which says what its addresses are.
        reasons += _blockers(others, unsaid, {**asked, "hosts": hosts}, limits) if hosts else found
    if reasons and silent and took >= PATIENCE * timeout / 2:
        more = f" and {len(silent) - 3} more" if len(silent) > 3 else ""
        reasons.append(f"half of the time was spent on {', '.join(silent[:3])}{more}, without an answer")
    return {"ok": not reasons, "reasons": reasons, "retcode": int(bool(reasons))}


def _blockers(others, silent, asked, limits):
    """
    What other servers have against it: of two that can say so, whatever either says; one is enough where there is no
    second one.
    """
    reasons, said, unable = {}, 0, f"{', '.join(silent[:3])} did not answer, and one server's word is not enough"
    for other in others:  # one at a time: it takes the pool's lock
        answer = ask([other], "gluster_one.stop_blockers", asked, **limits).get(other)
        if "hosts" in asked and isinstance(answer, str):  # an older version takes no such argument
            less = {key: value for key, value in asked.items() if key != "hosts"}
            answer = ask([other], "gluster_one.stop_blockers", less, **limits).get(other)
            older = f"{other} may take one client for several, its modules are not the master's: {SYNC.format(other)}"
            reasons.update({older: []} if answer and isinstance(answer, list) else {})
        if isinstance(answer, list) and all(isinstance(reason, str) for reason in answer):
            for reason in dict.fromkeys(answer[:100]):
                reasons.setdefault(_visible(reason), []).append(other)
            said += 1
        else:
            unable = f"{other} could not say: {_visible(answer or 'no answer')}"
        if said == SAY:
            break
    # What is a server's word is shown as that.
    shown = [f"{reason} ({' and '.join(who)})" if who else reason for reason, who in reasons.items()]
    return shown if said >= min(SAY, len(others) + len(silent)) else [*shown, unable]


def _names(minion, nodes, known):
    """
    The names of a server by which its pool may know it: none that is another minion's.
    """
    own = [
        name for volume in __salt__["gluster_one.part"](minion, known)["volumes"].values() for name in volume["names"]
    ]
    said = nodes[minion]["names"] if minion in nodes else __salt__["gluster_one.names"](minion, known)
    more = [name for name in said if set(__salt__["gluster_one.called"](name, known)) <= {minion}]
    return list(dict.fromkeys([minion, *own, *more]))


def _apart(said):
    """
    What a node says of its mounts; None where it cannot be that, which counts as not saying.
    """
    if not isinstance(said, dict) or len(said) > 200 or not all(isinstance(name, str) for name in said):
        return None
    lists = [bricks for bricks in said.values() if bricks is not None]
    fine = all(isinstance(bricks, list) and len(bricks) <= 1000 for bricks in lists)
    if not fine or not all(isinstance(brick, str) for bricks in lists for brick in bricks):
        return None
    return {name: bricks and [_visible(brick) for brick in bricks] for name, bricks in said.items()}


def _machines(minions, silent, limits):
    """
    Which VMs run on these nodes, as sentences.
    """
    answers = ask([minion for minion in minions if minion not in silent], "gluster_one.machines", **limits)
    reasons = []
    for minion in minions:
        found = answers.get(minion, "no answer")
        if not isinstance(found, list) or not all(isinstance(machine, str) for machine in found):
            reasons.append(f"it is not known which VMs run on {minion}: {_visible(found)}")
        elif found:
            shown = ", ".join(map(_visible, found[:3])) + (", ..." if len(found) > 3 else "")
            reasons.append(f"{len(found)} VM{'s' if len(found) > 1 else ''} on {minion}: {shown}")
    return reasons


def rollout_plan(target="*"):
    """
    The order in which a rollout goes over the fleet.

    target
        Which minions (string, a glob, default ``*``). Those whose pillar has no ``gluster_one`` are left out.

    Returns a dict of lists of minions, ``batches`` of lists of them::

        {"errors": [], "minions": ["head", "kvm1", ...], "coordinators": ["kvm1"], "servers": ["kvm1", "kvm2", "kvm3"],
         "creates": [], "creators": [], "heads": ["head"], "batches": [["kvm1", "kvm2"], ["kvm3"]], "timeout": 120,
         "hosts": [["10.0.0.1", "10.1.0.1"]]}

    ``creates`` are the volumes whose pillar has ``create``, ``creators`` their servers, which wait for each other.
    ``timeout`` is the longest of the pillar's, ``hosts`` are addresses of one node each, for the restarts. ``errors``
    are sentences about minions that do not answer and pillars that are wrong: then nothing may be started, and the dict
    has nothing else.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.rollout_plan
    """
    wrong, nodes = _nodes(target)
    if wrong:
        return {"errors": wrong}
    known = {"said": {minion: node["names"] for minion, node in nodes.items()}}
    for minion, node in nodes.items():  # a lead in the order is given by the master's pillar alone
        leading = {"head", "server"}.intersection(node["roles"])
        if leading or any(volume["coordinator"] for volume in node["volumes"].values()):
            part = __salt__["gluster_one.part"](minion, known)
            node["roles"] = [role for role in node["roles"] if role not in leading or role in part["roles"]]
            for name, volume in node["volumes"].items():
                volume["coordinator"] = part["volumes"].get(name, volume)["coordinator"] and name in part["volumes"]
    of = {
        role: sorted(minion for minion, node in nodes.items() if role in node["roles"]) for role in ("head", "server")
    }
    if sorted(nodes) == _ours("*"):
        wrong = [f"volume {name}: {why}" for name, why in _uncoordinated(nodes, known)]
    if wrong:
        return {"errors": wrong}
    rest = [minion for minion in sorted(nodes) if minion not in of["head"]]
    size = min(_numbers(nodes, "batch", known), default=1)
    coordinators = [
        minion for minion in sorted(nodes) if any(volume["coordinator"] for volume in nodes[minion]["volumes"].values())
    ]
    creates = {minion: __salt__["gluster_one.part"](minion, known)["creates"] for minion in of["server"]}
    return {
        "errors": [],
        "minions": sorted(nodes),
        "coordinators": coordinators,
        "servers": of["server"],
        "creates": sorted({name for names in creates.values() for name in names}),
        "creators": [minion for minion, names in creates.items() if names],
        "heads": of["head"],
        "batches": [rest[first : first + size] for first in range(0, len(rest), size)],
        "timeout": max(_numbers(nodes, "timeout", known), default=None),
        "hosts": __salt__["gluster_one.hosts_of_several"](known),
    }


def _uncoordinated(nodes, known):
    """
    The volumes of which no node is the coordinator, by the pillar of one that has it, each with why.
    """
    named = {name for node in nodes.values() for name in node["volumes"]}
    led = {name for node in nodes.values() for name, volume in node["volumes"].items() if volume["coordinator"]}
    found = []
    for name in sorted(named - led):
        for minion in [minion for minion, node in nodes.items() if name in node["volumes"]][:3]:
            volume = __salt__["gluster_one.part"](minion, known)["volumes"].get(name)
            if volume:
                found.append((name, __salt__["gluster_one.unseen_finding"](name, volume["first"])["seen"]))
                break
    return found


def remount_plan(target="*"):
    """
    The nodes with a mount whose options differ from those in fstab, in the order in which they are remounted.

    target
        Which minions (string, a glob, default ``*``). Those whose pillar has no ``gluster_one`` are left out.

    Returns a dict with ``errors`` as :func:`rollout_plan` has it, ``minions``, and ``used``, sentences about those
    where something uses such a mount, which are to be left as they are::

        {"errors": [], "minions": ["kvm1"], "used": ["kvm2: /srv/vol stays as it is while it is used by less (4711)"],
         "timeout": 120}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.remount_plan
    """
    wrong, nodes = _nodes(target)
    if wrong:
        return {"errors": wrong}
    answers = ask(sorted(nodes), "state.apply", {"mods": "gluster_one.remount", "test": True})
    due, used = [], []
    for minion in sorted(nodes):
        states = _states(answers.get(minion, "no answer"))
        if not isinstance(states, dict):
            wrong.append(f"{minion}: {states}")
            continue
        own = [state for key, state in states.items() if key.endswith("-datastore_remounted")]
        failed = [state for state in states.values() if state["result"] is False]
        wrong += [f"{minion}: {state['comment']}" for state in failed if state not in own]
        used += [f"{minion}: {state['comment']}" for state in failed if state in own]
        if not failed and any(state["changes"] for state in own):
            due.append(minion)
    return (
        {"errors": wrong}
        if wrong
        else {"errors": [], "minions": due, "used": used, "timeout": max(_numbers(nodes, "timeout", {}), default=None)}
    )


def replace_plan(old=None, new=None, brick=None, leave=None, to=None, accept_only_copy=None, heal_timeout=None):
    """
    Whether a server or a brick can be replaced now, and the steps of ``gluster_one.orchestrate.replace`` for it.

    old, new
        A server that is lost and the one that takes its place, by their names in the pillar's ``servers`` (strings):
        the same name twice for one that was reinstalled.

    brick
        A brick whose disk was replaced (string), such as ``kvm3:/data/one_vol/brick``.

    leave, to
        A server that leaves and the one that takes over its bricks (strings). Without ``to`` it has none, and leaves
        the one pool that the pillar's servers are in.

    accept_only_copy
        That what is left of a set is a single brick, such as of ``replica 2``, of which only the lost one could say
        what it lacks (bool, default false). For ``old`` and ``new`` that differ.

    heal_timeout
        Seconds to wait for each heal (int, default 86400, a day).

    Returns a dict; ``errors`` are sentences that say why nothing may be begun, each with what to do, and then there is
    nothing else. ``named`` are sentences about datastores and VMs that cannot be opened without the old server;
    ``fine`` says what is so where there is no step::

        {"errors": [], "steps": [{"id": "bricks on kvm3", "minions": ["kvm3"], "sls": "gluster_one.replace",
                                  "pillar": {"gluster_one_replace": {...}}}], "named": [], "timeout": 120,
         "fine": None}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.replace_plan brick=kvm3:/data/one_vol/brick
    """
    case = __salt__["gluster_one.replace_case"](old, new, brick, leave, to, accept_only_copy)
    wrong = case["errors"] + __salt__["gluster_one.heal_timeout_errors"](heal_timeout)
    if wrong:
        return {"errors": wrong}
    known, parts, servers = everyone()
    asked = __salt__["gluster_one.replace_names"](case)
    at = {name: __salt__["gluster_one.called"](name, known) for name in asked}
    wrong = __salt__["gluster_one.replace_misnamed"](case, at, servers)
    if wrong:
        return {"errors": wrong}
    target = at[case["new"]][0] if case["new"] else None
    others = __salt__["gluster_one.replace_others"](target, parts) if target else sorted(servers)
    others = [minion for minion in others if [minion] != at[case["old"]]]
    if not others:
        return {"errors": [f"no other server of {asked[-1]}'s volumes is among the minions that have gluster_one"]}
    if not target and __salt__["gluster_one.replace_others"](others[0], parts) != others[1:]:
        wrong = f"the pillar's servers ({', '.join(others)}) may be of several pools"
        return {"errors": [f"{wrong}: give {{leave: {asked[0]}, to: SERVER}}, with one that stays in its pool"]}
    both = [*others, *filter(None, [target])]
    refresh(both)
    answers = ask(others, "gluster_replace.view", {"servers": asked}, timeout=30)
    views = {minion: answers.get(minion) for minion in others}
    standing = ask([target], "gluster_replace.standing").get(target) if target else None
    names = {
        minion: [name for each in parts[minion]["volumes"].values() for name in each["names"]] for minion in others
    }
    found = __salt__["gluster_one.replace_decided"](case, views, standing, names, target)
    if not found["errors"] and found["going"]:
        lost = [] if case["brick"] else [found["uuid"]]
        found["errors"] = _unready(found["going"], lost, sorted({*others, *found["witnesses"]}), found["witnesses"])
    if found["errors"]:
        return {"errors": found["errors"]}
    heads = [minion for minion, part in parts.items() if "head" in part["roles"]]
    away = case["old"] if not found["restore"] else None
    said = ask(heads, "gluster_replace.is_named_by", {"servers": found["called"]}) if away else {}
    named = [f"{minion} does not say what needs {away}: {_visible(said.get(minion, 'no answer'))}" for minion in heads
             if away and not isinstance(said.get(minion), list)]  # fmt: skip
    named += [f"{_visible(text)} ({minion})" for minion, each in said.items() if isinstance(each, list)
              for text in each[:100]]  # fmt: skip
    steps = __salt__["gluster_one.replace_steps"](case, found, target, others, keep=bool(named) and case["leaves"])
    hosts = __salt__["gluster_one.hosts_of_several"](known)
    for step in [step for step in steps if "waits" in step]:
        step["waits"].update(timeout=heal_timeout or 86400, hosts=hosts)
    timeout = max(parts[minion]["timeout"] for minion in both)
    fine = None if steps else f"{case['old']} is not in the pool of {', '.join(others)}, and has no brick of it"
    return {"errors": [], "steps": steps, "named": named, "timeout": timeout, "fine": fine}


def _unready(going, lost, servers, witnesses):
    """
    Why it may not be begun, by what all these servers see at the begin and at the end of some seconds.
    """
    asked, samples = {"going": going, "servers": lost}, []
    begin = time.monotonic()
    while True:
        answers = ask(servers, "gluster_replace.readiness", asked, timeout=30)
        samples.append({minion: answers.get(minion) for minion in servers})
        wrong = __salt__["gluster_one.replace_unready"](witnesses, samples)
        if wrong or time.monotonic() - begin >= STEADY:
            return wrong
        time.sleep(2)


def everyone():
    """
    What is known of all nodes now, for a plan.

    Returns three values: by what names they say that they go, as ``known`` of :func:`part`; their parts in the pillar,
    by minion; and the minions of those that are servers.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.everyone
    """
    nodes = ask(_ours("*"), "gluster_one_pillar.node", timeout=5)  # one that is lost is among those
    nodes = {minion: __salt__["gluster_one.sound_node"](node) for minion, node in nodes.items()}
    known = {"said": {minion: node["names"] for minion, node in nodes.items() if node and not node["errors"]}}
    parts = {minion: __salt__["gluster_one.part"](minion, known) for minion in _ours("*")}
    return known, parts, [minion for minion, part in parts.items() if "server" in part["roles"]]


def refresh(minions):
    """
    Have minions read their pillar and sync the formula's modules.

    minions
        The minions (list of strings).

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.refresh '[kvm1, kvm2]'
    """
    ask(minions, "saltutil.refresh_pillar", {"wait": True})
    ask(minions, "state.show_sls", {"mods": "gluster_one", "queue": True})  # which syncs the modules


def repair_plan(peer=None):
    """
    Whether a peer can become a full member of its pool again, and the steps of the orchestration for it.

    peer
        The server, by the name that the pool has for it (string).

    Returns a dict; ``errors`` are sentences that say why nothing may be begun, each with what to do; ``fine`` says what
    is so where there is nothing to do::

        {"errors": [], "fine": "kvm3 is a full member of its pool, ...", "timeout": 120,
         "steps": [{"id": "volumes on kvm1", "minions": ["kvm1"], "sls": "gluster_one.repair",
                    "pillar": {"gluster_one_repair": {"renew": {"one_vol": 7}}}}]}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.repair_plan kvm3
    """
    wrong = __salt__["gluster_one.repair_misnamed"](peer)
    if wrong:
        return {"errors": [wrong]}
    known, parts, servers = everyone()
    at = __salt__["gluster_one.called"](peer, known)
    if len(at) > 1:
        return {"errors": [f"the minions {', '.join(at)} go by {peer}: give its name in the pillar's servers"]}
    target = at[0] if at else None
    others = __salt__["gluster_one.replace_others"](target, parts) if target in servers else servers
    others = [minion for minion in others if minion != target]
    if not others:
        return {"errors": [f"no other server of the pool of {peer} is among the minions that have gluster_one"]}
    asked = [*others, *([target] if target else [])]
    refresh(asked)
    said = ask(asked, "gluster_repair.view", timeout=30)
    views = {minion: said.get(minion) for minion in others}
    found = __salt__["gluster_one.repair_decided"](peer, views, said.get(target), target, target in servers)
    return {**found, "timeout": max(parts[minion]["timeout"] for minion in others)}


def heal_awaited(volumes, minions, timeout=86400, hosts=()):
    """
    Wait until volumes have all their bricks online and connected to all clients, and nothing waits to be healed, and
    say on the terminal what is missing.

    volumes
        The volumes (list of strings).

    minions
        Servers' minions, of which the first one that answers is asked (list of strings).

    timeout
        Seconds to wait (int, default 86400, a day).

    hosts
        Addresses of one node each (list of lists of strings, default none), as :func:`rollout_plan` has them.

    Returns how long it took (string).

    Raises CommandExecutionError when it was not so in time, with what was missing.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.heal_awaited '[one_vol]' '[kvm1, kvm2]' 60
    """
    begin, since, shown = time.monotonic(), None, None
    while True:
        seen = f"{', '.join(minions)} did not answer"
        for minion in minions:
            said = ask([minion], "gluster_replace.unhealed", {"volumes": volumes, "hosts": hosts}, timeout=30)
            if minion in said:
                seen = said[minion] and _visible(said[minion])
                break
        now = time.monotonic()
        since = None if seen else now if since is None else since
        if since is not None and now - since >= QUIET:
            return f"all was healed after {round(since - begin)} s"
        if now - begin > timeout:
            raise CommandExecutionError(
                f"not healed within {timeout} s (last seen: {seen}): it goes on by itself, unless `salt-run "
                "gluster_one.status` has a cause; run the same command again to wait for it"
            )
        if seen and (shown is None or now - shown >= 10):
            print(f"{time.strftime('%H:%M:%S')}            {seen}", file=sys.stderr, flush=True)
            shown = now
        time.sleep(2)


def _states(said):
    """
    The states of a run with what is used of them, or a text.
    """
    if not isinstance(said, dict) or not said or len(said) > 1000:
        return _visible(said)
    states = {}
    for key, state in said.items():
        if not isinstance(key, str) or not isinstance(state, dict):
            return f"an answer that is not that of a run: {_visible(said)}"
        result = state.get("result") if isinstance(state.get("result"), bool) else None
        states[key] = {
            "result": result,
            "changes": bool(state.get("changes")),
            "comment": _visible(state.get("comment")),
        }
    return states


def _numbers(nodes, key, known):
    """
    A number of the pillar's of each node: by its own word where more than half say the same, else by the master's.
    """
    said = [node[key] for node in nodes.values()]
    usual = next((number for number in set(said) if said.count(number) * 2 > len(said)), None)
    return [
        node[key] if node[key] == usual else __salt__["gluster_one.part"](minion, known)[key]
        for minion, node in nodes.items()
    ]


def _nodes(target):
    """
    Why nothing may be started on these minions (list of sentences), and each one's part by its name:
    they have the present pillar and modules.
    """
    ready = ask(sorted(__salt__["gluster_one.accepted"](target)), "saltutil.refresh_pillar", {"wait": True})
    asked = _ours(target)
    nodes, answered = {}, ready
    if set(asked) <= set(ready):  # a silent one is waited for once
        ask(asked, "state.show_sls", {"mods": "gluster_one", "queue": True})  # which syncs the modules
        nodes = answered = ask(asked, "gluster_one_pillar.node")
    wrong = [f"{minion} does not answer" for minion in asked if minion not in answered]
    wrong += [] if asked else [_nobody(target)]
    wrong += __salt__["gluster_one.hidden_modules"]()
    for minion in [minion for minion in asked if _unrendered(_cached(minion))]:
        error = __salt__["gluster_one.part"](minion)["error"]
        if error:
            wrong.append(f"{minion}: its pillar cannot be rendered: {error}")
            nodes = {name: node for name, node in nodes.items() if name != minion}
    own = {minion: __salt__["gluster_one.sound_node"](answer) for minion, answer in nodes.items()}
    wrong += [f"{minion}: {_visible(nodes[minion])}" for minion, node in sorted(own.items()) if node is None]
    nodes = {minion: node for minion, node in own.items() if node is not None}
    wrong += [f"{minion}: {error}" for minion, node in sorted(nodes.items()) for error in node["errors"]]
    return wrong, nodes


def adopt(target="*", timeout=15):
    """
    Describe a fleet that was set up by hand as a pillar, and say what of it is not well.

    target
        Which minions (string, a glob, default ``*``): the head, the hypervisors and the Gluster servers have to be
        among them.

    timeout
        See :func:`status`.

    Returns the text of the pillar's files, with comments. It needs no pillar, brings the formula's modules to the
    minions, and changes nothing else. What each node has against the pillar is asked before it is shown.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.adopt
    """
    asked = sorted(__salt__["gluster_one.accepted"](target))
    if not asked:
        raise SaltInvocationError(
            f"target is {target!r}: no accepted minion of that name, see `salt-key`{__salt__['gluster_one.below']()}"
        )
    answering = asked
    for function, words in (
        ("saltutil.sync_utils", {"refresh": False}),
        ("saltutil.sync_modules", {"refresh": False}),
        ("saltutil.refresh_modules", {"async_": False}),  # which waits until the minion's own process has loaded them
    ):
        answering = sorted(ask(answering, function, words, timeout))
    answers = ask(answering, "gluster_one_adopt.found", timeout=timeout)
    silent = {minion: "no answer" for minion in asked if minion not in answers}
    facts = {minion: __salt__["gluster_one.sound_found"](answer) for minion, answer in {**silent, **answers}.items()}
    known = {"said": {minion: seen["names"] for minion, seen in facts.items()}}
    called = {host: __salt__["gluster_one.called"](host, known) for host in __salt__["gluster_one.hosts_in"](facts)}
    found, errors = __salt__["gluster_one.described"](facts, called), {}
    for roles in {tuple(found["roles"].get(minion, ())) for minion in found["minions"]}:
        minions = [minion for minion in found["minions"] if tuple(found["roles"].get(minion, ())) == roles]
        pillar = {**found["pillar"], **({"roles": list(roles)} if roles else {})}
        nodes = ask(minions, "gluster_one_pillar.node", {"pillar": pillar}, timeout)
        for minion in minions:
            node = __salt__["gluster_one.sound_node"](nodes.get(minion))
            errors[minion] = node["errors"] if node else [f"could not say: {_visible(nodes.get(minion, 'no answer'))}"]
    text = __salt__["gluster_one.pillar_text"](found, errors)
    return {"data": text, "outputter": "txt"}


def rollout_step(step, minions, number=1, steps=1, timeout=None):
    """
    Announce on the terminal and on the event bus which step of a rollout begins.

    step
        The step (string).

    minions
        The minions that it concerns (list of strings).

    number, steps
        Which one of how many it is (ints).

    timeout
        Seconds that it waits for each thing that it waits for (int).

    Returns the step.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.rollout_step 'glusterd on kvm2' '[kvm2]' 3 12 120
    """
    step, place = _visible(step), f"{number} of {steps}"
    patience = f"  (waits up to {timeout} s)" if timeout else ""
    print(f"{time.strftime('%H:%M:%S')}  {place:>8}  {step}{patience}", file=sys.stderr, flush=True)
    __salt__["event.send"]("gluster_one/rollout", {"step": step, "place": place, "minions": minions})
    return step
