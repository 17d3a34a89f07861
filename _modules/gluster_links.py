"""
Mount points, and a datastore's directory as a link to the mounted volume
=========================================================================

Directories such as ``/var/lib/one`` belong to oneadmin, who may replace one by a link at any moment: they are reached
by descriptors, one component after the other, and what is done in them is done by the last descriptor.
"""

import contextlib
import itertools
import os
import secrets
import stat
import sys

import salt.utils.files
import salt.utils.user
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_links"

WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
MOST_FILES = 1000  # of a directory, that are looked at
MOST_STEPS = 1000  # on the way to a directory
MOST_LINKS = 8  # one after the other
MOST_HIDDEN = 1000
# What OpenNebula leaves in the directory of a system datastore: whether, and by which driver, the host measures it. It
# writes it again where it needs it, and on the volume it would speak for two datastores.
MARK = ".monitor"
MOST_MARK = 1024  # bytes
# File systems, also as FUSE's, that several nodes mount: what one of them makes there is all the others', too.
SHARED = {"9p", "afs", "beegfs", "ceph", "ceph-fuse", "cephfs", "cifs", "davfs", "davfs2", "gfs", "gfs2", "glusterfs",
          "gpfs", "juicefs", "lizardfs", "lustre", "moosefs", "mfs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs",
          "pvfs2", "saunafs", "seaweedfs", "smb3", "smbfs", "sshfs", "virtiofs", "vboxsf", "wekafs"}  # fmt: skip
OTHER = (
    "a datastore does not move to another volume: leave it in the pillar where it is, and move its images to a new one "
    "(docs/changes.md, Another volume)"
)
# A node's own files are there, whatever it is on, as on a node without a disk.
OWN = ("/", "/var/lib")
# In a mount namespace of its own, the directory above is mounted elsewhere: without what is mounted in it. Over itself
# would do, but for the root, which stays what it was for the process. It is reached one component after the other: who
# owns one of them may exchange it for a link at any moment.
LIST = """
import ctypes, os, stat, sys
sys.excepthook = lambda kind, error, _: print(error, file=sys.stderr)
*above, name = sys.argv[1].strip("/").split("/")
walk = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
at = os.open("/", walk)
for part in above:
    at = os.open(part, walk, dir_fd=at)
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"/proc/self/fd/%d" % at, b"/tmp", None, 4096, None):  # MS_BIND
    sys.exit(os.strerror(ctypes.get_errno()))
inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=os.open("/tmp", walk))
with os.scandir(inside) as entries:
    names = [os.fsencode(entry.name) for entry, _ in zip(entries, range(int(sys.argv[2])))]
if names == [os.fsencode(sys.argv[3])]:  # by the rule of _is_mark
    seen = os.stat(names[0], dir_fd=inside, follow_symlinks=False)
    owners = {seen.st_uid, os.fstat(inside).st_uid, os.fstat(at).st_uid}
    if stat.S_ISREG(seen.st_mode) and seen.st_size <= int(sys.argv[4]) and len(owners) == 1:
        names = []
sys.stdout.buffer.write(b"\\0".join(names))
"""


def __virtual__():
    return __virtualname__


@contextlib.contextmanager
def _directory(path, make=None, read=False, follow=True):
    """
    A descriptor of a directory, for use in a ``with`` statement. A link on the way is followed where only root can have
    put it there, and ``follow`` says so. What is missing is made by ``make``, which gets the directory above and the
    name. With ``read`` the directory can be listed.
    """
    with _closed(_walk(path, make, follow), read) as descriptor:
        yield descriptor


@contextlib.contextmanager
def _closed(descriptor, read=False):
    try:
        if read:
            found, descriptor = descriptor, os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
            os.close(found)
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(path, make, follow):
    left = _parts(path)
    at, served = os.open("/", WALK), False
    try:
        for _ in range(MOST_STEPS):
            if not left:
                return at
            name = left.pop()
            try:
                following, serves = _step(at, served, name, path)
            except FileNotFoundError:
                if not make:
                    raise
                make(at, name)
                left.append(name)
                continue
            try:
                text = _followed(path, at, name, following, follow)
            except BaseException:
                os.close(following)
                raise
            if text is not None:
                os.close(following)
                left += _parts(text)
                following, serves = (os.open("/", WALK), False) if text.startswith("/") else (os.dup(at), served)
            os.close(at)
            at, served = following, serves
        raise CommandExecutionError(f"{_visible(path)} cannot be reached: there are too many links on the way")
    except BaseException:
        os.close(at)
        raise


