"""What differs between operating systems: the data file, merged by grains; and the defaults that are written twice."""

import ast
import inspect
import re

import pytest
import yaml
from salt.exceptions import CommandExecutionError, SaltReqTimeoutError

from ..conftest import CHECKOUT, Master, imported, loaded

SYSTEMS = yaml.safe_load((CHECKOUT / "gluster_one/os.yaml").read_text())
# Grains as Salt has them, os_family, os, osfinger, and what brings QEMU's gluster driver there.
KNOWN = {
    ("Debian", "Debian", "Debian-12"): "qemu-block-extra",
    ("Debian", "Ubuntu", "Ubuntu-22.04"): "qemu-block-extra",
    ("Debian", "Ubuntu", "Ubuntu-24.04"): "qemu-block-supplemental",
    ("RedHat", "RedHat", "Red Hat Enterprise Linux-9"): "qemu-kvm-block-gluster",
    ("RedHat", "AlmaLinux", "AlmaLinux-9"): "qemu-kvm-block-gluster",
    ("RedHat", "Fedora", "Fedora Linux-41"): "qemu-block-gluster",
    ("Suse", "Leap", "Leap-15"): "qemu-block-gluster",
}


@pytest.fixture
def system(util):
    """system(os_family, os, osfinger): the merged data of that system."""

    def make(*names):
        grains = dict(zip(("os_family", "os", "osfinger"), names))
        salt = {"cp.cache_file": lambda path: str(CHECKOUT / path.removeprefix("salt://"))}
        return util("gluster_system", __salt__=salt, __grains__=grains, __opts__={"file_client": "local"}).values()

    return make


@pytest.mark.parametrize("names", [*KNOWN, ("Arch", "Arch", "Arch")])
def test_every_system_has_every_key(system, names):
    found = system(*names)
    assert set(found) == set(SYSTEMS["base"])
    assert all(
        isinstance(value, list if key.endswith(("_rules", "_files")) else str) and value for key, value in found.items()
    )


def test_no_system_has_a_key_that_the_others_have_not():
    for name, values in SYSTEMS.items():
        assert set(values) <= set(SYSTEMS["base"]), name


@pytest.mark.parametrize("names", KNOWN)
def test_packages_by_system(system, names):
    assert system(*names)["qemu_gluster_package"] == KNOWN[names]


@pytest.fixture
def cached(util, tmp_path):
    """cached("base", "dev", saltenv=None): what a minion finds that has a file of these environments."""

    def make(*environments, **opts):
        for name in environments:
            directory = tmp_path / "files" / name / "gluster_one"
            directory.mkdir(parents=True)
            (directory / "os.yaml").write_text(f"base: {{user: {name}}}")
        asked = []
        salt = {"cp.cache_file": lambda path: asked.append(path) or ""}
        opts = {"file_client": "remote", "cachedir": str(tmp_path), **opts}
        return util("gluster_system", __salt__=salt, __opts__=opts), asked

    return make


@pytest.mark.parametrize(
    ("environments", "saltenv", "found"),
    [
        (["base"], None, "base"),
        (["base", "dev"], None, "base"),
        (["base", "dev"], "dev", "dev"),
        (["dev"], None, "dev"),
    ],
)
def test_the_copy_of_a_run_needs_no_master(cached, environments, saltenv, found):
    module, asked = cached(*environments, saltenv=saltenv)
    assert module.values() == {"user": found} and asked == []


def test_before_the_first_run_the_master_is_asked(cached):
    module, asked = cached()
    assert module.values() == {} and asked == ["salt://gluster_one/os.yaml"]
    assert module.package("gluster_package") == "its package"
    assert module.finding_kinds() == {} and asked[-1] == "salt://gluster_one/findings.yaml"


def test_a_look_does_without_the_table_of_findings_where_no_master_answers(util, tmp_path):
    def silent(path):
        raise SaltReqTimeoutError("Message timed out")

    opts = {"file_client": "remote", "cachedir": str(tmp_path)}
    assert util("gluster_system", __salt__={"cp.cache_file": silent}, __opts__=opts).finding_kinds() == {}


