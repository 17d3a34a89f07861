"""What a restart of a server's glusterd would cost, and which bricks of others are down."""

import pytest
from salt.exceptions import CommandExecutionError

from .test_gluster_pool import ALL, BRICKS, QUORUM, REPLICA, pool, served, uuid


def test_the_bricks_of_other_servers_that_are_down(execution):
    module = execution("gluster_pool")
    module.bricks_down = lambda name: BRICKS[:2]
    module.__salt__.update({
        "glusterd.bricks": lambda name: {"names": BRICKS[:1]},
        "gluster.volume_info": lambda name: {name: served(REPLICA)},
    })  # fmt: skip
    assert module.others_down("one_vol") == {"kvm2:/b": "uuid of 2"}
    module.bricks_down = lambda name: BRICKS[:1]
    assert module.others_down("one_vol") == {}


def restarted(execution, options, away=(), online=BRICKS, kept="process", odd=(), by_then=False):
    """What a restart of kvm1's glusterd would cost; it alone takes some for no members."""
    module = execution("gluster_pool")

    def pool_list(server):
        if server in away:
            raise CommandExecutionError(f"glusterd is not running on {server}")
        return [{"hostname": name, "uuid": uuid(name), "connected": name not in away} for name in ALL]

    rows = [{"hostname": brick[:4], "path": "/b", "online": brick in (online or ())} for brick in BRICKS]
    module.__salt__.update({
        "glusterd.info": lambda: {"uuid": uuid("kvm1")},
        "gluster.pool_list": pool_list,
        "glusterd.bricks": lambda name: {"names": ["kvm1:/b"], "up": {"kvm1:/b": 7}},
        "glusterd.service": lambda service: {"kill_mode": kept} if kept else {},
    })  # fmt: skip
    module.snapshot = lambda service: {
        "pool": pool(*away, *odd), "volumes": {"one_vol": {**REPLICA, **options}},
        "status": {"one_vol": rows} if online is not None else None,
    }  # fmt: skip
    return module.restart_blockers(kept=by_then)


@pytest.mark.parametrize(
    "options, away, online, lost",
    [
        (QUORUM, (), BRICKS, 0),
        (QUORUM, ("kvm2",), BRICKS, 1),
        (QUORUM, ("kvm2",), BRICKS[:1], 0),  # nothing that runs elsewhere would end
        (QUORUM, ("kvm2",), None, 1),  # it is not known
        ({}, ("kvm2",), BRICKS, 0),
    ],
)
def test_a_restart_of_glusterd_must_not_cost_others_their_quorum(execution, options, away, online, lost):
    found = restarted(execution, options, away, online)
    assert found == ["without it 1 of 3 servers are connected, too few for volume one_vol's server quorum"] * lost


def test_what_others_see_counts_for_their_quorum(execution):
    """As where this server alone does not take another one for a member."""
    assert restarted(execution, QUORUM, odd=("kvm3",)) == []


@pytest.mark.parametrize("kept", ["control-group", None])
def test_a_restart_of_glusterd_must_not_end_bricks(execution, kept):
    """Also where systemd does not say."""
    (found,) = restarted(execution, {}, kept=kept)
    assert found.startswith("kvm1:/b would end with glusterd: `keep_bricks: true` in the pillar and")
    # Nobody has the unit keep them where there is none.
    assert restarted(execution, {}, kept=kept, by_then=True) == ([] if kept else [found])
