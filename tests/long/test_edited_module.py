"""What was edited takes effect at the next run, without anybody's sync; a run that finds nothing new syncs nothing."""

import shutil

import pytest

from lab.stamp import KINDS, stamp
from tests.fleet.fleet import CHECKOUT, Run


@pytest.fixture
def copy(fleet):
    """A copy of the formula that the master serves instead of the working tree."""
    directory = fleet.lab.state / "edited"
    configuration = fleet.lab.master_dir / "master.d/edited.conf"
    for name in (*KINDS, "gluster_one"):
        shutil.copytree(CHECKOUT / name, directory / name)
    configuration.write_text(f"file_roots:\n  base:\n    - {directory}\n")
    fleet.lab.restart_master()
    yield directory
    configuration.unlink()
    fleet.lab.restart_master()
    shutil.rmtree(directory)


def edit(path, old, new):
    """Write a module with one piece of it replaced."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_edited_module_takes_effect_at_the_next_run(fleet, copy):
    said, before = [], ("minion is", "sorted(roles)", '"comment": fine')
    for word in ("edited", "edited again"):
        after = (f"{word} minion is", f"sorted(roles) + ['{word}']", f'"comment": "{word} " + fine')
        edit(copy / "_states/gluster_one_check.py", before[0], after[0])
        edit(copy / "_modules/gluster_one_pillar.py", before[1], after[1])
        edit(copy / "_utils/gluster_states.py", before[2], after[2])
        stamp(copy)
        run = fleet.apply(on=["kvm2"])
        assert run.failures == {}
        comments = {each: state["comment"] for each, state in run["kvm2"].items()}
        said.append(comments.pop("gluster_one_pillar"))
        assert any(comment.startswith(f"{word} ") for comment in comments.values()), comments
        before = after
    assert said == [
        "this edited minion is hypervisor, server, edited",
        "this edited again minion is hypervisor, server, edited again",
    ]


def test_what_was_damaged_on_the_minion_is_synced_again(fleet):
    module = "/var/cache/salt/minion/extmods/modules/gluster_one_pillar.py"
    fleet.sh("kvm2", f"echo 'raise RuntimeError' >>{module}")
    run = fleet.apply(on=["kvm2"])
    assert (run.failures, run.changes) == ({}, {})
    assert "RuntimeError" not in fleet.sh("kvm2", f"cat {module}")


@pytest.fixture
def dev(fleet, copy):
    """Another environment with a newer version of the formula, beside the one that the minions have."""
    directory = fleet.lab.state / "dev"
    shutil.copytree(copy, directory)
    edit(directory / "_states/gluster_one_check.py", "minion is", "dev minion is")
    stamp(directory)
    configuration = fleet.lab.master_dir / "master.d/edited.conf"
    configuration.write_text(f"file_roots:\n  base:\n    - {copy}\n  dev:\n    - {directory}\n")
    fleet.lab.restart_master()
    yield directory
    shutil.rmtree(directory)


def test_the_sls_files_of_one_version_are_not_run_with_the_modules_of_another(fleet, dev):
    before = fleet.look_all()
    for words in ([], ["test=True"]):
        run = Run(fleet.salt("kvm2", "state.apply", "gluster_one", "saltenv=dev", *words))
        said = run.failures["kvm2"]["gluster_one_pillar"]
        assert said.startswith("states on this minion are not those of saltenv dev: sync them")
        assert list(run["kvm2"]) == ["gluster_one_pillar"]
    assert fleet.look_all() == before
    run = fleet.apply(on=["kvm2"], test=True)
    assert (run.failures, run["kvm2"]["gluster_one_pillar"]["comment"]) == ({}, "this minion is hypervisor, server")
    # As it says.
    fleet.salt("kvm2", "saltutil.sync_all", "saltenv=dev")
    run = Run(fleet.salt("kvm2", "state.apply", "gluster_one", "saltenv=dev", "test=True"))
    assert (run.failures, run["kvm2"]["gluster_one_pillar"]["comment"]) == ({}, "this dev minion is hypervisor, server")
    run = fleet.apply(on=["kvm2"])
    assert (run.failures, run["kvm2"]["gluster_one_pillar"]["comment"]) == ({}, "this minion is hypervisor, server")


def test_a_module_of_another_formula_that_hides_one_of_ours(fleet, copy):
    other = fleet.lab.state / "other"
    (other / "_modules").mkdir(parents=True)
    configuration = fleet.lab.master_dir / "master.d/edited.conf"
    configuration.write_text(f"file_roots:\n  base:\n    - {other}\n    - {copy}\n")
    fleet.lab.restart_master()
    for name, words in (("gluster", "the master serves another salt://_modules/gluster.py than this formula's"),
                        ("mine", "_modules/mine.py of the file roots (`salt-run config.get file_roots`")):  # fmt: skip
        module = other / f"_modules/{name}.py"
        module.write_text('__virtualname__ = "gluster"\n\n\ndef snapshot():\n    return {}\n')
        fleet.lab.run("fileserver.clear_file_list_cache")  # the master looks for new files each 20 s
        fleet.salt("kvm2", "saltutil.sync_modules")
        run = fleet.apply(on=["kvm2"])
        assert list(run["kvm2"]) == ["gluster_one_pillar"]
        assert run.failures["kvm2"]["gluster_one_pillar"].startswith(words), run.failures
        module.unlink()
        fleet.lab.run("fileserver.clear_file_list_cache")
        assert fleet.apply(on=["kvm2"], test=True).failures == {}  # by a sync of its own
    shutil.rmtree(other)
