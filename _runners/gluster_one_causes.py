"""
Causes before consequences
==========================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Which kind of finding explains which is
``explained_by`` of ``gluster_one/findings.yaml``. A minion's word explains what others have found only where these name
its own brick or its own host, or where the master's pillar has it speak for the volume: it cannot hide behind another.
"""

import posixpath
import re
import shlex

__virtualname__ = "gluster_one"

# Kinds that a coordinator refutes that sees the brick online.
REFUTED = ("brick_down", "brick_gone", "glusterd_down", "silent")
# Causes that are shown of what one node alone says: one that lies may say a thousand things.
MOST = 20
# What a finding `image` is about, as one_datastore_report has it.
THING = re.compile(r"[^:]*: (?:image|(?:disk \d{1,9}|a disk) of (VM)) (\d{1,9}) ")
# Kinds of findings that say that VMs cannot write. While a volume has one, nothing that may be behind it says that they
# go on with other copies.
LOST = ("server_quorum", "client_quorum")
# Where a volume is mounted below its own name, unless the pillar says where.
PLACE = "/var/lib/gluster_one"
AS_SEEN = " (as seen there)"


def __virtual__():
    return __virtualname__


def about_volume(finding, volumes):
    """
    Which volume a finding is about: by its word where that counts, or by the last part of the mount point.

    finding
        The finding (dict).

    volumes
        The names of the volumes that there are (list or dict).

    Returns a string, None where it is not known.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.about_volume '{"on": /var/lib/gluster_one/one_vol}' '[one_vol]'
    """
    on = finding["on"].removesuffix(AS_SEEN)
    named = finding.get("volume") or (on if on in volumes else posixpath.basename(on))
    return named if named in volumes else None


def image_of(finding):
    """
    Which image of OpenNebula, or which VM, a finding is about.

    finding
        The finding (dict).

    Returns a list of ``VM`` or ``image`` and its number; None where it is about something else.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.image_of '{kind: image, "on": "glusterds: disk 0 of VM 7 (web, oneadmin)"}'
    """
    thing = THING.match(finding["on"]) if finding["kind"] == "image" else None
    return thing and [thing[1] or "image", int(thing[2])]


def causes(fleet, called=None, first=None, part=None, named=None):
    """
    The causes of what was found, worst first, and of each finding what explains it.

    fleet
        What :func:`overview` has so far (dict): ``nodes``, ``absent``, ``volumes``, ``datastores`` and ``findings``.
        Each finding gets ``explained_by``: the number of the cause that explains it, counted from 0, None where it is a
        cause itself.

    called
        A function that tells which minions go by the name of a host (default: none does).

    first
        The minions by the name of the first server of each volume whose bricks nobody has seen (dict of lists, default
        none).

    part
        A function that returns a minion's part in the fleet, as :func:`part` does (default: it has no volumes).

    named
        A function that tells whether a host is one that the pillar or a coordinator names (default: each is). What
        any minion says of another host explains nothing.

    Returns a list of dicts, each for findings that have one cure in common. ``effect`` says what it means for VMs and
    data while it lasts, None where the table of kinds does not. ``said_by`` are the minions that report it,
    ``at`` those where it lies, ``felt_by`` those with one of its findings, ``machines`` the VMs there, None where no
    node says which run, ``about`` the images and VMs that it is about. ``findings`` counts what it explains, and
    itself; ``shown`` is False for what one node alone says beyond twenty causes::

        [{"kind": "brick_down", "on": "kvm3:/data/one_vol", "seen": "it is down", "severity": "error",
          "what": "brick kvm3:/data/one_vol is down", "cure": "salt kvm3 state.apply gluster_one.started",
          "effect": "VMs go on with its other copies, ...", "said_by": ["kvm1"], "at": ["kvm3"],
          "felt_by": ["kvm1", "kvm2"], "machines": ["one-7"], "about": [], "findings": 3, "shown": True}]

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.causes '{nodes: {}, absent: [kvm3], volumes: {}, datastores: {}, findings: []}'
    """
    part, named = part or (lambda minion: {"volumes": {}}), named or (lambda host: True)
    return _Causes(fleet, called or (lambda host: []), first or {}, part, named).all()


