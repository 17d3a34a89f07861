"""What `status metrics=FILE` writes, as Prometheus' own parser reads it."""

import stat
import subprocess
import textwrap

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from salt.exceptions import SaltInvocationError

from lab.stamp import CHECKOUT

from ..conftest import Master
from .test_gluster_one_causes import B3, DOWN, EVERY, MOUNT, PILLARS, finding, fleet, joined, of_volume

RULES = yaml.safe_load((CHECKOUT / "docs/gluster_one.rules.yaml").read_text())["groups"][0]["rules"]


@pytest.fixture
def master(monkeypatch):
    return Master(monkeypatch, PILLARS)


def parsed(text):
    """{(metric, labels): value}, after what holds of all of them."""
    families = list(text_string_to_metric_families(text))
    found = {}
    for family in families:
        assert family.documentation and family.type == "gauge" and family.name.startswith("gluster_one_")
        for sample in family.samples:
            key = sample.name.removeprefix("gluster_one_"), frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    assert len({family.name for family in families}) == len(families)
    return found


def of(found, name, **labels):
    return found.get((name, frozenset(labels.items())))


def test_a_fleet_with_a_brick_that_is_down(master):
    image = finding("image", "glusterds: disk 0 of VM 7 (web, oneadmin)")
    volume = {"kvm1": [of_volume("brick_down", B3, "it is down")], "head": [image, {**image}]}
    data = fleet(master, joined(EVERY, volume), DOWN, ["kvm9"], machines={"kvm2": ["one-7", "one-8"]})
    found = parsed(master.salt["gluster_one.metrics"](data))
    states = {state: of(found, "nodes", state=state) for state in ("well", "felt", "warning", "error", "silent")}
    assert states == {"well": 0, "felt": 2, "warning": 1, "error": 1, "silent": 1}, "kvm3's brick, the head's image"
    assert (of(found, "node_answers", node="kvm9"), of(found, "node_answers", node="kvm2")) == (0, 1)
    assert of(found, "causes", kind="brick_down", severity="error") == 1
    assert of(found, "cause_vms", kind="brick_down", severity="error") == 2
    lost = {"kind": "client_bricks", "severity": "error", "explained": "true"}
    assert [of(found, "findings", node=name, **lost) for name in ("kvm1", "kvm2", "kvm9")] == [1, 1, None]
    assert (of(found, "bricks", volume="one_vol"), of(found, "bricks_online", volume="one_vol")) == (3, 2)
    assert (of(found, "peers", volume="one_vol"), of(found, "peers_connected", volume="one_vol")) == (2, 1)
    assert of(found, "heal_pending_files", volume="one_vol") is None, "what is not known is not zero"
    store = {"datastore": "glusterds", "type": "IMAGE_DS", "volume": "one_vol"}
    assert of(found, "datastore_size_bytes", **store) == 100 * 1024 * 1024
    assert (of(found, "vms_unusable"), of(found, "images_unusable")) == (1, 0)
    assert of(found, "look_timestamp_seconds") == pytest.approx(data["at"], abs=0.001)
    assert of(found, "look_duration_seconds") == pytest.approx(data["seconds"], abs=0.001)
    assert sum(value for (name, _), value in found.items() if name == "findings") == len(data["findings"])
    assert sum(value for (name, _), value in found.items() if name == "causes") == len(data["causes"])


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "{x=1}", "\u202e", "\ud800", "k" * 999, "ü # HELP x", ""])
def test_odd_names_break_nothing(master, odd):
    names = {"name": "x", "findings": [finding("mount_dead")], "roles": [], "looked": []}
    data = fleet(master, {})
    data["nodes"][odd] = names
    data["volumes"][odd] = dict(data["volumes"]["one_vol"])
    data["findings"] = [{**names["findings"][0], "kind": "of_another_version", "explained_by": None}]
    names["findings"] = data["findings"]
    text = master.salt["gluster_one.metrics"](data).encode("utf-8", "backslashreplace").decode()
    found = parsed(text)
    shown = odd[:128].encode("utf-8", "backslashreplace").decode()
    assert of(found, "node_answers", node=shown) == 1 and of(found, "bricks", volume=shown) == 3
    assert of(found, "findings", node=shown, kind="other", severity="error", explained="false") == 1


def test_a_head_that_has_not_looked_says_nothing_of_images(master):
    found = parsed(master.salt["gluster_one.metrics"](fleet(master, {}, silent=["head"])))
    assert "vms_unusable" not in {name for name, _ in found}


def test_the_file_is_written_in_one_step(master, tmp_path):
    master.answers["gluster_one.report"] = {}
    path, other = tmp_path / "gluster_one.prom", tmp_path / "other"
    other.write_text("of somebody else")
    path.symlink_to(other)  # by whom the directory belongs to
    master.runner.status(metrics=str(path))
    first = path.lstat()
    assert stat.S_ISREG(first.st_mode) and other.read_text() == "of somebody else"
    assert stat.S_IMODE(first.st_mode) & 0o444 == 0o444 and of(parsed(path.read_text()), "nodes", state="silent") == 5
    master.runner.status(metrics=str(path))
    assert path.stat().st_ino != first.st_ino
    assert sorted(each.name for each in tmp_path.iterdir()) == ["gluster_one.prom", "other"]


@pytest.mark.parametrize("path", ["/dev/null", "/nowhere/gluster_one.prom", "/tmp"])
def test_what_is_no_place_for_a_file_is_refused_before_anybody_is_asked(master, monkeypatch, path):
    monkeypatch.setattr(master.runner, "ask", None)
    with pytest.raises(SaltInvocationError, match="metrics is '.*': a file in a directory that is there is needed"):
        master.runner.status(metrics=path)


def test_the_rules_of_the_docs_name_metrics_that_there_are(master):
    names = set(master.files["gluster_one_metrics"].METRICS)
    assert len(RULES) == 10
    for rule in RULES:
        used = {word for word in names if f"gluster_one_{word}" in rule["expr"]}
        assert used, rule["expr"]
        assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"]


def test_many_findings_of_one_node_are_one_series(master):
    data = fleet(master, {"kvm2": [finding("mount_dead", f"{MOUNT}{number}") for number in range(500)]})
    found = parsed(master.salt["gluster_one.metrics"](data))
    assert of(found, "findings", kind="mount_dead", severity="error", node="kvm2", explained="false") == 500
    assert of(found, "causes", kind="mount_dead", severity="error") == 500


@pytest.mark.parametrize(
    "found, silent, status, said",
    [
        ({}, [], 0, "OK: nothing is wrong\n"),
        ({"kvm2": [finding("fstab")]}, [], 1, "WARNING: 1 fstab\n"),
        (
            {"kvm2": [finding("mount_dead"), finding("fstab", "/x")]},
            ["kvm9"],
            2,
            "CRITICAL: 1 fstab, 1 mount_dead, 1 silent\n",
        ),
        (None, [], 3, "UNKNOWN: {} is missing or old\n"),
    ],
)
def test_the_plugin_of_the_docs(master, tmp_path, found, silent, status, said):
    path = tmp_path / "gluster_one.prom"
    if found is not None:
        path.write_text(master.salt["gluster_one.metrics"](fleet(master, found, silent=silent)))
    page = (CHECKOUT / "docs/monitoring.md").read_text()
    script = textwrap.dedent(page[page.index("    #!/bin/sh") : page.index("In Icinga")])
    done = subprocess.run(["sh", "-c", script, "sh", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, said.format(path), "")
