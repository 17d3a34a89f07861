"""Packages, pyone and glusterd's service, as states."""

import re

import pytest

from ..conftest import CHECKOUT, imported

NAMES = {"gluster_package": "glusterfs-server", "qemu_gluster_package": "qemu-block-extra"}


class Node:
    """A node that lacks some packages, and what its package manager was asked for."""

    def __init__(self, lacking=(), comes=True, unit=(True, "enabled"), kept=(), pyone=True, test=False):
        self.lacking, self.comes, self.asked, self.kept, self.coming = list(lacking), comes, [], kept, []
        self.unit, self.pyone = dict(zip(("running", "enabled"), unit)) if unit else None, pyone
        versions = {"qemu-block-extra": "1:7.2"}
        self.data, self.halves = {}, ()
        salt = {
            "gluster_one_arguments.require_arguments": lambda *words, **arguments: True,
            "data.get": self.data.get,
            "data.update": lambda key, value: self.data.update({key: value}),
            "data.pop": self.data.pop,
            "gluster_one_packages.finish": lambda: self.asked.append("finish"),
            "gluster_one_packages.missing": lambda roles, native: list(self.lacking),
            "gluster_one_packages.to_install": lambda keys: {
                NAMES[key]: versions.get(NAMES[key]) for key in keys if key in self.lacking or key in self.halves
            },
            "gluster_one_packages.pyone_missing": lambda: None if self.pyone else "pyone is not installed: `pip`",
            "gluster_one_packages.pyone_source": lambda: {"name": "pyone>=7", "find_links": "/w", "no_index": True},
            "gluster_one_run.to_come": self.coming.extend,
            "state.single": lambda state, **arguments: {state: getattr(self, state.partition(".")[0])(**arguments)},
            "glusterd.unit": lambda name, run=None: self.unit,
            "glusterd.peers": lambda: [["kvm2"]] if kept else [],
            "glusterd.volumes": lambda: dict.fromkeys(kept, {}),
            "glusterd.restart": lambda name: self.unit.update(running=True),
            "service.enable": lambda name: self.unit.update(enabled="enabled"),
        }
        path = CHECKOUT / "_states/gluster_one_packages.py"
        self.state = imported(path, __salt__=salt, __opts__={"test": test})

    def pkg(self, name, pkgs, test, concurrent):
        self.asked.append(pkgs)
        assert self.data, "a run that is killed now is known to the next one"
        if self.comes == "killed":
            raise KeyboardInterrupt
        if self.comes:
            self.lacking, self.halves = [], ()
            return {"result": True, "changes": dict.fromkeys([*NAMES.values(), "libgfapi0"]), "comment": ""}
        return {"result": False, "changes": {}, "comment": "E: Unable to locate\n package"}

    def pip(self, test, concurrent, **arguments):
        self.asked.append(arguments)
        self.pyone = self.comes
        return {"result": self.comes, "changes": {}, "comment": "No matching distribution"}


def test_what_is_there_asks_no_package_manager():
    node = Node()
    ret = node.state.packages_installed("packages", ["server"])
    assert (ret["result"], ret["changes"], node.asked) == (True, {}, [])


@pytest.mark.parametrize("program_is_there", [True, False])
def test_what_a_run_that_was_killed_has_half_installed_is_finished(program_is_there):
    node = Node(["gluster_package"], comes="killed")
    with pytest.raises(KeyboardInterrupt):
        node.state.packages_installed("packages", ["server"])
    assert node.data == {node.state.BEGUN: ["gluster_package"]}
    node.halves, node.lacking = ("gluster_package",), [] if program_is_there else ["gluster_package"]
    node.comes, node.asked = True, []
    node.state.__opts__["test"] = True
    predicted = node.state.packages_installed("packages", ["server"])
    assert set(predicted["changes"]) == {"glusterfs-server", "packages"} and node.asked == []
    node.state.__opts__["test"] = False
    ret = node.state.packages_installed("packages", ["server"])
    assert (ret["result"], ret["changes"], node.data) == (True, predicted["changes"], {})
    assert node.asked == ["finish", ["glusterfs-server"]]
    assert node.state.packages_installed("packages", ["server"])["changes"] == {}


