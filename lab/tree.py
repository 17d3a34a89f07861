"""Another release of Debian for hosts: a root directory with Salt in it, made once and kept in the cache."""

import hashlib
import os
import platform
import shlex
import subprocess
from pathlib import Path

from lab.system import LabError, Lock, run

CHECKOUT = Path(__file__).resolve().parent.parent
# With the Python of each, whose lock files its virtual environment is made of.
RELEASES = {"bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}
RELEASE = "bookworm"  # of bare hosts, unless another is asked for
VENV = Path("/opt/venv")  # in the tree
PACKAGES = CHECKOUT / "requirements/packages"
# What a bare tree has in apt's cache alone, so that its hosts need no network, ...
BARE = ("glusterfs-server", "glusterfs-client", "qemu-block-extra", "libvirt-daemon-driver-storage-gluster")
# ... as pyone lies in a directory of wheels; pip, which a onedir of Salt has too, would install it.
WHEELS = "opt/wheels"
FILL = CHECKOUT / "lab/tree.sh"
STRIP = CHECKOUT / "lab/bare.sh"
# Ends with whoever started it, and all its processes and mounts with it.
APART = "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc"
MMDEBSTRAP = [
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    '--aptopt=APT::Install-Recommends "false"',
    # The mirror's list of a release that is still in the making may have expired.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")),
]


def releases(words, hosts):
    """{host: release} of words like `trixie` and `kvm3=forky`; only hosts with another root than the machine's."""
    chosen = {}
    for word in sorted(words, key=lambda word: "=" in word):  # what is said of one host goes before what is said of all
        host, _, release = word.rpartition("=")
        if release not in RELEASES:
            raise LabError(f"--release {word}: the release is one of {', '.join(RELEASES)}")
        if host and host not in hosts:
            raise LabError(f"--release {word}: the hosts are {', '.join(hosts)}")
        chosen.update(dict.fromkeys([host] if host else hosts, release))
    return chosen


def lock_file(release, salt):
    """The lock file of a Salt for the Python of a release."""
    folder = CHECKOUT / f"requirements/python{RELEASES[release]}"
    if not (folder / f"{salt}.lock").exists():
        possible = ", ".join(sorted(path.stem for path in folder.glob("*.lock")))
        raise LabError(f"--release {release}: Salt {salt} was not tried on its Python, only {possible}")
    return folder / f"{salt}.lock"


def salt_version(venv):
    """The version of Salt in a virtual environment."""
    (info,) = venv.glob("lib/python3*/site-packages/salt-[0-9]*.dist-info")
    return info.name.removeprefix("salt-").removesuffix(".dist-info")


def venv_of(salt):
    """The virtual environment of the machine that has a version of Salt; None without a version."""
    if not salt:
        return None
    venvs = {salt_version(path): path.resolve() for path in CHECKOUT.glob(".venv*") if (path / "complete").exists()}
    if salt not in venvs:
        raise LabError(f"no Salt {salt} here, only {', '.join(sorted(venvs))}: run `make setup SALT={salt}`")
    return venvs[salt]


def mirror():
    """Where the machine's apt has Debian from."""
    targets = run(
        "apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages", "Component: main"
    )
    sources = dict(line.split() for line in reversed(targets.splitlines()))
    for release in (platform.freedesktop_os_release().get("VERSION_CODENAME"), "stable", "testing", "unstable"):
        if release in sources:
            return sources[release]
    raise LabError("--release: apt has no source of Debian itself")


def ready(release, venv, say, bare=False):
    """The root directory of a release, with the Salt of a virtual environment of the machine; made if there is none.

    None is the machine's own. A bare one has neither Gluster nor pyone.
    """
    if release is None:
        return Path("/")
    lock = lock_file(release, salt_version(venv))
    kind = f"{release}-bare" if bare else release
    made_of = "".join([*(path.read_text() for path in (lock, PACKAGES, FILL)), *MMDEBSTRAP])
    made_of += "".join([STRIP.read_text(), *BARE]) if bare else ""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gluster_one"
    tree = cache / f"{kind}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    if not tree.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with Lock(cache / f"{kind}.lock", lambda: say(f"waiting for another command that makes a {kind}")):
            if not tree.exists():
                say(f"making {tree}, which takes one to two minutes")
                make(tree, kind, release, lock, venv, bare)
    return tree


def make(tree, kind, release, lock, venv, bare):
    """Make a tree beside its place, and put it there when it is complete."""
    new, log = tree.parent / f"{kind}.new", tree.parent / f"{kind}.log"
    remove = ["rm", "-rf", "--one-file-system", new]
    run(*remove, timeout=120)  # what a killed command left
    packages = PACKAGES.read_text().split()
    if bare:
        packages = [*(package for package in packages if package not in BARE), "python3-venv"]
    scripts = [[FILL, lock, venv / "bin", VENV]]
    options = [f"--include={','.join(packages)}"]
    if bare:
        scripts.append([STRIP, lock, venv / "bin", VENV, WHEELS, " ".join(BARE)])
        options.append("--skip=cleanup/apt/lists,cleanup/apt/cache")
    options += [f'--customize-hook={shlex.join(map(str, ["sh", *script]))} "$1"' for script in scripts]
    command = [*APART.split(), *MMDEBSTRAP, *options, release, new, mirror()]
    try:
        with log.open("wb") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if done.returncode:
            raise LabError(f"--release {release}: the tree could not be made, see {log}")
        new.rename(tree)
    finally:
        run(*remove, timeout=120, check=False)
