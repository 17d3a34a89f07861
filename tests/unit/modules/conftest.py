"""What the tests of several modules use."""

import pytest

from ..conftest import NO_MOUNTS


@pytest.fixture
def node(execution, monkeypatch):
    """node(pillar, minion): the plan of that minion. oneadmin is the only account."""

    def make(pillar, minion="kvm1", peers=(), other=lambda *words: None, recorded=lambda kind: {}, theirs=0, **grains):
        for name in ("get_uid", "get_gid"):
            monkeypatch.setattr(f"salt.utils.user.{name}", {"oneadmin": 9869}.get)
        known_as = lambda server, names: "10.0.0.2" if server == "kvm2" and "10.0.0.2" in names else None  # noqa: E731
        salt = {
            "gluster_one_arguments.argument_needed": execution("gluster_one_arguments").argument_needed,
            "gluster_mount.place": execution("gluster_mount", __salt__=NO_MOUNTS).place,
            "gluster_links.user_errors": lambda user, directory: [f"{user}, {directory}"] if theirs else [],
            "glusterd.peers": lambda: peers,
            "gluster_one_record.recorded": recorded,
            "gluster_one_record.other_volume": other,
        }
        grains = {"id": minion, "host": minion.partition(".")[0], **grains}
        utils = {"gluster_hosts.known_as": known_as}
        return execution("gluster_one_pillar", __salt__=salt, __utils__=utils, __grains__=grains).node(pillar)

    return make