def _step(at, served, name, path):
    """
    A descriptor of an entry of a directory, and whether a process serves it (FUSE, an automounter). Where one does, a
    process with a time limit tries it first. A FUSE mount of another user than root is not entered at all: that it has
    answered once does not mean that it will again. What counts is the mount that the descriptor is on, since mounts
    come and go.
    """
    if served:
        _require_answer(at, name, path)
    seen = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=at)  # which asks no process that serves this, nor mounts
    try:
        if _mount_number(seen) == _mount_number(at):
            return seen, served
        if _is_served(seen, path):
            _require_answer(at, f"{name}/.", path)
            before, seen = seen, os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=at)
            os.close(before)
        return seen, _is_served(seen, path)
    except BaseException:
        os.close(seen)
        raise


def _mount_number(descriptor):
    with salt.utils.files.fopen(f"/proc/self/fdinfo/{descriptor}") as stream:
        return next(line.split()[1] for line in stream if line.startswith("mnt_id:"))


def _is_served(descriptor, path):
    """
    Whether a process serves what a descriptor is of (FUSE, an automounter). Not every table of mounts has the root.
    """
    mount = _mount_of(descriptor, path, ["/"])
    if not mount:
        return False
    if mount["user"] not in (None, "0"):
        raise CommandExecutionError(
            f"{_visible(path)} lies behind {_visible(mount['device'])} ({_visible(mount['fstype'])}), mounted on "
            f"{_visible(mount['path'])} by the user with number {mount['user']}, and is not looked at: unmount that, "
            "and run again"
        )
    return mount["fstype"].startswith(("fuse", "autofs"))


def _mount_of(descriptor, path, but):
    """
    The mount that a descriptor is on, as the kernel's table has it; None where it is that of one of these directories.
    """
    number = _mount_number(descriptor)
    for directory in but:
        with contextlib.suppress(OSError), _closed(os.open(directory, WALK)) as own:
            if number == _mount_number(own):
                return None
    mount = next((each for each in __salt__["gluster_mount.mount_table"]() if each["number"] == number), None)
    if not mount:
        raise CommandExecutionError(f"{_visible(path)} is on a mount that has just been removed: run again")
    return mount


@contextlib.contextmanager
def _room_for_link(path, make=False):
    """
    A descriptor of the directory in which a link is to be, which is this node's own; with ``make`` it is made if it is
    missing.
    """

    def missing(at, name):
        _require_own(at, path)
        if not make:
            raise FileNotFoundError(2, os.strerror(2), path)
        _make(at, name)

    with _directory(os.path.dirname(path), missing) as inside:
        _require_own(inside, path)
        yield inside


def _require_own(inside, path):
    """
    No other node has the directory of a descriptor, in which a link or a directory on its way is to be.
    """
    mount = _mount_of(inside, path, OWN)
    if mount and mount["fstype"].removeprefix("fuse.") in SHARED:
        raise CommandExecutionError(
            f"{_visible(path)} cannot become a link: it lies on {_visible(mount['device'])} ({mount['fstype']}), "
            f"mounted on {_visible(mount['path'])}, where a link is one of all nodes: unmount that, or "
            "give a directory of each node's own (datastores_dir, mount), and run again"
        )


def _require_answer(at, name, path):
    look = ["stat", f"/proc/{os.getpid()}/fd/{at}/{name}"]
    status, _, error = __utils__["gluster_process.run"](look, probe=f"walk {path}")
    if status is None:
        raise CommandExecutionError(f"{_visible(path)} cannot be looked at: {error}")


def _parts(path):
    """
    The components of a path, the last one first.
    """
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _followed(path, at, name, found, follow):
    """
    The text of a link that only root can have put there, None of a directory.
    """
    seen = os.fstat(found)
    if stat.S_ISDIR(seen.st_mode):
        return None
    if not stat.S_ISLNK(seen.st_mode):
        raise NotADirectoryError(20, os.strerror(20), path)
    if not follow:
        raise CommandExecutionError(
            f"{_visible(path)} lies behind a link ({_visible(name)}), and systemd mounts on real paths only: give the "
            "path without that link"
        )
    above = os.fstat(at)
    if seen.st_uid or above.st_uid or above.st_mode & 0o022:
        raise CommandExecutionError(
            f"{_visible(path)} lies behind a link ({_visible(name)}) in a directory that not only root can write, and "
            "is not followed: give the path without that link"
        )
    return os.readlink("", dir_fd=found)


