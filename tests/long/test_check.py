"""Whatever is not as it should be is found where it is, and named: gluster_one.check on a fleet that was well."""

import re

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed

UNIT = "var-lib-gluster_one-one_vol.mount"
VOLUME = "gluster --mode=script volume"
GLUSTERD = "/etc/glusterfs/glusterd.vol"
DROP_IN = "/etc/systemd/system/glusterd.service.d"
CLIENT = f"pgrep -f '[g]lusterfs.* {MOUNT}$'"
BRICK = "/var/lib/glusterd/vols/one_vol/one_vol.kvm2.data-one_vol.vol"
FORMER = "/var/lib/one/gluster/one_vol"
DRIVER = "$(dirname /usr/lib/*/qemu/block-curl.so)/block-gluster.so"


BREAKS = {
    "left beneath the mount": (
        f"systemctl stop {UNIT}; echo image >{MOUNT}/image; systemctl start {UNIT}",
        "hidden", "1 file \\(image\\) beneath the mount",
        f"systemctl stop {UNIT}; rm {MOUNT}/image; systemctl start {UNIT}",
    ),
    "a bare directory of oneadmin's": (
        f"systemctl stop {UNIT}; chown oneadmin {MOUNT}",
        "mount_gone", "nothing is mounted, and the bare directory is oneadmin",
        f"chown root:root {MOUNT}; systemctl start {UNIT}",
    ),
    "something else is mounted": (
        f"systemctl stop {UNIT}; mount -t tmpfs other {MOUNT}",
        "mount_other", "other is mounted", f"umount {MOUNT}; systemctl start {UNIT}",
    ),
    "oneadmin's mount over it": (
        "exec 3<>/dev/fuse; mount -i -t fuse -o fd=3,rootmode=40000,user_id=9869,group_id=9869,nosuid,nodev theirs "
        f"{MOUNT}",
        "mount_covered", "it is covered by theirs \\(fuse\\), mounted by oneadmin", f"umount -l {MOUNT}",
    ),
    "a client that hangs": (
        f"kill -STOP $({CLIENT})", "mount_hangs", "it does not answer", f"kill -CONT $({CLIENT})",
    ),
    "programs that are set-user-ID root": (
        f"mount -i -o remount,bind,suid,dev {MOUNT}",
        "mount_flags", "without nosuid,nodev", f"mount -i -o remount,bind,nosuid,nodev {MOUNT}",
    ),
    "a line of fstab below oneadmin's home": (
        f"cp -p /etc/fstab /var/tmp/kept; echo kvm1:/one_vol {FORMER} glusterfs defaults >>/etc/fstab; "
        "systemctl daemon-reload",
        "mount_place", "whoever owns /var/lib/one could have it mounted over another directory",
        "cp /var/tmp/kept /etc/fstab; systemctl daemon-reload",
    ),
    "a mount below oneadmin's home": (
        f"mkdir -p {FORMER}; mount -t glusterfs -o nosuid,nodev kvm1:/one_vol {FORMER}",
        "mount_former", "still mounted from before", f"umount {FORMER}; rmdir -p --ignore {FORMER}",
    ),
    "QEMU without the driver": (
        f"mv {DRIVER} /var/tmp/", "native", "cannot open gluster://", f"mv /var/tmp/block-gluster.so {DRIVER}",
    ),
    "an image in a datastore's own directory": (
        f"rm {STORES}/101; mkdir {STORES}/101; echo image >{STORES}/101/image",
        "blocked", "holds 1 file \\(image\\)", f"rm -r {STORES}/101; ln -s {MOUNT} {STORES}/101",
    ),
    "glusterd whose restart ends the bricks": (
        f"mv {DROP_IN} /var/tmp/kept.d; systemctl daemon-reload",
        "kill_mode", "KillMode is control-group: its restart ends the bricks",
        f"mv /var/tmp/kept.d {DROP_IN}; systemctl daemon-reload",
    ),
    "a client that knows one server": (
        f"systemctl stop {UNIT}; mount -t glusterfs -o nosuid,nodev kvm1:/one_vol {MOUNT}",
        "client_options", "the client was started with kvm1", f"umount {MOUNT}; systemctl start {UNIT}",
    ),
    "a line of fstab that systemd has not read": (
        "cp -p /etc/fstab /var/tmp/kept; sleep 1; echo '# mine' >>/etc/fstab",
        "unit", "systemd has not read /etc/fstab since it was changed",
        "cp /var/tmp/kept /etc/fstab; systemctl daemon-reload",
    ),
    "nothing that mounts after a boot": (
        "systemctl disable gluster-one-mount@var-lib-gluster_one-one_vol",
        "boot", "nothing mounts it after a boot at which no glusterd answers",
        "systemctl enable gluster-one-mount@var-lib-gluster_one-one_vol",
    ),
    "a line of fstab with backups that do not work": (
        "cp -p /etc/fstab /var/tmp/kept; sed -i 's/backup-volfile-servers=/backupvolfile-server=/' /etc/fstab",
        "fstab", "backupvolfile-server=kvm[23]:kvm[23] in /etc/fstab",
        "cp /var/tmp/kept /etc/fstab; systemctl daemon-reload",
    ),
    # As a volume set leaves it while glusterd is down, on a server with two bricks.
    "a brick that divides its size": (
        f"sed -i 's/shared-brick-count 1/shared-brick-count 2/' {BRICK}",
        "brick_size", "Gluster counts it as one of 2 on its file system: volume one_vol looks smaller",
        f"sed -i 's/shared-brick-count 2/shared-brick-count 1/' {BRICK}",
    ),
    "glusterd without its option": (
        f"cp {GLUSTERD} /var/tmp/kept; sed -i /rpc-auth-allow-insecure/d {GLUSTERD}",
        "glusterd_option", "rpc-auth-allow-insecure is not set", f"cp /var/tmp/kept {GLUSTERD}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_finds_on_the_node(fleet, name):
    script, kind, seen, undo = BREAKS[name]
    assert fleet.findings("kvm2") == {}
    fleet.sh("kvm2", script)
    try:
        found = fleet.findings("kvm2")
    finally:
        fleet.sh("kvm2", undo)
    assert set(found) == {kind}
    assert re.search(seen, found[kind]["seen"])
    assert found[kind]["cure"] and found[kind]["expected"]
    assert fleet.findings("kvm2") == {}


@pytest.mark.parametrize(
    "pillar, minion, kind, seen",
    [
        ({"free_percent": 100}, "kvm2", "space", r"\d+ % of \d+ MB free"),
        (
            {"volume": {"servers": [*HYPERVISORS, "kvm4"]}},
            "kvm1",
            "peer_gone",
            "the pool has 3 servers, the pillar names 4",
        ),
        (
            {"volume": {"options": {"network.ping-timeout": 17}}},
            "kvm1",
            "volume_option",
            "network.ping-timeout is not set",
        ),
        (
            {"pool_options": {"cluster.server-quorum-ratio": "51%"}},
            "kvm1",
            "pool_option",
            "cluster.server-quorum-ratio is not set",
        ),
    ],
    ids=["little space", "a server that is no peer", "an option", "an option of the pool"],
)
def test_finds_what_the_pillar_says_otherwise(fleet, pillar, minion, kind, seen):
    with fleet.pillar(changed(**pillar)):
        found = fleet.findings(minion)
    assert re.search(seen, found[kind]["seen"])
    assert fleet.findings(minion) == {}


def test_an_auth_allow_without_a_server(fleet):
    """Its client ends: the coordinator says whom the option leaves out, the node itself why it cannot mount."""
    allowed = "10.77.0.2,10.77.1.1,10.77.1.2,127.0.0.1"  # from which a server's own brick sees it
    assert fleet.findings("kvm3") == {}
    fleet.sh("kvm1", f"{VOLUME} set one_vol auth.allow {allowed}")
    try:
        wait_for("kvm3's mount has gone", lambda: "mount_gone" in fleet.findings("kvm3"), 60, every=1)
        found, gone = fleet.findings("kvm1")["shut_out"], fleet.findings("kvm3")["mount_gone"]
        fleet.sh("kvm1", f"{VOLUME} set one_vol auth.allow {allowed},10.77.1.3")  # as both say
        run = fleet.apply(on=["kvm3"])
    finally:
        fleet.sh("kvm1", f"{VOLUME} reset one_vol auth.allow")
    assert found["seen"] == f"auth.allow {allowed} keeps out the server kvm3 (10.77.1.3)"
    why = "the bricks reject this node, 10.77.1.3: auth.allow, auth.reject or, with TLS, auth.ssl-allow"
    assert gone["seen"].endswith(f", nor can it be: {why}") and "put 10.77.1.3 and 127.0.0.1 there" in gone["cure"]
    assert run.failures == {} and fleet.findings("kvm3") == fleet.findings("kvm2") == {}


def test_a_brick_whose_root_is_root_s(fleet):
    """Another brick may answer first who may write there: this one is found whether oneadmin can write or not."""
    fleet.sh("kvm2", "chown root:root /data/one_vol")
    try:
        found = fleet.findings("kvm2")
    finally:
        fleet.sh("kvm2", "chown 9869:9869 /data/one_vol")
    assert set(found) - {"not_writable"} == {"brick_owner"}
    assert found["brick_owner"]["seen"] == "its root belongs to 0:0"


def test_a_client_that_has_lost_a_brick(fleet):
    assert fleet.findings("kvm2") == {}
    fleet.sh("kvm3", "pkill -9 -x glusterfsd")
    try:
        wait_for("the finding", lambda: set(fleet.findings("kvm2")) == {"client_bricks"}, 20, every=1)
        assert fleet.findings("kvm2")["client_bricks"]["seen"] == "not connected to kvm3:/data/one_vol"
        assert set(fleet.findings("kvm1", heal="False")) == {"client_bricks", "brick_down"}
        fleet.sh("kvm3", "mv /data/one_vol /data/away")
        assert fleet.findings("kvm3")["brick_gone"]["on"] == "/data/one_vol"
    finally:
        fleet.sh("kvm3", "mv /data/away /data/one_vol", check=False)
        fleet.sh("kvm1", f"{VOLUME} start one_vol force")
        bricks_up(fleet)
    assert fleet.findings("kvm2") == {}


def test_a_client_that_is_cut_off_from_the_port_of_a_brick(fleet):
    """It says so itself, and so does the coordinator, who sees anybody's."""
    fleet.healed()  # of a brick that was away before
    assert fleet.findings("kvm1") == fleet.findings("kvm2") == {}
    port = "$(gluster --mode=script volume status one_vol | awk '$2 == \"kvm3:/data/one_vol\" {print $3}')"
    fleet.sh("kvm2", f"ip rule add pref 10 to 10.77.1.3 ipproto tcp dport {port} prohibit")
    apart = {"seen": "a client at 10.77.1.2 is not connected to kvm3:/data/one_vol"}
    try:
        wait_for("it is seen there", lambda: "client_bricks" in fleet.findings("kvm2"), 120, every=2)
        wait_for("it is seen from the brick", lambda: "client_apart" in fleet.findings("kvm1"), 120, every=2)
        assert fleet.findings("kvm1")["client_apart"].items() >= apart.items()
    finally:
        fleet.sh("kvm2", "ip rule del pref 10")
    fleet.healed()  # its self-heal daemon was cut off, too
    wait_for("it is gone", lambda: fleet.findings("kvm1") == fleet.findings("kvm2") == {}, 60, every=2)


def test_bricks_that_refuse(fleet):
    """One of them, which was started while the option was off: it rejects new clients."""
    fleet.stage = "used"
    option = f"{VOLUME} set one_vol server.allow-insecure"
    script = f"pkill -9 -x glusterfsd; {option} off; {VOLUME} start one_vol force; sleep 1; {option} on"
    fleet.sh("kvm1", script)
    assert fleet.findings("kvm1")["bricks_closed"]["seen"] == "kvm1:/data/one_vol reject clients"
    assert fleet.apply("gluster_one.bricks", on=["kvm1"]).failures == {}
    assert "bricks_closed" not in fleet.findings("kvm1")


def test_a_host_that_is_not_kvm_is_found_on_the_head(fleet):
    host = fleet.oned("one.host.allocate", "xen1", "xen", "xen", 0)
    try:
        found = fleet.findings("head")
    finally:
        fleet.oned("one.host.delete", host)
    # oned may have measured a datastore between its creation and its link, and measures again after 300 s.
    assert set(found) - {"datastore_size"} == {"datastore_wrong"}
    assert "xen1" in found["datastore_wrong"]["seen"]


def test_a_host_of_opennebula_that_nobody_looks_at(fleet):
    host = fleet.oned("one.host.allocate", "kvm9", "kvm", "kvm", 0)
    try:
        status, answer = fleet.runner("gluster_one.status")
        assert (status, [(one["kind"], one["on"]) for one in answer["findings"]]) == (1, [("host_unlooked", "kvm9")])
        assert fleet.findings("head") == {}
    finally:
        fleet.oned("one.host.delete", host)
    assert fleet.runner("gluster_one.status")[0] == 0


def test_quorum_heal_and_split_brain(fleet):
    """A file written on one side while the other was away, then on the other: the coordinator counts and tells."""
    restart = f"{VOLUME} start one_vol force"
    kill = "pkill -9 -x glusterfsd"
    options = "cluster.self-heal-daemon off cluster.quorum-type none"
    fleet.sh("kvm1", f"{VOLUME} set one_vol {options}; echo before >{MOUNT}/torn")
    try:
        fleet.sh("kvm3", kill)
        fleet.sh("kvm1", f"echo one >{MOUNT}/torn; echo one >{MOUNT}/late")
        fleet.sh("kvm2", kill)
        found = fleet.findings("kvm1")
        assert {"brick_down"} <= set(found) and "client_quorum" not in found  # the option says that one is enough
        fleet.sh("kvm1", f"{VOLUME} reset one_vol cluster.quorum-type")
        assert "has 1 of these bricks online" in fleet.findings("kvm1")["client_quorum"]["seen"]
        fleet.sh("kvm1", f"{VOLUME} set one_vol cluster.quorum-type none")
        fleet.sh("kvm1", restart)
        bricks_up(fleet)
        with fleet.pillar(changed(heal_files=0)):
            assert "wait to be healed" in fleet.findings("kvm1")["heal"]["seen"]
        for host in ("kvm1", "kvm2"):
            fleet.sh(host, kill)
        # Only the brick that has not seen the file's last words is there now.
        wait_for("the old words", lambda: fleet.sh("kvm3", f"cat {MOUNT}/torn") == "before\n", 20)
        fleet.sh("kvm3", f"echo other >{MOUNT}/torn")
        fleet.sh("kvm1", restart)
        bricks_up(fleet)
        assert fleet.findings("kvm1")["split_brain"]["seen"] == "1 files are in split-brain"
        assert fleet.findings("kvm1", heal=False) == {}
    finally:
        fleet.sh("kvm1", restart)
        bricks_up(fleet)
        fleet.sh("kvm1", f"{VOLUME} heal one_vol split-brain latest-mtime /torn", check=False)
        for option in options.split()[::2]:
            fleet.sh("kvm1", f"{VOLUME} reset one_vol {option}")
        bricks_up(fleet)
        gone = f"rm -f {MOUNT}/torn {MOUNT}/late; echo gone"
        wait_for("no torn file", lambda: fleet.sh("kvm1", gone, check=False), 90)
    fleet.healed()
    assert fleet.findings("kvm1") == {}


def bricks_up(fleet):
    """Wait until every client has all bricks."""
    wait_for("all bricks", lambda: fleet.lab.call("kvm1", "gluster_pool.bricks_down", "one_vol") == {"kvm1": []}, 30)
    connected = f"grep -h '^connected = 1' {MOUNT}/.meta/graphs/active/one_vol-client-*/private | wc -l"
    for host in fleet.lab.hosts:
        wait_for(f"all bricks on {host}", lambda host=host: fleet.sh(host, connected, check=False) == "3\n", 30)
