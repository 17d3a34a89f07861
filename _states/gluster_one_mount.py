"""
A volume mounted for its datastores, as states
==============================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import contextlib
import functools
import os
import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

# How `changes` names what is removed from a former place: its line, its service, what covers it.
FORMER_LINE, FORMER_BOOT, FORMER_COVER = "fstab for ", "boot for ", "cover of "
TRIAL = 5  # seconds for a look whether the volume can be mounted
UNKNOWN = "(identifier)"  # a datastore's, that OpenNebula has not picked yet
NO_VOLUME = "no such volume"  # as gluster_probe.refusal has it
# What to do when another node did not do its part.
HEAD = ": run it on the head, and see its result"


def __virtual__():
    return __virtualname__


def datastore_mounted(
    name,
    volume,
    servers,
    links=None,
    datastores=None,
    options=None,
    user="oneadmin",
    datastores_dir="/var/lib/one/datastores",
    timeout=120,
    awaited=False,
    id=None,  # noqa: A002
):
    """
    A volume is mounted by FUSE, from fstab, writable by oneadmin, and its datastores' directories are links to it.

    For the head and every hypervisor.

    What a user other than root has mounted over the volume's root, which belongs to oneadmin, is unmounted. Nothing
    else is remounted: a changed option is written to fstab and takes effect at the next mount, and what somebody has
    mounted by hand, from any of the servers, stays. Nothing is mounted over files, and no path that holds anything
    becomes a link: the state fails and names it, and does the rest. While nothing is mounted, the bare directory
    belongs to root, so that nothing fills the local disk by mistake.

    The volume is not mounted below a directory that belongs to another user, such as oneadmin's /var/lib/one: the
    owner could have the next boot mount the volume over any other directory. It is mounted on
    /var/lib/gluster_one/VOLUME then, and the directory is a link to that. Where it is mounted on such a directory
    already, or fstab says so, it is mounted on the new one as well, the old line is removed, the links are exchanged,
    and the old mount stays until ``datastore_remounted`` removes it.

    name
        The directory to mount on (string), such as /var/lib/gluster_one/one_vol.

    volume
        The volume (string).

    servers
        All its Gluster servers (list of host names): the first is mounted from, the others are backup volfile servers.
        A line of fstab or a mount by another of them, or by an address, is accepted.

    links
        Paths that are to be links to the directory (list of strings, default none).

    datastores
        Names of datastores whose directories are to be links to it as well (list of strings, or dict of names and
        identifiers, None for those not known before; default none). The state waits for the others' identifiers, which
        ``one_datastore_present`` writes to the volume. One below 100 has to be given.

    options
        Further mount options (list of strings, default none).

    user
        Who must be able to write (string, default ``oneadmin``).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores).

    timeout
        Seconds for each of: the mount, its owner, the datastores' identifiers (int, default 120).

    awaited
        Whether another node may be about to create the volume (bool, default False): it is waited for, too.

    id
        The volume's identifier (string). Default: the one that this node has recorded, if it has. Where another volume
        of that name is mounted now, the state fails before it does anything with it.

    .. code-block:: yaml

        /var/lib/gluster_one/one_vol:
          gluster_one.datastore_mounted:
            - volume: one_vol
            - servers: [kvm1, kvm2, kvm3]
            - links: [/var/lib/one/datastores/1]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"{volume} is mounted, writable by {user} and linked"
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "datastore_mounted", name=name, volume=volume, servers=servers, links=links, datastores=datastores,
            options=options, user=user, datastores_dir=datastores_dir, timeout=timeout, id=id,
        )  # fmt: skip
        asked = os.path.normpath(name)
        if f"{os.path.normpath(datastores_dir)}/".startswith(f"{asked}/"):
            raise SaltInvocationError(
                f"name is {name!r}, in which OpenNebula's {datastores_dir} lies, where each node has links of its own "
                "that lead to the volume: give a directory of its own, or another datastores_dir"
            )
        __utils__["gluster_options.owner_id"](user)
        name = __salt__["gluster_mount.place"](asked, volume, user)
        links = [asked, *(links or [])]
        stores = datastores if isinstance(datastores, dict) else dict.fromkeys(datastores or [])
        former_places = functools.partial(
            __salt__["gluster_mount_plan.former_places"], name, volume, datastores_dir, user
        )
        former = former_places()
        look = functools.partial(_look, name, volume, servers, options, user)
        look_links = functools.partial(_look_links, name, volume, links, stores, datastores_dir, list(former))
        entry, changes, goes = look(former)
        stale = __salt__["gluster_mount_plan.outdated_client"](name, entry) if "mount" not in changes else None
        if stale:
            fine += f"; from {stale}, and by fstab from the next mount on"
        if __opts__["test"]:
            link_changes, problems = look_links()
            ret = __utils__["gluster_states.would_change"](ret, {**changes, **goes, **link_changes}, fine)
            refused = _trial(entry) if "mount" in changes else None
            if refused and refused["lasts"] and not _may_come(refused["why"], awaited):
                problems.append(f"Volume {volume} cannot be mounted: {refused['said']}")
            elif refused and refused["why"]:
                ret["comment"] += f"; now it could not be mounted: {refused['said']}"
            return _failed(ret, problems)
        problems, done = [], ret["changes"]  # as far as it comes, also when a later step fails
        refused = []
        if "cover" in changes:
            with _collecting(problems):
                __salt__["gluster_mount.uncover"](name)
                done["cover"] = changes["cover"]
                changes = {"cover": changes["cover"], **look(former)[1]}  # what was beneath is seen only now
        for path in former:
            label = _label(path, FORMER_COVER)
            if label in goes:
                with _collecting(problems):
                    __salt__["gluster_mount.uncover"](path)
                    done[label] = goes[label]
        if "flags" in changes:
            with _collecting(problems):
                refused = __salt__["gluster_mount.set_flags"](volume)
                done["flags"] = changes["flags"]
        if "fstab" in changes:
            before = __salt__["gluster_fstab.line"](name).get("opts")
            __salt__["gluster_mount_plan.record_options"](volume, options, before)
            __salt__["gluster_fstab.set_line"](name, entry["device"], entry["opts"])
            if not changes["fstab"]["old"] and not __salt__["gluster_mount_plan.is_ours"](name, volume):
                __salt__["gluster_one_record.record"]("mounts", {name: volume})
            done["fstab"] = changes["fstab"]
        if "directory" in changes:
            __salt__["gluster_links.make_mount_point"](name)
            done["directory"] = changes["directory"]
        if "boot" in changes:
            __salt__["gluster_fstab.enable_boot_retry"](name)
            done["boot"] = changes["boot"]
        if "mount" in changes:
            mount = functools.partial(_mount, name, timeout, awaited)
            cure = f": run it on {', '.join(servers)}, which create the volume" if awaited else ""
            __utils__["gluster_states.wait_for"](mount, timeout, f"Volume {volume} was not mounted on {name}", cure)
            done["mount"] = changes["mount"]
            other = __salt__["gluster_one_record.other_volume"](volume, id, mount=name)
            if other:
                raise CommandExecutionError(other)
        # Before anything that whoever owns the directories or the volume can hold up.
        for path, found in former.items():
            if found["line"]:
                __salt__["gluster_fstab.remove_lines"](path, volume)
                done[_label(path)] = goes[_label(path)]
        for path, service in __salt__["gluster_mount_plan.former_services"](name, former, user).items():
            with _collecting(problems):
                __salt__["gluster_fstab.disable_boot_retry"](path)
                done[_label(path, FORMER_BOOT)] = {"old": service, "new": None}
        write = functools.partial(_refused, name, volume, user, timeout)
        with _collecting(problems):
            __utils__["gluster_states.wait_for"](write, timeout, f"{user} could not write in {name}")
        files = {}  # those on the volume are read once, unless identifiers are waited for
        missing = functools.partial(_ids_missing, name, stores, files)
        waited = 0
        with _collecting(problems):
            failure = f"The head did not name {volume}'s datastores"
            waited = __utils__["gluster_states.wait_for"](missing, timeout, failure, HEAD)
        link_changes, links_failed = look_links(files.get("ids"))
        for label, change in link_changes.items():
            path = change["new"].removesuffix(f" -> {name}")
            if os.path.basename(path) == UNKNOWN:
                continue
            old = change["old"] and change["old"].removeprefix(f"{path} -> ")
            with _collecting(problems):
                __salt__["gluster_links.link"](path, name, replace=old, make=label == path)
                done[label] = change
        fine += f" (waited {waited} s for the head)" if waited else ""
        fine += "".join(f"; {place}: {error}" for place, error in files.get("errors", {}).items())
        __salt__["gluster_mount_plan.forget_gone"]()
        left, differed = {}, {**changes, **goes, **link_changes}
        if differed:
            former = former_places()
            _, left, left_goes = look(former)
            links_left, links_failed = look_links(files.get("ids"))
            left = {**left, **left_goes, **links_left}
        if "flags" in left and refused:
            left["flags"]["old"] = "; ".join(refused)
        fine += _still_mounted(former)
        ret = __utils__["gluster_states.changed"](ret, differed, left, fine)
        return _failed(ret, dict.fromkeys([*problems, *links_failed]))
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


