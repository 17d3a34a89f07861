"""What may stand in the way of a mount or of a link: functions that put it there."""

from . import host


def nothing(path):
    pass


def empty(path):
    path.mkdir()


def files(path):
    path.mkdir()
    for name in ("0f3a", "1b7c", "9d21", "c0de"):
        (path / name).write_text("an image")


def a_mark(path):
    path.mkdir()
    (path / ".monitor").write_text("ssh")


def a_directory(path):
    (path / "7").mkdir(parents=True)


def a_file(path):
    path.write_text("an image")


def link_to(text):
    return lambda path: path.symlink_to(text)


def mounted(device):
    def mount(path):
        path.mkdir()
        host.sh("mount", "-t", "glusterfs", device, path)

    return mount


def a_sub_directory(path):
    mounted("kvm1:/small_vol")(path)
    (path / "sub").mkdir(exist_ok=True)
    host.sh("umount", path)
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol/sub", path)


def a_bound_directory(path):
    """As mountinfo alone shows it: the device is the volume's."""
    other = path.parent / "other"
    mounted("kvm1:/small_vol")(other)
    (other / "sub").mkdir(exist_ok=True)
    path.mkdir()
    host.sh("mount", "--bind", other / "sub", path)


def a_tmpfs(path):
    path.mkdir()
    host.sh("mount", "-t", "tmpfs", "scratch", path)


FILES = "holds 4 files (0f3a, 1b7c, 9d21, ...)"

# By name: what puts it there, and what gluster_links.link_state says of it for a link to /mnt/place-1/0.
LINKS = {
    "absent": (nothing, ("absent", "")),
    "a link": (link_to("/mnt/place-1/0"), ("linked", "")),
    "a relative link": (link_to("0"), ("linked", "")),
    "a link with a slash at its end": (link_to("/mnt/place-1/0/"), ("linked", "")),
    "a roundabout link": (link_to("../place-1/./0"), ("linked", "")),
    "an empty directory": (empty, ("empty", "")),
    "OpenNebula's mark": (a_mark, ("empty", "")),
    "a link elsewhere": (link_to("/data/1"), ("blocked", "is a link to /data/1")),
    "a link to nothing": (link_to("/nowhere"), ("blocked", "is a link to /nowhere")),
    "a file": (a_file, ("blocked", "is a file")),
    "files": (files, ("blocked", FILES)),
    "a directory in it": (a_directory, ("blocked", "holds 1 file (7)")),
}
BLOCKING = {kind: (make, said[1]) for kind, (make, said) in LINKS.items() if said[0] == "blocked"}

# By name: what puts it there, and what is said of mounting small_vol on it.
MOUNTS = {
    "files": (files, f"it {FILES}: move that away"),
    "a file": (a_file, "it is a file: remove it"),
    "a link": (link_to("/data"), "it lies behind a link"),
    "another volume": (mounted("kvm1:/one_vol"), "kvm1:/one_vol (fuse.glusterfs) is mounted on"),
    "a sub-directory of the volume": (a_sub_directory, "kvm1:/small_vol/sub (fuse.glusterfs) is mounted on"),
    "a directory of the volume, by --bind": (a_bound_directory, "kvm1:/small_vol/sub (fuse.glusterfs) is mounted on"),
    # This very glusterd, by a name that the pool does not have.
    "another pool's volume of the same name": (mounted("127.0.0.2:/small_vol"), "and 127.0.0.2 is none of kvm1"),
    "another file system": (a_tmpfs, "scratch (tmpfs) is mounted on"),
}
