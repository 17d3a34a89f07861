"""How a lab is started and stopped, step by step. Every function takes the Lab and may find its work done already."""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

from lab import files, master, tree
from lab.system import LabError, detach_disks, memory_available, mounts_under, run, unmount_all, wait_for

VOLUME = "one_vol"
PROGRAMS = ("ip", "unshare", "nsenter", "pivot_root", "socat", "glusterd", "libvirtd", "qemu-img", "mount.glusterfs")
MEMORY_EACH = 250 * 2**20  # a host with glusterd, libvirtd and a minion
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_BEFORE = Path("/run/gluster_one-lab/.inotify")
INOTIFY_NEEDED = 8192  # at 128, the usual value, systemd ends without an error message from about 20 hosts on


def wait(lab, what, probe, timeout, every=0.2):
    """wait_for, but for as long only as no other thread of this command has failed."""

    def probe_unless_given_up():
        if lab.giving_up.is_set():
            raise LabError(f"{what}: not waited for any longer")
        return probe()

    return wait_for(what, probe_unless_given_up, timeout, every)


def check(lab, hosts, opennebula, auth, shape):
    """What must be right before anything is started."""
    if os.geteuid():
        raise LabError("the lab needs root")
    if hosts < 3 and not shape["alone"]:
        raise LabError(f"--hosts {hosts}: at least 3, they are the servers of the volume")
    if not 0 < shape["bricks"] < 10:
        raise LabError(f"--bricks-per-host {shape['bricks']}: 1 to 9")
    if hosts > 500:
        raise LabError(f"--hosts {hosts}: at most 500")
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise LabError(f"{', '.join(missing)} is not installed: run `make setup`")
    lab.venv  # noqa: B018 - says so if there is none
    new = hosts + 1 - len(lab.hosts)
    if new * MEMORY_EACH > memory_available():
        raise LabError(
            f"{new} new hosts need about {new * MEMORY_EACH >> 20} MB of memory, {memory_available() >> 20} MB are free"
        )
    if bool(opennebula) != bool(auth):
        raise LabError("--opennebula and --auth go together")
    if opennebula:
        url = urlsplit(opennebula)
        if url.scheme not in ("http", "https") or not url.hostname or url.path != "/RPC2":
            raise LabError(f"--opennebula {opennebula}: http://HOST:PORT/RPC2 or https://... is needed")
        if not re.fullmatch(r"[^:\s]+:\S+", auth):
            raise LabError("--auth: USER:PASSWORD is needed")


def make_state(lab, shape):
    """The state directory, a file system of its own: nothing of it is on the disk, nor to be seen in the hosts."""
    lab.state.mkdir(parents=True, exist_ok=True)
    if str(lab.state) not in mounts_under(lab.state):
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=75%", "gluster_one-lab", lab.state)
    for name in ("hosts", "net", "log", "pillar", "salt", "master/master.d", "relay"):
        (lab.state / name).mkdir(parents=True, exist_ok=True)
    (lab.state / "checkout").write_text(str(lab.checkout))
    (lab.state / "shape").write_text(json.dumps(shape))
    (lab.state / "venv").write_text(str(lab.venv))
    lab.cgroups.mount()
    raise_inotify_limit(lab)


def raise_inotify_limit(lab):
    """Raise the machine's limit, and keep what it was; like the limit, that is gone when the machine is rebooted."""
    with lab.machine_lock():
        before = INOTIFY.read_text()
        if int(before) < INOTIFY_NEEDED:
            INOTIFY_BEFORE.write_text(before)
            INOTIFY.write_text(str(INOTIFY_NEEDED))


def remove_state(lab):
    """Remove what is left of the state directory and, with the last lab, what it changed of the machine."""
    with lab.machine_lock():
        # rmdir and nothing stronger: were anything still mounted here, this must fail.
        os.rmdir(lab.state)
        try:
            lab.state.parent.rmdir()
        except OSError:
            return  # another lab's is there
        if INOTIFY_BEFORE.exists():
            # Unless somebody else has set another limit since.
            if int(INOTIFY.read_text()) == INOTIFY_NEEDED:
                INOTIFY.write_text(INOTIFY_BEFORE.read_text())
            INOTIFY_BEFORE.unlink()


def in_network(lab, name, *argv):
    """A command that runs argv in the network of a host, or in that of the lab ("lab")."""
    return ["nsenter", f"--net={lab.state / 'net' / name}", *(str(arg) for arg in argv)]


def make_network(lab, name):
    """A network namespace, held by a file; True if it is new."""
    path = lab.state / "net" / name
    if str(path) in mounts_under(path):
        return False
    path.touch()
    run("unshare", f"--net={path}", "true")
    return True


def start_network(lab):
    """The bridge between the hosts, in a namespace of its own: every lab can use the same addresses."""
    if make_network(lab, "lab"):
        script = f"""
            link set lo up
            link add br0 type bridge
            addr add {files.MASTER_ADDRESS}/16 dev br0
            link set br0 up
        """
        run(*in_network(lab, "lab", "ip", "-batch", "-"), input=script)


