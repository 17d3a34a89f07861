"""The files that make a copy of a root directory a host of the lab: account, units, configuration."""

import os
import shutil
import uuid
from pathlib import Path

ONEADMIN = 9869  # uid and gid, as in OpenNebula's own packages
MASTER_ADDRESS = "10.77.0.1"

# Below /, empty in a host whatever its base has there.
EMPTY = ["var/lib/one", "var/log", "var/cache/salt", "var/tmp", "etc/salt", "etc/systemd/system", "etc/libvirt/qemu"]
# What of these directories a package expects to find, with owner and mode of the base's, but without files.
SKELETON = ["var/log", "etc/libvirt/qemu"]
# What a host has of its own from its first process on; whatever the machine has there is not seen.
HIDDEN = ["/tmp", "/run", "/dev", "/proc", "/sys", *(f"/{name}" for name in EMPTY)]
ACCOUNTS = ["group", "passwd", "shadow"]  # in /etc
GONE = [".dockerenv", "usr/sbin/policy-rc.d", "etc/cron.d"]
# Geo-replication's program, which Fedora has in a package of its own. Each `gluster` asks it for its version, and
# a glusterd that starts sets its configuration, line by line: a quarter of the processor's time that all tests took.
GSYNCD = "usr/lib/*/glusterfs/gsyncd"

# The machine's own enabled services are not a host's; these are what it starts.
SOCKETS = ["libvirtd", "libvirtd-ro", "libvirtd-admin", "virtlogd", "virtlockd"]
# Things that some target asks for by itself, and that only take time or fail in a host.
MASKED = [
    "console-getty.service",
    "getty.target",
    "getty-static.service",
    "systemd-ask-password-wall.path",
    "systemd-ask-password-console.path",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-modules-load.service",
    "systemd-networkd-wait-online.service",
    "systemd-sysctl.service",
    "systemd-sysusers.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
    "systemd-update-done.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "kmod-static-nodes.service",
    "ldconfig.service",
    "modprobe@.service",
]

QEMU_CONF = """\
# As OpenNebula's node package sets it.
user = "oneadmin"
group = "oneadmin"
dynamic_ownership = 0
# A host of the lab is a container: no security module, no device nodes of its own making, no controllers to limit with.
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
"""

# Salt's own unit file (pkg/common), but for the path and the patience that a crowded machine needs.
MINION_UNIT = """\
[Unit]
Description=The Salt Minion
After=network.target

[Service]
KillMode=mixed
Type=notify
NotifyAccess=all
LimitNOFILE=8192
TimeoutStartSec=600
ExecStart={venv}/bin/salt-minion

[Install]
WantedBy=multi-user.target
"""

# The files of the working tree are seen at /opt/lab; oneadmin may not be allowed to read them there.
ONED_UNIT = """\
[Unit]
Description=Stand-in for the OpenNebula daemon
After=network.target

[Service]
User=oneadmin
Group=oneadmin
ExecStartPre=+/bin/sh -c 'rm -rf /usr/local/lib/one; install -D -m 0755 -t /usr/local/lib/one /opt/lab/oned*.py'
ExecStart=/usr/bin/python3 /usr/local/lib/one/oned.py --listen 127.0.0.1:2633 \\
    --auth /var/lib/one/.one/one_auth --datastores /var/lib/one/datastores --monitor 2
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
"""

RELAY_UNIT = """\
[Unit]
Description=The OpenNebula daemon that runs outside the lab
After=network.target

[Service]
ExecStart=/usr/bin/socat TCP-LISTEN:2633,bind=127.0.0.1,reuseaddr,fork UNIX-CONNECT:/opt/relay/opennebula
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
"""

MINION_CONF = """\
master: salt
id: {name}
log_level: info
log_level_logfile: trace
# Faster to start, and quick to find the master again.
enable_fqdns_grains: False
enable_gpu_grains: False
acceptance_wait_time: 1
recon_default: 500
recon_max: 3000
random_startup_delay: 0
# After a network failure, a minion whose connection the master has closed would notice after five minutes.
tcp_keepalive_idle: 10
tcp_keepalive_intvl: 5
tcp_keepalive_cnt: 3
"""

JOURNALD_CONF = """\
[Journal]
Storage=persistent
ReadKMsg=no
RateLimitIntervalSec=0
"""


def address(name):
    """The address of a host: head is 10.77.0.2, kvm7 is 10.77.1.7, kvm300 is 10.77.2.44."""
    if name == "head":
        return "10.77.0.2"
    number = int(name.removeprefix("kvm"))
    return f"10.77.{1 + number // 256}.{number % 256}"


def etc_hosts(name, names):
    """/etc/hosts of a host, which has its own name for a loopback address first, as Debian's installer writes it."""
    lines = ["127.0.0.1 localhost", f"127.0.1.1 {name}", "::1 ip6-localhost ip6-loopback", f"{MASTER_ADDRESS} salt"]
    return "\n".join(lines + [f"{address(name)} {name}" for name in names]) + "\n"


