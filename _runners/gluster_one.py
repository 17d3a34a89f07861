"""
OpenNebula's GlusterFS datastore over the whole fleet
=====================================================

``status`` shows it, ``ok_to_stop`` says whether a server may go down; ``rollout_plan``, ``remount_plan`` and
``rollout_step`` are of the orchestrations.
"""

import secrets
import socket
import sys
import time

import salt.cache
import salt.client
import salt.loader
import salt.utils.files
import salt.utils.minions
from salt.exceptions import SaltInvocationError
from salt.utils.args import split_input

# A volume at which no server has looked.
UNSEEN = {"bricks": None, "sets": None, "peers": None, "free_percent": None, "heal": None, "split_brain": None}


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
    nodes, strangers, absent, volumes, datastores, findings = {}, {}, [], {}, {}, []
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
        # A brick's server and its volume's coordinator both see that it is down.
        more = nodes.get(minion, {}).get("findings", [])
        more[:] = [finding for finding in more if "volume" not in finding or finding not in findings]
        findings += more
    # Not while a node may be the one that is missed: it does not answer, or not so, because of its pillar or an error.
    known = all(isinstance(answer, dict) and "names" in answer for answer in answers.values())
    if not absent and known and asked == _ours("*"):
        for name in _uncoordinated([answer["coordinates"] for answer in answers.values()]):
            volumes.setdefault(name, dict(UNSEEN))
            findings.append(_unseen(name))
        for host in _strangers(answers.values()):
            strangers[host] = {"roles": [], "looked": [], "findings": [_unlooked(host)]}
            findings += strangers[host]["findings"]
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
        "nodes": {**nodes, **strangers},
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
    mark = f"{time.time_ns():020d} {secrets.token_hex(8)}"
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


def _uncoordinated(coordinates):
    """
    The volumes of which none of all nodes is the coordinator; coordinates says of each whether it is, by volume.
    """
    names = {name for node in coordinates for name in node}
    return sorted(name for name in names if not any(node.get(name) for node in coordinates))


def _unseen(volume):
    return {
        "kind": "volume_unseen",
        "on": volume,
        "seen": "no minion goes by the name of its first server: nobody sets its options or looks at the pool",
        "expected": "a minion that does",
        "severity": "error",
        "cure": "name servers in the pillar by a name or an address that their minion has",
    }


def _strangers(answers):
    """
    OpenNebula's hosts that are none of the nodes that have answered.
    """
    known = {name for answer in answers for name in answer["names"]}
    hosts = {host for answer in answers for host in answer["hosts"] if host.casefold() not in known}
    return sorted(host for host in hosts if not known.intersection(_addresses(host)))


def _addresses(host):
    try:
        return {found[4][0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _unlooked(host):
    return {
        "kind": "host_unlooked",
        "on": host,
        "seen": "OpenNebula may start machines there, and no minion of this name has gluster_one in its pillar",
        "expected": "a hypervisor of this fleet",
        "severity": "error",
        "cure": "give it the pillar and apply gluster_one, or take it out of the datastores' clusters",
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
    # Whatever the pillar makes of it: who knows volumes of a pool is a server of it.
    members = _ask(going, "glusterd.volumes", timeout=timeout)
    servers = [
        minion
        for minion in going
        if "server" in nodes.get(minion, {"roles": ["server"]})["roles"] or members.get(minion)
    ]
    others = [name for name, node in nodes.items() if name not in going and "server" in node["roles"]]
    if servers and not others:
        reasons.append("no other server answers, so nobody could say")
    elif servers:
        names = {minion: nodes.get(minion, {}).get("names") or _names(minion) for minion in servers}
        stay = sorted(set(ours) - set(going))
        apart = {} if restart else {**dict.fromkeys(stay), **_ask(stay, "gluster_one.apart", timeout=timeout)}
        asked = {"names": names, "restart": restart, "apart": apart}
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
         "heads": ["head"], "batches": [["kvm1", "kvm2"], ["kvm3"]], "timeout": 120}

    ``timeout`` is the longest of the pillar's. ``errors`` are sentences about minions that do not answer and pillars
    that are wrong: then nothing is to be begun, and nothing else is there.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.rollout_plan
    """
    wrong, nodes = _nodes(target)
    if wrong:
        return {"errors": wrong}
    of = {
        role: sorted(minion for minion, node in nodes.items() if role in node["roles"]) for role in ("head", "server")
    }
    if sorted(nodes) == _ours("*"):
        plans = [{name: volume["coordinator"] for name, volume in node["volumes"].items()} for node in nodes.values()]
        wrong = [f"volume {name}: {_unseen(name)['seen']}" for name in _uncoordinated(plans)]
    if wrong:
        return {"errors": wrong}
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
        "timeout": _timeout(nodes),
    }


def remount_plan(target="*"):
    """
    Which nodes have a mount that was made with other options than /etc/fstab is to have, in the order in which they are
    remounted.

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
    answers = _ask(sorted(nodes), "state.apply", {"mods": "gluster_one.remount", "test": True})
    due, used = [], []
    for minion in sorted(nodes):
        states = answers.get(minion, "no answer")
        if not isinstance(states, dict):
            wrong.append(f"{minion}: {states}")
            continue
        own = [state for key, state in states.items() if key.endswith("-datastore_remounted")]
        failed = [state for state in states.values() if state["result"] is False]
        wrong += [f"{minion}: {state['comment']}" for state in failed if state not in own]
        used += [f"{minion}: {state['comment']}" for state in failed if state in own]
        if not failed and any(state["changes"] for state in own):
            due.append(minion)
    return {"errors": wrong} if wrong else {"errors": [], "minions": due, "used": used, "timeout": _timeout(nodes)}


def _timeout(nodes):
    return max((node["timeout"] for node in nodes.values()), default=None)


def _nodes(target):
    """
    What stands in the way of beginning anything on these minions (list of sentences), and each one's part by its name:
    they know their pillar and their modules of today.
    """
    ready = _ask(sorted(_accepted(target)), "saltutil.refresh_pillar", {"wait": True})
    asked = _ours(target)
    nodes, answered = {}, ready
    if set(asked) <= set(ready):  # a silent one is waited for once
        _ask(asked, "state.show_sls", {"mods": "gluster_one", "queue": True})  # which syncs the modules
        nodes = answered = _ask(asked, "gluster_one_pillar.node")
    wrong = [f"{minion} does not answer" for minion in asked if minion not in answered]
    wrong += [f"{minion}: {answer}" for minion, answer in sorted(nodes.items()) if not isinstance(answer, dict)]
    nodes = {minion: node for minion, node in nodes.items() if isinstance(node, dict)}
    return wrong + [f"{minion}: {error}" for minion, node in sorted(nodes.items()) for error in node["errors"]], nodes


def rollout_step(step, minions, number=1, steps=1, timeout=None):
    """
    Say on the terminal and on the event bus which step of a rollout begins.

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
    place = f"{number} of {steps}"
    patience = f"  (waits up to {timeout} s)" if timeout else ""
    print(f"{time.strftime('%H:%M:%S')}  {place:>8}  {step}{patience}", file=sys.stderr, flush=True)
    __salt__["event.send"]("gluster_one/rollout", {"step": step, "place": place, "minions": minions})
    return step
