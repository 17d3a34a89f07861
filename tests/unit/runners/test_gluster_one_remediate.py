"""What the reactor's runner makes of a minion's findings, a job after another."""

import re
from itertools import chain

import pytest

from ..conftest import CHECKOUT
from .conftest import CHANGED, FAILED, NOTHING


def test_a_server_by_a_name_that_only_the_minion_resolves(minion):
    minion.pillar = {"volumes": {"one_vol": {"servers": ["kvm1.lab", "kvm2.lab"]}}}
    assert "is ignored: by its pillar this minion cannot have it" in minion.reports("glusterd_down")
    minion.names = ["10.0.0.1", "kvm1", "kvm1.lab", {}]
    assert minion.reports("glusterd_down") == "kvm1: glusterd_down repaired"


def test_puts_right_what_was_found_in_one_job(minion):
    assert minion.reports("mount_dead", "fstab", "volume_option", "heal") == (
        "kvm1: volume_option repaired; mount_dead repaired; fstab repaired"
    )
    assert minion.jobs == ["gluster_one.volume,gluster_one.mount"]


def test_the_same_report_starts_no_second_job(minion):
    minion.reports("mount_dead")
    minion.now += 5
    assert "has not been checked again" in minion.runner.remediate("kvm1")
    assert len(minion.jobs) == 1


@pytest.mark.parametrize("roles, sls", [(["head"], "datastore"), (["hypervisor"], "mount"), (None, "mount")])
def test_a_link_is_made_where_the_formula_makes_it(minion, roles, sls):
    minion.pillar = {"roles": roles}
    assert minion.reports("link") == "kvm1: link repaired"
    assert minion.jobs == [f"gluster_one.{sls}"]


def test_gives_up_one_kind_and_puts_right_another(minion):
    minion.answer = FAILED
    for _ in range(3):
        assert minion.reports("brick_down") == "kvm1: brick_down could not be repaired: x: no way"
    assert minion.fired == [], "it may have come right by the next look"
    assert minion.reports("brick_down") == "kvm1: brick_down was given up after 3 failures"
    assert minion.fired == [("gluster_one/kvm1/gave_up", {"kinds": ["brick_down"], "why": "x: no way"})]
    minion.answer = CHANGED
    said = minion.reports("brick_down", "mount_dead")
    assert said == "kvm1: brick_down was given up after 3 failures; mount_dead repaired"
    assert minion.jobs == ["gluster_one.started"] * 3 + ["gluster_one.mount"]
    assert len([name for name in minion.turns if "/servers/" in name]) == 3
    assert len(minion.fired) == 1


def test_what_nobody_has_reported_for_long_is_new_again(minion):
    """A minion that was restarted does not say what has gone, and what it says may be lost."""
    minion.answer = FAILED
    for _ in range(4):
        minion.reports("mount_dead")
    for _ in range(5):  # it stays, and is reported each hour
        assert minion.reports("mount_dead", after=3600) == "kvm1: mount_dead was given up after 3 failures"
    assert len(minion.jobs) == 3
    assert minion.reports("mount_dead", after=3 * 3600) == "kvm1: mount_dead could not be repaired: x: no way"
    assert len(minion.jobs) == 4


def test_a_kind_that_is_not_repaired_any_more_ends_nothing(minion, monkeypatch):
    minion.reports("mount_dead", "fstab")
    table = minion.runner.__salt__["gluster_one.kinds"]()
    table = {**table, "fstab": {key: has for key, has in table["fstab"].items() if key != "repair"}}
    monkeypatch.setitem(minion.runner.__salt__, "gluster_one.kinds", lambda: table)
    assert minion.reports("mount_dead", "fstab") == "kvm1: mount_dead repaired"


def test_each_sls_of_a_job_is_judged_for_itself(minion):
    minion.answer = {"gluster_one.started": FAILED, "gluster_one.mount": CHANGED}
    said = minion.reports("glusterd_down", "mount_gone")
    assert said == "kvm1: glusterd_down could not be repaired: x: no way; mount_gone repaired"
    minion.answer = {"gluster_one.volume": NOTHING, "gluster_one.started": CHANGED}
    said = minion.reports("volume_option", "brick_down")
    assert "volume_option could not be repaired: the formula finds nothing to change" in said
    assert "brick_down repaired" in said
    minion.answer = {"gluster_one.pillar": FAILED, "gluster_one.mount": {}}
    assert minion.reports("mount_gone") == "kvm1: mount_gone could not be repaired: x: no way"


def test_one_kind_waits_and_another_does_not(minion):
    minion.answer = FAILED
    minion.reports("brick_down")
    said = minion.reports("brick_down", "mount_dead", after=5)
    assert said == "kvm1: brick_down is tried again in 10 s; mount_dead could not be repaired: x: no way"
    assert minion.jobs == ["gluster_one.started", "gluster_one.mount"]


