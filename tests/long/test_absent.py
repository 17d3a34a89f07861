"""What is missing, stopped or rejected: one line that says what to do, nothing half done, and a way back."""

import contextlib

import pytest

from tests.fleet.fleet import MOUNT, changed

ONE_AUTH = "/var/lib/one/.one/one_auth"
MINION = "systemctl restart salt-minion"
REMOUNT = "systemctl restart var-lib-gluster_one-one_vol.mount"
# Round by round, minion by minion: what to do to it, what undoes that, the state that fails, and the parts of its text.
ROUNDS = [
    {
        "head": (
            f"mv {{packages}}/pyone /var/tmp/ && {MINION}",
            f"mv /var/tmp/pyone {{packages}}/ && {MINION}",
            "gluster_one_datastore_gluster_system",
            "pyone is not installed|`salt-pip install 'pyone>=7'`",
        ),
        "kvm1": (
            "systemctl stop glusterd",
            "systemctl start glusterd",
            "gluster_one_volume_one_vol",
            "glusterd is not running|start it with `systemctl start glusterd`",
        ),
        "kvm2": (
            "sed -i.kept /^oneadmin:/d /etc/passwd",
            "mv /etc/passwd.kept /etc/passwd",
            "gluster_one_pillar",
            "there is no such account on kvm2|install OpenNebula's packages",
        ),
        "kvm3": (
            f"umount {MOUNT} && rm /dev/fuse",
            f"mknod -m 666 /dev/fuse c 10 229 && {REMOUNT}",
            "gluster_one_mount_one_vol",
            "no FUSE|`modprobe fuse`",
        ),
    },
    {
        "head": (
            "systemctl stop oned",
            "systemctl start oned",
            "gluster_one_datastore_gluster_system",
            "cannot be reached|start it with `systemctl start opennebula`",
        ),
        "kvm1": (
            "mv /usr/sbin/gluster /var/tmp/",
            "mv /var/tmp/gluster /usr/sbin/",
            "gluster_one_volume_one_vol",
            "gluster command is not installed|install glusterfs-server",
        ),
        "kvm2": (
            f"umount {MOUNT} && mv /usr/sbin/mount.glusterfs /var/tmp/",
            f"mv /var/tmp/mount.glusterfs /usr/sbin/ && {REMOUNT}",
            "gluster_one_mount_one_vol",
            "mount.glusterfs|is not installed|install glusterfs-client",
        ),
        "kvm3": (
            "mv /usr/lib/*/qemu/block-gluster.so /var/tmp/",
            "mv /var/tmp/block-gluster.so $(dirname /usr/lib/*/qemu/block-curl.so)/",
            "gluster_one_native_access",
            "cannot open gluster://|install qemu-block-extra",
        ),
    },
    {
        "head": (
            f"sed -i.kept s/:.*/:wrong/ {ONE_AUTH}",
            f"mv {ONE_AUTH}.kept {ONE_AUTH}",
            "gluster_one_datastore_gluster_system",
            f"did not accept the credentials|{ONE_AUTH}|correct",
        ),
    },
]
CASES = [(number, minion) for number, minions in enumerate(ROUNDS) for minion in minions]


def look(fleet):
    """What the fleet is like, as far as it can be asked in each round."""
    shown = {host: (fleet.tree(host), fleet.mounts(host)) for host in fleet.lab.hosts}
    return {**shown, "volumes": fleet.sh("kvm3", "gluster --mode=script volume info")}


@pytest.fixture(scope="module")
def absent(fleet_of_module):
    """A run for each round, with a new datastore and a new option to be made; one more when everything is there."""
    fleet, rounds = fleet_of_module, []
    packages = f"{fleet.lab.venv_in('head')}/lib/python3*/site-packages"
    fleet.stage = "used"
    pillar = changed(
        datastores={"archive": {"type": "SYSTEM_DS"}},
        volume={"options": {"user.note": "new"}},
        timeout=4,
    )
    with fleet.pillar(pillar):
        for minions in ROUNDS:
            with contextlib.ExitStack() as undo:

                def spoil(minion, minions=minions, undo=undo):
                    script, undoing, *_ = (text.format(packages=packages) for text in minions[minion])
                    undo.callback(fleet.sh, minion, undoing)
                    fleet.sh(minion, script)

                fleet.everywhere(spoil, minions)
                fleet.lab.wait_for_minions(fleet.lab.hosts)
                before = look(fleet)
                run = fleet.apply(on=list(minions))
                rounds.append((run, before, look(fleet)))
            fleet.lab.wait_for_minions(fleet.lab.hosts)
        stores = fleet.datastores()
        repaired = fleet.apply()
    again = fleet.apply()
    fleet.stage = "doubtful"
    return {"rounds": rounds, "stores": stores, "repaired": repaired, "again": again}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("number", "minion"), CASES)
def test_one_line_says_what_to_do(absent, number, minion):
    *_, state, said = ROUNDS[number][minion]
    comment = absent["rounds"][number][0].failures[minion][state]
    for text in said.split("|"):
        assert text in comment
    assert len(comment.splitlines()) == 1


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_nothing_is_half_done(absent, number):
    _, before, after = absent["rounds"][number]
    assert after == before
    assert "archive" not in absent["stores"]


def test_put_right_the_next_run_converges(absent):
    assert absent["repaired"].failures == {}
    assert "gluster_one_datastore_archive" in absent["repaired"].changes["head"]
    assert (absent["again"].failures, absent["again"].changes) == ({}, {})