def _make(at, name):
    """
    A directory of root's, 0755 whatever the umask is.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=at)
        _give_to_root(at, name, name)


@contextlib.contextmanager
def _entry(inside, name, path, read=False):
    """
    A descriptor of an entry of a directory, opened as :func:`_directory` does.
    """
    with _closed(_step(inside, _is_served(inside, path), name, path)[0], read) as descriptor:
        yield descriptor


def _give_to_root(at, name, path):
    with _entry(at, name, path, read=True) as descriptor:
        seen = os.fstat(descriptor)
        if seen.st_uid or seen.st_gid:
            os.fchown(descriptor, 0, 0)
        if stat.S_IMODE(seen.st_mode) != 0o755:
            os.fchmod(descriptor, 0o755)


def _visible(text):
    return __utils__["gluster_process.visible"](text)


def make_mount_point(path):
    """
    Make a mount point, or make root the owner of an existing one.

    path
        The directory (string). Nothing may be mounted on it.

    Returns True.

    Raises CommandExecutionError when a link that not only root can have put there is on the way.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.make_mount_point /var/lib/gluster_one/one_vol
    """
    above, name = os.path.split(os.path.normpath(path))
    with _directory(above, make=_make) as inside:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=inside)
        try:
            _give_to_root(inside, name, path)
        except NotADirectoryError:
            raise CommandExecutionError(f"{_visible(path)} is not a directory: remove it and run again") from None
    return True


def remove_mount_point(path):
    """
    Remove a directory that was mounted on, and the one above it, where they are empty.

    path
        The directory (string). Nothing may be mounted on it.

    Returns True.

    Raises CommandExecutionError when a link that not only root can have put there is on the way.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.remove_mount_point /var/lib/one/gluster/one_vol
    """
    above, name = os.path.split(os.path.normpath(path))
    for directory, entry in ((above, name), os.path.split(above)):
        with contextlib.suppress(OSError), _directory(directory) as inside:
            os.rmdir(entry, dir_fd=inside)
    return True


def link_state(path, target, volume=None):
    """
    What stands where a link to a mounted volume should be.

    path
        Where the link should be (string).

    target
        The directory on which the volume is mounted (string).

    volume
        The volume (string): mounted on the path itself, or on another directory that the link leads to, it serves as
        well, unless that mount is read-only or of one of its directories.

    Returns a dict ``{"state": "linked", "detail": "", "target": "/var/lib/gluster_one/one_vol", "ends": [...]}``.
    ``state`` is ``linked``, ``absent``, ``empty`` (a directory without anything in it but OpenNebula's mark) or
    ``blocked``: ``detail`` then says what is there, such as ``holds 3 files (...)``. Of a link, ``target`` is the text,
    None otherwise, and ``ends`` are the paths that it leads to, step by step, up to one that is not to be looked at.

    Raises CommandExecutionError when a link that not only root can have put there is on the way to ``path``, or it lies
    on a file system that other nodes have mounted, too.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.link_state /var/lib/one/datastores/101 /var/lib/gluster_one/one_vol
    """
    path, target = os.path.normpath(path), os.path.normpath(target)
    above, name = os.path.split(path)
    text, ends = None, []
    try:
        with _directory(above) if path == target else _room_for_link(path) as inside:
            text = _text(inside, name)
            if text is None:
                state, detail = _no_link(inside, path, volume)
            else:
                ends = _ends(path, text, target)
                state, detail = _link_leads(text, ends, target, volume)
    except FileNotFoundError:
        state, detail = "absent", ""
    return {"state": state, "detail": detail, "target": text, "ends": ends}


def _link_leads(text, ends, target, volume):
    """
    State and detail of a link.
    """
    mounts = __salt__["gluster_mount.mounts"]() if volume and target not in ends else {}
    shown = [mounts[end] for end in ends if end in mounts and mounts[end]["volume"] == volume]
    if target in ends or any(not mounted["read_only"] for mounted in shown):
        return "linked", ""
    return "blocked", f"is a link to {_visible(text)}{', where it is mounted read-only' if shown else ''}"


def _no_link(inside, path, volume):
    """
    State and detail of what is not a link.
    """
    beneath = __salt__["gluster_mount.beneath"](path) if volume else {"volume": None}
    if volume and beneath["volume"] == volume and not beneath["read_only"]:
        return "linked", ""
    # Before anything looks at it: a mount may hang.
    health = __salt__["gluster_mount.mount_health"](path)
    if health["state"] != "absent":
        how = ", read-only" if volume and beneath["volume"] == volume else ""
        return "blocked", f"has {_visible(health['device'])} mounted on it{how}"
    name = os.path.basename(path)
    with _entry(inside, name, path) as found:
        mode = os.fstat(found).st_mode
    if not stat.S_ISDIR(mode):
        return "blocked", f"is {_kind(mode)}"
    content = _content(inside, name, path)
    return ("blocked", f"holds {content}") if content else ("empty", "")


def _text(inside, name):
    """
    The text of a link, None where there is none.
    """
    try:
        return os.readlink(name, dir_fd=inside)
    except OSError:
        return None


def _ends(path, text, target):
    """
    Where a link leads, step by step. It is followed as text, up to the target or to what a process serves (FUSE, an
    automounter): to resolve that could hang, and so could anything else to which oneadmin's links lead.
    """
    ends = []
    while text is not None and len(ends) < MOST_LINKS:
        path = os.path.normpath(os.path.join(os.path.dirname(path), text))
        ends.append(path)
        if path == target or __salt__["gluster_mount.may_hang"](path):
            break
        status, said, _ = __utils__["gluster_process.run"](["readlink", "-n", "--", path])
        text = said if status == 0 else None
    return ends


def _kind(mode):
    kinds = {stat.S_ISLNK: "a link", stat.S_ISREG: "a file", stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a socket"}
    return next((kind for is_it, kind in kinds.items() if is_it(mode)), "a device")


def mount_point_state(path):
    """
    A directory on which nothing is mounted yet.

    path
        The directory (string).

    Returns a dict ``{"blocked": None, "owner": "root root 0755"}``: what speaks against mounting on it and what to do,
    such as ``holds 3 files (...): move them away ...``, and its owner, group and mode, None where there is no such
    directory.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.mount_point_state /var/lib/gluster_one/one_vol
    """
    try:
        with _directory(path, read=True, follow=False) as inside:
            seen, content = os.fstat(inside), _listed(inside)
    except FileNotFoundError:
        return {"blocked": None, "owner": None}
    except NotADirectoryError:
        return {"blocked": "is a file: remove it, if nothing needs it, and run again", "owner": None}
    except CommandExecutionError as exc:
        return {"blocked": str(exc).removeprefix(f"{_visible(path)} "), "owner": None}
    names = __salt__["file.uid_to_user"](seen.st_uid), __salt__["file.gid_to_group"](seen.st_gid)
    cure = "move that away (if these are images, copy them onto the volume once it is mounted) and run again"
    return {
        "blocked": f"holds {content}: {cure}" if content else None,
        "owner": f"{names[0]} {names[1]} {stat.S_IMODE(seen.st_mode):04o}",
    }


def _content(above, name, path):
    with _entry(above, name, path, read=True) as inside:
        return _listed(inside)


def _listed(inside):
    """
    The content of an open directory, in a few words. Its owner may have made millions of files.
    """
    names = _names(inside)
    if not names or _is_mark(inside, names):
        return ""
    count = f"more than {MOST_FILES}" if len(names) > MOST_FILES else len(names)
    shown = ", ".join(map(_visible, names[:3])) + (", ..." if len(names) > 3 else "")
    return f"{count} file{'s' if len(names) > 1 else ''} ({shown})"


def _names(inside):
    with os.scandir(inside) as entries:
        return sorted(entry.name for entry in itertools.islice(entries, MOST_FILES + 1))


def _is_mark(inside, names):
    """
    Whether an open directory holds OpenNebula's mark alone. Who owns it has to own both directories: root removes
    nothing for oneadmin that oneadmin could not remove.
    """
    if names != [MARK]:
        return False
    seen = os.stat(MARK, dir_fd=inside, follow_symlinks=False)
    owners = {seen.st_uid, os.fstat(inside).st_uid, os.stat("..", dir_fd=inside).st_uid}
    return stat.S_ISREG(seen.st_mode) and seen.st_size <= MOST_MARK and len(owners) == 1


def _remove_mark(above, name, path):
    with _entry(above, name, path, read=True) as inside:
        if _is_mark(inside, _names(inside)):
            os.unlink(MARK, dir_fd=inside)


def link(path, target, replace=None, make=False):
    """
    Link a datastore's directory to the mounted volume. An empty directory in the way is removed, also with OpenNebula's
    mark in it, and so is a link that is given; nothing else is ever removed.

    path
        Where the link should be (string).

    target
        The directory on which the volume is mounted (string).

    replace
        The text of a link that is there now (string), as :func:`link_state` or :func:`link_changes` has it: it is
        exchanged in one step, so that whoever opens something behind it finds either. Default: no link is removed.

    make
        Make directories above it that are missing, which belong to root then (bool, default False).

    Returns True.

    Raises CommandExecutionError when something else is in the way, or a link that not only root can have put there is
    on the way, or it lies on a file system that other nodes have mounted, too.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.link /var/lib/one/datastores/101 /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    name = os.path.basename(path)
    failure = f"{_visible(path)} cannot become a link to {_visible(target)}"
    try:
        with _room_for_link(path, make) as inside:
            # oned makes the directory of a new datastore within a second, perhaps just between these two steps.
            for _ in range(10):
                if _reads(_text(inside, name), replace):
                    _exchange(inside, name, target, replace)
                    return True
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    _remove_mark(inside, name, path)
                    os.rmdir(name, dir_fd=inside)
                try:
                    os.symlink(target, name, dir_fd=inside)
                    return True
                except FileExistsError:
                    found = link_state(path, target)
                if found["state"] == "linked":
                    return True
                if found["state"] == "blocked" and not _reads(found["target"], replace):
                    raise CommandExecutionError(f"{failure}: it {found['detail']}")
    except OSError as exc:
        raise CommandExecutionError(f"{failure}: {exc.strerror}") from exc
    raise CommandExecutionError(f"{failure}: it is made again each time it is removed")


def _reads(text, replace):
    """
    Whether a link's text is the given one, either as it is or as it is shown.
    """
    return None not in (text, replace) and _visible(text) == _visible(replace)


def _exchange(inside, name, target, replace):
    new = f".{name}.{secrets.token_hex(8)}"
    os.symlink(target, new, dir_fd=inside)
    try:
        if not _reads(_text(inside, name), replace):
            raise CommandExecutionError(f"{_visible(name)} is no longer a link to {_visible(replace)}: run again")
        os.rename(new, name, src_dir_fd=inside, dst_dir_fd=inside)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=inside)
        raise


