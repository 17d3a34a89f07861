"""
The fleet, out of what its minions have answered
================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Each minion speaks for its own node; what it
says of a volume, of datastores or of OpenNebula's hosts counts only where the master's pillar has it say so.
"""

import functools
import shlex

__virtualname__ = "gluster_one"

# A volume that no server has checked.
UNSEEN = {"bricks": None, "sets": None, "peers": None, "free_percent": None, "heal": None, "split_brain": None}
# Hosts whose addresses are looked up for one status.
LOOKUPS = 100
# Hosts of OpenNebula outside of the fleet that have a row: one head names them all.
STRANGERS = 20
# What is wrong with a volume, whichever node cannot write for it.
FULL = ("No space left on device", "Disk quota exceeded")
# Kinds of findings that only some may have, as `part` tells.
PRIVILEGED = ("coordinator", "server", "head", "master")


def __virtual__():
    return __virtualname__


def overview(answers, asked, whole=False, known=None):
    """
    What ``gluster_one.status`` shows, out of the minions' answers.

    answers
        What minions have answered to ``gluster_one.report``, of whatever shape (dict by minion).

    asked
        The minions that were asked (list).

    whole
        Whether these are all that have gluster_one in their pillar (bool, default False): only then it can be said that
        a volume has no coordinator, or that a host of OpenNebula is none of them.

    known
        What was looked up before (dict), as for :func:`part`; the minions' parts are in it.

    Returns a dict with ``causes`` (see :func:`causes`), ``volumes``, ``nodes``, ``absent``, ``datastores``,
    ``findings`` and ``summary``.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.overview '{}' '[kvm1]'
    """
    look = _Look(answers, asked, {} if known is None else known)
    for minion in look.said:
        look.facts(minion)
    for minion in look.said:
        look.space(minion)
    sets = [each for volume in look.volumes.values() for each in volume["sets"] or ()]
    look.brick_hosts = {brick.partition(":/")[0] for each in sets for brick, _ in each}
    nodes = {}
    # Volumes that nobody checks are in the status, too, before it is said which finding is about one.
    unseen = look.unseen() if whole else []
    for minion in asked:
        if minion in look.said:
            said = look.said[minion]
            nodes[minion] = {
                "roles": said["roles"], "looked": said["looked"], "machines": said["machines"], "back": said["back"],
                "findings": look.findings(minion),
            }  # fmt: skip
            if not whole:
                nodes[minion]["findings"] += look.claims(minion)
        elif minion in answers:
            wrong = _unable(minion, __salt__["gluster_one.visible"](answers[minion]))
            error = look.part(minion)["error"]
            if error:
                cure = f"correct it: salt-run pillar.show_pillar {shlex.quote(minion)}"
                wrong.update(seen=f"its pillar cannot be rendered: {error}", cure=cure)
            nodes[minion] = {"roles": [], "looked": [], "findings": [wrong]}
    for minion, found in __salt__["gluster_one.flapping"](list(nodes)).items():
        nodes[minion]["findings"] += found
    full = look.full(nodes)
    look.once(nodes)
    findings = [*full, *(one for node in nodes.values() for one in node["findings"])]
    absent = [minion for minion in asked if minion not in answers]
    first = look.silent_first(absent)
    strangers = {}
    if whole:
        findings += unseen
        hosts = look.strangers(asked)
        more = len(hosts) - STRANGERS
        others = [_unlooked(host) for host in [*hosts[:STRANGERS], *([f"{more} more hosts"] if more > 0 else [])]]
        if "gluster_one" in str(__opts__.get("reactor")) and not __salt__["gluster_one.keeps_mine"]():
            what = "it has the reactor and keeps no mine (minion_data_cache: false): nothing is repaired"
            others.append(_own("mine_unkept", "the master", what, "minions' mines"))
        for one in others:
            strangers[one["on"]] = {"roles": [], "looked": [], "findings": [one], "minion": False}
            findings.append(one)
    for name, volume in look.volumes.items():
        volume["wrong"] = [
            (finding["seen"] if finding["on"] == name else f"{finding['on']}: {finding['seen']}")
            + (f": {finding['cure']}" if finding in full else "")  # no node's row has it
            for finding in findings
            if name in (finding["on"], finding.get("volume"))
        ]
    fleet = {
        "volumes": look.volumes, "nodes": nodes, "absent": absent, "datastores": look.datastores, "findings": findings,
    }  # fmt: skip
    called = functools.partial(__salt__["gluster_one.called"], known=look.known)
    found = __salt__["gluster_one.causes"](fleet, called, first, look.part, look.named)
    return {
        "causes": found,
        **fleet,
        "nodes": {**nodes, **strangers},
        "summary": _summary(found, findings, nodes, absent),
        "retcode": int(bool(findings or absent)),
    }


