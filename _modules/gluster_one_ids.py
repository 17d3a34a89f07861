"""
What the head writes to a volume for the other nodes
====================================================
"""

import contextlib
import json
import logging
import re
import sys

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one_ids"

log = logging.getLogger(__name__)
# Below the volume's root: the datastores' identifiers, and a text of the last status of the fleet.
IDS_FILE = ".gluster_one/datastores.json"
MARK_FILE = ".gluster_one/mark"
# What the runner has the head write to a volume: nanoseconds since 1970, and something that nobody can guess.
MARK = re.compile(r"([0-9]{20}) [0-9a-f]{16}")
OVERVIEW = 600 * 10**9  # nanoseconds within which another status may have written a later one
MOST_NAMED = 5  # of those that are no files
SEEN = "gluster_one_ids.seen"  # in the minion's data: the datastores that its pillar has had
ABSENT = 3  # the status of ON_VOLUME where there is no such file
MOST_IDS, MOST_BYTES = 1000, 1_000_000
LONGEST_NAME = 128  # of a datastore, in OpenNebula
# What there is besides: the servers' lock, and what a write that was killed has left.
OURS = r"(datastores\.json|mark)(\.[0-9a-f]{16})?|lock"
# Reads or writes a file of a mounted volume, lists what is no file, or removes the directory with our files. oneadmin
# owns its root, and whoever reaches the bricks is root there: everything is opened once, without following a link or
# waiting for a FIFO, and used by its descriptor. That this is the volume is seen by the mount that the descriptor
# belongs to: the way to it may be oneadmin's, too. A new file that is renamed is seen on the other mounts at once; one
# that is rewritten only after a second.
ON_VOLUME = """
import itertools, os, stat, sys
sys.excepthook = lambda kind, error, _: print(error, file=sys.stderr)
do, path, device, place, most = sys.argv[1:]
above, name = place.split("/")
kinds = {stat.S_IFDIR: "a directory", stat.S_IFREG: "a file", stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO",
         stat.S_IFSOCK: "a socket"}

def kind(name, at):
    return kinds.get(stat.S_IFMT(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode), "a device")

def lines(name):
    with open("/proc/self/" + name, "rb") as stream:  # by bytes, which nobody can forge a line with: the kernel escapes
        return [os.fsdecode(line).split(" ") for line in stream.read().split(b"\\n") if line]

directory = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
root = os.open(path, directory)
number = [words[0].split()[1] for words in lines(f"fdinfo/{root}") if words[0].startswith("mnt_id:")]
mount = [words[words.index("-") + 1 :] for words in lines("mountinfo") if words[:1] == number]
if [words[:2] for words in mount] != [["fuse.glusterfs", device]] or "user_id=0" not in mount[0][2].split(","):
    sys.exit(f"{device} is not mounted on {path} any more")
os.umask(0o022)
if do == "write":
    try:
        os.mkdir(above, 0o755, dir_fd=root)
    except FileExistsError:
        pass
try:
    inside = os.open(above, directory, dir_fd=root)
except FileNotFoundError:
    sys.exit(3)
except OSError:
    if kind(above, root) == "a directory":  # which cannot be read now
        raise
    sys.exit(f"{path}/{above} is {kind(above, root)}: remove it")
if do == "look":
    print(end="\\0")
    names = [each.name for each in itertools.islice(os.scandir(inside), 1000)]
    for each in dict.fromkeys(["lock", "mark", name, *names]):
        try:
            what = kind(each, inside)
        except FileNotFoundError:
            continue
        if what != "a file":
            print(each, what, sep="/", end="\\0")
    print(end="\\0", flush=True)
if do in ("look", "read"):
    try:
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=inside)
    except FileNotFoundError:
        sys.exit(3)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        sys.exit(do == "read" and f"{path}/{place} is {kind(name, inside)}: remove it")
    with open(f"/proc/self/fd/{found}", "rb") as stream:
        sys.stdout.buffer.write(stream.read(int(most)))
    sys.exit()
if do in ("left", "remove"):
    import re  # which takes as long as all else here, and a run does not need it
    names = [each.name for each in itertools.islice(os.scandir(inside), 1000)]
    ours = [each for each in names if re.fullmatch(most, each) and kind(each, inside) == "a file"]
    others = sorted({*names} - {*ours})
    print(*others[:5], sep="\\0", end="")
    if do == "remove" and not others:
        for each in ours:
            os.unlink(each, dir_fd=inside)
        os.rmdir(above, dir_fd=root)
    sys.exit()
new = f"{name}.{os.urandom(8).hex()}"
out = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=inside)
try:
    with open(out, "wb") as stream:
        stream.write(sys.stdin.buffer.read())
        stream.flush()
        os.fchmod(out, 0o644)
    os.rename(new, name, src_dir_fd=inside, dst_dir_fd=inside)
except BaseException as error:
    os.unlink(new, dir_fd=inside)
    if isinstance(error, IsADirectoryError):
        sys.exit(f"{path}/{place} is a directory: remove it")
    raise
"""
# The first identifier that oned gives to a datastore that somebody makes.
FIRST = 100


