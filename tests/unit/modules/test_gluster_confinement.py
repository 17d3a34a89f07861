"""What confines QEMU: AppArmor and SELinux."""

import pytest

LATIN = b"# f\xfcr uns\n"


def test_the_rules_of_apparmor(execution, tmp_path):
    rules = tmp_path / "libvirt-qemu"
    rules.write_bytes(LATIN + b"/var/lib/one/** rwk,\n")
    module = execution("gluster_confinement")
    assert module._allows(list(module._rules([str(rules)], "")), "/var/lib/one/datastores")


ACCESS = {"qemu": "7.2", "libvirt": "9.0", "built": True, "error": None}


@pytest.fixture
def confined(execution, tmp_path, monkeypatch):
    """confined(profiles, rules, enforcing, boolean): the findings on a hypervisor with these files."""

    def make(driver=True, mount="/var/lib/one/datastores/0", access=None, machines=(), **contents):
        native, confinement = execution("gluster_native"), execution("gluster_confinement")
        module = execution(
            "gluster_one",
            __salt__={
                "gluster_confinement.confinement": confinement.confinement,
                "gluster_mount.place": lambda path, name, user: path,
                "gluster_native.native_access": lambda: {**ACCESS, "gluster": driver},
                "gluster_native.access_missing": native.access_missing,
                "gluster_native.native_machines": lambda: list(machines),
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
        monkeypatch.setattr(confinement, "APPARMOR", str(tmp_path / "profiles"))
        rules = ("rules", "libvirt-qemu.d", "TEMPLATE.qemu")
        system = {"apparmor_directory": str(tmp_path), "apparmor_rules": [str(tmp_path / name) for name in rules]}
        monkeypatch.setitem(confinement.__utils__, "gluster_system.values", lambda: system)
        monkeypatch.setattr(confinement, "QEMU_CONF", str(tmp_path / "qemu.conf"))
        monkeypatch.setattr(confinement, "SELINUX", str(tmp_path))
        seen = {"findings": [], "looked": []}
        node = {"package": "qemu", "user": "oneadmin", "datastores_dir": "/var/lib/one/datastores"}
        volume = {"mount": mount, **({"access": access} if access else {})}  # the beacon's plan may be of before
        module._hypervisor(seen, {**node, "volumes": {"one_vol": volume}})
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
            "gluster_native.native_machines": lambda: [],
            "data.get": kept.get,
            "data.update": kept.__setitem__,
        },
    )
    found = []
    for _ in range(4):
        seen = {"findings": []}
        module._driver(seen, {"package": "qemu", "volumes": {"one_vol": {}}})
        found.append([finding["on"] for finding in seen["findings"]])
    assert (found, answers) == ([["QEMU"], ["gluster driver"], [], []], [])


def test_what_files_need_is_asked_for_once(execution):
    """And again when native access is wanted: then the driver counts."""
    kept, answers = {}, [{**ACCESS, "gluster": False}]
    native = execution("gluster_native")
    module = execution(
        "gluster_one",
        __salt__={
            "gluster_native.native_access": lambda: answers.pop(0),
            "gluster_native.access_missing": native.access_missing,
            "gluster_native.native_machines": lambda: [],
            "data.get": kept.get,
            "data.update": kept.__setitem__,
        },
    )
    found = []
    for access in ("fuse", "fuse", "native"):
        seen = {"findings": []}
        module._driver(seen, {"package": "qemu", "volumes": {"one_vol": {"access": [access]}}})
        found.append([finding["on"] for finding in seen["findings"]])
    assert (found, answers) == ([[], [], ["QEMU"]], [])


def test_nothing_is_confined_where_neither_is_in_force(confined):
    assert confined() == []


def test_qemu_needs_its_driver(confined):
    cure = "install qemu"
    assert confined(driver=False) == [("native", "QEMU", cure)]


def test_files_need_no_driver(confined):
    assert confined(driver=False, access=["fuse"]) == []


def test_files_beside_native_access_need_it(confined):
    assert confined(driver=False, access=["fuse", "native"]) == [("native", "QEMU", "install qemu")]


@pytest.mark.parametrize("driver, access, kinds", [
    (True, ["native"], []), (True, ["fuse"], []), (False, ["fuse"], ["native_vm"]),
    (False, ["native"], ["native", "native_vm"]), (False, None, ["native", "native_vm"]),
])  # fmt: skip
def test_a_machine_that_could_not_be_started_again(confined, driver, access, kinds):
    found = confined(driver=driver, access=access, machines=["one-7 (4711)"])
    assert [kind for kind, *_ in found] == kinds
    assert "native_vm" not in kinds or found[-1][1] == "one-7 (4711)" and "docs/native-or-fuse.md" in found[-1][2]


def test_many_of_them_are_counted(confined):
    found = confined(driver=False, access=["fuse"], machines=[f"one-{number}" for number in range(9)])
    assert [on for _, on, _ in found] == ["one-0", "one-1", "one-2", "one-3", "one-4"]


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
