"""One host that is head, hypervisor and server at once, by `salt-call --local`, without a master."""

import json

import pytest
import yaml

from lab.fleet import Lab, default_name

from .fleet import NATIVE, STORES, Run, disk_path, unit_keeps_bricks

PILLAR = {
    "gluster_one": {
        "roles": ["head", "hypervisor"],
        "volumes": {
            "one_vol": {
                "servers": ["head"],
                "access": "native" if NATIVE else "fuse",
                "datastores": {"gluster_system": {"type": "SYSTEM_DS"}, "glusterds": {}},
            }
        },
    }
}


@pytest.fixture(scope="module")
def alone():
    """The host, with the formula and the pillar as files, and no minion running."""
    lab = Lab(f"alone-{default_name()[-6:]}", quiet=True)
    try:
        lab.down()
        lab.up(alone=True)
        root = lab.root("head") / "srv"
        (root / "pillar").mkdir(parents=True)
        (root / "pillar/top.sls").write_text("base: {'*': [data]}\n")
        (root / "pillar/data.sls").write_text(yaml.safe_dump(PILLAR))
        sources = " ".join(
            str(lab.checkout / name) for name in ("gluster_one", "_modules", "_states", "_beacons", "_utils")
        )
        lab.exec(
            "head", "sh", "-ec", f"systemctl stop salt-minion; mkdir /srv/salt; cp -r {sources} /srv/salt", check=True
        )
        yield lab
    finally:
        lab.down()


def apply(lab):
    command = "salt-call --local --file-root=/srv/salt --pillar-root=/srv/pillar --out=json --log-level=quiet"
    done = lab.exec("head", "sh", "-c", f"{command} state.apply gluster_one")
    done.stdout = json.dumps({"head": json.loads(done.stdout)["local"]})
    return Run(done)


def test_one_run_does_it_all_and_a_second_nothing(alone):
    run = apply(alone)
    assert (run.failures, run.results) == ({}, {True})
    kept = set() if unit_keeps_bricks(alone, "head") else {"gluster_one_bricks_kept"}
    assert {change for states in run.changes.values() for change in states} >= kept | {
        "gluster_one_glusterd",
        "gluster_one_volume_one_vol",
        "gluster_one_mount_one_vol",
        "gluster_one_datastore_gluster_system",
        "gluster_one_datastore_glusterds",
    }
    image = f"{STORES}/101/image"
    alone.exec("head", "qemu-img", "create", "-q", "-f", "raw", image, "1M", user="oneadmin", check=True)
    read = f"stdbuf -oL qemu-io -r -f raw -c 'read 0 512' -c 'sigraise 9' {disk_path('image', 'head')}"
    assert "read 512/512 bytes" in alone.exec("head", "sh", "-c", read, user="oneadmin").stdout
    again = apply(alone)
    assert (again.failures, again.changes, again.results) == ({}, {}, {True})
