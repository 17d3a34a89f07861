"""
A fleet that somebody has set up by hand, as a pillar
=====================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Nothing is asked here: what minions have
said, checked by :mod:`gluster_one_adopt`, becomes the pillar's keys, comments and remarks.
"""

import collections
import json
import posixpath

__virtualname__ = "gluster_one"

PLACE = "/var/lib/gluster_one"
LOCAL = ("localhost", "127.0.0.1", "::1")
PORT = ":24007"
# Options of a line of fstab that say nothing about the client, or that the formula writes itself.
USUAL = ("defaults", "_netdev", "nosuid", "nodev", "rw", "auto", "nofail", "noatime", "relatime")
BACKUPS = ("backup-volfile-servers=", "backupvolfile-server=")
# Its mount ends at each restart of glusterd.
REQUIRES = "x-systemd.requires=glusterd"
YES = ("on", "yes", "true", "enable", "1")
SHARED = {"shared", "qcow2"}  # the drivers of OpenNebula with which all nodes share the directory of a datastore


def __virtual__():
    return __virtualname__


def described(facts, called):
    """
    The pillar that describes a fleet as it is.

    facts
        What the minions have said (dict by minion of what :func:`sound_found` returns).

    called
        Which minions go by the names that are in it (dict of lists of strings).

    Returns a dict; ``comments`` are by the path of the key, ``remarks`` are sentences about what is not well, or is no
    part of the pillar, and ``roles`` are those of minions with others than the default::

        {"pillar": {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2"], "datastores": {"glusterds": {}}}}},
         "comments": {("volumes", "one_vol", "mount"): ["..."]}, "remarks": ["..."],
         "minions": ["head", "kvm1", "kvm2"], "roles": {"head": ["head"]}}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.described '{}' '{}'
    """
    return _Fleet(facts, called).described()


