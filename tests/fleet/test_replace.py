"""A disk of a server is lost and replaced, and nobody who writes or reads notices."""

from .replacement import replaced_disk, same_files


def test_a_lost_disk(fleet):
    replaced_disk(fleet)
    fleet.wait_healed()  # what was written last may be on its way
    same_files(fleet, "kvm1", "kvm2", "kvm3", least=4)
