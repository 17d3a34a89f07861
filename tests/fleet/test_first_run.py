"""The guide, done by one run: what could not be before can be afterwards, and `test=True` said so."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.system import wait_for

from .fleet import BARE, HYPERVISORS, MOUNT, NATIVE, STORES
from .machine import create, vm_disk

# What the user has of his own on kvm2; the file has no newline at its end.
FSTAB = "/dev/vdz1\t/srv/own   ext4  noauto,user  0 2\n  tmpfs /srv/fast\ttmpfs noauto,size=1m 0\t0\n# the end"
OPTIONS = {} if BARE else {"network.ping-timeout": "17", "user.note": "my own"}
# On bare hosts what cannot be said before there are packages: the options of a group, the head's datastores.
UNKNOWN = ("gluster_one_volume_", "gluster_one_datastore_") if BARE else ()

CHANGING = re.compile(r"\.(allocate|update|add\w+|del\w+|delete|rename|chmod|chown|enable)$")
HALF = 2**19
READS = (f"read -P 0xab 0 {HALF}", f"read -P 0xcd {HALF} {HALF}")


def started(fleet):
    """`virsh create` of the VM on kvm2."""
    return create(fleet, "one-7", vm_disk("7/disk.0"))


@pytest.fixture(scope="module")
def before(clean):
    """The fleet before the run, with things of the user's own; what a native read and a VM's start say."""
    words = " ".join(f"{option} '{value}'" for option, value in OPTIONS.items())
    if words:
        clean.sh("kvm1", f"gluster --mode=script volume set one_vol {words}")
    clean.sh("kvm2", f"printf '{FSTAB}' >/etc/fstab; mkdir /srv/own; ln -s /srv/own {STORES}/200")
    with ThreadPoolExecutor() as pool:
        machine = pool.submit(started, clean)
        read = clean.disk_read("kvm2", "before", "read 0 512")
    clean.requests()
    look, refused = clean.look_all(), machine.result()
    # On a busy machine libvirt's message may lack what QEMU said, which its log has.
    log = clean.lab.exec("kvm2", "cat", "/var/log/libvirt/qemu/one-7.log").stdout
    return {"look": look, "read": read, "machine": refused, "why": refused.stderr + log}


@pytest.fixture(scope="module")
def predicted(clean, before):
    """`test=True`, and how the fleet looks after it."""
    clean.requests()
    run = clean.apply(test=True)
    return {"run": run, "requests": clean.requests(), "look": clean.look_all()}


@pytest.fixture(scope="module")
def first(clean, predicted):
    """The one run."""
    clean.stage = "used"
    daemons = processes(clean)
    run = clean.apply()
    clean.stage = "used" if run.failures else "converged"
    return {"run": run, "daemons": (daemons, processes(clean)), "stores": clean.datastores()}


def processes(fleet):
    """Every glusterd and every brick."""
    return {host: [fleet.pids(host, name) for name in ("glusterd", "glusterfsd")] for host in HYPERVISORS}


@pytest.fixture(scope="module")
def image(clean, first):
    """An image written through the image datastore on the head, and its clone through the system datastore on kvm3."""
    image = f"{STORES}/{first['stores']['glusterds']['ID']}/3f2a9c"
    clone = f"{STORES}/{first['stores']['gluster_system']['ID']}/7/disk.0"
    write = f"qemu-io -f raw -c 'write -q -P 0xab 0 {HALF}' -c 'write -q -P 0xcd {HALF} {HALF}' {image}"
    clean.sh("head", f"qemu-img create -q -f raw {image} {2 * HALF} && {write}", user="oneadmin")
    clean.sh("kvm3", f"mkdir -p $(dirname {clone}) && cp {image} {clone}", user="oneadmin")
    return ("3f2a9c", "7/disk.0")


# Before


def test_before_the_run_no_disk_is_read(before):
    native = "Unable to load module gluster" if BARE else "volume one_vol, path before failed to connect"
    assert (native if NATIVE else "No such file or directory") in before["read"]
    assert "read 512/512" not in before["read"]


def test_before_the_run_oneadmin_can_write_nowhere_on_the_volume(before):
    look = before["look"]
    assert not any(look[host]["mounts"] for host in ("head", *HYPERVISORS))
    assert not look["datastores"].keys() & {"gluster_system", "glusterds"}


def test_before_the_run_the_machine_does_not_start(before):
    assert before["machine"].returncode != 0
    native = "Unknown driver 'gluster'" if BARE else "failed to initialize gluster connection"
    assert (native if NATIVE else "No such file or directory") in before["why"]


# test=True


def test_prediction_touches_nothing(before, predicted):
    assert predicted["look"] == before["look"]
    assert [method for method in predicted["requests"] if CHANGING.search(method)] == []


def test_prediction_changes_every_minion_and_fails_on_none(clean, predicted):
    run = predicted["run"]
    assert not run.failures
    assert set(run.changes) == set(clean.lab.hosts)
    for states in run.values():
        for name, state in states.items():
            assert state["result"] is (None if state["changes"] or name.startswith(UNKNOWN) else True)


# The run


def test_run_succeeds_on_every_minion(clean, first):
    assert set(first["run"]) == set(clean.lab.hosts)
    assert first["run"].failures == {}
    assert first["run"].results == {True}


def without_ids(changes):
    """Changes with "(identifier)" for the numbers that only the run could know, and for the volume's."""
    text = re.sub(
        r'(datastores/)\d+(?= -> )|("identifier": \{"old": null, "new": )\d+', r"\1\2(identifier)", json.dumps(changes)
    )
    text = re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', '"(identifier)"', text)
    return json.loads(text.replace('"new": (identifier)', '"new": "(identifier)"'))


