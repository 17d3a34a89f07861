"""A former mount of a volume."""

import pytest

from ..conftest import CHECKOUT, imported


@pytest.fixture
def remounted(execution):
    """remounted(words...): the state's run in test mode, where a former mount's client was started with these."""

    def run(*words):
        fstab = execution("gluster_fstab", __utils__={"gluster_hosts.known_as": lambda *about: None,
                                                      "gluster_hosts.own_names": set})  # fmt: skip
        mount = execution("gluster_mount")
        mount.client = lambda path: words
        former = {"line": {}, "mounted": "old:/vol", "cover": None, "made": True}
        salt = {
            "gluster_one_arguments.require_arguments": lambda *about, **more: None,
            "gluster_mount.place": lambda path, volume, user: path,
            "gluster_mount_plan.changes": lambda *about: {},
            "gluster_mount_plan.former_places": lambda *about: {"/one/\x1bvol": former},
            "gluster_mount.mount_users": lambda *about: [],
            "gluster_mount_plan.outdated_client": lambda *about: None,
            "gluster_mount.client": mount.client,
            "gluster_mount.client_servers": mount.client_servers,
            "gluster_mount_plan.wanted_line": lambda *about: {"device": "kvm1:/vol", "opts": []},
            "gluster_fstab.check_servers": fstab.check_servers,
        }
        state = imported(CHECKOUT / "_states/gluster_one_remount.py", __salt__=salt, __opts__={"test": True})
        return state.datastore_remounted("/place", "vol", ["kvm1", "kvm2"])

    return run


def test_a_former_mount_is_the_volume_s_by_any_of_its_servers(remounted):
    run = remounted("glusterfs", "--volfile-server=old", "--volfile-server=kvm2", "/one/vol")
    assert run["changes"] == {r"mount on /one/\x1bvol": {"old": "mounted", "new": None}}
    run = remounted("glusterfs", "--volfile-server=old", "/one/vol")
    assert run["result"] is False
    assert r"old:/vol is mounted on /one/\x1bvol, and old is none of kvm1, kvm2" in run["comment"]