def user_errors(user, directory):
    """
    Whether the directory of the datastores belongs to another account than the pillar's: OpenNebula and its VMs run as
    that one, and could make no disk once the volume's root is given to the pillar's. root's may be anybody's.

    user
        The account of the pillar (string).

    directory
        The directory (string). One that is not there, or cannot be looked at, is not compared.

    Returns a list of sentences with what to do.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.user_errors oneadmin /var/lib/one/datastores
    """
    try:
        with _directory(os.path.normpath(directory)) as inside:
            owner = os.fstat(inside).st_uid
    except (OSError, CommandExecutionError):
        return []
    if owner in (0, salt.utils.user.get_uid(user)):
        return []
    name = __salt__["file.uid_to_user"](owner)
    return [
        f"gluster_one:user is {user!r}, and {directory} on {__grains__['id']} belongs to {name}: give the account that "
        "OpenNebula runs as, which gets the volume's root, or `chown` the directory, if its owner is wrong"
    ]


def links_to(directory, target):
    """
    The links in a directory that say themselves that they lead to another one. They are not followed.

    directory
        Where OpenNebula keeps the directories of its datastores (string). Its first 1000 entries are looked at.

    target
        The directory on which a volume is mounted (string).

    Returns a dict of their texts by path: ``{"/var/lib/one/datastores/101": "/var/lib/gluster_one/one_vol"}``.

    Raises CommandExecutionError when a link that not only root can have put there is on the way, or it cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.links_to /var/lib/one/datastores /var/lib/gluster_one/one_vol
    """
    directory, target = os.path.normpath(directory), os.path.normpath(target)
    try:
        with _directory(directory, read=True) as inside:
            texts = {os.path.join(directory, name): _text(inside, name) for name in _names(inside)}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise CommandExecutionError(f"{_visible(directory)} cannot be read: {exc.strerror}") from exc
    return {path: text for path, text in texts.items() if text is not None and _is_to(directory, text, target)}


