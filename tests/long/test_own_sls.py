"""The SLS of docs/datastores.md, as an administrator would write it: without the formula and without its pillar."""

import json
import re
import shutil

import pytest
import yaml

from lab.fleet import CHECKOUT
from tests.fleet.fleet import MOUNT, STORES, Run

SLS = re.search(f"```yaml\n({MOUNT}:.*?)```", (CHECKOUT / "docs/datastores.md").read_text(), re.DOTALL)[1]
STATES = list(yaml.safe_load(SLS))
LINKED = ("templates", "isos", "scratch")


@pytest.fixture(scope="module")
def own(fleet_of_module):
    """The head with this SLS on its master, modules synced by hand, no pillar: what it was and what each run said."""
    fleet = fleet_of_module
    fleet.stage = "used"
    (fleet.lab.sls_dir / "one").mkdir(exist_ok=True)
    (fleet.lab.sls_dir / "one/datastores.sls").write_text(SLS)
    runs = {"before": fleet.datastores()}
    with fleet.pillar({}, {}):
        fleet.salt("head", "saltutil.sync_all")
        runs["predicted"] = fleet.apply("one.datastores", on=["head"], test=True)
        runs["untouched"] = fleet.datastores()
        runs["first"] = fleet.apply("one.datastores", on=["head"])
        runs["second"] = fleet.apply("one.datastores", on=["head"])
        yield runs
    shutil.rmtree(fleet.lab.sls_dir / "one")


def test_makes_all_five(fleet_of_module, own):
    assert own["first"].failures == {}
    assert list(own["first"]["head"]) == STATES
    assert set(own["first"].changes["head"]) == set(STATES) - {MOUNT}
    found = fleet_of_module.datastores()
    expected = {
        "templates": {
            "DISK_TYPE": "GLUSTER",
            "GLUSTER_HOST": "kvm1:24007",
            "GLUSTER_VOLUME": "one_vol",
            "DRIVER": "raw",
        },
        "isos": {"TYPE": "IMAGE_DS", "DS_MAD": "fs", "TM_MAD": "shared", "SAFE_DIRS": "/var/tmp /srv/isos"},
        "scratch": {"TYPE": "SYSTEM_DS", "TM_MAD": "shared", "CLUSTERS": ["0"]},
        "kernels": {"TYPE": "FILE_DS", "DS_MAD": "fs"},
        "local_images": {"ID": 1, "TM_MAD": "local", "LIMIT_MB": "50000"},
    }
    for name, attributes in expected.items():
        assert {key: found[name].get(key) for key in attributes} == attributes
    assert "default" not in found and "DRIVER" not in found["isos"]
    assert found["isos"].get("DISK_TYPE") in (None, "FILE")


def test_predicts_what_it_does_and_touches_nothing(own):
    assert own["untouched"] == own["before"]
    predicted, done = own["predicted"].changes["head"], own["first"].changes["head"]
    assert predicted.keys() == done.keys()
    assert all(predicted[state].keys() == done[state].keys() for state in done)


def test_a_second_run_changes_nothing(own):
    assert (own["second"].failures, own["second"].changes) == ({}, {})


def test_directories_lead_to_the_volume(fleet_of_module, own):
    found = fleet_of_module.datastores()
    for name in LINKED:
        assert fleet_of_module.sh("head", f"readlink {STORES}/{found[name]['ID']}").strip() == MOUNT
    kernels = f"{STORES}/{found['kernels']['ID']}"
    assert fleet_of_module.sh("head", f"test -L {kernels} && echo link || echo none").strip() == "none"


@pytest.mark.parametrize("test", [True, False])
def test_without_a_master(fleet_of_module, own, test):
    fleet = fleet_of_module
    root = fleet.lab.root("head") / "srv/salt"
    for name in ("_modules", "_states", "_utils"):
        shutil.copytree(CHECKOUT / name, root / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "one").mkdir(exist_ok=True)
    (root / "one/datastores.sls").write_text(SLS)
    script = "salt-call --local --file-root=/srv/salt --cachedir=/srv/cache --out=json --log-level=quiet"
    fleet.sh("head", f"{script} saltutil.sync_all")
    done = fleet.lab.exec("head", "sh", "-c", f"{script} state.apply one.datastores test={test}")
    done.stdout = json.dumps({"head": json.loads(done.stdout)["local"]})
    run = Run(done)
    assert list(run["head"]) == STATES
    assert (run.failures, run.changes) == ({}, {})
