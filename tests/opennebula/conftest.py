"""Salt's loaders and the stand-in for oned, for the tests in this folder: they need no root and no lab."""

import gc
import multiprocessing.resource_tracker

import pytest

from tests.minion import minion_opts, write_pillar

from .standin import StandIn


def pytest_unconfigure():
    """The process that Python starts beside spawned ones would outlive the tests by a moment."""
    gc.collect()  # what still reports to it
    multiprocessing.resource_tracker._resource_tracker._stop()


@pytest.fixture(scope="session")
def loaders(tmp_path_factory):
    """Salt's loaders for a minion. One for all tests: the states of a second one would run as the first one's."""
    import salt._logging
    from saltfactories.utils.functional import Loaders

    salt._logging.shutdown_temp_handler()  # it would write to pytest's streams when those are closed
    return Loaders(minion_opts(tmp_path_factory.mktemp("minion")))


@pytest.fixture
def opennebula_pillar(loaders):
    """opennebula_pillar(key=value): the minion's pillar gluster_one:opennebula, for one test."""
    packed = loaders.modules.pack["__pillar__"]

    def change(**settings):
        data = {"gluster_one": {"opennebula": settings}} if settings else {}
        write_pillar(loaders.opts["root_dir"], data)  # which a run of states reads
        packed.clear()
        packed.update(data)  # which a function that is called by itself has

    yield change
    change()


@pytest.fixture
def modules(loaders):
    return loaders.modules


@pytest.fixture(scope="session")
def _oned(tmp_path_factory):
    server = StandIn(tmp_path_factory.mktemp("oned"))
    yield server
    server.stop()


@pytest.fixture
def oned(_oned):
    """A fresh OpenNebula."""
    _oned.lab(reset=True)
    return _oned


@pytest.fixture
def present(loaders, oned):
    """present(name, test=False, ...): the state, in a run of its own."""

    def run(name="glusterds", test=False, **arguments):
        return loaders.states.gluster_one.one_datastore_present(name=name, test=test, **{**oned.arguments, **arguments})

    return run


@pytest.fixture
def eve(oned, tmp_path):
    """eve(DATASTORE, ...): she has them; returns where her credentials are. She is in no group but users."""
    number = oned.call("user.allocate", "eve", "Medlar-of-eve", "core", [])
    path = tmp_path / "eve_auth"
    path.write_text("eve:Medlar-of-eve\n")
    path.chmod(0o600)

    def owns(*stores):
        for store in stores:
            oned.call("datastore.chown", store, number, -1)
        oned.log()
        return {"auth_file": str(path)}

    return owns


@pytest.fixture(scope="session")
def in_one_run(loaders):
    """in_one_run({name: arguments}, test=False): many of that state in one run; the returns by name."""

    def run(states, test=False):
        data = {
            name: {
                "__env__": "base",
                "__sls__": "stores",
                "gluster_one": ["one_datastore_present", *({key: value} for key, value in arguments.items())],
            }
            for name, arguments in states.items()
        }
        returned = loaders.modules.state.high(data, test=test)
        return {result.id: result for result in returned}

    return run


@pytest.fixture
def another_oned(tmp_path):
    """A second OpenNebula, for one test."""
    server = StandIn(tmp_path)
    yield server
    server.stop()
