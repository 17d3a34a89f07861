"""gluster_one/map.py with Salt's own loaders: modules of others that hide or join the formula's."""

import shutil

import pytest
import salt.loader

from tests.minion import minion_opts

from .conftest import CHECKOUT, loaded

OTHER = 'def __virtual__():\n    return "{}"\n\n\ndef version():\n    return 1\n'


@pytest.fixture
def fleet(tmp_path):
    """
    fleet(path=text): what map.py makes of a minion with these files in a file root before the formula's, and the plan
    that it would have without errors.
    """
    opts = minion_opts(tmp_path, "kvm1")
    (tmp_path / "states/_beacons").symlink_to(CHECKOUT / "_beacons")
    before = tmp_path / "before"
    opts["file_roots"] = {"base": [str(before), *opts["file_roots"]["base"]]}
    opts["grains"] = {"id": "kvm1", "os": "Debian", "os_family": "Debian", "kernel": "Linux", "saltversioninfo": []}

    def run(files, **more):
        shutil.rmtree(before, ignore_errors=True)
        for path, text in files.items():
            (before / path).parent.mkdir(parents=True, exist_ok=True)
            (before / path).write_text(text)
        opts.update(more)
        functions = salt.loader.minion_mods(opts)
        names = ("cp.get_file_str", "cp.cache_file", "saltutil.sync_modules", "saltutil.sync_states",
                 "saltutil.sync_utils", "saltutil.sync_beacons")  # fmt: skip
        kept = {"gluster_one_run.shared": lambda pillar, part: part, "saltutil.refresh_modules": lambda: True}
        kept["gluster_one_pillar.node"] = lambda pillar: {"errors": []}
        functions = {**{name: functions[name] for name in names}, **kept}
        module = loaded(
            CHECKOUT / "gluster_one/map.py",
            __salt__=functions,
            __opts__=opts,
            __env__="base",
            __grains__=opts["grains"],
        )
        module.minion_mods = lambda *_, **__: functions
        return module.run()["node"]["errors"]

    run.before, run.own = before, opts["file_roots"]["base"][1]
    return run


@pytest.mark.parametrize(
    "path",
    [
        "_modules/gluster.py",
        "_modules/glusterd.py",
        "_modules/opennebula.py",
        "_states/gluster_one_mount.py",
        "_utils/gluster_files.py",
    ],  # fmt: skip
)
def test_a_file_that_hides_one_of_ours(fleet, path):
    (error,) = fleet({path: OTHER.format("x")})  # a minion that has none yet
    assert error.startswith(f"{path} of the file root {fleet.before} is not this formula's module")
    assert f"because {fleet.before} stands before this formula's root, {fleet.own}: " in error
    assert "rename that file, or put this formula's root first in file_roots, and `salt kvm1 saltutil" in error
    assert fleet({}) == []


def test_the_roots_of_a_master_are_not_known_to_a_minion(tmp_path):
    served, ours = tmp_path / "gluster.py", {("modules", "gluster.py"): "0" * 64}
    served.write_text("another")
    salt_ = {"cp.cache_file": lambda path, saltenv: str(served)}
    opts, grains = {"file_client": "remote"}, {"id": "kvm1"}
    module = loaded(CHECKOUT / "gluster_one/map.py", __opts__=opts, __salt__=salt_, __env__="base", __grains__=grains)
    said = module._mixed(list(ours), ours)
    assert said.startswith("the master serves another salt://_modules/gluster.py than this formula's")
    assert "salt-run gluster_one.hidden_modules" in said and "lab.stamp" in said
    ours["modules", "gluster.py"] = module.get_hash(str(served))  # those of another environment
    said = module._mixed(list(ours), ours)
    assert said.startswith("modules on this minion are not those of saltenv base: sync them")
    assert "may not list its new files yet" in said


def test_a_copy_of_ours_elsewhere_is_no_clash(fleet, tmp_path):
    """As Salt's option utils_dirs leads to the minion's own ones in a `salt-call` with another cachedir."""
    shutil.copytree(CHECKOUT / "_utils", tmp_path / "copies")
    assert fleet({}, utils_dirs=[str(tmp_path / "copies")]) == []
    (tmp_path / "copies/gluster_files.py").write_text("# another version\n")
    (error,) = fleet({})
    assert error.startswith(f"{tmp_path}/copies/gluster_files.py is loaded as gluster_files")


def test_by_salt_ssh_it_is_refused_in_one_sentence():
    """Whose functions all are there by name, and are a connection each."""
    opts = {"__master_opts__": {"file_roots": {"base": ["/srv/salt"]}}, "id": "kvm1"}
    module = loaded(CHECKOUT / "gluster_one/map.py", __opts__=opts, __salt__={}, __env__="base", __pillar__={})
    (error,) = module.run()["node"]["errors"]
    assert "salt-ssh" in error and "salt-call --local" in error and "\n" not in error


JOINED = {
    "_modules/mine.py": OTHER.format("gluster"),
    "_modules/storage.py": '__virtualname__ = "opennebula"\n\n\ndef __virtual__():\n    return __virtualname__\n',
    "_modules/aliased.py": '__virtual_aliases__ = ("glusterd",)\n',
    "_modules/maybe.py": 'def __virtual__():\n    if 1:\n        return "glusterd"\n    return False, "no"\n',
    "_states/mine.py": OTHER.format("gluster_one"),
    "_utils/mine.py": OTHER.format("gluster_hosts"),
    "_modules/gluster/__init__.py": "def version():\n    return 1\n",
}


@pytest.mark.parametrize("path", JOINED)
def test_another_file_of_the_same_virtual_name(fleet, path):
    (error,) = fleet({path: JOINED[path]})
    name = path.removesuffix("/__init__.py")
    assert error.startswith(f"{name} of the file roots ({fleet.before} and {fleet.own}) is loaded as ")
    assert "rename it" in error
    assert fleet({}) == []
    harmless = {"_modules/mine.py": OTHER.format("mine"), "_modules/odd.py": "def (", "_modules/notes.txt": "gluster"}
    assert fleet(harmless) == []


def test_a_directory_of_modules_of_the_minions_own(fleet, tmp_path):
    directory = tmp_path / "dirs"
    directory.mkdir()
    (directory / "gluster.py").write_text(OTHER.format("gluster"))
    (error,) = fleet({}, module_dirs=[str(directory)])
    assert error.startswith(f"{directory}/gluster.py is loaded as gluster, as this formula's _modules/gluster.py is")