def __virtual__():
    return __virtualname__


def published_ids(path, volume=None, kept=True):
    """
    The identifiers of datastores that the head has written to a mounted volume.

    path
        The directory on which the volume is mounted (string).

    volume
        The volume (string): while it is not seen there, another directory that shows it is looked at.

    kept
        Return those last seen while the file cannot be read (bool, default True), else none.

    Returns a dict ``{"glusterds": 101, "gluster_system": 100}``. Only whole numbers are taken from the file, at most
    1000, and names as OpenNebula has them: oneadmin, who owns the volume's root, could have written it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_ids.published_ids /var/lib/gluster_one/one_vol
    """
    path, mounted = _shown(path, volume)
    if not mounted:
        return _known(path, None, "", kept)
    status, out, error = _on_volume("read", path, mounted["device"], IDS_FILE)
    return _known(path, *(_ids(out) if status in (0, ABSENT) else (None, error)), kept)


def volume_files(path, volume=None):
    """
    What the head has written to a mounted volume, whose root oneadmin owns, and what is wrong with the files that the
    formula keeps there: what is no file, and identifiers that cannot be read.

    path, volume
        See :func:`published_ids`.

    Returns a dict: ``ids`` is what :func:`published_ids` returns, ``errors`` has sentences by place, and is empty where
    nothing is wrong::

        {"ids": {"glusterds": 101},
         "errors": {"/var/lib/gluster_one/one_vol/.gluster_one/mark": "it is a FIFO: remove it"}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_ids.volume_files /var/lib/gluster_one/one_vol
    """
    path, mounted = _shown(path, volume)
    if not mounted:
        return {"ids": _known(path, None, ""), "errors": {}}
    above, _, name = IDS_FILE.partition("/")
    status, out, error = _on_volume("look", path, mounted["device"], IDS_FILE)
    odd, _, text = out.partition("\0\0")
    found = dict(each.split("/", 1) for each in odd.split("\0") if each)
    errors = {}
    if status in (0, ABSENT):
        ids, unreadable = (None, f"it is {found[name]}") if name in found else _ids(text)
        named = list(found.items())[:MOST_NAMED]  # oneadmin may have put a thousand there
        errors = {f"{path}/{above}/{each}": f"it is {what}: remove it" for each, what in named}
        if len(found) > len(named):
            errors[f"{path}/{above}"] = f"{len(found) - len(named)} more in it are not files: remove them"
        if unreadable and name not in found:
            errors[f"{path}/{IDS_FILE}"] = unreadable
    else:
        ids, unreadable = None, error
        if status is not None:  # a mount that hangs is another finding
            errors = {f"{path}/{above}": error}
    errors = {__utils__["gluster_process.visible"](place): what for place, what in errors.items()}
    return {"ids": _known(path, ids, unreadable), "errors": errors}


def _shown(path, volume):
    """
    The directory on which a volume is mounted, and its mount, None where it is mounted nowhere.
    """
    mounts = __salt__["gluster_mount.mounts"]()
    if volume and mounts.get(path, {}).get("volume") != volume:
        path = next((other for other, mounted in mounts.items() if mounted["volume"] == volume), path)
    return path, mounts.get(path)


