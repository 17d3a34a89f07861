"""A disk of a server is lost and replaced, and nobody who writes or reads notices."""

from .load import Load
from .replacement import BRICK, LOST, down, same_files, unnoticed


def test_a_lost_disk(fleet):
    words = {"brick": f"kvm3:{BRICK}"}
    load = Load(fleet)
    fleet.sh("kvm3", LOST)
    down(fleet)
    _, predicted, _ = fleet.orchestrate("replace", words, test=True)
    code, steps, said = fleet.orchestrate("replace", words)
    assert code == 0, said
    change = {f"kvm3:{BRICK}": {"old": "lost", "new": "a brick of volume one_vol"}}
    assert steps == predicted == {"brick on kvm3": {"kvm3": {f"gluster_one_replace_kvm3:{BRICK}": change}}}
    unnoticed(load)
    fleet.wait_healed()  # what was written last may be on its way
    same_files(fleet, "kvm1", "kvm2", "kvm3", least=4)
