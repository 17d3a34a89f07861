"""What a run costs on a converged fleet, counted by what stands in for Gluster's programs and by oned's own log."""

import contextlib

import pytest

from lab.system import wait_for
from tests.fleet.fleet import MOUNT, STORES, changed

PROGRAMS = ("gluster", "glusterfsd", "mount.glusterfs")  # glusterd and glusterfs are links to the second
LOG = "/var/log/started"
# It notes that it was started, under which name, and becomes the program itself.
WRAPPER = """\
#!/bin/bash
echo "${{0##*/}} $*" >>{log}
exec -a "$0" /usr/sbin/{program}.real "$@"
"""


@contextlib.contextmanager
def counting(fleet, hosts):
    """Note every start of one of Gluster's programs; yields a function: {host: [commands]} since the last time."""

    def started():
        found = {}
        for host in hosts:
            log = fleet.lab.root(host) / LOG[1:]
            found[host] = log.read_text().splitlines() if log.exists() else []
            log.unlink(missing_ok=True)
        return found

    for host in hosts:
        for program in PROGRAMS:
            fleet.sh(host, f"mv /usr/sbin/{program} /usr/sbin/{program}.real")
            path = fleet.lab.root(host) / f"usr/sbin/{program}"
            path.write_text(WRAPPER.format(log=LOG, program=program))
            path.chmod(0o755)
    try:
        for host in hosts:
            fleet.sh(host, "gluster --version && glusterfs --version")
        assert started() == {host: ["gluster --version", "glusterfs --version"] for host in hosts}
        yield started
    finally:
        for host in hosts:
            fleet.sh(host, "".join(f"mv /usr/sbin/{program}.real /usr/sbin/{program}\n" for program in PROGRAMS))


def test_one_gluster_process_and_only_on_the_coordinator(fleet):
    with counting(fleet, fleet.lab.hosts) as started:
        run = fleet.apply()
        commands = started()
    assert (run.failures, run.changes) == ({}, {})
    assert {host: len(lines) for host, lines in commands.items()} == {"head": 0, "kvm1": 1, "kvm2": 0, "kvm3": 0}, (
        commands
    )


def test_a_look_starts_gluster_on_the_coordinator_only(fleet):
    with counting(fleet, fleet.lab.hosts) as started:
        cheap = fleet.lab.call("*", "gluster_one.check", "heal=False")
        commands = {host: len(lines) for host, lines in started().items()}
        whole = fleet.lab.call("*", "gluster_one.check")
        more = {host: sorted(line.split()[0] for line in lines) for host, lines in started().items() if lines}
    assert [*cheap.values(), *whole.values()] == [[]] * 8
    assert commands == {"head": 0, "kvm1": 1, "kvm2": 0, "kvm3": 0}
    # Of each brick a client asks, for a tenth of a second, whether it lets anybody in; and who is connected is asked
    # only after the heal's information has shown that no brick hangs.
    assert more == {"kvm1": ["gluster", "gluster", "glusterfs", "glusterfs", "glusterfs"]}


def test_three_options_are_one_command(fleet):
    fleet.sh("kvm1", "gluster --mode=script volume set one_vol storage.owner-uid 0 storage.owner-gid 0")
    before = fleet.history()
    with fleet.pillar(changed(volume={"options": {"network.ping-timeout": 21}})):
        run = fleet.apply()
    assert run.failures == {}
    assert set(run.changes["kvm1"]["gluster_one_volume_one_vol"]) == {
        "storage.owner-uid",
        "storage.owner-gid",
        "network.ping-timeout",
    }
    new = [line for line in fleet.history() if line not in before]
    assert len(new) == 1, new
    assert " volume set one_vol " in new[0]
    assert fleet.apply("gluster_one.volume", on=["kvm1"]).failures == {}  # without the third one


