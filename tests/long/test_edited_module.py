"""An edited module takes effect at the next run, without anybody's sync."""

import pytest

from tests.fleet.fleet import CHECKOUT


@pytest.fixture
def overlay(fleet):
    """A directory of the master's that comes before the working tree: a module edited there is the one that counts."""
    directory = fleet.lab.state / "edited"
    configuration = fleet.lab.master_dir / "master.d/edited.conf"
    for name in ("_states", "_modules"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    configuration.write_text(f"file_roots:\n  base:\n    - {directory}\n    - {CHECKOUT}\n")
    fleet.lab.restart_master()
    yield directory
    configuration.unlink()
    fleet.lab.restart_master()


def edit(overlay, path, old, new):
    """Write a module with one piece of it replaced."""
    text = (CHECKOUT / path).read_text()
    assert old in text
    (overlay / path).write_text(text.replace(old, new))


def test_edited_module_takes_effect_at_the_next_run(fleet, overlay):
    said = []
    for word in ("edited", "edited again"):
        edit(overlay, "_states/gluster_one_check.py", "this minion is", f"this {word} minion is")
        edit(overlay, "_modules/gluster_one_pillar.py", "sorted(roles)", f"sorted(roles) + ['{word}']")
        run = fleet.apply(on=["kvm2"])
        assert run.failures == {}
        said.append(run["kvm2"]["gluster_one_pillar"]["comment"])
    assert said == [
        "this edited minion is hypervisor, server, edited",
        "this edited again minion is hypervisor, server, edited again",
    ]
