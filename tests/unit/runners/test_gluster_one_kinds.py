"""gluster_one/findings.yaml: the one table of the kinds of findings."""

import ast

import pytest
import yaml

from lab import findings
from lab.stamp import CHECKOUT

TABLE = yaml.safe_load((CHECKOUT / "gluster_one/findings.yaml").read_text())
KEYS = {"who", "look", "severity", "meaning", "cure"}
MORE = {"effect", "cures", "repair", "repairs", "holds", "column", "explained_by", "together"}
PARTS = ("mount", "links", "writable", "native")


def found_by_modules():
    """The kinds of the findings that the modules' source makes."""
    found = set()
    for name in ("gluster_one", "gluster_pool", "one_datastore_report"):
        for part in ast.walk(ast.parse((CHECKOUT / f"_modules/{name}.py").read_text())):
            words = []
            if isinstance(part, ast.Call) and getattr(part.func, "id", None) == "_find":
                words = part.args[1:]  # _find(seen, KIND, on, seen, expected, cure)
            elif isinstance(part, ast.List) and len(part.elts) in (4, 5):
                words = part.elts  # [KIND, on, seen, expected, cure]
            elif isinstance(part, ast.Tuple) and [getattr(word, "id", None) for word in part.elts[1:]] == ["text"]:
                words = part.elts  # (KIND, text), for such a list
            found |= {word.value for word in words[:1] if isinstance(word, ast.Constant)}
    return {kind for kind in found if kind.replace("_", "").isalpha()}


def test_the_page_is_that_of_the_table():
    assert findings.PAGE.read_text() == findings.page(), "run `make format`"


@pytest.mark.parametrize("kind", TABLE)
def test_a_row(kind):
    row = TABLE[kind]
    assert set(row) >= KEYS and set(row) <= KEYS | MORE
    assert row["who"] in findings.WHO and row["look"] in findings.LOOK and row["severity"] in ("error", "warning")
    assert row["meaning"].endswith(".") and row.get("column", PARTS[0]) in PARTS
    effect = row.get("effect", "A line.")
    assert effect.endswith(".") and "\n" not in effect and len(effect) <= 116, "one line of a page of docs"
    for sls in {row.get("repair"), *row.get("holds", ()), *row.get("repairs", {}).values()} - {None}:
        assert (CHECKOUT / f"{sls.replace('.', '/')}.sls").exists()
    for cure in [row["cure"], *row.get("cures", {}).values()]:
        cure.format(minion="", volume="", on="", host="", above="", name="", datastores_dir="")


def test_what_the_modules_find_has_a_row():
    found = found_by_modules()
    assert {kind for kind, row in TABLE.items() if row["who"] != "master"} - found == set()
    assert found - set(TABLE) == {"sh"}, "a kind without a row, or a list that is none"


def test_a_finding_has_the_severity_of_its_row(execution):
    kinds = ["space", "mount_dead", "fstab", "of_another_version"]
    found = execution("gluster_one")._worst_first([{"kind": kind} for kind in kinds])
    severities = {"mount_dead": "error", "of_another_version": "error", "space": "warning", "fstab": "warning"}
    assert [(each["kind"], each["severity"]) for each in found] == list(severities.items())


@pytest.mark.parametrize("found", [[], [{"kind": "space"}, {"kind": "fstab"}]])
def test_the_table_is_read_once_for_a_look_that_finds_something(execution, found):
    read = []
    utils = {"gluster_system.finding_kinds": lambda: read.append(1) or TABLE}
    execution("gluster_one", __utils__=utils)._worst_first(found)
    assert len(read) == bool(found)