def test_begins_anew_once_the_finding_was_gone(minion):
    minion.answer = FAILED
    for _ in range(4):
        minion.reports("brick_down", "mount_dead")
    assert minion.reports("mount_dead") == "kvm1: mount_dead was given up after 3 failures"
    assert minion.reports() == "kvm1 has reported nothing that could be repaired"
    minion.answer = CHANGED
    assert minion.reports("brick_down") == "kvm1: brick_down repaired"


def test_one_kind_that_was_gone_is_new_while_another_stays(minion):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("brick_down", "mount_dead")
    minion.reports("mount_dead")
    said = minion.reports("brick_down", "mount_dead")
    assert said == "kvm1: brick_down could not be repaired: x: no way; mount_dead was given up after 3 failures"


def test_a_repair_that_changes_nothing_is_given_up(minion):
    minion.answer = NOTHING
    said = [minion.reports("volume_option") for _ in range(5)]
    assert said[:3] == ["kvm1: volume_option could not be repaired: the formula finds nothing to change there"] * 3
    assert said[3:] == ["kvm1: volume_option was given up after 3 failures"] * 2
    assert len(minion.jobs) == 3
    assert [data["kinds"] for _, data in minion.fired] == [["volume_option"]]


def test_what_breaks_again_and_again_is_put_right_each_time(minion):
    for _ in range(5):
        assert minion.reports("mount_dead", after=5) == "kvm1: mount_dead repaired"


@pytest.mark.parametrize("kind", ["glusterd_down", "brick_down", "glusterd_option"])
@pytest.mark.parametrize("still", [True, False])
def test_a_server_that_says_it_came_right_has_no_turn_after_another(minion, kind, still):
    cmd = minion.cmd

    def leaves_out(*words, **more):
        minion.found = minion.found if still else ()
        return cmd(*words, **more)

    minion.cmd = leaves_out
    for _ in range(100):
        minion.reports(kind, after=6)
    assert len(minion.jobs) == 3
    assert [data["kinds"] for _, data in minion.fired] == [[kind]]
    assert minion.reports(kind, after=20) == f"kvm1: {kind} repaired", "time has passed"


def test_good_repairs_are_no_failures(minion):
    """One failure after two of them does not give a server up for ever."""
    minion.reports("brick_down", after=10)
    minion.reports("brick_down", after=10)
    minion.answer = FAILED
    assert "could not be repaired" in minion.reports("brick_down", after=10)
    assert minion.fired == []
    minion.answer = CHANGED
    assert minion.reports("brick_down", after=60) == "kvm1: brick_down repaired"
    assert minion.reports("brick_down", after=10) == "kvm1: brick_down has come back, and is tried again in 590 s"
    assert minion.reports("brick_down", after=700) == "kvm1: brick_down repaired"


@pytest.mark.parametrize("failed, said", [(0, ""), (1, ", with 1 failure")])
def test_it_has_come_back_once_it_was_looked_at_again(minion, failed, said):
    """What the mine had before the last repair says nothing of it, however many events come."""
    minion.answer = FAILED
    for _ in range(failed):
        minion.reports("brick_down", after=20)
    minion.answer = CHANGED
    for _ in range(3):
        minion.reports("brick_down", after=20)
    minion.now += 5
    assert "has not been checked again" in minion.runner.remediate("kvm1")
    assert minion.fired == []
    for _ in range(2):
        minion.reports("brick_down", after=20)
    why = f"repaired 3 times within ten minutes{said}, it has come back"
    assert minion.fired == [("gluster_one/kvm1/gave_up", {"kinds": ["brick_down"], "why": why})]


@pytest.mark.parametrize("part", [{"maintenance": True}, {"error": "no such thing"}])
def test_what_was_said_and_what_is_gone_is_kept_where_nothing_may_be_done(minion, part):
    for _ in range(3):
        minion.reports("brick_down", after=6)
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("link", after=60)
    minion.fired.clear()
    rights = minion.runner.__salt__["gluster_one.rights"]
    minion.runner.__salt__["gluster_one.rights"] = lambda *words: {**rights(*words), **part}
    for _ in range(5):
        minion.reports("brick_down", "mount_dead", after=6)
    assert [data["kinds"] for _, data in minion.fired] == [["brick_down"]]
    minion.reports("mount_dead", after=700)
    minion.runner.__salt__["gluster_one.rights"] = rights
    assert minion.reports("link", after=6) == "kvm1: link could not be repaired: x: no way", "it is new"


def test_what_worked_and_breaks_much_later_is_put_right_each_time(minion):
    for _ in range(9):
        assert minion.reports("brick_down", after=700) == "kvm1: brick_down repaired"
    assert minion.fired == []


def test_a_repair_takes_no_failure_away(minion):
    """That it came right is the minion's word: between two failures it may say so as often as it likes."""
    for answer in (FAILED, CHANGED, FAILED, CHANGED, FAILED):
        minion.answer = answer
        minion.reports("mount_dead", after=70)
    assert minion.reports("mount_dead", after=70) == "kvm1: mount_dead was given up after 3 failures"