def _is_to(directory, text, target):
    return os.path.normpath(os.path.join(directory, text)) == target


def remove_link(path, target):
    """
    Remove a link that says that it leads to a directory; nothing else is ever removed.

    path
        The link (string).

    target
        The directory (string).

    Returns whether it was there (bool).

    Raises CommandExecutionError when a link that not only root can have put there is on the way, or it cannot be
    removed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.remove_link /var/lib/one/datastores/101 /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    above, name = os.path.split(path)
    try:
        with _room_for_link(path) as inside:
            text = _text(inside, name)
            if text is None or not _is_to(above, text, os.path.normpath(target)):
                return False
            os.unlink(name, dir_fd=inside)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise CommandExecutionError(f"{_visible(path)} cannot be removed: {exc.strerror}") from exc
    return True


def link_changes(target, volume, paths, former=()):
    """
    The links that are missing.

    target, volume
        See :func:`link_state`.

    paths
        Where links should be (dict of strings, by what the changes are to call them).

    former
        Directories on which the volume was mounted before (list of strings, default none), see :func:`former_places`.
        Links that lead there are to be exchanged.

    Returns a dict ``{"link for glusterds": {"old": None, "new": "/var/lib/one/datastores/101 -> ..."}}``, in which the
    text of an old link is as it can be shown.

    Raises CommandExecutionError for a path that holds something, and where the directory of a link is not there that is
    called by another word than its path: such a one is not made.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.link_changes /var/lib/gluster_one/one_vol one_vol '{link: /var/lib/one/datastores/101}'
    """
    changes = {}
    for label, path in paths.items():
        found = link_state(path, target, volume)
        if set(found["ends"]) & set(former):
            changes[label] = {"old": f"{path} -> {_visible(found['target'])}", "new": f"{path} -> {target}"}
        elif leads_to_other(found, volume):
            raise CommandExecutionError(f"{path} {found['detail']} and cannot become a link to {target}: {OTHER}")
        elif found["state"] == "blocked":
            cure = "move what it holds there (images of a datastore that was not on Gluster?), or remove it"
            cure = "unmount that" if path in __salt__["gluster_mount.mounts"]() else cure
            raise CommandExecutionError(
                f"{path} {found['detail']} and cannot become a link to {target}: {cure}, and run again"
            )
        elif found["state"] == "absent" and label != path and not _is_there(os.path.dirname(path)):
            raise CommandExecutionError(
                f"{path} cannot become a link to {target}: {os.path.dirname(path)} is not there; OpenNebula's packages "
                "make its own: correct datastores_dir, or make the directory, as oneadmin's"
            )
        elif found["state"] != "linked":
            changes[label] = {"old": None, "new": f"{path} -> {target}"}
    return changes


def _is_there(directory):
    try:
        with _directory(directory):
            return True
    except FileNotFoundError:
        return False


def leads_to_other(found, volume):
    """
    Whether a link leads to the mount of another Gluster volume, or to where a run has mounted one: what a datastore
    holds is there.

    found
        What :func:`link_state` returned (dict).

    volume
        The volume to which it should lead (string).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.leads_to_other '{state: blocked, ends: [/var/lib/gluster_one/old_vol]}' one_vol
    """
    if found["state"] != "blocked" or not found["ends"]:
        return False
    mounts, end = __salt__["gluster_mount.mounts"](), found["ends"][-1]
    shown = mounts.get(end, {}).get("volume")
    return shown != volume if shown else end not in mounts and __salt__["gluster_mount.is_default_place"](end)


def files_beneath(path):
    """
    What lies on the local disk beneath a mounted directory: files that were written while nothing was mounted.

    path
        The directory on which something is mounted (string).

    Returns a sorted list of at most 1000 names, empty when there is nothing, or OpenNebula's mark alone.

    Raises CommandExecutionError when it cannot be looked at.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_links.files_beneath /var/lib/gluster_one/one_vol
    """
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-I", "-S", "-c", LIST]
    status, out, error = __utils__["gluster_process.run"]([*command, path, str(MOST_HIDDEN), MARK, str(MOST_MARK)])
    if status != 0:
        raise CommandExecutionError(f"What lies beneath {_visible(path)} cannot be looked at: {error}")
    return sorted(_visible(name) for name in out.split("\0") if name)
