"""The beacon's memory and its mine, and what confines a hypervisor."""

import os
import threading
import time

import pytest

from ..conftest import CHECKOUT, imported

DEAD = {"kind": "mount_dead", "on": "/0", "seen": "gone", "expected": "mounted", "severity": "error", "cure": "apply"}


class Look:
    def __init__(self, *findings):
        self.findings = list(findings)


@pytest.fixture
def event():
    """event(findings, at second, ...): what the beacon fires after that look."""
    beacon = imported(CHECKOUT / "_beacons/gluster_one.py")
    watch = {"known": {}}
    return lambda findings, now: beacon._event(watch, Look(*findings), 10, now)


def test_fires_when_a_finding_appears_and_when_it_goes(event):
    assert event([], 0) is None
    assert event([DEAD], 10) == {"tag": "changed", "found": [DEAD], "gone": []}
    assert event([DEAD], 20) is None
    assert event([], 30) == {"tag": "changed", "found": [], "gone": [{"kind": "mount_dead", "on": "/0"}]}
    assert event([], 40) is None


def test_reminds_more_and_more_seldom(event):
    fired = [now for now in range(0, 100_000, 10) if event([DEAD], now)]
    assert fired[:5] == [0, 20, 60, 140, 300]
    assert max(later - earlier for earlier, later in zip(fired, fired[1:])) == 3600


@pytest.fixture
def watched(tmp_path):
    """watched(check): the beacon's answer after it has looked with that, and what it has sent to the mine."""

    def make(check):
        sent = []
        salt = {"gluster_one.check": check, "mine.send": lambda *words, **named: sent.append((words, named))}
        module = imported(CHECKOUT / "_beacons/gluster_one.py", __salt__=salt, __opts__={"cachedir": str(tmp_path)})
        return module.beacon([{"node": {"id": "kvm1", "beacon": {"interval": 60}}}]), sent

    return make


def test_what_was_seen_goes_into_the_mine_without_a_second_look(watched, execution):
    looks = []

    def check(**arguments):
        looks.append(arguments)
        return [DEAD]

    before = time.time()
    events, [(words, named)] = watched(check)
    assert events == [{"tag": "changed", "found": [DEAD], "gone": []}]
    assert looks == [{"pool": False, "heal": False, "node": looks[0]["node"]}], "and without asking Gluster"
    assert words == ("gluster_one.findings",)
    module = execution("gluster_one")
    mine = module.findings(**named)
    assert mine == {"at": named["at"], "findings": [DEAD]} and before <= mine["at"] <= time.time()
    assert module.findings(found=[], at=5)["findings"] == []


def test_a_look_that_began_before_states_were_applied_says_nothing(watched, tmp_path):
    def check(**arguments):
        (tmp_path / "sls.p").touch()
        os.utime(tmp_path / "sls.p", (time.time() + 1, time.time() + 1))
        return [DEAD]

    assert watched(check) == ([], [])


def test_nothing_goes_into_the_mine_when_nothing_is_fired(watched):
    assert watched(lambda **arguments: []) == ([], [])


@pytest.mark.parametrize("hangs", [False, True])
def test_a_look_that_came_too_late_is_taken_anew_unless_it_hangs_again(monkeypatch, tmp_path, hangs):
    gates = [threading.Event(), threading.Event()]
    seen = iter([(gates[0], [DEAD]), (gates[1], [])])

    def check(**arguments):
        gate, findings = next(seen)
        gate.wait(10)
        return findings

    salt = {"gluster_one.check": check, "mine.send": lambda *words, **named: None}
    module = imported(CHECKOUT / "_beacons/gluster_one.py", __salt__=salt, __opts__={"cachedir": str(tmp_path)})
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    config = [{"node": {"id": "kvm1", "beacon": {"interval": 60}}}]
    assert [module.beacon(config), module.beacon(config)] == [[], []]
    (late,) = (thread for thread in threading.enumerate() if isinstance(thread, module._Look))
    gates[0].set()
    late.join()
    if not hangs:
        gates[1].set()
    expected = [{"tag": "changed", "found": [DEAD], "gone": []}] if hangs else []
    assert module.beacon(config) == expected
    gates[1].set()