class _Fleet:
    """
    What is known of the fleet, and what is said of it so far.
    """

    def __init__(self, facts, called):
        self.facts, self.called = facts, called
        self.comments, self.remarks = {}, {}
        self.heads = [minion for minion, seen in sorted(facts.items()) if (seen["opennebula"] or {}).get("datastores")]
        self.one = facts[self.heads[0]]["opennebula"] if self.heads else None
        self.hosts = {host: self._minion(host) for host in (self.one or {}).get("hosts", ())}
        # A host that OpenNebula does not have yet is one by what its directories of datastores are.
        self.linked = {
            minion for minion, seen in facts.items() if any(each["leads"] for each in seen["directories"].values())
        }
        self.nodes = sorted({*self.heads, *filter(None, self.hosts.values()), *self.linked})
        self.owners = {}
        for minion, seen in sorted(facts.items()):
            if seen["pool"]:
                self.owners.setdefault(seen["pool"]["uuid"], []).append(minion)

    def _minion(self, host):
        found = self.called.get(host) or []
        return found[0] if len(found) == 1 and found[0] in self.facts else None

    def _comment(self, path, text):
        self.comments.setdefault(path, []).append(text)

    def _remark(self, text, who=""):
        """
        What is the same on several nodes is said once.
        """
        self.remarks.setdefault(text, []).append(who)

    def described(self):
        self._about_head()
        volumes, members = {}, set()
        for name, stores in self._stores().items():
            volume, servers = self._volume(name, stores)
            if volume:
                volumes[name] = volume
                members |= servers
        pillar = {"volumes": volumes}
        if volumes:
            pillar = {**self._top(next(iter(volumes))), **pillar}
        minions = sorted({*self.nodes, *members}) if volumes else []
        who = {text: ", ".join(filter(None, dict.fromkeys(who))) for text, who in self.remarks.items()}
        remarks = [f"{who[text]}: {text}" if who[text] else text for text in who]
        return {
            "pillar": pillar,
            "comments": self.comments,
            "remarks": remarks,
            "minions": minions,
            "roles": {minion: roles for minion in minions if (roles := self._roles(minion)) != ["hypervisor"]},
        }

    def _roles(self, minion):
        hypervisor = minion in self.hosts.values() or minion in self.linked and minion not in self.heads
        roles = [role for role, has in (("head", minion in self.heads), ("hypervisor", hypervisor)) if has]
        return roles or ["server"]

    def _about_head(self):
        for minion, seen in sorted(self.facts.items()):
            for wrong in seen["wrong"]:
                self._remark(f"could not be looked at: {wrong}", minion)
            error = (seen["opennebula"] or {}).get("error")
            if error and (minion in self.heads or not self.heads):
                self._remark(f"OpenNebula could not be asked: {error}", minion)
            if (seen["pool"] or {}).get("error"):
                self._remark(f"glusterd could not be asked: {seen['pool']['error']}", minion)
        for uuid, minions in self.owners.items():
            if len(minions) > 1:
                text = (
                    f"their glusterd has one identifier, {uuid}, as copies of a machine have: give all but one another"
                )
                self._remark(text, ", ".join(minions))
        if not self.heads:
            self._remark(
                "no minion has OpenNebula's datastores: is the head a minion, with pyone and "
                "/var/lib/one/.one/one_auth? Without it nobody knows which volumes are OpenNebula's"
            )
        if len(self.heads) > 1:
            self._remark("each has OpenNebula's datastores, and is a head; the first was asked", ", ".join(self.heads))
        for minion in sorted(self.linked - {*self.heads, *self.hosts.values()}) if self.one else ():
            self._remark(
                "datastores' directories lead to a volume, and OpenNebula has no host of that name: taken for a "
                "hypervisor",
                minion,
            )
        for host, minion in self.hosts.items():
            if not minion:
                self._remark(
                    f"{host} is a host of OpenNebula, and no minion that has answered goes by that name: it stays as "
                    "it is, until it has a minion (salt-key) of this name"
                )
        pools = [seen["pool"] for _, seen in sorted(self.facts.items()) if seen["pool"]]
        peers = [peer for pool in pools for peer in pool["peers"]]
        for uuid in dict.fromkeys(peer["uuid"] for peer in peers):
            own = [peer for peer in peers if peer["uuid"] == uuid]
            names = " or ".join(dict.fromkeys(name for peer in own for name in peer["hostnames"]))
            if uuid not in self.owners:
                self._remark(
                    f"{names} is a member of Gluster's pool, and no minion that has answered is: its glusterd.vol "
                    "stays as it is, and nobody sees whether its bricks run"
                )
            if not all(peer["connected"] for peer in own):
                self._remark(
                    f"{names} is not connected to all of its pool: `gluster peer status`; the run waits for it"
                )

    # Which datastores are on which volumes

    def _stores(self):
        found = {}
        for store in sorted((self.one or {}).get("datastores", ()), key=lambda store: store["id"]):
            where = self._where(store)
            if not where:
                continue
            label = f"datastore {store['name']} ({store['id']})"
            if "/" in where:
                self._below(store, label, where)
            else:
                found.setdefault(where, []).append(store)
        for volume, stores in found.items():
            drivers = {store["tm_mad"] for store in stores if _is_native(store)} | SHARED
            for store in [store for store in stores if not _is_native(store) and store["tm_mad"] not in drivers]:
                stores.remove(store)
                more = ", with access: fuse where VMs are to open files on the mount," * (store["type"] == "IMAGE_DS")
                self._remark(
                    f"datastore {store['name']} ({store['id']}) leads to volume {volume} and has TM_MAD "
                    f"{store['tm_mad']}, which does not take it for shared by all nodes: it is not in the pillar, and "
                    f"stays as it is. With {{datastore_id: {store['id']}, type: {store['type']}}} among the datastores "
                    f"it has TM_MAD shared{more} if no image and no VM uses it"
                )
        used = {volume: stores for volume, stores in found.items() if stores}
        known = {name for seen in self.facts.values() for name in (seen["pool"] or {"volumes": {}})["volumes"]}
        for name in sorted(known - set(used)):
            self._remark(f"volume {name} has no datastore of OpenNebula: it is not in the pillar, and stays as it is")
        return used

    def _where(self, store):
        """
        The volume on which a datastore is, with the directory in it.
        """
        if _is_native(store):
            return (store["GLUSTER_VOLUME"] or "").strip("/")
        leads = [self._leads(minion, store) for minion in self.nodes]
        return next(iter([each for each, _ in collections.Counter(filter(None, leads)).most_common(1)]), None)

    def _leads(self, minion, store):
        return self.facts[minion]["directories"].get(str(store["id"]), {}).get("leads")

    def _below(self, store, label, where):
        """
        What lies in a directory of a volume: the states can, the pillar cannot.
        """
        volume, _, inside = where.partition("/")
        if _is_native(store):
            self._remark(
                f"{label} has GLUSTER_VOLUME {where}: the pillar has no place for a directory of a volume. Leave it as "
                f"it is, or describe it by an SLS of your own (docs/adopt.md), whose states take `volume: {where}`"
            )
        else:
            self._remark(
                f"{label} is the directory {inside} of volume {volume}, where VMs cannot open its images over "
                "gluster://: it is not in the pillar, and stays as it is"
            )

    # A volume

    def _volume(self, name, stores):
        path = ("volumes", name)
        info, minions, peers = self._info(name, stores)
        servers = self._servers(path, name, info, minions, peers, stores)
        if not servers:
            self._remark(f"volume {name} has datastores, and no minion knows its servers: it is not in the pillar")
            return None, set()
        volume = {"servers": servers}
        if mount := self._mount(path, name, stores):
            volume["mount"] = mount
        if options := self._mount_options(path, name, stores):
            volume["mount_options"] = options
        if info:
            first = self._server_minion(servers[0], info)
            volume.update(self._options(path, name, info, first))
        volume["datastores"] = {
            store["name"]: self._datastore((*path, "datastores", store["name"]), name, store, servers)
            for store in stores
        }
        self._about_mounts(name, stores, servers)
        return volume, {*minions, *filter(None, (self._server_minion(server, info) for server in servers))}

    def _info(self, name, stores):
        """
        What the servers of a volume say of it, its servers' minions, and the peers by uuid as they know them.
        """
        said = {}
        for minion, seen in sorted(self.facts.items()):
            if name in (seen["pool"] or {"volumes": {}})["volumes"]:
                said.setdefault(json.dumps(seen["pool"]["volumes"][name], sort_keys=True), []).append(minion)
        if not said:
            return None, [], {}
        asked = {self._minion(host) for store in stores for host in _hosts(store)}
        best = max(said, key=lambda text: (len(asked & set(said[text])), len(said[text])))
        info = json.loads(best)
        others = [minion for text, minions in said.items() if text != best for minion in minions]
        if others:
            known = {self.facts[minion]["pool"]["volumes"][name]["id"] for minion in others}
            text = (
                f"its volume {name} is not the one of {', '.join(said[best])}: "
                + ("it is another one of that name, which a pillar of its own has to have" if known != {info["id"]}
                   else "what glusterd has of it differs: `gluster volume info` on both, and `gluster peer status`")
            )  # fmt: skip
            self._remark(text, ", ".join(others))
        if info["status"] != "Started":
            self._remark(f"volume {name} is {info['status']}: `gluster volume start {name}`; the run waits for it")
        own = [minion for uuid in info["servers"] for minion in self.owners.get(uuid, ())]
        peers = {}
        for minion in said[best]:
            for peer in self.facts[minion]["pool"]["peers"]:
                peers.setdefault(peer["uuid"], []).extend(peer["hostnames"])
        return info, sorted(set(own) & set(said[best])), peers

    def _server_minion(self, server, info):
        named = {_host(brick): uuid for brick, uuid in zip(info["bricks"], info["servers"])} if info else {}
        owners = self.owners.get(named.get(server), [])
        return owners[0] if len(owners) == 1 else self._minion(server)

    def _servers(self, path, name, info, minions, peers, stores):
        """
        The volume's servers: those with bricks in their order, and other members of the pool that are asked for it.
        """
        servers = list(dict.fromkeys(_host(brick) for brick in info["bricks"])) if info else []
        led = [server for server in servers if self._server_minion(server, info)]
        if led and led[0] != servers[0]:
            self._comment(
                (*path, "servers"),
                f"{servers[0]}, the first of its bricks, is no minion, and the first server sets the options: {led[0]} "
                "does",
            )
            servers = [led[0], *(server for server in servers if server != led[0])]
        if info and not led:
            self._comment((*path, "servers"), "none of them is a minion: nobody sets the volume's options")
        same = {server.casefold() for server in servers}
        known_as = [{each.casefold() for each in names} for names in peers.values()]
        for names in known_as:
            same |= names if same & names else set()
        own = {self._server_minion(server, info) for server in servers} - {None}
        asked = {host: f"GLUSTER_HOST of {store['name']} names it" for store in stores for host in _hosts(store)}
        for minion in self.nodes:
            for mount in self._mounts(minion, name):
                asked.update((host, f"{minion} has mounted from it") for host in _mounted_from(mount))
        for host, why in asked.items():
            known, short = self._minion(host), host.casefold().partition(".")[0]
            # The master may not be able to resolve a name with a domain that the nodes can.
            if host in LOCAL or {host.casefold(), short} & same or known and known in own:
                continue
            member = {each for names in known_as if host.casefold() in names for each in names}
            if not info or member:
                servers.append(host)
                same |= {host.casefold(), short, *member}
                own |= {known} - {None}
                unseen = "no minion is a server of it, so its options are not looked at"
                lacks = "it has no brick of the volume" if info else unseen
                self._comment((*path, "servers"), f"{host}: {why}; {lacks}")
            else:
                self._remark(
                    f"{host} is not known as a server of volume {name}, although {why}: if it is one, add it to the "
                    "volume's servers; the run refuses a mount from a stranger"
                )
        return servers

    def _mounts(self, minion, name):
        return [mount for mount in self.facts[minion]["mounts"] if mount["volume"] == name]

    def _used(self, minion, name, stores):
        """
        A node's mounts of a volume to which the directories of its datastores lead, or all, and its lines of fstab
        without those of the other mounts.
        """
        seen, mounts = self.facts[minion], self._mounts(minion, name)
        ends = {seen["directories"].get(str(store["id"]), {}).get("mounted") for store in stores}
        used = [mount for mount in mounts if mount["path"] in ends] or mounts
        others = {mount["path"] for mount in mounts if mount not in used}
        return used, [line for line in seen["fstab"] if line["volume"] == name and line["path"] not in others]

    def _mount(self, path, name, stores):
        """
        Where it is mounted, as far as the pillar says it: the default, and the directories of its datastores, it does
        not say.
        """
        own, below = [], []
        ids = {str(store["id"]) for store in stores}
        for minion in self.nodes:
            used, _ = self._used(minion, name, stores)
            for mount in self._mounts(minion, name):
                if mount["refused"]:
                    self._remark(
                        f"volume {name} is mounted on {mount['path']}, where the formula does not: it mounts it on "
                        f"{PLACE}/{name} as well ({mount['refused']})",
                        minion,
                    )
                elif mount not in used:
                    self._remark(
                        f"volume {name} is mounted on {mount['path']} as well, to which no datastore's directory "
                        "leads: that mount stays as it is",
                        minion,
                    )
                elif mount["place"] == mount["path"]:
                    own.append(mount["path"])
                else:
                    stores_dir = self.facts[minion]["datastores_dir"].rstrip("/")
                    above, _, last = mount["path"].rpartition("/")
                    if above != stores_dir or last not in ids:
                        below.append(mount["path"])
                    lines = [line for line in self.facts[minion]["fstab"] if line["path"] == mount["path"]]
                    self._remark(
                        f"volume {name} is mounted on {mount['path']}, below a directory of another user than root, "
                        f"who could have the next boot mount it elsewhere: the run mounts it on {mount['place']} as "
                        "well, with the same options, and exchanges the links; the old mount stays, with what is open "
                        "on it, until `state.apply gluster_one.remount` finds nothing that uses it"
                        + ("; its line of /etc/fstab goes" if lines else ""),
                        minion,
                    )
        places = own or below
        if not places:
            return None
        place = collections.Counter(places).most_common(1)[0][0]
        others = sorted(set(places) - {place})
        if others:
            self._remark(
                f"volume {name} is mounted on {', '.join(others)} on some nodes, and on {place} on others: each gets a "
                f"mount on {place}; what is mounted elsewhere, and links to it, stay as they are"
            )
        if place == f"{PLACE}/{name}":
            return None
        self._comment((*path, "mount"), f"the default is {PLACE}/{name}")
        return place

    def _mount_options(self, path, name, stores):
        """
        The options that all mounts have; a node's own stay in its line of fstab.
        """
        each = {}
        for minion in self.nodes:
            mounts, lines = self._used(minion, name, stores)
            if lines or mounts:
                typed = [option for line in lines for option in line["options"] if option not in line["away"]]
                typed = {_option(option) for option in typed if option not in USUAL and not option.startswith(BACKUPS)}
                typed -= {option for option in typed if option.startswith("x-systemd.")}
                client = {option for mount in mounts for option in mount["options"]}
                keys = {_key(option) for option in typed}
                old = {option for option in client - typed if _key(option) in keys}
                for option in sorted(old):
                    self._remark(
                        f"volume {name} is mounted with {option}, and its line of /etc/fstab has another value, "
                        "which counts from the next mount on",
                        minion,
                    )
                each[minion] = typed, client - old
        both = [line | client for line, client in each.values()]
        common = sorted(set.intersection(*both)) if both else []
        for minion, (line, client) in each.items():
            for option in sorted(client - line - set(common)):
                self._remark(
                    f"volume {name} is mounted with {option} by hand, and not everywhere: it is gone with the next "
                    "mount, unless it stands in mount_options",
                    minion,
                )
            for option in sorted(line - set(common)):
                self._remark(
                    f"its line of /etc/fstab has {option}, which stays there, and is not in the pillar", minion
                )
        if common:
            self._comment((*path, "mount_options"), "all nodes have them; the default is none")
        return common

    def _about_mounts(self, name, stores, servers):
        """
        What differs of mounts and links, node by node.
        """
        for minion in self.nodes:
            seen = self.facts[minion]
            mounts, lines = self._used(minion, name, stores)
            if not mounts:
                self._remark(f"volume {name} is not mounted: the run mounts it", minion)
            for mount in mounts:
                if mount["state"] not in ("alive", "unknown"):
                    self._remark(
                        f"the mount on {mount['path']} is {mount['state']}: see `gluster volume status {name}`", minion
                    )
                if mount["flags"]:
                    self._remark(
                        f"a mount of volume {name} lacks {', '.join(mount['flags'])}: the run sets that", minion
                    )
                if not [line for line in lines if line["path"] == mount["path"]]:
                    self._remark(
                        f"/etc/fstab does not have the mount of volume {name}: it is gone after a boot; the run writes "
                        "a line, with all servers",
                        minion,
                    )
            for line in lines:
                if line["away"]:
                    self._remark(
                        f"/etc/fstab mounts {line['path']} with {', '.join(line['away'])}, with which it is not there "
                        "after a boot, for good and writable: remove that first, the run refuses it",
                        minion,
                    )
                if any(option.startswith(REQUIRES) for option in line["options"]):
                    self._remark(
                        f"/etc/fstab mounts {line['path']} with x-systemd.requires=glusterd.service: each restart of "
                        "glusterd unmounts it; write x-systemd.after instead",
                        minion,
                    )
                if servers[1:] and not any(option.startswith(BACKUPS[0]) for option in line["options"]):
                    self._remark(
                        f"/etc/fstab mounts volume {name} without backup-volfile-servers: the run adds them, from the "
                        "next mount on they count",
                        minion,
                    )
            for store in stores:
                leads = self._leads(minion, store)
                if leads != name:
                    there = f"leads to {leads}" if leads else "does not lead to the volume"
                    there = there if str(store["id"]) in seen["directories"] else "is not there"
                    self._remark(
                        f"{seen['datastores_dir']}/{store['id']} of datastore {store['name']} {there}: the run makes "
                        "it a link, or says what it holds",
                        minion,
                    )

    def _options(self, path, name, info, first):
        """
        The options of a volume, as somebody has set them.
        """
        found = {}
        about = self.facts.get(first) or {"uid": None, "gid": None, "user": "oneadmin"}
        of_head = self.facts[self.heads[0]] if self.heads else about
        for key in ("uid", "gid"):
            owner, own, oneadmin = info[key], about[key], of_head[key]
            if owner is None:
                self._remark(f"volume {name} has no storage.owner-{key}: the run sets it to that of {of_head['user']}")
                owner = str(oneadmin) if own is None and oneadmin is not None else None
            if owner is not None and owner.isdecimal() and int(owner) != own:
                found[key] = int(owner)
                why = f"{first or 'the first server'} has no such account" if own is None else f"the default is {own}"
                self._comment((*path, key), f"{why}, {of_head['user']}'s on the head is {oneadmin}")
        if (info["insecure"] or "on").lower() not in YES:
            self._remark(
                f"volume {name} has server.allow-insecure {info['insecure']}: VMs, which do not run as root, cannot "
                "open their disks; the run sets it on, and names the bricks that need a restart"
            )
        elif info["insecure"] is None:
            self._remark(f"volume {name} has server.allow-insecure by Gluster's default alone: the run sets it on")
        if info["group"]:
            found["group"] = info["group"]
            self._comment((*path, "group"), "all options of that group are set; the default is none")
        if info["options"]:
            found["options"] = dict(sorted(info["options"].items()))
            self._comment((*path, "options"), "as they are set now; one that you leave out is not touched any more")
        for option in info["hidden"]:
            self._remark(f"volume {name} has {option}, whose value is not shown: it is not touched")
        servers = {minion for uuid in info["servers"] for minion in self.owners.get(uuid, ())}
        for minion in sorted(servers):
            if not self.facts[minion]["pool"]["insecure"]:
                self._remark(
                    "glusterd.vol has no `option rpc-auth-allow-insecure on`: the run writes it, and glusterd has it "
                    "from its next start on",
                    minion,
                )
        return found

    def _datastore(self, path, volume, store, servers):
        """
        The keys of a datastore.
        """
        label = f"datastore {store['name']} ({store['id']})"
        found = {"datastore_id": store["id"]}
        if store["type"] != "IMAGE_DS":
            found["type"] = store["type"]
        elif not _is_native(store):
            found["access"] = "fuse"
            self._comment((*path, "access"), "the default is native; DISK_TYPE is not GLUSTER")
            if store["GLUSTER_HOST"] or store["GLUSTER_VOLUME"]:
                self._remark(
                    f"{label} has GLUSTER_HOST or GLUSTER_VOLUME and not DISK_TYPE = GLUSTER: the run removes them"
                )
        hosts = _hosts(store)
        if _is_native(store) and store["type"] == "IMAGE_DS":
            wrong = "," in (store["GLUSTER_HOST"] or ",") or any(host.count(":") > 1 for host in hosts)
            if wrong:
                self._remark(
                    f"{label} has GLUSTER_HOST {store['GLUSTER_HOST']}, which oned does not understand: the run sets "
                    f"it to {servers[0]}"
                )
            else:
                named = [host.removesuffix(PORT) for host in store["GLUSTER_HOST"].split()]
                if named != servers[:1]:
                    found["host"] = named if len(named) > 1 else named[0]
                    self._comment((*path, "host"), f"the default is the first server, {servers[0]}")
            if store["DRIVER"] and store["DRIVER"] != "raw":
                found["driver"] = store["DRIVER"]
                self._comment((*path, "driver"), "the default is raw: QEMU cannot open most qcow2 files natively")
            elif not store["DRIVER"]:
                self._remark(
                    f"{label} has no DRIVER, so imported images keep their format: "
                    + ("`salt HEAD gluster_one.images` names those that VMs cannot open" if store["images"]
                       else "the run sets raw")
                )  # fmt: skip
        if store["tm_mad"] != "shared":
            found["tm_mad"] = store["tm_mad"]
            self._comment((*path, "tm_mad"), "the default is shared")
        known = self.one["ds_mad"]
        if store["type"] != "SYSTEM_DS" and known and store["ds_mad"] not in known:
            self._remark(
                f"{label} has DS_MAD {store['ds_mad']}, and oned runs no such driver ({', '.join(known)}), so nothing "
                "can be registered: the run sets fs"
            )
        return found

    def _top(self, name):
        """
        The keys beside the volumes.
        """
        found = {}
        info, minions, _ = self._info(name, [])
        options = self.facts[minions[0]]["pool"]["options"] if minions else {}
        if options:
            found["pool_options"] = dict(sorted(options.items()))
            self._comment(("pool_options",), "options of the whole pool, as they are set now")
        above = {posixpath.dirname(posixpath.normpath(store["base_path"])) for store in self.one["datastores"]} - {""}
        usual = self.facts[self.heads[0]]["datastores_dir"].rstrip("/")
        if len(above) == 1 and above != {usual}:
            found["datastores_dir"] = above.pop()
            text = f"the default is {usual}; the directories of datastores there were not looked at"
            self._comment(("datastores_dir",), text)
        return found


def _is_native(store):
    return (store["DISK_TYPE"] or "").upper() == "GLUSTER"


def _hosts(store):
    """
    The servers that a datastore names, without their ports.
    """
    found = (store["GLUSTER_HOST"] or "").replace(",", " ").split() if _is_native(store) else []
    return [host.partition(":")[0] if host.count(":") == 1 else host for host in found]


def _host(brick):
    return brick.partition(":/")[0]


def _mounted_from(mount):
    return mount["servers"] or mount["device"].rpartition(":")[0].split(",")


def _key(option):
    key = option.partition("=")[0]
    return option if key == "xlator-option" else key  # the one that may be given several times


def _option(option):
    key, equals, value = option.partition("=")
    return f"{key}={value.upper()}" if key == "log-level" and equals else option