@pytest.mark.parametrize("table", ["os.yaml", "findings.yaml"])
def test_a_run_brings_the_tables(table):
    """gluster_one/map.py, before it makes the plan."""
    asked = []
    module = loaded(
        CHECKOUT / "gluster_one/map.py",
        __salt__={
            "cp.get_file_str": lambda path, saltenv: "",
            "cp.cache_file": lambda path, saltenv: asked.append((path, saltenv)),
            "gluster_one_pillar.node": lambda pillar: {"asked": list(asked)},
            "gluster_one_run.shared": lambda pillar, part: part,
        },
        __env__="dev",
    )
    assert (f"salt://gluster_one/{table}", "dev") in module.run()["node"]["asked"]


def test_an_error_names_the_package_of_its_system(execution, system, tmp_path):
    for names, package in ((("Debian",), "glusterfs-server"), (("Suse",), "glusterfs")):
        utils, salt = {"gluster_system.package": system(*names).get}, {"gluster_one_run.to_come": list}
        with pytest.raises(CommandExecutionError, match=f"none is missing: install {package} on this node"):
            execution("glusterd", __utils__=utils, __salt__=salt).options(str(tmp_path / "none"))


STRAYS = r"glusterfs-(?:server|client|fuse|cli)|qemu-(?:block|kvm-block|utils)\S*|/etc/apparmor\S*"


def test_no_package_or_path_of_a_system_is_in_the_code():
    """Examples of docstrings and comments may have one, and the runner, which speaks of other systems than its own."""
    found = []
    for path in sorted(CHECKOUT.glob("_[mus]*/*.py")):
        tree = ast.parse(path.read_text())
        texts = {one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        prose = (ast.Module, ast.FunctionDef, ast.ClassDef)
        texts -= {ast.get_docstring(one, clean=False) for one in ast.walk(tree) if isinstance(one, prose)}
        found += [(path.name, name) for text in texts for name in re.findall(STRAYS, text)]
    assert found == []


# The default of an argument, by its name, and by the state where it is called "name".
BASE = SYSTEMS["base"]
SERVICES = ("glusterd_enabled", "glusterd_configured", "bricks_kept", "glusterd_running", "glusterd_restarted")


def test_the_states_have_the_defaults_of_the_formula(execution):
    settings = execution("gluster_one_pillar").DEFAULTS
    named = {
        "timeout": settings["timeout"],
        "keep_bricks": settings["keep_bricks"],
        "user": BASE["user"],
        "uid": BASE["user"],
        "gid": BASE["group"],
        "datastores_dir": BASE["datastores_dir"],
        "path": BASE["glusterd_volume_file"],
    }
    checked = set()
    for path in (CHECKOUT / "_states").glob("*.py"):
        for state, function in inspect.getmembers(imported(path), inspect.isfunction):
            if state[0] == "_" or function.__module__ != path.stem:
                continue
            wanted = {**named, **({"name": BASE["glusterd_service"]} if state in SERVICES else {})}
            for argument in inspect.signature(function).parameters.values():
                if argument.name in wanted:
                    checked.add(argument.name)
                    assert argument.default == wanted[argument.name], f"{state} {argument.name}"
                    said = re.search(
                        rf"^(?:.*, )?{argument.name}(?:, .*)?\n +(.+(?:\n +.+)*)", inspect.getdoc(function), re.M
                    )
                    if said and "default" in said[1] and argument.default is not True:
                        assert re.search(rf"default:?\s+`*{re.escape(str(argument.default))}\b", said[1]), said[0]
    assert checked == {*named, "name"}
    wanted = imported(CHECKOUT / "_utils/gluster_options.py").wanted_options
    assert inspect.signature(wanted).parameters["uid"].default == BASE["user"]
    assert BASE["glusterd_volume_file"] == execution("glusterd").VOLUME_FILE
    assert BASE["user"] == execution("opennebula_api").USER


def test_the_master_has_the_defaults_of_the_formula(execution, monkeypatch):
    settings = execution("gluster_one_pillar").DEFAULTS
    rights = Master(monkeypatch, {"kvm1": {}}).salt["gluster_one.rights"]("kvm1")
    assert (rights["timeout"], rights["batch"]) == (settings["timeout"], settings["rollout"]["batch"])
