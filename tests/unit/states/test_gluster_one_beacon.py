"""What a run predicts of the beacon, whatever is configured. tests/fleet and tests/long have it on a real minion."""

import pytest

from lab.fleet import CHECKOUT

from ..conftest import imported

NODE = {"names": [], "volumes": {"one_vol": {}}, "timeout": 120, "beacon": {"interval": 60}}
SHAPES = ("text", ["text"], 7, None, {"node": NODE}, [{"node": 7}])


def config(interval=60, **more):
    node = {**NODE, "beacon": {"interval": interval}, **more}
    return [{"interval": interval}, {"disable_during_state_run": True}, {"node": node}]


@pytest.fixture
def foretold(execution):
    """foretold(what is configured, ...): what a run with test=True says."""

    def make(configured, **arguments):
        salt = {
            "beacons.list": lambda **_: {} if configured is ... else {"gluster_one": configured},
            "gluster_one_arguments.require_arguments": execution("gluster_one_arguments").require_arguments,
        }
        state = imported(CHECKOUT / "_states/gluster_one_beacon.py", __salt__=salt, __opts__={"test": True})
        return state.beacon_configured("gluster_one", **arguments)

    return make


@pytest.mark.parametrize(
    "configured, said",
    [
        (..., "beacon: every 60 s"),
        (config(30), "beacon: every 30 s -> every 60 s"),
        (config(timeout=99), "beacon: every 60 s -> every 60 s, by another pillar (timeout)"),
        ([{"interval": 60}, {"node": NODE}], "beacon: every 60 s -> every 60 s"),
        *((shape, "beacon: not readable -> every 60 s") for shape in SHAPES),
    ],
)
def test_another_configuration(foretold, configured, said):
    run = foretold(configured, interval=60, node=NODE)
    assert (run["result"], run["comment"]) == (None, f"would change {said}")


@pytest.mark.parametrize(
    "configured, said", [(config(), "every 60 s"), ("text", "not readable"), (None, "not readable")]
)
def test_none_any_more(foretold, configured, said):
    run = foretold(configured)
    assert (run["result"], run["comment"]) == (None, f"would change beacon: {said} -> gone")


@pytest.mark.parametrize("configured, arguments", [(config(), {"interval": 60, "node": NODE}), (..., {})])
def test_as_it_should_be(foretold, configured, arguments):
    run = foretold(configured, **arguments)
    assert (run["result"], run["changes"]) == (True, {})


@pytest.mark.parametrize("names", [[], ["10.0.0.1", "2001:db8::7a31", "kvm1", "kvm1.lab"]])
def test_an_address_that_comes_and_goes_is_no_other_pillar(foretold, names):
    volumes = {"one_vol": {"servers": ["KVM1", "10.0.0.1"]}}
    has = config(volumes=volumes, names=["10.0.0.1", "kvm1"])
    node = {**NODE, "volumes": volumes, "names": sorted({"10.0.0.1", "kvm1", *names})}
    assert foretold(has, interval=60, node=node)["changes"] == {}
    said = foretold(has, interval=60, node={**node, "names": ["kvm1"]})["comment"]
    assert said.endswith("by another pillar (names)")  # a server of the pillar's is no longer this node


def test_the_file_with_the_beacons_which_all_can_read_has_no_secret(foretold):
    stores = {"one": {"attributes": {"RESTIC_PASSWORD": "Qu1nce", "LIMIT_MB": 5}}, "two": {"type": "SYSTEM_DS"}}
    kept = {"one": {"attributes": {"LIMIT_MB": 5}}, "two": {"type": "SYSTEM_DS"}}
    asked, wanted = ({**NODE, "volumes": {"one_vol": {"datastores": each}}} for each in (stores, kept))
    assert foretold(config(volumes=wanted["volumes"]), interval=60, node=asked)["changes"] == {}
    assert "beacon" in foretold(config(volumes=asked["volumes"]), interval=60, node=asked)["changes"]


@pytest.mark.parametrize("text, there", [("", False), ("beacons: {}", True)])
def test_the_file_goes_with_the_last_beacon(tmp_path, text, there):
    (tmp_path / "minion.d").mkdir()
    path = tmp_path / "minion.d/beacons.conf"
    opts = {"test": False, "conf_file": str(tmp_path / "minion"), "default_include": "minion.d/*.conf"}
    configured = {"gluster_one": config()}

    def done(*_, **__):
        return {"result": True}

    def delete(name):
        path.write_text(text)
        del configured[name]
        return done()

    salt = {
        "beacons.list": lambda **_: configured,
        "beacons.delete": delete,
        "beacons.save": done,
        "gluster_one_arguments.require_arguments": done,
    }
    state = imported(CHECKOUT / "_states/gluster_one_beacon.py", __salt__=salt, __opts__=opts)
    for _ in range(2):
        assert state.beacon_configured("gluster_one")["result"] is True
        assert path.exists() is there