def test_requests_are_as_many_for_two_datastores_as_for_two_hundred(fleet):
    fleet.requests()
    run = fleet.apply(on=["head"])
    assert (run.failures, run.changes) == ({}, {})
    two = fleet.requests()

    # 198 more, as a run would leave them.
    fleet.stage = "used"
    stores = {f"images_{number}": {} for number in range(99)}
    stores.update({f"system_{number}": {"type": "SYSTEM_DS"} for number in range(99)})
    image = "TYPE=IMAGE_DS DS_MAD=fs DISK_TYPE=GLUSTER GLUSTER_HOST=kvm1:24007 GLUSTER_VOLUME=one_vol DRIVER=raw"
    templates = [
        "\n".join([f"NAME={name}", "TM_MAD=shared", *("TYPE=SYSTEM_DS" if settings else image).split()])
        for name, settings in stores.items()
    ]
    ids = fleet.oned_each("one.datastore.allocate", [[template, -1] for template in templates])
    directories = " ".join(map(str, ids))
    all_there = f"cd {STORES} && ls -d {directories} >/dev/null"
    wait_for("the datastores' directories", lambda: not fleet.lab.exec("head", "sh", "-c", all_there).returncode, 30)
    # oned makes a missing directory again at any moment.
    linked = f"for id in {directories}; do until [ -L $id ]; do rmdir $id; ln -sT {MOUNT} $id || true; done; done"
    fleet.sh("head", f"cd {STORES} && {linked}")
    managed = {*stores, "gluster_system", "glusterds"}
    names = {name: store["ID"] for name, store in fleet.datastores().items() if name in managed}
    assert len(names) == 200
    text = str(names).replace("'", '"')
    fleet.lab.exec("head", "tee", f"{MOUNT}/.gluster_one/datastores.json", input=text, check=True)

    fleet.requests()
    with fleet.pillar(changed(datastores=stores)):
        run = fleet.apply(on=["head"])
    assert (run.failures, run.changes) == ({}, {})
    assert len(run["head"]) == 204
    assert fleet.requests() == two
    assert len(two) <= 3
    with fleet.pillar(changed(datastores=stores)):
        fleet.requests()
        assert fleet.lab.call("head", "gluster_one.check", "heal=False") == {"head": []}
    assert fleet.requests() == two

    fleet.oned_each("one.datastore.delete", [[store] for store in ids])
    fleet.sh("head", f"cd {STORES} && rm {directories}")
    fleet.stage = "converged"


@pytest.mark.timeout(400)
def test_ten_volumes_cost_no_more_processes_than_one(fleet):
    fleet.stage = "used"
    names = [f"vol{number}" for number in range(2, 11)]
    for name in names:
        gluster = "gluster --mode=script volume"
        fleet.sh("kvm1", f"{gluster} create {name} kvm1:/data/{name} force && {gluster} start {name}", timeout=60)
    volumes = {name: {"servers": ["kvm1", "kvm2"], "mount": f"/srv/{name}"} for name in names}
    hosts = ["kvm1", "kvm2"]
    with fleet.pillar(changed(volumes=volumes)):
        run = fleet.apply(on=hosts)
        assert run.failures == {}
        assert all(len(fleet.mounts(host)) == 10 for host in hosts)
        with counting(fleet, hosts) as started:
            run = fleet.apply(on=hosts)
            commands = started()
    assert (run.failures, run.changes) == ({}, {})
    assert {host: len(lines) for host, lines in commands.items()} == {"kvm1": 1, "kvm2": 0}, commands
    several = {name: {**volume, "options": {"network.ping-timeout": 21}} for name, volume in volumes.items()}
    with fleet.pillar(changed(volumes=several)), counting(fleet, ["kvm1"]) as started:
        run = fleet.apply(on=["kvm1"])
        commands = [line for line in started()["kvm1"] if line.startswith("gluster ")]
    assert run.failures == {} and len(run.changes["kvm1"]) == len(names)
    # All volumes, what each of two peers sees, and for each volume: the peers, the options, and the volumes again.
    assert len(commands) == 1 + 2 + 3 * len(names), commands