def _ids(text):
    """
    What the file has, and what is wrong with it.
    """
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and "\ufffd" not in text:
        return found, ""
    return {}, "it is not a JSON object in UTF-8: remove it, and apply gluster_one.datastore to the head to write it"


def _known(path, found, error, kept=True):
    """
    The identifiers of those that were found, or that were seen last where the file cannot be read.
    """
    key = f"gluster_one_ids.published_ids:{path}"
    if error:
        log.warning("the datastores' identifiers on %s cannot be read: %s", path, error)
    if found is None:
        return (kept and __salt__["data.get"](key)) or {}
    found = {name: value for name, value in found.items() if _is_name(name) and _is_id(value)}
    ids = dict(list(found.items())[:MOST_IDS])
    if ids != __salt__["data.get"](key):
        __salt__["data.update"](key, ids)
    return ids


def _is_id(value):
    # A number of OpenNebula's, and no bool. Of 2**64 the minion's data would make a text.
    return type(value) is int and 0 <= value < 2**31


def _is_name(name):
    return name.isprintable() and len(name) <= LONGEST_NAME


def _on_volume(do, path, device, place, text=None, most=MOST_BYTES):
    words = [sys.executable, "-I", "-S", "-c", ON_VOLUME, do, path, device, place, str(most)]
    timeout = {} if text is None else {"timeout": 30}
    # With the thousand names of a look.
    return __utils__["gluster_process.run"](words, stdin=text, most=2 * MOST_BYTES, **timeout)


def publish_id(path, name, datastore_id, names=None):
    """
    Write a datastore's identifier to a mounted volume, for the nodes that wait for it. Another name that it had there
    goes, and so does what this node has not left there itself, unless the pillar or ``names`` has it.

    path
        The directory on which the volume is mounted (string).

    name
        The datastore's name (string).

    datastore_id
        Its identifier (int).

    names
        Other datastores that the volume is to have (list of strings, default none beside the pillar's).

    Returns True.

    Raises CommandExecutionError when nothing is mounted there, or it cannot be written, with the reason.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_ids.publish_id /var/lib/gluster_one/one_vol glusterds 101
    """
    kept = f"gluster_one_ids.publish_id:{path}"
    own, known = __salt__["data.get"](kept) or {}, {*(names or ()), *_pillar_names(path)}
    ids = {
        other: value
        for other, value in published_ids(path).items()
        if (other in known or own.get(other) == value) and value != datastore_id and other != name
    }
    ids[name] = datastore_id
    _write_ids(path, ids)
    __salt__["data.update"](kept, ids)
    return True


def left_files(volume, timeout=120):
    """
    What is in the directory ``.gluster_one`` of a volume and not the formula's. The volume is mounted privately.

    volume
        The volume (string).

    timeout
        Seconds to wait (int, default 120).

    Returns a list of at most five names, None where there is no such directory.

    Raises CommandExecutionError when the volume cannot be mounted, or looked at.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_ids.left_files one_vol
    """
    return _apart("left", volume, timeout)


def remove_files(volume, timeout=120):
    """
    Remove the directory ``.gluster_one`` of a volume, where it holds nothing that is not the formula's. The volume is
    mounted privately.

    volume, timeout
        See :func:`left_files`, as which it returns and raises.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_ids.remove_files one_vol
    """
    return _apart("remove", volume, timeout)


def _apart(do, volume, timeout):
    device = f"localhost:/{volume}"
    script = [sys.executable, "-I", "-S", "-c", ON_VOLUME, do, "/tmp/volume", device, IDS_FILE, OURS]
    words = __salt__["gluster_probe.private_mount_command"](device, *script)
    status, out, error = __utils__["gluster_process.run"](words, timeout=timeout)
    if status == ABSENT:
        return None
    if status != 0:
        raise CommandExecutionError(f"Volume {volume} cannot be looked at: {error or 'it cannot be mounted here'}")
    return [__utils__["gluster_process.visible"](name) for name in out.split("\0") if name]