@pytest.mark.parametrize(
    "config, valid",
    [
        ([{"node": {"roles": []}}], True),
        ([{"interval": 5}, {"node": {"roles": []}}], True),
        ([{"interval": "often"}, {"node": {"roles": []}}], False),
        ([{"interval": 5}], False),
        ([{"node": "kvm1"}], False),
        (["node"], False),
        ({"node": {"roles": []}}, False),
        ([], False),
        ("text", False),
        (None, False),
    ],
)
def test_configuration(config, valid):
    assert imported(CHECKOUT / "_beacons/gluster_one.py").validate(config)[0] is valid


@pytest.mark.parametrize("config", [[], [{"node": {"roles": []}}], [{"node": []}], "text", None])
def test_never_raises(config, tmp_path):
    """One that does ends all beacons of the minion; without modules, without a shape."""
    module = imported(CHECKOUT / "_beacons/gluster_one.py", __opts__={"cachedir": str(tmp_path)})
    assert module.beacon(config) == []


def test_repairs_are_sls_files_of_the_formula():
    kinds = imported(CHECKOUT / "_runners/gluster_one_kinds.py").kinds()
    runner = imported(CHECKOUT / "_runners/gluster_one_remediate.py", __salt__={"gluster_one.kinds": lambda: kinds})
    assert all((CHECKOUT / f"{sls.replace('.', '/')}.sls").exists() for sls in runner._repairs().values())
    assert set(runner.ONE_AT_A_TIME) <= set(runner._repairs().values())


ACCESS = {"qemu": "7.2", "libvirt": "9.0", "built": True, "error": None}


@pytest.fixture
def confined(execution, tmp_path, monkeypatch):
    """confined(profiles, rules, enforcing, boolean): the findings on a hypervisor with these files."""

    def make(driver=True, mount="/var/lib/one/datastores/0", **contents):
        native = execution("gluster_native")
        module = execution(
            "gluster_one",
            __salt__={
                "gluster_native.confinement": native.confinement,
                "gluster_mount.place": lambda path, name, user: path,
                "gluster_native.native_access": lambda: {**ACCESS, "gluster": driver},
                "gluster_native.access_missing": native.access_missing,
                "data.get": lambda key: None,
                "data.update": lambda key, value: True,
            },
        )
        (tmp_path / "booleans").mkdir()
        paths = {
            "profiles": "profiles",
            "rules": "rules",
            "enforcing": "enforce",
            "boolean": "booleans/virt_use_fusefs",
            "qemu_conf": "qemu.conf",
            "template": "TEMPLATE.qemu",
            "site": "libvirt-qemu.d/site",
            "kept": "libvirt-qemu.d/site.dpkg-old",
            "included": "local/one",
        }
        (tmp_path / "libvirt-qemu.d").mkdir()
        (tmp_path / "local").mkdir()
        for key, text in contents.items():
            (tmp_path / paths[key]).write_text(text)
        monkeypatch.setattr(native, "APPARMOR", str(tmp_path / "profiles"))
        rules = ("rules", "libvirt-qemu.d", "TEMPLATE.qemu")
        system = {"apparmor_directory": str(tmp_path), "apparmor_rules": [str(tmp_path / name) for name in rules]}
        monkeypatch.setitem(native.__utils__, "gluster_system.values", lambda: system)
        monkeypatch.setattr(native, "QEMU_CONF", str(tmp_path / "qemu.conf"))
        monkeypatch.setattr(native, "SELINUX", str(tmp_path))
        seen = {"findings": [], "looked": []}
        node = {"package": "qemu", "user": "oneadmin", "datastores_dir": "/var/lib/one/datastores"}
        module._hypervisor(seen, {**node, "volumes": {"one_vol": {"mount": mount}}})
        return [(finding["kind"], finding["on"], finding["cure"]) for finding in seen["findings"]]

    return make


