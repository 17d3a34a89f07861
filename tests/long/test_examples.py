"""Every CLI example of the execution modules and of the runners works as it stands."""

import json
import re

import pytest

from lab import commands
from lab.fleet import CHECKOUT

CODE = [path.read_text() for path in (CHECKOUT / "_modules").glob("*.py")]
RUNNERS = [path.read_text() for path in (CHECKOUT / "_runners").glob("*.py")]
# What the examples need to be there: a cluster 100, a user 2.
NEEDED = [("one.cluster.allocate", "racks"), ("one.user.allocate", "ann", "secret", "core", [])]
# A volume to grow, and a fourth server: the head by another name.
SERVERS = ("kvm1", "kvm2", "kvm3")
TWO_VOL = " ".join(f"{host}:/data/two_vol" for host in SERVERS)
# What a volume that was refused has left of a brick.
LEFT = "mkdir -p /data/left_vol/brick && setfattr -n trusted.glusterfs.volume-id -v 0x5b1e0f9c7d0e4f1c9e550a1c7a6f3c11"
# Those that cannot be carried out on this fleet as they stand, and what they say.
REFUSED = {
    "gluster_disks.changes": "is not there: see `lsblk",
    "gluster_disks.prepare": "is not there: see `lsblk",
    "one_datastore.refuse_in_use": "changing DISK_TYPE from GLUSTER to FILE puts them at risk",
}
# What takes away what others need comes last.
LAST = (
    "opennebula.datastore_delete",
    "gluster.brick_restart",
    "glusterd.remove_drop_in",
    "gluster_one_ids.remove_files",
    "gluster_mount.unmount",
    "gluster.volume_stop",
)
# What makes a server another one, or moves or adds bricks, or has servers reject each other: test_replace.py,
# test_grow.py, test_repair_peer.py and test_debian_upgrade.py beside this file try those.
ELSEWHERE = (
    "glusterd.identity_changes", "glusterd.restore_identity", "gluster.brick_replace", "gluster.peer_detach",
    "gluster_peers.take_in", "gluster_replace.restore_changes", "gluster_replace.restore",
    "gluster_replace.brick_changes", "gluster_replace.replace_brick", "gluster_replace.is_in_place",
    "gluster_repair.accept", "gluster_repair.forget", "gluster_upgrade.set_op_version",
    "gluster_upgrade.take_out", "glusterd.take_out", "gluster.volume_add_bricks",
)  # fmt: skip
# What `salt` does with each, without starting it for each, which takes a second.
CLIENT = """
import json, shlex, sys, salt.client
from salt.utils.args import parse_input
client = salt.client.LocalClient(sys.argv[1])
for example in json.load(sys.stdin):
    target, function, *args = shlex.split(example)
    answers = client.cmd(target, function, parse_input(args), timeout=60, full_return=True)
    print(json.dumps([example, answers], default=str))
"""
# What `salt-run` does with each, in the same way.
RUNNER = """
import contextlib, json, shlex, sys, salt.config, salt.runner
client = salt.runner.RunnerClient(salt.config.master_config(sys.argv[1]))
for example in json.load(sys.stdin):
    function, *args = shlex.split(example)
    with contextlib.redirect_stdout(sys.stderr):
        answer = client.cmd(function, args, print_event=False, full_return=True)
    print(json.dumps([example, answer], default=str))
"""


def function(example):
    return example.split()[1]


@pytest.fixture(scope="module")
def described(fleet_of_module):
    """What the minions answered to each example: {example: {minion: {"ret": ..., "retcode": 0}}}."""
    fleet = fleet_of_module
    fleet.stage = "used"
    for method, *args in NEEDED:
        fleet.oned(method, *args)
    fleet.sh("head", "systemctl start glusterd")
    fleet.everywhere(lambda host: fleet.sh(host, "echo 10.77.0.2 kvm4 >>/etc/hosts"), SERVERS)
    gluster = "gluster --mode=script"
    fleet.sh("kvm1", f"{gluster} peer probe kvm4 && {gluster} volume create two_vol replica 3 {TWO_VOL}")
    fleet.sh("kvm1", f"{gluster} volume start two_vol")
    fleet.sh("kvm1", f"{LEFT} /data/left_vol/brick")
    fleet.healed()
    return answers(fleet, CLIENT, all_examples())


@pytest.fixture(scope="module")
def of_runners(fleet_of_module):
    """What the runners answered to each example: {example: {"return": ..., "success": True}}."""
    return answers(fleet_of_module, RUNNER, told_examples())


def answers(fleet, client, examples):
    done = fleet.lab.python(client, fleet.lab.master_dir / "master", input=json.dumps(examples))
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


def runner_examples():
    return sorted({example for text in RUNNERS for example in re.findall(r"^        salt-run (\S+ ?.*)$", text, re.M)})


def told_examples():
    """Those whose answer can be told: some have an object, for other functions of the runner."""
    untold = ("gluster_one.client", "gluster_one.cache", "gluster_one.loading")
    return [example for example in runner_examples() if not example.startswith(untold)]


def written_examples():
    return {example for text in CODE for example in re.findall(r"^        salt (\S+ .+)$", text, re.MULTILINE)}


def all_examples():
    examples = {example for example in written_examples() if function(example) not in ELSEWHERE}
    late = {name: number for number, name in enumerate(LAST, 1)}
    return sorted(examples, key=lambda example: (late.get(function(example), 0), example))


# Before those of the modules, which stop a volume in the end.
@pytest.mark.parametrize("example", told_examples())
def test_example_of_a_runner_works(of_runners, example):
    answer = of_runners[example]
    # Those that have an exit status of their own say by it that the examples before have left something to be found.
    said = answer["return"] if isinstance(answer["return"], dict) else {}
    # What an outputter shows is in "data", and Salt judges it as if states had returned it.
    data = said.get("data", said)
    sound = answer["success"] or "outputter" in said or isinstance(data, dict) and data.get("retcode") in (0, 1)
    assert sound and not re.search("Traceback|Exception occurred|is not available", str(answer)), answer


@pytest.mark.timeout(900)
@pytest.mark.parametrize("example", all_examples())
def test_example_works(described, example):
    answers = described[example]
    refused = REFUSED.get(function(example))
    assert answers and all(bool(answer["retcode"]) is bool(refused) for answer in answers.values()), answers
    assert not refused or all(refused in str(answer["ret"]) for answer in answers.values()), answers
    assert not re.search("Traceback|is not available|Passed invalid arguments", str(answers))


def test_every_public_function_has_one():
    assert commands.functions("_modules").keys() <= set(map(function, written_examples()))
    assert commands.functions("_runners").keys() == {example.partition(" ")[0] for example in runner_examples()}