@pytest.mark.parametrize(
    "kind, reported",
    [
        ("datastore", "datastore_gone"),
        ("volume_option", "volume_stopped"),
        ("volume_option", "volume_gone"),
        ("volume_option", "peer_gone"),
    ],
)
def test_undoes_nothing_that_somebody_may_have_meant(minion, kind, reported):
    minion.pillar = {"roles": ["hypervisor", "head"]} if kind == "datastore" else {}
    held = f"{kind} is not repaired: {reported} has to be looked at by a person first"
    assert minion.reports(kind, reported) == f"kvm1: {held}"
    assert minion.jobs == []
    assert minion.reports(kind, reported, "mount_dead") in (
        f"kvm1: {held}; mount_dead repaired", f"kvm1: mount_dead repaired; {held}",
    )  # fmt: skip
    assert minion.jobs == ["gluster_one.mount"]
    assert minion.reports(kind) == f"kvm1: {kind} repaired"


def test_a_link_of_the_head_is_not_put_right_by_creating_a_datastore(minion):
    minion.pillar = {"roles": ["head"]}
    assert "datastore_gone has to be looked at" in minion.reports("link", "datastore_gone")
    assert minion.jobs == []


def test_a_mount_that_is_used_is_not_undone_for_another_mounts_sake(minion):
    """Of the same SLS file: it would unmount the one whose client the bricks have rejected, too."""
    assert "mount_held has to be looked at" in minion.reports("link", "mount_held")
    assert minion.jobs == []


def test_every_sls_that_is_held_is_one_that_is_applied(minion):
    table, repairs = minion.runner.__salt__["gluster_one.kinds"](), minion.runner._repairs()
    holds = {kind: has["holds"] for kind, has in table.items() if "holds" in has}
    assert holds and set(chain(*holds.values())) <= set(repairs.values())
    assert not set(holds) & set(repairs)
    # Whoever applies an SLS applies what it includes.
    for sls in set(repairs.values()):
        text = (CHECKOUT / f"{sls.replace('.', '/')}.sls").read_text()
        included = re.findall(r"^  - (gluster_one\.\w+)$", text, re.MULTILINE)
        for kind, held in holds.items():
            assert sls in held or not set(included) & set(held), (kind, sls)


@pytest.mark.parametrize("kind", ["datastore", "link"])
def test_a_mount_that_is_used_is_not_undone_for_a_datastore_s_sake(minion, kind):
    """The SLS of datastores includes that of the mounts."""
    minion.pillar = {"roles": ["head"]}
    assert "mount_held has to be looked at" in minion.reports(kind, "mount_held")
    assert minion.jobs == []


def test_only_what_the_pillar_names_and_nothing_under_maintenance(minion):
    minion.pillar = {"remediate": ["link"]}
    assert (
        minion.reports("mount_dead", "link")
        == "kvm1: mount_dead is not repaired: remediate of the pillar leaves it out; link repaired"
    )
    minion.pillar = {"maintenance": True}
    assert minion.reports("mount_gone") == "kvm1 is under maintenance"
    assert minion.jobs == ["gluster_one.mount"]


def test_what_came_right_meanwhile_is_no_failure(minion):
    minion.answer = FAILED

    def cmd(*words, **more):
        minion.found = ["heal"]
        return {"kvm1": {"a": {**FAILED["a"], "__sls__": "gluster_one.mount"}}}

    minion.cmd = cmd
    assert minion.reports("mount_dead") == "kvm1: mount_dead repaired"


def test_a_mine_of_any_shape_is_nothing_to_do(minion):
    for mine in (None, [], {"findings": 1}, {"findings": [1, {}, {"kind": ["x"]}, {"kind": "other"}]}):
        minion.now += 5
        minion.master.bank["mine", "kvm1"] = {"gluster_one.findings": mine}
        assert minion.runner.remediate("kvm1") == "kvm1 has reported nothing that could be repaired"


@pytest.mark.parametrize(
    "settings, kept",
    [
        ({"minion_data_cache": False}, False),
        ({"minion_data_cache": True}, True),
        ({"minion_data_cache": False, "enforce_mine_cache": True}, True),
    ],
)
def test_a_master_that_keeps_no_mine(minion, caplog, settings, kept):
    """Nothing that is known is not the same as nothing that is wrong."""
    minion.runner.__opts__.update(settings)
    said = minion.reports("mount_dead")
    assert said.startswith("kvm1: mount_dead repaired" if kept else "what kvm1 has found is not known")
    assert kept or ("enforce_mine_cache to true" in said and said in caplog.text and not minion.jobs)


def test_what_was_given_up_is_forgotten_with_a_minion_that_leaves(minion):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("brick_down")
    assert minion.runner.forget("kvm1,kvm2,nobody") == ["kvm1"] and minion.runner.forget(["kvm1"]) == []
    assert minion.reports("brick_down") == "kvm1: brick_down could not be repaired: x: no way"