def test_a_driver_that_is_missing_is_asked_for_each_time(execution):
    """Programs, drivers and libraries may be there again without another time of theirs; what is fine is kept."""
    kept, answers = {}, [{**ACCESS, "gluster": False}, {**ACCESS, "gluster": False, "error": "x.so"}, ACCESS]
    native = execution("gluster_native")
    module = execution(
        "gluster_one",
        __salt__={
            "gluster_native.native_access": lambda: {"gluster": True, **answers.pop(0)},
            "gluster_native.access_missing": native.access_missing,
            "data.get": kept.get,
            "data.update": kept.__setitem__,
        },
    )
    found = []
    for _ in range(4):
        seen = {"findings": []}
        module._driver(seen, {"package": "qemu"})
        found.append([finding["on"] for finding in seen["findings"]])
    assert (found, answers) == ([["QEMU"], ["gluster driver"], [], []], [])


def test_nothing_is_confined_where_neither_is_in_force(confined):
    assert confined() == []


def test_qemu_needs_its_driver(confined):
    cure = "install qemu"
    assert confined(driver=False) == [("native", "QEMU", cure)]


def test_apparmor_needs_a_rule_for_the_datastores(confined, tmp_path):
    cure = f"add `/var/lib/one/datastores/** rwk,` to {tmp_path / 'rules'}"
    assert confined(profiles="libvirtd (enforce)\n", rules="/srv/** rwk,") == [("confined", "AppArmor", cure)]


@pytest.mark.parametrize(
    ("rules", "mount", "missing"),
    [
        ("/var/lib/one/datastores/** rwk,", "/var/lib/one/datastores/0", 0),
        ("# /var/lib/one/datastores/** rwk,", "/var/lib/one/datastores/0", 1),
        ("/var/lib/one/datastores/** rwk,", "/srv/one", 1),
        # The rule that OpenNebula's own documentation gives; the default mount point is not below that directory.
        ("/var/lib/one/** rwk,", "/var/lib/gluster_one/one_vol", 1),
        ("/var/lib/one/** rwk,\n/var/lib/gluster_one/** rwk,", "/var/lib/gluster_one/one_vol", 0),
        ("/var/lib/one/datastores/** rwk,\n/srv/one/** rwk,", "/srv/one", 0),
        ('/var/lib/** rwk,\n  owner "/srv/**" rwk,', "/srv/one", 0),
        ("/var/lib/one/datastores/** rwk,\n/srv/one2/** rwk,", "/srv/one", 1),
    ],
)
def test_apparmor_with_rules(confined, rules, mount, missing):
    found = confined(profiles="libvirtd (enforce)\n", rules=rules, mount=mount)
    assert [(kind, on) for kind, on, _ in found] == [("confined", "AppArmor")] * missing


RULE = "/var/lib/one/datastores/** rwk,"
TEMPLATE = "profile LIBVIRT_TEMPLATE flags=(attach_disconnected) {{\n  #include <abstractions/libvirt-qemu>\n  {}\n}}\n"