def known(run):
    """The changes of a run, as far as they can be known before it."""
    changes = without_ids(run.changes)
    return {
        host: {key: states[key] for key in states if not key.startswith(UNKNOWN)} for host, states in changes.items()
    }


def test_run_does_what_was_predicted(predicted, first):
    assert {minion: set(states) for minion, states in first["run"].items()} == {
        minion: set(states) - {"gluster_one_modules"}  # synced for the prediction
        for minion, states in predicted["run"].items()
    }
    assert known(first["run"]) == known(predicted["run"])


def test_no_glusterd_and_no_brick_was_restarted(first):
    before, after = first["daemons"]
    assert all(len(pids) == 1 for host in after.values() for pids in host)
    assert before == (after if not BARE else {host: [[], []] for host in HYPERVISORS})


# What it is for


def test_every_node_has_both_directories(clean, first):
    ids = {name: first["stores"][name]["ID"] for name in ("gluster_system", "glusterds")}
    for host in clean.lab.hosts:
        assert clean.mounts(host)[MOUNT][1] == "fuse.glusterfs"
        for store in ids.values():
            assert clean.sh(host, f"readlink -f {STORES}/{store}").strip() == MOUNT


def test_every_client_says_that_it_has_all_bricks(clean, first):
    wanted = dict.fromkeys(clean.lab.hosts, {"one_vol": []})
    wait_for("all bricks", lambda: clean.lab.call("*", "gluster_one.apart") == wanted, 30, every=1)


def test_image_and_clone_are_read_as_disks_on_every_hypervisor(clean, image):
    names = image if BARE else (*image, "before")
    jobs = [(host, name) for host in HYPERVISORS for name in names]
    said = clean.everywhere(lambda job: clean.disk_read(*job, *(READS if job[1] in image else ["read 0 512"])), jobs)
    for (host, name), text in said.items():
        wanted = 2 * [f"read {HALF}/{HALF} bytes"] if name in image else ["read 512/512 bytes"]
        assert re.findall(r"read \d+/\d+ bytes", text) == wanted, (host, name, text)
        assert "Pattern verification failed" not in text, (host, name)


def test_machine_runs_as_oneadmin(clean, image):
    done = started(clean)
    try:
        assert done.returncode == 0, done.stderr
        assert clean.sh("kvm2", "virsh domstate one-7").strip() == "running"
        (pid,) = clean.pids("kvm2", "qemu-system-x86_64")
        assert clean.sh("kvm2", "ps -o user= -C qemu-system-x86").strip() == "oneadmin", pid
    finally:
        clean.lab.exec("kvm2", "virsh", "destroy", "one-7")


def test_datastores_are_as_the_guide_has_them(first):
    image, system = first["stores"]["glusterds"], first["stores"]["gluster_system"]
    native = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw"}
    assert {key: image.get(key) for key in native} == (
        native if NATIVE else {**dict.fromkeys(native), "DISK_TYPE": "FILE"}
    )
    assert image["TM_MAD"] == "shared"
    assert (system["TYPE"], system["TM_MAD"]) == ("SYSTEM_DS", "shared")
    assert "DS_MAD" not in system


def test_oned_reports_the_size_of_the_volume(clean, first):
    size, disk = (int(clean.sh("head", f"df --output=size -m {path} | tail -n 1")) for path in (MOUNT, "/var/lib/one"))
    assert size != disk
    wanted = dict.fromkeys(("gluster_system", "glusterds"), size)
    wait_for("oned's next look", lambda: wanted.items() <= clean.sizes().items(), 10)


def test_oneadmin_reads_on_one_node_what_it_wrote_on_another(clean, first):
    clean.sh("kvm1", f"echo 'from kvm1' >{MOUNT}/note", user="oneadmin")
    assert {clean.sh(host, f"cat {MOUNT}/note", user="oneadmin") for host in clean.lab.hosts} == {"from kvm1\n"}


def test_what_is_the_user_s_own_stays(clean, before, first):
    info = clean.sh("kvm1", "gluster --mode=script volume info one_vol")
    assert all(f"\n{option}: {value}\n" in info for option, value in OPTIONS.items())
    text = (clean.lab.root("kvm2") / "etc/fstab").read_text()
    own, _, line = text.rpartition("\n# the end\n")
    assert f"{own}\n# the end" == FSTAB and line.split()[1] == MOUNT
    assert clean.sh("kvm2", f"readlink {STORES}/200").strip() == "/srv/own"
    others = {name: store for name, store in first["stores"].items() if name not in ("gluster_system", "glusterds")}
    assert others == before["look"]["datastores"]


def test_the_bare_mount_point_is_root_s_and_takes_no_image(clean, first):
    unit = clean.sh("kvm3", f"systemd-escape --path --suffix=mount {MOUNT}").strip()
    clean.sh("kvm3", f"systemctl stop '{unit}'")
    try:
        assert clean.sh("kvm3", f"stat -c '%U %G %a' {MOUNT}").strip() == "root root 755"
        for path in (MOUNT, f"{STORES}/{first['stores']['glusterds']['ID']}"):
            done = clean.lab.exec("kvm3", "touch", f"{path}/image", user="oneadmin")
            assert "Permission denied" in done.stderr
    finally:
        clean.sh("kvm3", f"systemctl start '{unit}'")