def _summary(causes, findings, nodes, absent):
    """
    What was found, in one line.
    """
    silent = f", {len(absent)} {'node does' if len(absent) == 1 else 'nodes do'} not answer" if absent else ""
    silent += __salt__["gluster_one.below"]() if absent else ""  # a syndic may have this pillar, too
    count = f"{_some_of(len(causes), 'cause')}, " if causes else ""
    return f"{count}{_some_of(len(findings), 'finding')} on {_some_of(len(nodes), 'node')}{silent}"


def _some_of(number, what):
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


class _Look:
    """
    The answers, with what counts of each; a minion's pillar is rendered only when it says what not everybody may.
    """

    def __init__(self, answers, asked, known):
        self.known, self.parts = known, known.setdefault("parts", {})
        self.volumes, self.datastores, self.hosts = {}, {}, []
        self.said = {
            minion: __salt__["gluster_one.sound"](answers[minion])
            for minion in asked
            if isinstance(answers.get(minion), dict)
        }
        self.wrong = {minion: list(said["wrong"]) for minion, said in self.said.items()}
        self.missed, self.shared, self.first_servers, self.brick_hosts, self.tried = {}, {}, None, set(), {}
        known["said"] = {minion: said["names"] for minion, said in self.said.items()}

    def part(self, minion):
        """
        What the master knows of a minion.
        """
        return __salt__["gluster_one.part"](minion, self.known)

    def refuse(self, minion, what, volume=None):
        """
        Something that was said and does not count. Where another minion goes by the same name of the volume's first
        server, that accuses none of the two.
        """
        first = self.of(minion, volume)["first"] if volume else []
        if minion in first and len(first) > 1:
            self.shared.setdefault(minion, {})[volume] = first
            return
        error = self.part(minion)["error"]
        why = f"its pillar cannot be rendered: {error}" if error else "by its pillar that is not for it to say"
        self.wrong[minion].append(f"{what}: {why}")

    def facts(self, minion):
        """
        A volume's facts from its coordinator, datastores and OpenNebula's hosts from the head.
        """
        said = self.said[minion]
        for name, facts in said["volumes"].items():
            if not set(facts) - {"free_percent"}:
                continue
            if self.of(minion, name)["coordinator"]:
                self.volumes.setdefault(name, dict(UNSEEN)).update(facts)
            else:
                self.refuse(minion, f"it says what volume {name} is like", name)
        if (said["datastores"] or said["hosts"]) and "head" not in self.part(minion)["roles"]:
            self.refuse(minion, "it says what OpenNebula has")
            return
        for name, store in said["datastores"].items():
            if self.part(minion)["datastores"].get(name) == store["volume"]:
                self.datastores[name] = store
            else:
                self.refuse(minion, f"it says what datastore {name} is like")
        self.hosts += said["hosts"]

    def space(self, minion):
        """
        How much of a volume is free: the head's word where the coordinator has none, anybody's where both have none.
        """
        for name, facts in self.said[minion]["volumes"].items():
            free = facts.get("free_percent")
            volume = self.volumes.get(name)
            if free is None and volume:
                continue
            if volume is None:
                if name not in self.part(minion)["volumes"]:
                    self.refuse(minion, f"it has a volume {name}")
                    continue
                volume = self.volumes.setdefault(name, dict(UNSEEN))
            head = "head" in self.parts.get(minion, {"roles": []})["roles"]
            if volume["free_percent"] is None or (head and self.missed.pop(name, False)):
                volume["free_percent"] = free
                if not head:
                    self.missed[name] = True

    def of(self, minion, name):
        """
        What a minion is for a volume.
        """
        return self.part(minion)["volumes"].get(name) or {
            "coordinator": False,
            "server": False,
            "first": [],
            "names": [],
        }

    def findings(self, minion):
        """
        A minion's findings: those that it can have, each with the master's cure, and what of its answer does not count.
        """
        found = []
        for finding in self.said[minion]["findings"]:
            kind, who = finding["kind"], __salt__["gluster_one.who"](finding["kind"])
            name = finding.pop("volume", None)
            if who in PRIVILEGED or name is not None:
                if who in PRIVILEGED and kind not in self.part(minion)["kinds"]:
                    self.refuse(minion, f"it has a finding {kind}")
                    continue
                if name is not None and self.speaks(minion, name, finding):
                    finding["volume"] = name
                elif who == "coordinator":
                    self.refuse(minion, f"it has a finding {kind} of volume {name}", name)
                    continue
            elif kind == "check_failed" and self.coordinates(minion, finding["on"]):
                finding["volume"] = finding["on"]  # what it could not look at
            self.own(minion, finding)
            head = "head" in self.said[minion]["roles"]
            volume = self.volume_of(finding)
            finding["cure"] = __salt__["gluster_one.cure"](finding, minion, volume, head, self.known)
            found.append(finding)
        # Of many findings the first are shown: what is wrong with the answer does not hide behind them.
        return self.misfits(minion) + sorted(found, key=lambda finding: finding["severity"] != "error")

    def coordinates(self, minion, name):
        """
        Whether a minion is the coordinator of a volume, by its own word and the master's.
        """
        return self.said[minion]["coordinates"].get(name) and self.of(minion, name)["coordinator"]

    def speaks(self, minion, name, finding):
        """
        Whether a minion may say this of a volume: its coordinator anything, a server what is wrong with its own brick.
        """
        of = self.of(minion, name)
        host = finding["on"].partition(":/")[0]
        own = of["server"] and finding["kind"] == "brick_down" and (self.named(host) or self.may_name(minion, host))
        own = own and __salt__["gluster_one.goes_by"](minion, host, self.known)  # before all others are looked at
        return of["coordinator"] or (own and __salt__["gluster_one.called"](host, self.known) == [minion])

    def named(self, host):
        """
        Whether a name is a host's by a coordinator's bricks, or was looked up before, as those of the pillars are. A
        minion that invents others must not use up the time in which names are looked up.
        """
        return host in self.brick_hosts or host in self.known.get("called", ())

    def may_name(self, minion, host):
        """
        Whether a server may name its bricks so where no coordinator does: with two names, and no more.
        """
        tried = self.tried.setdefault(minion, [])
        if host not in tried and len(tried) < 2:
            tried.append(host)
        return host in tried

    def own(self, minion, finding):
        """
        What a finding is about is taken for a volume or a datastore only where that is for the minion to say.
        """
        on = finding["on"]
        head = minion in self.parts and "head" in self.parts[minion]["roles"]
        if on in self.volumes and finding.get("volume") != on or on in self.datastores and not head:
            finding["on"] = f"{on} (as seen there)"

    def volume_of(self, finding):
        """
        Which volume a finding is about.
        """
        return __salt__["gluster_one.about_volume"](finding, self.volumes)

    def once(self, nodes):
        """
        Leave out what two say of a volume: a brick's server and its volume's coordinator both see that it is down. The
        server knows more of its brick.
        """

        def key(finding):
            about = (finding["kind"], finding["on"], finding["volume"])
            return about if finding["kind"] == "brick_down" else (*about, finding["seen"])

        first, own = {}, {}
        for minion, node in nodes.items():
            for finding in [one for one in node["findings"] if "volume" in one]:
                first.setdefault(key(finding), id(finding))
                if not self.of(minion, finding["volume"])["coordinator"]:
                    own[key(finding)] = id(finding)
        kept = set({**first, **own}.values())
        for node in nodes.values():
            node["findings"] = [one for one in node["findings"] if "volume" not in one or id(one) in kept]

    def full(self, nodes):
        """
        A finding for each volume that is full, in place of those of all the nodes that cannot write, and of its mounts
        and bricks that have little space.
        """
        found = {}
        for minion, node in nodes.items():
            for finding in [each for each in node["findings"] if each["kind"] == "not_writable"]:
                reason, name = finding["seen"].rpartition(": ")[2], self.volume_of(finding)
                if reason in FULL and name:
                    found.setdefault(name, []).append((minion, finding, reason))
        merged = []
        for name, those in sorted(found.items()):
            minions, ours, reasons = zip(*those)
            more = f" and {len(minions) - 3} more" if len(minions) > 3 else ""
            what = f"{', '.join(minions[:3])}{more} cannot write: {reasons[0]}"
            merged.append({**ours[0], "on": name, "seen": what, "expected": "room", "volume": name})
            merged[-1]["felt_by"] = list(minions)
            merged[-1].pop("column", None)
            for minion, node in nodes.items():
                alike = [each for each in node["findings"] if each in ours or self.is_space_of(minion, each, name)]
                node["findings"] = [each for each in node["findings"] if each not in alike]
                if minion in minions:
                    node["columns"] = {"writable": "full"}
        return merged

    def is_space_of(self, minion, finding, name):
        """
        Whether a finding says that a mount or a brick of a volume has little space.
        """
        if finding["kind"] != "space":
            return False
        bricks = [brick for each in self.volumes[name]["sets"] or () for brick, _ in each]
        own = [brick for brick in bricks if brick.partition(":")[2] == finding["on"]]
        goes_by = __salt__["gluster_one.goes_by"]
        mine = any(goes_by(minion, brick.partition(":/")[0], self.known) for brick in own)
        return mine or self.volume_of(finding) == name

    def misfits(self, minion):
        """
        What is wrong with an answer, as findings.
        """
        # What other modules make of a report is not what was said of others.
        shape = self.said[minion]["wrong"] if self.said[minion]["outdated"] else []
        refused = list(dict.fromkeys(self.wrong[minion][len(shape) :]))
        found = []
        if shape:
            one = _unable(minion, _some(shape))
            found.append({**one, "kind": "outdated", "expected": "modules of the master's version"})
        if self.said[minion]["many"]:
            one = _unable(minion, f"not all of it is shown: {_some(self.said[minion]['many'])}")
            cure = f"see all of it: salt {shlex.quote(minion)} gluster_one.check"
            found.append({**one, "expected": "at most as many", "cure": cure})
        if refused:
            one = _unable(minion, _some(refused))
            found.append({**one, "expected": "its own node", "cure": f"see who is root on {minion}"})
        return found

    def claims(self, minion):
        """
        A finding for each volume by the name of whose first server another minion goes, too.
        """
        shared = self.shared.get(minion, {})
        for volume in shared:
            self.volumes.setdefault(volume, dict(UNSEEN))
        return [{**unseen_finding(volume, first), "volume": volume} for volume, first in shared.items()]

    def unseen(self):
        """
        A finding for each volume whose first server is no minion, or might be several.
        """
        found = []
        for name, first in self.firsts().items():
            # One that does not go by that name itself does not look at it, either.
            said = self.said.get(first[0]) if len(first) == 1 else None
            first = [] if said and not said["coordinates"].get(name) and not said["outdated"] else first
            if len(first) != 1:
                self.volumes.setdefault(name, dict(UNSEEN))
                found.append(unseen_finding(name, first))
        return found

    def firsts(self):
        """
        The minions by the name of each volume's first server, as the pillar of one has it that knows the volume.
        """
        if self.first_servers is None:
            claims, self.first_servers = {}, {}
            for minion, said in self.said.items():
                for name in said["coordinates"]:
                    claims.setdefault(name, []).append(minion)
            for name, minions in sorted(claims.items()):
                known = [minion for minion in minions if minion in self.parts]
                # Of those whose pillar is at hand, else the first few: a name that only liars know is nobody's.
                for minion in [*known, *[other for other in minions if other not in known][:3]]:
                    volume = self.part(minion)["volumes"].get(name)
                    if volume:
                        self.first_servers[name] = volume["first"]
                        break
        return self.first_servers

    def silent_first(self, absent):
        """
        The volumes whose first server does not answer, each with that minion in a list: nobody has seen their bricks.
        """
        firsts = self.firsts() if absent else {}
        silent = {name: first for name, first in firsts.items() if len(first) == 1 and first[0] in absent}
        for name in silent:
            self.volumes.setdefault(name, dict(UNSEEN))
        return silent

    def strangers(self, asked):
        """
        OpenNebula's hosts that are not among the nodes.
        """
        known = {minion.casefold() for minion in asked}
        known |= {name.casefold() for said in self.said.values() for name in said["names"]}
        hosts = sorted({host for host in self.hosts if host.casefold() not in known})
        if hosts:
            known.update(*(__salt__["gluster_one.names"](minion, self.known) for minion in asked))
        hosts = [host for host in hosts if host.casefold() not in known]
        addresses = __salt__["gluster_one.addresses"](hosts[:LOOKUPS])
        return [host for host in hosts if not known & addresses.get(host, set())]