@contextlib.contextmanager
def _collecting(problems):
    """
    An error in this step does not stop the next ones.
    """
    try:
        yield
    except (CommandExecutionError, OSError) as exc:
        problems.append(str(exc))


def _failed(ret, problems):
    """
    What the state returns if there are problems.
    """
    return {**ret, "result": False, "comment": "; ".join(problems)} if problems else ret


def _mount(name, timeout, awaited):
    """
    Mount the volume, of which it may not last that there is none.
    """
    try:
        return __salt__["gluster_mount.mount"](name, timeout)
    except CommandExecutionError as exc:
        exc.lasts = getattr(exc, "lasts", False) and not _may_come(str(exc), awaited)
        raise


def _may_come(why, awaited):
    """
    Whether a volume could not be mounted because another node has yet to create it.
    """
    return awaited and NO_VOLUME in why


def _trial(entry):
    """
    Why the line of fstab could not be mounted now, None where it could, or no trial can be made.
    """
    found = None
    with contextlib.suppress(CommandExecutionError):
        found = __salt__["gluster_probe.mount_refusal"](entry["device"], entry["opts"], timeout=TRIAL)
    return found and {**found, "said": f"{found['why']}: {found['cure']}"}


def _refused(name, volume, user, timeout):
    """
    Why a user cannot write on a mounted volume, and what to do. A client that was started a moment before its volume
    seemed to be mounted and has ended since: it is mounted again. What stays so for a second, and would for ever, is
    raised as what is not waited for.
    """
    refused = __salt__["gluster_mount.write_error"](name, user)
    if refused and __salt__["gluster_mount.mount_health"](name)["state"] == "absent":
        __salt__["gluster_mount.mount"](name, timeout)
        refused = __salt__["gluster_mount.write_error"](name, user)
    if refused and __salt__["gluster_mount.write_cure"](refused, name, volume)["lasts"]:
        time.sleep(1)
        refused = __salt__["gluster_mount.write_error"](name, user)
    if not refused:
        return None
    found = __salt__["gluster_mount.write_cure"](refused, name, volume)
    if found["lasts"]:
        raise OSError(f"{user} cannot write in {name}: {refused.rpartition(': ')[2]}: {found['cure']}")
    return f"{refused}: {found['cure']}"