def connect(lab, name):
    """The network of a host and its cable to the bridge."""
    if make_network(lab, name):
        # A namespace is named by a path here; `ip` takes that for a name when it holds a slash.
        network = lab.state / "net" / name
        script = f"""
            link add {name} type veth peer name eth0 netns {network}
            link set {name} master br0 up
        """
        run(*in_network(lab, "lab", "ip", "-batch", "-"), input=script)
        script = f"""
            link set lo up
            addr add {files.address(name)}/16 dev eth0
            link set eth0 up
        """
        run(*in_network(lab, name, "ip", "-batch", "-"), input=script)


def spawn(lab, group, argv, log):
    """Start something that stays, in a cgroup of the lab."""
    with open(lab.log_dir / log, "ab") as output:
        subprocess.Popen(
            lab.cgroups.enter(group, *argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )


def start_master(lab):
    """The Salt master, beside the hosts."""
    config = lab.master_dir / "master"
    if not config.exists():
        checkout = lab.checkout
        config.write_text(
            master.MASTER_CONF.format(
                state=lab.state, address=files.MASTER_ADDRESS, checkout=checkout, ignored=re.escape(str(checkout))
            )
        )
        (lab.pillar_dir / "top.sls").write_text(master.PILLAR_TOP)
        alone = lab.shape["alone"]
        (lab.pillar_dir / "gluster_one_head.sls").write_text(master.PILLAR_ALONE if alone else master.PILLAR_HEAD)
        example = checkout / "pillar.example"
        if lab.shape["bare"]:
            text = master.bare_pillar(example.read_text(), lab.servers)
            (lab.pillar_dir / "gluster_one.sls").write_text(text)
        else:
            (lab.pillar_dir / "gluster_one.sls").symlink_to(example)
    if not lab.cgroups.pids("master"):
        command = [f"{lab.venv}/bin/salt-master", "-c", lab.master_dir]
        spawn(lab, "master", in_network(lab, "lab", *command), "master.output")


def connected_to_master(lab, names):
    """Which of these hosts' minions listen to the master's publications."""
    connections = run(*in_network(lab, "lab", "ss", "-Htn", "state", "established", "sport = :4505"))
    peers = {
        line.split()[-1].rpartition(":")[0].removeprefix("[::ffff:").rstrip("]") for line in connections.splitlines()
    }
    return [name for name in names if files.address(name) in peers]


def start_relay(lab, opennebula):
    """The way from the head to an OpenNebula outside: a socket that both sides see."""
    url_file = lab.state / "opennebula"
    if opennebula:
        url_file.write_text(opennebula)
    if url_file.exists() and not lab.cgroups.pids("relay"):
        url = urlsplit(url_file.read_text())
        port = url.port or (443 if url.scheme == "https" else 80)
        kind = "OPENSSL" if url.scheme == "https" else "TCP"
        listen = f"UNIX-LISTEN:{lab.state}/relay/opennebula,fork,unlink-early"
        spawn(lab, "relay", ["socat", listen, f"{kind}:{url.hostname}:{port}"], "relay")


def make_host(lab, name, names, auth, relay, base):
    """Root directory over its base, files and network of a host. What a killed `up` left was torn down before."""
    home = lab.state / "hosts" / name
    root = home / "root"
    if not home.exists():
        (home / "work").mkdir(parents=True)
        root.mkdir()
        files.make_upper(home / "upper", base)
        mount_root(home, base)
        if name in lab.servers:
            (home / "data").mkdir()
            run("mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "data", home / "data")
        wheels = base / tree.WHEELS
        if lab.shape["bare"] and name == "head" and wheels.is_dir():
            shutil.copytree(wheels, lab.sls_dir / "gluster_one/wheels")
        files.prepare(root, name, lab, auth or "oneadmin:opennebula", relay)
    files.write(root / "etc/hosts", files.etc_hosts(name, names))
    connect(lab, name)


def mount_root(home, base):
    """The root directory of a host: what it writes lies above its base."""
    options = f"lowerdir={base},upperdir={home}/upper,workdir={home}/work,index=off,metacopy=off"
    run("mount", "-t", "overlay", "-o", options, "overlay", home / "root")


def exchange_base(lab, name, release, base):
    """Give a host that is down the root of another release, as an upgrade does: what it has written stays."""
    home = lab.state / "hosts" / name
    unmount_all(home / "root")
    for file in files.ACCOUNTS:  # each release numbers its own system users
        (home / "upper/etc" / file).unlink(missing_ok=True)
    mount_root(home, base)
    files.add_oneadmin(home / "root")
    shape = lab.shape
    shape["releases"][name] = release
    (lab.state / "shape").write_text(json.dumps(shape))


def boot(lab, name):
    """Start the first process of a host that is down."""
    home = lab.state / "hosts" / name
    if lab.pid(name):
        return
    lab.cgroups.kill(name)  # what a first process that ended by itself may have left
    (home / "pid").unlink(missing_ok=True)
    binds = []
    if name == "head":
        binds += [lab.checkout / "lab", "/opt/lab", lab.state / "relay", "/opt/relay"]
    # The sources, the virtual environment and the Python below it, where a host does not see them already.
    release = lab.shape["releases"].get(name)
    venv = Path(lab.shape["minion_venv"])
    interpreter = Path(os.path.realpath(venv / "bin/python")).parent.parent
    for path in [lab.checkout] if release else [lab.checkout, venv, interpreter]:
        hidden = any(path.is_relative_to(place) for place in files.HIDDEN)
        if release or hidden or path.stat().st_dev != os.stat("/").st_dev:
            binds += [path, path]
    data = home / "data" if (home / "data").is_dir() else ""
    unshare = ["unshare", "-m", "-u", "-i", "-p", "-C", "--fork", "--kill-child"]
    # From version 258 on systemd knows version 2 alone.
    cgroups = "unified" if lab.cgroups.UNIFIED_ONLY or release else "hybrid"
    script = ["/bin/sh", lab.checkout / "lab/boot.sh", home / "root", name, home / "pid", data, cgroups, *binds]
    spawn(lab, name, in_network(lab, name, *unshare, *script), f"{name}.console")


def start_host(lab, name):
    """Boot a host and return when its systemd has finished starting."""
    boot(lab, name)
    wait(lab, f"{name}: the first process", lambda: lab.pid(name), 30, every=0.05)

    def running():
        if not lab.pid(name):
            raise LabError(f"{name} ended while it started: see {lab.log_dir}/{name}.console")
        return lab.exec(name, "systemctl", "is-system-running", "--wait", timeout=600).stdout.strip()

    wait(lab, f"{name}: systemd", lambda: running() in ("running", "degraded"), 120, every=0.3)


def make_volume(lab):
    """The trusted pool and the started volume, as the guide presupposes them, unless the lab is to have none."""
    servers, shape = lab.servers, lab.shape
    if shape["bare"]:
        return
    first = servers[0]

    def gluster(host, *words):
        return lab.exec(host, "gluster", "--mode=script", *words)

    def connected():
        listed = [gluster(host, "pool", "list").stdout for host in servers]
        return all(text.count("Connected") == len(servers) for text in listed)

    def up():
        return all(
            lab.pid(host) and lab.exec(host, "systemctl", "is-active", "--quiet", "glusterd").returncode == 0
            for host in servers
        )

    wait(lab, "glusterd on " + ", ".join(servers), up, 300, every=0.3)
    if not shape["pool"]:
        return
    if gluster(first, "volume", "info", VOLUME).returncode == 0:
        return
    for peer in servers[1:]:
        wait(lab, f"the peer {peer}", lambda peer=peer: gluster(first, "peer", "probe", peer).returncode == 0, 60)
    if servers[1:]:
        # Until somebody calls the first server by its name, the others know it by its address.
        wait(lab, f"the peer {first}", lambda: gluster(servers[1], "peer", "probe", first).returncode == 0, 60)
    wait(lab, "the trusted pool", connected, 60)
    if not shape["volume"]:
        return
    names = [VOLUME, *(f"{VOLUME}-{number}" for number in range(2, shape["bricks"] + 1))]
    bricks = [f"{host}:/data/{name}" for name in names for host in servers]
    replica = ["replica", str(len(servers))] if servers[1:] else []
    for words in (["create", VOLUME, *replica, *bricks], ["start", VOLUME]):
        done = gluster(first, "volume", *words)
        if done.returncode:
            raise LabError(f"gluster volume {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    wait(lab, f"the bricks of {VOLUME}", lambda: bricks_online(lab) == len(bricks), 60)


def bricks_online(lab):
    """How many of the volume's bricks are online."""
    status = lab.exec(lab.servers[0], "gluster", "--mode=script", "--xml", "volume", "status", VOLUME).stdout
    nodes = ET.fromstring(status).iter("node") if status.startswith("<?xml") else ()
    return sum(node.findtext("path", "").startswith("/data/") and node.findtext("status") == "1" for node in nodes)


def anything_left(lab):
    """Whether there is any trace of the lab."""
    return lab.state.exists()


def tear_down(lab):
    """Take everything away, in the order that a killed run can be picked up from at any point."""
    if not lab.state.exists():
        return
    (lab.state / "up").unlink(missing_ok=True)
    if str(lab.state) in mounts_under(lab.state):
        lab.cgroups.mount()
        lab.cgroups.kill()
        lab.cgroups.wait_for_the_dead()
        # A dying TCP connection would hold a namespace for minutes; without a cable it ends at once.
        network = lab.state / "net" / "lab"
        if str(network) in mounts_under(network):
            cables = [path.name for path in (lab.state / "net").iterdir() if path.name != "lab"]
            script = "".join(f"link del {name}\n" for name in [*cables, "br0"])
            run(*in_network(lab, "lab", "ip", "-force", "-batch", "-"), input=script, check=False)
        detach_disks(lab.state)
        unmount_all(lab.state)
    remove_state(lab)