class _Causes:
    """
    The findings of a fleet with who reports them, and an index of what they may explain.
    """

    def __init__(self, fleet, called, first, part, named):
        self.fleet, self.called, self.first, self.part, self.named = fleet, called, first, part, named
        self.kinds, self.volumes = __salt__["gluster_one.kinds"](), fleet["volumes"]
        said = {id(one): minion for minion, node in fleet["nodes"].items() for one in node["findings"]}
        self.found = [(said.get(id(one)), one) for one in fleet["findings"]]
        self.found += [(minion, self.silent(minion)) for minion in fleet["absent"]]
        self.explaining = {each for kind in self.kinds for each in self.behind(kind)}
        self.bricks, self.online = {}, set()
        for name, volume in self.volumes.items():
            for brick, online in [pair for each in volume["sets"] or () for pair in each]:
                host, _, path = brick.partition(":/")
                self.online |= {brick} if online else set()
                self.bricks.update({(minion, f"/{path}"): (name, brick) for minion in self.one(host)})
        self.found += self.back()
        found = [(finding["kind"], about_volume(finding, self.volumes)) for _, finding in self.found]
        self.lost = [(kind, on) for kind in LOST for other, on in found if other == kind]
        self.loses = set(LOST)
        while more := {each for kind in self.loses for each in self.behind(kind)} - self.loses:
            self.loses |= more
        # Those whose mounts may explain something; their pillars are rendered already.
        self.heads = {minion for minion, finding in self.found if self.who(finding) == "head"}
        self.index = {}
        for number, (minion, finding) in enumerate(self.found):
            for by, key in self.offers(minion, finding) if finding["kind"] in self.explaining else ():
                self.index.setdefault((finding["kind"], by), {}).setdefault(key, []).append(number)

    def behind(self, kind):
        """
        The kinds that may explain one.
        """
        return {rule["kind"] for rule in self.kinds.get(kind, {}).get("explained_by", ())}

    def silent(self, minion):
        """
        What is said of a minion that does not answer, in the shape of a finding.
        """
        has = self.kinds["silent"]
        return {
            "kind": "silent", "on": minion, "seen": "it does not answer", "expected": "an answer",
            "severity": has["severity"], "cure": has["cure"],
        }  # fmt: skip

    def back(self):
        """
        The bricks that have just come back, by their own servers' word, in the shape of findings: what waits to be
        healed comes from that.
        """
        waiting, has = {about_volume(one, self.volumes) for _, one in self.found if one["kind"] == "heal"}, []
        for minion, node in self.fleet["nodes"].items() if waiting else ():
            for brick, age in node.get("back", {}).items():
                own = self.bricks.get((minion, f"/{brick.partition(':/')[2]}"))
                if own and own[1] == brick and own[0] in waiting:
                    seen = f"it is back since {age // 60 + 1} min, and is being healed"
                    row = self.kinds["brick_back"]
                    one = {"kind": "brick_back", "on": brick, "seen": seen, "expected": "nothing to be healed"}
                    has.append((minion, {**one, "severity": row["severity"], "cure": row["cure"], "volume": own[0]}))
        return has

    def one(self, host):
        """
        The only minion that goes by the name of a host, in a list; an empty one where there are none or several.
        """
        minions = self.called(host) if host else []
        return minions if len(minions) == 1 else []

    def who(self, finding):
        return self.kinds.get(finding["kind"], {}).get("who", "anybody")

    def brick(self, minion, finding):
        """
        The brick that a server's finding is about, with its volume: its own alone.
        """
        on = finding["on"]
        if ":/" in on:  # only of `volume` is it known already that this is the minion's to say
            host, _, path = on.partition(":/")
            return (finding["volume"], on) if "volume" in finding else self.bricks.get((minion, f"/{path}"))
        return self.bricks.get((minion, on))

    def serves(self, minion):
        """
        The volumes of which a minion is a server or the coordinator, by the master's pillar.
        """
        return [name for name, has in self.part(minion)["volumes"].items() if has["server"] or has["coordinator"]]

    def pool(self, minion):
        """
        The pool of a server, by the master's pillars of the servers that answer: the first of its members, in a list.
        """
        said = {each: self.part(each) for each, node in self.fleet["nodes"].items() if "server" in node["roles"]}
        others = __salt__["gluster_one.replace_others"](minion, {**said, minion: self.part(minion)})
        return [min(minion, *others)] if self.serves(minion) else []

    def offers(self, minion, finding):
        """
        What a finding may explain, as pairs of what both have in common and its value.
        """
        on, who = finding["on"], self.who(finding)
        if finding["kind"] == "brick_back":
            return [("volume", finding["volume"])]
        if finding["kind"] == "silent":
            return [("host", minion), *[("unseen", name) for name, first in self.first.items() if first == [minion]]]
        offers = [("node", minion), ("place", (minion, on)), ("datastore", (minion, posixpath.basename(on)))]
        if who == "coordinator":
            name = finding.get("volume")
            offers += [("volume", name)] if name else []
            offers += [("host", each) for each in self.one(on if on not in self.volumes else None)]
            offers += [("unseen", name)] if name and not self.volumes.get(name, {}).get("sets") else []
        elif who == "server":
            offers += [("host", minion)] if "volume" not in finding else []
            offers += [("pool", each) for each in self.pool(minion)] if on == "glusterd" else []
            volume, brick = self.brick(minion, finding) or (None, None)
            offers += [("brick", brick)] if brick else []
            if brick and not (finding["kind"] in REFUTED and brick in self.online):
                offers += [("volume", volume)]
        elif on in self.fleet["datastores"]:  # of the head alone
            offers += [("volume", self.fleet["datastores"][on]["volume"])]
        elif who == "mounts":
            if minion in self.heads:
                volume = about_volume(finding, self.part(minion)["volumes"])
                offers += [("mount", (minion, volume)), ("mount", minion)]
            # A mount that is gone, or is just coming back, misses any brick of its volume.
            above, name = posixpath.split(on)
            mounted = about_volume(finding, self.volumes) or (name if above == PLACE else None)
            missed = _items(finding) if finding["kind"] == "client_bricks" else [mounted]
            offers += [("client", (minion, each)) for each in missed]
        return offers

    def asks(self, by, minion, finding, item):
        """
        The values of which a finding, or a part of it, would have one in common with what explains it, the best first.
        """
        if by == "node":
            return [minion]
        if by == "place":
            return [(minion, finding["on"])]
        if by == "pool":
            return self.pool(minion)
        if by == "client":
            address = re.match(r"a client at (\S+) is not connected", finding["seen"])
            missed = (item, self.volume_of(minion, finding), None)  # of a mount whose volume is not known
            return [(each, what) for each in self.one(address and address[1]) for what in missed]
        if by in ("volume", "unseen"):
            return [self.volume_of(minion, finding)]
        if by == "mount":
            volume = self.volume_of(minion, finding)
            # A directory's name need not be that of its volume.
            return [(minion, volume), (minion, None)] if volume else [minion]
        if by == "datastore":
            store = self.fleet["datastores"].get(finding["on"])
            return [(minion, str(store["id"]))] if store else []
        if by == "brick":
            return [item]
        host = item.partition(":/")[0]
        found = self.one(host) if "volume" in finding or self.named(host) else []
        return found or ([minion] if finding["kind"] == "not_in_pool" else [])

    def explanation(self, number):
        """
        The number of the finding that explains another one, None where there is none, or none for a part of it.
        """
        minion, finding = self.found[number]
        rules = self.kinds.get(finding["kind"], {}).get("explained_by", ())
        found = None
        for item in _items(finding) if rules else ():
            other = self.first_of(rules, minion, finding, item)
            if other is None:
                return None
            found = other if found is None else found
        return found

    def first_of(self, rules, minion, finding, item):
        for rule in rules:
            there = self.index.get((rule["kind"], rule["by"]))  # else no name is looked up
            refuted = rule["kind"] in REFUTED and item in self.online
            if not there or rule.get("if", "") not in finding["seen"]:
                continue
            keys = self.asks(rule["by"], minion, finding, item)
            for other in (number for key in keys for number in there.get(key, ())):
                reporter, cause = self.found[other]
                # Of its own findings a node may know more than a coordinator that has looked a moment before.
                if rule.get("of", "") in cause["seen"] and not (refuted and reporter != minion):
                    return other
        return None

    def roots(self):
        """
        By the number of each finding that of the one at the end of what explains it. What explains is of another kind
        each time, in an order without circles, as a test of the table sees to.
        """
        explained = [self.explanation(number) for number in range(len(self.found))]
        roots = []
        for number, _ in enumerate(explained):
            root = number
            while explained[root] is not None:
                root = explained[root]
            roots.append(root)
        return roots

    def all(self):
        """
        The causes, with what :func:`causes` says.
        """
        roots, alike = self.roots(), {}
        for root in sorted(set(roots)):
            if self.found[root][1]["kind"] == "brick_back" and roots.count(root) == 1:
                continue  # which explains nothing
            alike.setdefault(self.group(root), []).append(root)
        members, group = {}, {root: key for key, those in alike.items() for root in those}
        for number, root in enumerate(roots):
            if root in group:
                members.setdefault(group[root], []).append(number)
        found = sorted(
            ((self.cause(those, members[key]), key) for key, those in alike.items()),
            key=lambda pair: (pair[0]["severity"] != "error", -pair[0]["findings"], pair[0]["kind"], pair[0]["on"]),
        )
        alone = {}
        for cause, _ in found:
            reporter = cause["said_by"][0] if len(cause["said_by"]) == 1 else None
            alone[reporter] = alone.get(reporter, 0) + 1
            cause["shown"] = reporter is None or alone[reporter] <= MOST
        place = {key: number for number, (_, key) in enumerate(found)}
        for number, (_, finding) in enumerate(self.found):
            root = roots[number]
            finding["explained_by"] = None if root == number else place[group[root]]
        return [cause for cause, _ in found]

    def group(self, number):
        """
        What findings have in common that are one cause: what they are about and their cure, but for the node's name.
        """
        minion, finding = self.found[number]
        together = self.kinds.get(finding["kind"], {}).get("together")
        if together == "seen":
            return finding["kind"], finding["seen"]
        if together == "volume" and self.volume_of(minion, finding):
            return finding["kind"], self.volume_of(minion, finding)
        return finding["kind"], finding["on"], _generic(finding["cure"], minion)

    def volume_of(self, minion, finding):
        """
        The volume that a finding is about, None where it is about none: that of its brick, or of its datastore, of
        which the head alone speaks.
        """
        on, stores = finding["on"], self.fleet["datastores"]
        store = stores.get(on.partition(": ")[0] if finding["kind"] == "image" else on) or {"volume": None}
        return (self.brick(minion, finding) or [about_volume(finding, self.volumes)])[0] or store["volume"]

    def cause(self, those, members):
        """
        Findings that are one cause, with all that they explain.
        """
        minion, finding = self.found[those[0]]
        said_by = _once(self.found[number][0] for number in those)
        at = _once(each for number in those for each in self.at(*self.found[number]))
        felt = _once(each for number in members for each in self.felt(*self.found[number]))
        about = [image_of(self.found[number][1]) for number in those]
        errors = any(self.found[number][1]["severity"] == "error" for number in members)
        machines = [self.fleet["nodes"].get(each, {}).get("machines") for each in felt] if errors else []
        known = [each for each in machines if each is not None]
        return {
            "kind": finding["kind"],
            "on": finding["on"],
            "seen": finding["seen"],
            "severity": "error" if errors else "warning",
            "what": self.what(those, at),
            "cure": finding["cure"] if len(said_by) < 2 else _generic(finding["cure"], minion),
            "effect": self.effect(those[0], [self.found[number][1]["kind"] for number in members]),
            "said_by": said_by,
            "at": at,
            "felt_by": felt,
            "about": _once(each and f"{each[0]} {each[1]}" for each in about),
            "machines": sorted({name for each in known for name in each}) if known else None,
            "findings": len(members),
        }

    def effect(self, number, kinds):
        """
        What a cause means for VMs and data, with these kinds of findings, itself and what it explains: where the table
        does not say it of the cause, what it says of the most of them.
        """
        kind, volume = self.found[number][1]["kind"], self.volume_of(*self.found[number])
        lost = [each for each, on in self.lost if kind in self.loses and volume in (on, None)]
        order = [*lost, kind, *sorted(set(kinds), key=kinds.count, reverse=True)]
        return next((self.kinds[each]["effect"] for each in order if "effect" in self.kinds.get(each, {})), None)

    def of_others(self, minion, finding):
        """
        Whether a finding is not about the node that reports it: but a volume, OpenNebula, or what only the master sees.
        """
        return "volume" in finding or self.who(finding) == "head" or not minion

    def at(self, minion, finding):
        """
        The node at which a finding lies: the reporter's own, or that whose brick or host it names.
        """
        if finding["on"] in self.volumes:
            return []
        if "volume" in finding:
            return self.one(finding["on"].partition(":/")[0])
        return [minion or finding["on"]]

    def felt(self, minion, finding):
        """
        The nodes that feel it.
        """
        if self.of_others(minion, finding) or finding["kind"] == "silent":
            return finding.get("felt_by", [])
        return [minion]

    def thing(self, minion, finding):
        """
        What a finding is on, and that it is a brick, which its name alone does not say.
        """
        is_brick = finding["kind"].startswith("brick_") or self.brick(minion, finding)
        return f"brick {finding['on']}" if is_brick else finding["on"]

    def what(self, those, at):
        """
        A cause as a sentence.
        """
        minion, finding = self.found[those[0]]
        ons = _once(self.thing(*self.found[number]) for number in those)
        seens = _once(self.found[number][1]["seen"] for number in those)
        seen = "; ".join(seens[:3]) + (f"; and {len(seens) - 3} more" if len(seens) > 3 else "")
        on = ", ".join(ons[:3]) + (f" and {len(ons) - 3} more" if len(ons) > 3 else "")
        where = "" if self.of_others(minion, finding) or finding["kind"] == "silent" else at
        where = f"{where[0]}: " if len(where) == 1 else f"{len(where)} nodes: " if where else ""
        plain = len(ons) == len(seens) == 1 and seen.startswith(("it is ", "it does "))
        return f"{where}{on} {seen[3:]}" if plain else f"{where}{on}: {seen}"


def _items(finding):
    """
    What a finding is about, each of which has to be explained: the bricks that a client lacks, or one thing.
    """
    named = finding["seen"].partition("not connected to ")[2]
    if finding["kind"] in ("client_bricks", "client_apart") and named:
        bricks = named.split(", ")
        return bricks[:-1] if named.endswith("...") and len(bricks) > 1 else bricks
    return [finding["on"]]


def _generic(cure, minion):
    """
    A cure as it is for any node.
    """
    name = re.escape(shlex.quote(minion)) if minion else None
    return re.sub(rf"\b(salt|on|address of) {name}(?=[ :,])", r"\1 NODE", cure) if name else cure


def _once(names):
    return sorted({name for name in names if name is not None})
