"""Salt's loaders, volumes, mounts and the stand-in for oned, for the tests in this folder."""

import os
import shutil
from pathlib import Path

import pytest

from tests.minion import minion_opts

from . import host
from .standin import StandIn

HERE = Path(__file__).parent
HAND_MADE = """\
# ours; do not touch
volume management
\ttype mgmt/glusterd
    option transport-type  socket

  option   max-port 60999   # not a comment for Gluster
#   option rpc-auth-allow-insecure on
    option bind "a  b"
end-volume
# the end"""
# What `--part 2/2` runs: as long as the others together.
SECOND_HALF = {
    "test_absent",
    "test_attacker",
    "test_datastore_mounted",
    "test_datastore_mounted_refuses",
    "test_docstrings",
    "test_gluster",
    "test_gluster_one",
    "test_glusterd_stopped",
    "test_restart",
}
ONEADMIN = {"server__allow_insecure": "on", "storage__owner_uid": "9869", "storage__owner_gid": "9869"}


def pytest_addoption(parser):
    parser.addoption("--part", default="1/1", choices=["1/1", "1/2", "2/2"], help="one half of the files")


def pytest_collection_modifyitems(config, items):
    part = config.getoption("--part")
    if part != "1/1":
        ours = [item for item in items if (item.path.stem in SECOND_HALF) == (part == "2/2")]
        config.hook.pytest_deselected(items=[item for item in items if item not in ours])
        items[:] = ours


def pytest_collectstart(collector):
    if HERE in (collector.path, *collector.path.parents) and not host.in_lab():
        pytest.exit("tests/functional runs in a host of the lab: `make functional`", returncode=4)


# Salt


@pytest.fixture(scope="session")
def make_loaders(tmp_path_factory):
    """make_loaders(pillar): Salt's loaders for a minion with that pillar; it takes some seconds."""
    import salt._logging
    from saltfactories.utils.functional import Loaders

    salt._logging.shutdown_temp_handler()  # it would write to pytest's streams when those are closed
    return lambda pillar=None: Loaders(minion_opts(tmp_path_factory.mktemp("minion"), "kvm1", pillar))


@pytest.fixture(scope="session")
def loaders(make_loaders):
    return make_loaders()


@pytest.fixture(autouse=True)
def _loaders_reset(loaders):
    yield
    loaders.reset_state()


@pytest.fixture
def modules(loaders):
    return loaders.modules


@pytest.fixture
def states(loaders):
    return loaders.states


# Gluster


@pytest.fixture(scope="session", autouse=True)
def one_vol():
    """The lab's own volume."""
    host.eventually("the self-heal daemons work", lambda: "successful" in host.heal("one_vol"))
    return "one_vol"


@pytest.fixture(scope="session")
def small_vol(one_vol):
    """A volume of one brick, as volume_configured leaves it."""
    with host.volume("small_vol", **ONEADMIN) as name:
        yield name


@pytest.fixture
def new_volume():
    """new_volume(name, start=True, option=value): a volume for one test."""
    made = []

    def make(name, **settings):
        context = host.volume(name, **settings)
        made.append(context)
        return context.__enter__()

    yield make
    for context in made:
        context.__exit__(None, None, None)


@pytest.fixture
def closed(new_volume):
    """A volume whose two bricks were started while server.allow-insecure was off."""
    name = new_volume("closed_vol", copies=2, server__allow_insecure="off")
    host.eventually("its bricks run", lambda: host.bricks_online(name))
    return name


# glusterd's own volume file


@pytest.fixture
def volume_file(tmp_path):
    path = tmp_path / "glusterd.vol"
    path.write_text(HAND_MADE)
    return path


@pytest.fixture
def own_file():
    """The file of this host's own glusterd, restored afterwards; glusterd itself is left with what it has read."""
    before = host.VOLUME_FILE.read_bytes()
    yield host.VOLUME_FILE
    host.VOLUME_FILE.write_bytes(before)


# Mounts


@pytest.fixture(scope="session")
def elsewhere(small_vol):
    """small_vol as another node sees it: a mount of its own."""
    point = host.open_directory("elsewhere")
    host.sh("mount", "-t", "glusterfs", "-o", "nosuid,nodev", f"kvm1:/{small_vol}", point)
    yield point
    host.let_go(point)