def volumes_with_id(name):
    """
    The mounted volumes on which the head has left the identifier of a datastore.

    name
        The datastore's name (string).

    Returns a dict by directory, one for each volume: ``{"/var/lib/gluster_one/one_vol": 101}``.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_ids.volumes_with_id old_images
    """
    volumes = {mount["volume"]: path for path, mount in __salt__["gluster_mount.mounts"]().items() if mount["volume"]}
    found = {}
    for path in volumes.values():
        own = (__salt__["data.get"](f"gluster_one_ids.publish_id:{path}") or {}).get(name)
        # Another head's, on a volume that this node has mounted as well, is not ours to remove.
        if own is not None and published_ids(path, kept=False).get(name) == own:
            found[path] = own
    return found


def dropped(names=None, run=None, **connection):
    """
    The datastores whose identifiers this head has left on volumes, that OpenNebula has, and the pillar no longer.

    names
        The pillar's datastores, of all volumes (list of strings). Default: those that the master says now.

    run, connection
        As in ``opennebula.datastore_list``.

    Returns a dict by name of what that returns, empty where the pillar has no datastores.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_ids.dropped
    """
    if names is None:
        names = [name for volume in _pillar_volumes().values() for name in volume["datastores"]]
    # By any mount point: a volume may have had another one then.
    kept = (value for key, value in __salt__["data.load"]().items() if key.startswith("gluster_one_ids.publish_id:"))
    # A state of one's own beside the pillar leaves some there, too.
    seen = set(__salt__["data.get"](SEEN) or ())
    if not seen.issuperset(names):
        __salt__["data.update"](SEEN, sorted({*seen, *names}))
    left = {name: own[name] for own in kept if names for name in own if name in seen and name not in names}
    there = __salt__["opennebula.datastore_list"](run=run, **connection) if left else []
    return {store["name"]: store for store in there if left.get(store["name"]) == store["id"]}


def refuse_second(name, kind, run=None, **connection):
    """
    Reject a new datastore where one that runs have made is no longer in the pillar: it has another name there now, or
    has to be decided about first.

    name
        The new datastore's name (string).

    kind
        Its type (string).

    run, connection
        As in ``opennebula.datastore_list``.

    Returns True.

    Raises CommandExecutionError that names the other one, and what to do.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_ids.refuse_second images IMAGE_DS
    """
    for old, store in dropped(run=run, **connection).items():
        if store["type"] == kind:
            raise CommandExecutionError(
                f"Datastore {name}: OpenNebula has none of that name, and {old} ({store['id']}), which runs have made, "
                f"is no longer in the pillar: if {name} is its new name, add `datastore_id: {store['id']}` to it; if "
                f"{name} is another one, keep {old} in the pillar, or delete it first (docs/changes.md)"
            )
    return True


def forget_id(path, name):
    """
    Take a datastore's identifier from a mounted volume, so that no node waits for it or links it.

    path
        The directory on which the volume is mounted (string).

    name
        The datastore's name (string).

    Returns whether it was there (bool).

    Raises CommandExecutionError when nothing is mounted there, or it cannot be read or written, with the reason.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_ids.forget_id /var/lib/gluster_one/one_vol old_images
    """
    ids = published_ids(path, kept=False)
    if not ids:
        raise CommandExecutionError(f"The identifier of {name} on {path} cannot be read any more: run again")
    if name not in ids:
        return False
    _write_ids(path, {other: value for other, value in ids.items() if other != name})
    kept = f"gluster_one_ids.publish_id:{path}"
    own = __salt__["data.get"](kept) or {}
    __salt__["data.update"](kept, {other: value for other, value in own.items() if other != name})
    return True


def _write_ids(path, ids):
    text = json.dumps(ids, indent=1, sort_keys=True)
    # So there is a file on every volume that QEMU reads as it does a VM's disk: of whole sectors, and longer than what
    # Gluster's quick-read answers by itself, whatever the bricks can (64 kB).
    text = text.ljust(65536)
    text += " " * (-(len(text) + 1) % 4096) + "\n"
    refused = _leave(path, IDS_FILE, text)
    if refused:
        raise CommandExecutionError(f"The datastores' identifiers could not be written to {path}: {refused}")


def _pillar_names(path):
    """
    The datastores that the pillar has on the volume that is mounted on a directory.
    """
    volume = __salt__["gluster_mount.mounts"]().get(path, {}).get("volume")
    return _pillar_volumes().get(volume, {}).get("datastores", {})