def write(path, text, mode=0o644, owner=0):
    """Write a file, and the directories that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, owner, owner)
    path.chmod(mode)


def make_upper(upper, base):
    """The overlay's upper directory, in which the EMPTY directories hide what the base has there."""
    upper.mkdir(parents=True)
    upper.chmod(0o755)
    for name in EMPTY:
        path = upper
        for part in Path(name).parts:
            path /= part
            path.mkdir(exist_ok=True)
            hidden = base / path.relative_to(upper)
            if hidden.is_dir():
                shutil.copystat(hidden, path)
                os.chown(path, hidden.stat().st_uid, hidden.stat().st_gid)
        os.setxattr(path, "trusted.overlay.opaque", b"y")
    for top in SKELETON:
        for directory, _, _ in os.walk(base / top):
            path = upper / Path(directory).relative_to(base)
            path.mkdir(exist_ok=True)
            shutil.copystat(directory, path)
            os.chown(path, os.stat(directory).st_uid, os.stat(directory).st_gid)


def add_oneadmin(root):
    """Account, home and directories that OpenNebula's packages make, and the groups they put oneadmin into."""

    def without_oneadmin(name):
        lines = (root / "etc" / name).read_text().splitlines()
        return [line for line in lines if not line.startswith("oneadmin:")]

    groups = []
    for line in without_oneadmin("group"):
        name, password, gid, members = line.split(":")
        if name in ("libvirt", "kvm"):
            members = ",".join([*filter(None, members.split(",")), "oneadmin"])
        groups.append(f"{name}:{password}:{gid}:{members}")
    accounts = {
        "group": [*groups, f"oneadmin:x:{ONEADMIN}:"],
        "passwd": [
            *without_oneadmin("passwd"),
            f"oneadmin:x:{ONEADMIN}:{ONEADMIN}:OpenNebula:/var/lib/one:/bin/bash",
        ],
        "shadow": [*without_oneadmin("shadow"), "oneadmin:!:20000:0:99999:7:::"],
    }
    for name, lines in accounts.items():
        (root / "etc" / name).write_text("\n".join(lines) + "\n")
    for name, mode in (("var/lib/one", 0o750), ("var/lib/one/datastores", 0o755)):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
        os.chown(root / name, ONEADMIN, ONEADMIN)


def enable(root, unit, target="multi-user.target"):
    """What `systemctl enable` does."""
    own = Path("/etc/systemd/system") / unit
    path = own if (root / "etc/systemd/system" / unit).exists() else Path("/lib/systemd/system") / unit
    link = root / "etc/systemd/system" / f"{target}.wants" / unit
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(path)


def prepare(root, name, lab, auth, relay):
    """Everything that a new host has of its own, written into its root directory before it starts."""
    for gone in GONE:
        path = root / gone
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in (*root.glob("etc/rc[0-9S].d/*"), *root.glob(GSYNCD)):
        path.unlink()
    for path in root.glob("var/lib/glusterd/*"):
        if path.name not in ("groups", "hooks"):  # the package's
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (root / "data").mkdir(exist_ok=True)

    write(root / "etc/hostname", f"{name}\n")
    write(root / "etc/machine-id", f"{uuid.uuid4().hex}\n")
    write(root / "etc/fstab", "")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    write(root / "etc/resolv.conf", "")
    write(root / "etc/systemd/journald.conf.d/lab.conf", JOURNALD_CONF)
    (root / "var/log/journal").mkdir(exist_ok=True)
    add_oneadmin(root)

    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).symlink_to("/dev/null")
    write(root / "etc/salt/minion", MINION_CONF.format(name=name))
    for program in ("salt-call", "salt-minion"):
        (root / "usr/local/bin" / program).unlink(missing_ok=True)
        (root / "usr/local/bin" / program).symlink_to(lab.venv_in(name) / "bin" / program)
    write(units / "salt-minion.service", MINION_UNIT.format(venv=lab.venv_in(name)))
    enable(root, "salt-minion.service")
    enable(root, "remote-fs.target")  # mounts the lines of fstab that need the network

    if name == "head":
        write(root / "var/lib/one/.one/one_auth", f"{auth}\n", 0o600, ONEADMIN)
        (root / "var/lib/one/.one").chmod(0o700)
        os.chown(root / "var/lib/one/.one", ONEADMIN, ONEADMIN)
        unit = "opennebula-relay.service" if relay else "oned.service"
        write(units / unit, RELAY_UNIT if relay else ONED_UNIT)
        enable(root, unit)
        if name not in lab.servers:
            return
    write(root / "etc/libvirt/qemu.conf", QEMU_CONF, 0o600)
    enable(root, "libvirtd.service")
    for socket in SOCKETS:
        enable(root, f"{socket}.socket", "sockets.target")
    if name in lab.servers and not lab.shape["bare"]:
        enable(root, "glusterd.service")