def test_one_that_fails_is_not_one_that_was_killed():
    node = Node(NAMES, comes=False)
    assert node.state.packages_installed("packages", ["server"])["result"] is False and node.data == {}


def test_what_is_missing_comes_in_one_go_and_is_what_test_mode_says():
    changes = {name: {"old": None, "new": "installed"} for name in NAMES.values()}
    node = Node(NAMES)
    ret = node.state.packages_installed("packages", ["server", "hypervisor"])
    assert (ret["result"], ret["changes"]) == (True, changes)
    assert node.asked == [["glusterfs-server", {"qemu-block-extra": "1:7.2"}]]
    assert ret["comment"].endswith("with 1 others that they need")
    node = Node(NAMES, test=True)
    ret = node.state.packages_installed("packages", ["server", "hypervisor"])
    assert (ret["result"], ret["changes"], node.asked, node.coming) == (None, changes, [], [*NAMES])


def test_what_does_not_come_is_named_with_the_package_managers_words():
    node = Node(NAMES, comes=False)
    ret = node.state.packages_installed("packages", ["server", "hypervisor"])
    assert (ret["result"], ret["changes"]) == (False, {})
    assert ret["comment"].startswith(
        "glusterfs-server, qemu-block-extra could not be installed: E: Unable to locate package: install by hand"
    )
    assert "qemu-block-extra 1:7.2 goes with what is installed here" in ret["comment"]


def test_pyone():
    assert Node().state.pyone_installed()["changes"] == {}
    changes = {"pyone": {"old": None, "new": "installed"}}
    node = Node(pyone=False, test=True)
    ret = node.state.pyone_installed()
    assert (ret["result"], ret["changes"], node.asked, node.coming) == (None, changes, [], ["pyone"])
    node = Node(pyone=False)
    ret = node.state.pyone_installed()
    assert (ret["result"], ret["changes"]) == (True, changes)
    assert node.asked == [{"name": "pyone>=7", "find_links": "/w", "no_index": True}]
    ret = Node(pyone=False, comes=False).state.pyone_installed()
    assert (ret["result"], ret["changes"]) == (False, {})
    assert ret["comment"].endswith(
        "from the wheels of salt://gluster_one/wheels it could not be installed: No matching distribution"
    )


BOOT, SERVICE = {"boot": {"old": "disabled", "new": "enabled"}}, {"service": {"old": "stopped", "new": "running"}}


@pytest.mark.parametrize(
    ("unit", "kept", "result", "changes", "said"),
    [
        ((True, "enabled"), (), True, {}, "glusterd is enabled and runs"),
        ((True, "static"), (), True, {}, "glusterd is enabled and runs"),
        ((False, "disabled"), (), True, {**BOOT, **SERVICE}, "boot: disabled -> enabled"),  # just installed
        ((False, "enabled"), ("one_vol",), True, SERVICE, "service: stopped -> running"),
        ((True, "disabled"), (), True, BOOT, "boot: disabled -> enabled"),
        # Somebody has done that.
        ((False, "masked"), (), False, {}, "glusterd is masked on this node, .*: `systemctl unmask glusterd`"),
        ((False, "disabled"), ("one_vol",), False, {}, r"has peers or volumes \(kvm2, one_vol\), .*`systemctl enable"),
        ((True, "masked"), (), True, {}, "glusterd runs; glusterd is masked"),
        ((True, "disabled"), ("one_vol",), True, {}, "glusterd runs; glusterd is disabled on this node although"),
        (None, (), True, {}, "not a service of systemd"),
    ],
)
def test_glusterd_is_started_unless_somebody_has_stopped_it(unit, kept, result, changes, said):
    node = Node(unit=unit, kept=kept)
    ret = node.state.glusterd_enabled()
    assert (ret["result"], ret["changes"]) == (result, changes)
    assert re.search(said, ret["comment"]), ret["comment"]
    predicted = Node(unit=unit, kept=kept, test=True).state.glusterd_enabled()
    assert (predicted["result"], predicted["changes"]) == (None if changes else result, changes)