@pytest.fixture
def other_node(elsewhere):
    """The root of small_vol as another node sees it, for one test: nothing is left on it."""
    yield elsewhere
    for left in elsewhere.iterdir():
        host.sh("rm", "-rf", left)
    shutil.chown(elsewhere, "oneadmin", "oneadmin")


@pytest.fixture
def place(other_node, _retried, modules):
    """
    A directory like /var/lib/one/datastores, but root's, for one test; what is mounted in it, its lines of fstab, the
    services of other directories than that of datastore 0 and what lies on small_vol are taken away again.
    """
    root = Path("/mnt/place-1")
    fstab = host.FSTAB.read_bytes()
    mode = host.FSTAB.stat().st_mode
    root.mkdir()
    yield root
    for _, point in reversed(host.mounts()):
        if Path(point).is_relative_to(root) or Path(point).is_relative_to("/var/lib/gluster_one"):
            host.sh("systemctl", "stop", host.unit_of(point), check=False)
            host.let_go(point)
    if host.FSTAB.read_bytes() != fstab:
        host.FSTAB.write_bytes(fstab)
        host.sh("systemctl", "daemon-reload")
    host.FSTAB.chmod(mode)
    for path in {*modules.gluster_fstab.retry_services()} - {f"{root}/0"}:
        host.forget_retry(path)
    host.sh("rm", "-rf", "--one-file-system", root, "/var/lib/gluster_one")


@pytest.fixture
def point(place):
    """Where small_vol is to be mounted: the directory of datastore 0, which is not there yet."""
    return place / "0"


@pytest.fixture(scope="session")
def _retried(loaders):
    """The service that mounts /mnt/place-1/0 again after a boot: most tests ignore it."""
    loaders.modules.gluster_fstab.enable_boot_retry("/mnt/place-1/0")
    yield
    host.forget_retry("/mnt/place-1/0")


@pytest.fixture
def no_retry(place, modules):
    """Without that service."""
    host.forget_retry(place / "0")
    yield
    modules.gluster_fstab.enable_boot_retry(str(place / "0"))


@pytest.fixture
def served(point, small_vol):
    """small_vol, mounted by its unit."""
    with host.FSTAB.open("a") as fstab:
        fstab.write(f"kvm1:/{small_vol} {point} glusterfs defaults,_netdev,nosuid,nodev 0 0\n")
    point.mkdir()
    host.sh("systemctl", "daemon-reload")
    host.sh("systemctl", "start", host.unit_of(point))
    return point


@pytest.fixture
def mounted(states, place):
    """mounted(test=..., links=...): the state for small_vol in ``place``."""

    def run(name=place / "0", **arguments):
        fixed = {"volume": "small_vol", "servers": ["kvm1", "kvm2", "kvm3"], "datastores_dir": str(place)}
        return states.gluster_one.datastore_mounted(str(name), **{**fixed, **arguments})

    return run


@pytest.fixture
def identifiers(other_node):
    """What the head leaves on the volume."""

    def leave(text='{"glusterds": 101, "gluster_system": 100}'):
        (other_node / ".gluster_one").mkdir(exist_ok=True)
        (other_node / ".gluster_one/new").write_text(text)
        os.rename(other_node / ".gluster_one/new", other_node / ".gluster_one/datastores.json")

    return leave


# OpenNebula


@pytest.fixture(scope="session")
def _oned():
    server = StandIn(host.open_directory("oned"))
    yield server
    server.stop()


@pytest.fixture
def oned(_oned):
    """A fresh OpenNebula."""
    _oned.lab(reset=True)
    return _oned


@pytest.fixture
def stores(place):
    """oneadmin's directory for those of the datastores."""
    path = place / "stores"
    path.mkdir()
    shutil.chown(path, "oneadmin", "oneadmin")
    return path


@pytest.fixture
def oned_on_disk(stores):
    """A fresh OpenNebula that makes the directories of its datastores in ``stores``."""
    server = StandIn(host.open_directory("oned"), datastores=stores)
    yield server
    server.stop()