@pytest.mark.parametrize("files", [
    {"template": TEMPLATE.format(RULE)},
    {"template": TEMPLATE.format("file,")},
    {"template": TEMPLATE.format("allow file,")},
    {"template": TEMPLATE.format(RULE).replace("disconnected", "disconnected,complain")},
    {"template": TEMPLATE.format("#include <local/one>"), "included": RULE},
    {"template": TEMPLATE.format("include if exists <local/one>"), "included": RULE},
    {"template": "@{ONE}=/srv/one /var/lib/one\n" + TEMPLATE.format("@{ONE}/datastores/** rwk,")},
    {"template": "@{VAR} = /var\n@{ONE} = @{VAR}/lib/one/\n" + TEMPLATE.format("owner @{ONE}/** rwk,")},
    {"site": RULE},
    {"site": "/** rwk,"},
    {"site": "owner rwk /var/lib/one/**,"},
    {"site": "audit allow file /var/lib/one/** mrwkl,"},
    {"site": "/srv/** r,/var/lib/{one,other}/** rwk,"},
    {"site": "/var/lib/one/{datastores,{vms,x}}/** rwk,"},
    {"site": "/{srv,var/lib/one/datastores}/{,**} rwk,"},
    {"site": "/var/lib/one/datastores/{,**} rwk, # ours"},
    {"site": "/var/lib/one/datastores/{100,101}/** rwk,"},
    {"site": "/var/*/one/data[rst]tores/** rwk,"},
    {"site": '"/var/lib/one/**" rw,'},
    {"site": "/var/lib/one/** r,\n/var/lib/one/** wk,"},
    {"site": f"{RULE}\ndeny /var/lib/one/datastores/.snapshot/** w,"},
    {"qemu_conf": 'security_driver = "none"\n'},
    {"qemu_conf": '# security_driver = "apparmor"\n  security_driver="none" # ours\n'},
    {"qemu_conf": "security_driver = 'selinux'\n"},
    {"qemu_conf": 'security_driver = [ "selinux" ]\n'},
    {"qemu_conf": "security_default_confined = 0\n"},
    {"profiles": "/usr/lib/libvirt/virt-aa-helper (enforce)\n"},
    {"profiles": "libvirtd//qemu_bridge_helper (enforce)\nlibvirt-7f3a (enforce)\n"},
])  # fmt: skip
def test_apparmor_lets_it(confined, files):
    assert confined(**{"profiles": "libvirtd (enforce)\n", **files}) == []


@pytest.mark.parametrize("files", [
    {"template": TEMPLATE.format("")},
    {"template": TEMPLATE.format(f"# {RULE}")},
    {"site": f"deny {RULE}"},
    {"site": f"{RULE}\naudit deny /var/lib/one/** w,"},
    {"site": "/var/lib/one/** r,"},
    {"site": "/var/lib/one/* rwk,"},
    {"site": "/var/lib/one/datastores/ rwk,"},
    {"site": "/var/lib/one/{datastore,images}/** rwk,"},
    {"site": "/var/lib/one/{** rwk,"},
    {"site": "@{ONE}/** rwk,"},
    {"kept": RULE},
    {"included": RULE},
    {"qemu_conf": '#security_driver = "none"\n'},
    {"qemu_conf": 'security_driver = "apparmor"\nsecurity_default_confined = 1\n'},
    {"qemu_conf": 'security_driver = [ "selinux",\n "apparmor" ]\n'},
    {"qemu_conf": 'my_security_driver = "none"\n'},
    {"profiles": "/usr/sbin/libvirtd (enforce)\n"},
    {"profiles": "docker-default (enforce)\nvirtqemud (complain)\n"},
])  # fmt: skip
def test_apparmor_does_not(confined, files):
    assert [on for _, on, _ in confined(**{"profiles": "libvirtd (enforce)\n", **files})] == ["AppArmor"]


@pytest.mark.parametrize(
    "conf", ['security_driver = "none"', 'security_driver = "apparmor"', "security_default_confined=0"]
)
def test_selinux_that_libvirt_does_not_use(confined, conf):
    assert confined(enforcing="1", boolean="0 0", qemu_conf=conf) == []


def test_selinux_needs_its_boolean(confined):
    found = confined(enforcing="1", boolean="0 0")
    assert found == [("confined", "SELinux", "setsebool -P virt_use_fusefs on")]


@pytest.mark.parametrize("enforcing, boolean", [("1", "1 1"), ("0", "0 0")])
def test_selinux_with_it_or_not_enforcing(confined, enforcing, boolean):
    assert confined(enforcing=enforcing, boolean=boolean) == []