def unseen_finding(volume, minions):
    """
    The finding ``volume_unseen``.

    volume
        The volume (string).

    minions
        Those that go by the name of its first server (list): none, or several.

    Returns a dict.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.unseen_finding one_vol '[]'
    """
    several = len(minions) > 1
    who = f"{len(minions)} minions, {' and '.join(minions[:5])}, go" if several else "no minion goes"
    what = f"{who} by the name of its first server: nobody sets its options or looks at the pool"
    return _own("volume_unseen", volume, what, "one minion that does")


def _own(kind, on, seen, expected):
    """
    A finding of the master's own.
    """
    has = __salt__["gluster_one.kinds"]()[kind]
    return {
        "kind": kind, "on": on, "seen": seen, "expected": expected, "severity": has["severity"], "cure": has["cure"],
    }  # fmt: skip


def _some(sentences):
    """
    The first of some sentences, as one.
    """
    more = f"; and {len(sentences) - 3} more" if len(sentences) > 3 else ""
    return __salt__["gluster_one.visible"]("; ".join(sentences[:3]) + more)


def _unable(minion, said):
    found = {
        "kind": "check_failed",
        "on": "check",
        "seen": said,
        "expected": "an answer",
        "severity": "error",
    }
    return {**found, "cure": __salt__["gluster_one.cure"]({**found, "kind": "outdated"}, minion)}


def _unlooked(host):
    what = "OpenNebula may start VMs there, and no minion of this name has gluster_one in its pillar"
    return _own("host_unlooked", host, what, "a hypervisor of this fleet")