def _pillar_volumes():
    """
    The volumes that the pillar has, empty where it has errors.
    """
    try:
        return __salt__["gluster_one_pillar.node"]().get("volumes", {})
    except (CommandExecutionError, SaltInvocationError) as exc:
        log.warning("the pillar gluster_one cannot be read: %s", exc)
        return {}


def _leave(path, name, text):
    """
    Write a file to a mounted volume, seen at once on all other mounts; returns None, or why that failed.
    """
    health = __salt__["gluster_mount.mount_health"](path)
    if health["state"] != "alive":
        raise CommandExecutionError(f"{path} is not mounted: mount the volume first (gluster_one.datastore_mounted)")
    status, _, error = _on_volume("write", path, health["device"], name, text)
    return None if status == 0 else error or "it could not be written"


def mark(text):
    """
    Write a text to every volume of the pillar that is mounted here, for :func:`read_mark` on the other nodes. For the
    head.

    text
        The text (string), another each time, which sorts behind those before.

    Returns the volumes to which it was written (sorted list of strings).

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_ids.mark 8f14e45f
    """
    mounts, done = __salt__["gluster_mount.mounts"](), []
    for name, volume in _pillar_volumes().items():
        if mounts.get(volume["mount"], {}).get("volume") == name:
            with contextlib.suppress(CommandExecutionError):
                done += [] if _leave(volume["mount"], MARK_FILE, text) else [name]
    return sorted(done)


def read_mark(path):
    """
    The text that the head last wrote to a volume.

    path
        The directory on which it is mounted (string).

    Returns the text, None when there is none, or it cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_one_ids.read_mark /var/lib/gluster_one/one_vol
    """
    mounted = __salt__["gluster_mount.mounts"]().get(path)
    status, out, _ = _on_volume("read", path, mounted["device"], MARK_FILE, most=100) if mounted else (None, "", "")
    return __utils__["gluster_process.visible"](out) if status == 0 else None


def mark_error(path, mark):
    """
    Whether a mount shows what the head has just written to the volume with :func:`mark`, or what another status has
    written since.

    path
        The directory on which it is mounted (string).

    mark
        The text (string).

    Returns None if so, else what is seen instead (string).

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_one_ids.mark_error /var/lib/gluster_one/one_vol 8f14e45f
    """
    there = read_mark(path) or ""
    if there == mark or _is_next(there, mark):
        return None
    more = f", but {there}: no head has written that, remove {MARK_FILE} there" if there > mark else ""
    return f"what the head has just written is not seen{more}"


def _is_next(there, mark):
    """
    Whether another status can have written a mark since. oneadmin can write any.
    """
    times = [MARK.fullmatch(each) for each in (there, mark)]
    return all(times) and 0 <= int(times[0][1]) - int(times[1][1]) <= OVERVIEW


def datastore_numbers(stores, left):
    """
    The identifiers of datastores.

    stores
        Those that the pillar has, None for those that OpenNebula picks (dict by name).

    left
        What the head has written to the volume (dict by name), see ``gluster_one_ids.published_ids``.

    Returns a dict of identifiers by name, None for those that are not known: the pillar's come first, and no number is
    taken twice.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_ids.datastore_numbers '{glusterds: null, system: 0}' '{glusterds: 101}'
    """
    named = [number for number in stores.values() if number is not None]
    asked = [left[store] for store, number in stores.items() if number is None and store in left]
    return {
        store: left.get(store)
        if number is None and left.get(store) not in named and asked.count(left.get(store)) == 1
        else number
        for store, number in stores.items()
    }


def require_number(store, number, given):
    """
    The number of a datastore that is to be linked comes from the pillar, where it is one of OpenNebula's own.

    store
        The datastore (string).

    number
        Its identifier (int).

    given
        The identifier that the pillar has for it (int), or None.

    Returns True.

    Raises CommandExecutionError that says what to put into the pillar.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_ids.require_number system 0 0
    """
    if given is None and number < FIRST:
        raise CommandExecutionError(
            f"datastore {store} seems to be {number}, one of OpenNebula's own, which oneadmin could have written: if "
            f"so, put `datastore_id: {number}` into the pillar, at this datastore"
        )
    return True
