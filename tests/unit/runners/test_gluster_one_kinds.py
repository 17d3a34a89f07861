"""gluster_one/findings.yaml: the one table of the kinds of findings."""

import re

import pytest
import yaml

from lab import findings
from lab.stamp import CHECKOUT

TABLE = yaml.safe_load((CHECKOUT / "gluster_one/findings.yaml").read_text())
KEYS = {"who", "look", "severity", "meaning", "cure"}
MORE = {"cures", "repair", "repairs", "holds", "column"}
PARTS = ("mount", "links", "writable", "native")


def found_by_modules():
    """(kind, severity) of the findings that the modules' source makes in one line."""
    text = "".join((CHECKOUT / f"_modules/{name}.py").read_text() for name in ("gluster_one", "gluster_pool"))
    calls = re.findall(r'_find\(seen, "([a-z_]+)", [^\n]*?("warning")?\)$', text, re.M)
    rows = re.findall(r'\["([a-z_]+)", [^\n]*("warning"|"error")\]', text)
    return {(kind, "warning" if "warning" in severity else "error") for kind, severity in calls + rows}


def test_the_page_is_that_of_the_table():
    assert findings.PAGE.read_text() == findings.page(), "run `make format`"


@pytest.mark.parametrize("kind", TABLE)
def test_a_row(kind):
    row = TABLE[kind]
    assert set(row) >= KEYS and set(row) <= KEYS | MORE
    assert row["who"] in findings.WHO and row["look"] in findings.LOOK and row["severity"] in ("error", "warning")
    assert row["meaning"].endswith(".") and row.get("column", PARTS[0]) in PARTS
    for sls in {row.get("repair"), row.get("holds"), *row.get("repairs", {}).values()} - {None}:
        assert (CHECKOUT / f"{sls.replace('.', '/')}.sls").exists()
    for cure in [row["cure"], *row.get("cures", {}).values()]:
        cure.format(minion="", volume="", on="", host="", above="", name="")


def test_what_the_modules_find_has_a_row_of_the_same_severity():
    found = found_by_modules()
    assert len(found) > 35
    assert {(kind, severity) for kind, severity in found if TABLE[kind]["severity"] != severity} == set()
