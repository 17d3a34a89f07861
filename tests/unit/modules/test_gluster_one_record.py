"""What a node has recorded, and whether a volume is another one than before."""

import json
import os
import stat

import pytest
from salt.exceptions import CommandExecutionError

FIRST, SECOND = "5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11", "c0ffee00-7d0e-4f1c-9e55-0a1c7a6f3c22"
MOUNT = "/var/lib/gluster_one/one_vol"


class Node:
    """kvm1, whose glusterd has one_vol with the identifier `pool`, and the client of whose mount shows `mounted`."""

    def __init__(self, execution, path):
        self.pool = self.mounted = FIRST
        self.module = execution(
            "gluster_one_record",
            __grains__={"id": "kvm1"},
            __salt__={
                "glusterd.volumes": lambda: {"one_vol": {"id": self.pool}} if self.pool else {},
                "gluster_mount.mounts": lambda: {MOUNT: {"volume": "one_vol"}} if self.mounted is not None else {},
            },
            __utils__={"gluster_process.run": lambda words: [0, self.mounted, ""]},
        )
        self.path = self.module.FILE = str(path)

    def other(self, wanted=None, server=True, mount=None):
        return self.module.other_volume("one_vol", wanted, server, mount)


@pytest.fixture
def node(execution, tmp_path):
    return Node(execution, tmp_path / "gluster_one/record.json")


def test_what_is_recorded_stays_beside_what_comes(node):
    assert node.module.recorded("volumes") == {}
    node.module.record("volumes", {"one_vol": FIRST})
    node.module.record("packages", {"glusterfs-server": "10.3-5"})
    node.module.record("volumes", {"two_vol": SECOND, "one_vol": SECOND})
    assert node.module.recorded("volumes") == {"one_vol": SECOND, "two_vol": SECOND}
    with open(node.path) as stream:
        assert json.load(stream)["packages"] == {"glusterfs-server": "10.3-5"}
        assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o644


@pytest.mark.parametrize("text", ["", "{", "[]", '{"volumes": 3}', "\xff"])
def test_a_record_that_is_none_is_said_and_left(node, text):
    node.module.record("volumes", {"one_vol": FIRST})
    with open(node.path, "w", encoding="latin-1") as stream:
        stream.write(text)
    for look in (lambda: node.module.record("volumes", {}), node.other):
        with pytest.raises(CommandExecutionError, match="record.json cannot be read .*: restore it, or remove it"):
            look()


def test_at_the_first_run_it_is_any_or_the_one_of_the_pillar(node):
    assert node.other() is None and node.other(FIRST) is None
    said = node.other(SECOND)
    assert said == (
        f"gluster_one:volumes:one_vol:id is '{SECOND}', and the volume one_vol of this server's pool has the id "
        f"{FIRST}: correct that, or the servers"
    )


def test_another_one_is_an_error_until_the_pillar_has_it(node):
    node.module.record("volumes", {"one_vol": FIRST})
    assert node.other() is None
    node.pool = SECOND
    assert node.other() == (
        f"the volume one_vol of this server's pool has the id {SECOND}, and kvm1 has used one with the id {FIRST} "
        "until now: correct the pillar, if it is another site's, or the servers' names; if the new volume is meant, "
        f"write gluster_one:volumes:one_vol:id: {SECOND} into the pillar"
    )
    assert node.other(SECOND) is None and node.other(SECOND.upper()) is None


def test_what_is_mounted_counts_as_well(node):
    node.module.record("volumes", {"one_vol": FIRST})
    node.mounted = f"{SECOND}\n{SECOND}\n"
    assert f"mounted on {MOUNT} has the id {SECOND}, and kvm1" in node.other(mount=MOUNT)
    node.module.record("volumes", {"one_vol": SECOND})
    node.mounted, node.pool = FIRST, SECOND
    assert node.other(SECOND, mount=MOUNT).endswith(f"`umount {MOUNT}` once nothing uses it, and run again")


@pytest.mark.parametrize("shown", ["", "\n", "x" * 36, None])
def test_what_is_not_known_is_no_other(node, shown):
    node.module.record("volumes", {"one_vol": FIRST})
    node.mounted, node.pool = shown, None
    assert node.other(mount=MOUNT) is None
    assert node.module.volume_ids("one_vol", server=True, mount=MOUNT) == {}


def test_nobody_is_asked_where_there_is_nothing_to_compare(node):
    node.module.__salt__.clear()
    assert node.other(mount=MOUNT) is None


def test_what_is_forgotten_is_gone_and_the_file_with_the_last_of_it(node):
    node.module.forget("volumes")  # of nothing
    node.module.record("volumes", {"one_vol": FIRST, "two_vol": SECOND})
    node.module.record("mounts", {"/srv/vol": "one_vol"})
    node.module.forget("volumes", ["one_vol", "none"])
    assert node.module.recorded("volumes") == {"two_vol": SECOND}
    node.module.forget("volumes")
    with open(node.path) as stream:
        assert json.load(stream) == {"mounts": {"/srv/vol": "one_vol"}}
    node.module.forget("mounts")
    assert not os.path.exists(os.path.dirname(node.path))


def test_the_directory_of_the_record_stays_while_something_is_in_it(node):
    node.module.record("volumes", {"one_vol": FIRST})
    os.mkdir(os.path.join(os.path.dirname(node.path), "one_vol"))
    node.module.forget("volumes")
    assert os.listdir(os.path.dirname(node.path)) == ["one_vol"]