def _look(name, volume, servers, options, user, former):
    """
    The line that fstab is to have, and what differs: of the mount, and of what there is for former places.
    """
    lines = {path: found["line"] for path, found in former.items() if found["line"]}
    for path, line in lines.items():
        hosts = __salt__["gluster_fstab.backups"](line["opts"])
        what = f"is what /etc/fstab mounts on {__utils__['gluster_process.visible'](path)}"
        __salt__["gluster_fstab.check_servers"](line["device"], hosts, servers, what)
    like = next(iter(lines.values()), None)
    entry = __salt__["gluster_mount_plan.wanted_line"](name, volume, servers, options, like=like)
    changes = __salt__["gluster_mount_plan.changes"](name, volume, entry)
    goes = {_label(path): f"{line['device']} {','.join(line['opts'])}" for path, line in lines.items()}
    services = __salt__["gluster_mount_plan.former_services"](name, former, user)
    goes.update({_label(path, FORMER_BOOT): service for path, service in services.items()})
    goes.update({_label(path, FORMER_COVER): found["cover"] for path, found in former.items() if found["cover"]})
    return entry, changes, {label: {"old": old, "new": None} for label, old in goes.items()}


def _label(path, what=FORMER_LINE):
    return what + __utils__["gluster_process.visible"](path)


def _still_mounted(former):
    """
    A remark on former places where the volume is still mounted.
    """
    mounted = ", ".join(__utils__["gluster_process.visible"](path) for path in former if former[path]["mounted"])
    return f"; also still mounted on {mounted}, until gluster_one.remount finds nothing that uses it" if mounted else ""


def _look_links(name, volume, links, stores, datastores_dir, former, left=None):
    """
    What differs of the links, and why others cannot be made, with the identifiers on the volume, or as they are now.
    """
    if left is None:
        left = __salt__["gluster_one_ids.published_ids"](name, volume) if stores else {}
    changes, problems, paths = {}, [], set()
    for store, number in __salt__["gluster_one_ids.datastore_numbers"](stores, left).items():
        path = os.path.join(datastores_dir, str(UNKNOWN if number is None else number))
        paths.add(path)
        with _collecting(problems):
            if number is not None and not _is_link(path, name, volume, former):
                __salt__["gluster_one_ids.require_number"](store, number, stores[store])
            label = f"link for {store}"
            changes.update(__salt__["gluster_links.link_changes"](name, volume, {label: path}, former))
    for path in dict.fromkeys(map(os.path.normpath, links)):
        with _collecting(problems):
            if path != name and path not in paths:
                changes.update(__salt__["gluster_links.link_changes"](name, volume, {path: path}, former))
    return changes, problems


def _is_link(path, name, volume, former):
    """
    Whether a path leads to the volume, or to where it was mounted.
    """
    found = __salt__["gluster_links.link_state"](path, name, volume)
    return found["state"] == "linked" or bool(set(found["ends"]) & set(former))


def _ids_missing(name, stores, left):
    """
    Which datastores have no identifier in the pillar or on the mounted volume yet, as a sentence; what is on the volume
    goes to ``left``.
    """
    left.update(__salt__["gluster_one_ids.volume_files"](name))
    numbers = __salt__["gluster_one_ids.datastore_numbers"](stores, left["ids"])
    missing = sorted(store for store, number in numbers.items() if number is None)
    return "; ".join([f"none for {', '.join(missing)}", *map(": ".join, left["errors"].items())]) if missing else None
