"""The table of a datastore's arguments, and what follows it: the state, its checks, the pillar, the docs."""

import importlib
import inspect
import re
import xml.etree.ElementTree as ET
import xmlrpc.client

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from salt.exceptions import SaltInvocationError

from ..conftest import CHECKOUT, imported

PAGE = CHECKOUT / "docs/datastores.md"
# Arguments of the state that are about the node and its oned.
OTHERS = {"datastores_dir": "/var/lib/one/datastores", "timeout": 120, "endpoint": None, "auth_file": None}


@pytest.fixture
def rows(util):
    return util("one_datastore_rules").arguments()


def test_the_state_has_these_arguments_and_explains_them(rows):
    state = imported(CHECKOUT / "_states/gluster_one.py").one_datastore_present
    _, *parameters = inspect.signature(state).parameters.values()
    given = {one.name: one.default for one in parameters}
    assert given == {**{argument: row["default"] for argument, row in rows.items()}, **OTHERS}
    assert [name for name in given if name not in OTHERS] == list(rows)
    heads = re.findall(r"^(\w+(?:, \w+)*)\n +(\S.*(?:\n +\S.*)*)", inspect.getdoc(state), re.MULTILINE)
    texts = {name: text for head, text in heads for name in head.split(", ")}
    assert set(texts) == {"name", *given}
    for argument, row in rows.items():
        assert not row["default"] or f"default ``{row['default']}``" in texts[argument], argument


def test_each_kind_has_a_check(execution, rows):
    kinds = {row["kind"] for row in rows.values()}
    assert set(execution("gluster_one_arguments").KINDS) == kinds
    assert set(execution("gluster_one_pillar")._DATASTORE) <= kinds


def test_what_only_some_datastores_have_says_why(rows):
    types = rows["type"]["types"]
    for argument, row in rows.items():
        assert set(row["types"]) <= set(types) and bool(row["why"]) == (row["types"] != types), argument


def test_the_page_has_the_table(rows):
    lines = ["| argument | attribute | kind | of | what it says |", "|---|---|---|---|---|"]
    for argument, row in rows.items():
        shown = f"`{argument}`" + ("" if row["pillar"] else " (state only)")
        attribute = f"`{row['attribute']}`" if row["attribute"] else ""
        of = "all" if row["types"] == rows["type"]["types"] else ", ".join(f"`{name}`" for name in row["types"])
        default = f". Default: `{row['default']}`" if row["default"] else ""
        lines.append(f"| {shown} | {attribute} | {row['kind']} | {of} | {row['meaning']}{default} |")
    assert re.search(r"^\| argument \|.*?(?=\n\n)", PAGE.read_text(), re.M | re.S)[0].splitlines() == lines


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a", "A"), ("1a", "ONE_1A"), ("XmlNote", "ONE_XMLNOTE"), ("_a", "_A"), ("ONE_1A", "ONE_1A"), (5, "ONE_5")],
)
def test_names_as_oned_keeps_them(util, name, kept):
    assert util("one_datastore_rules").attribute_name(name) == kept


@pytest.mark.parametrize("name", ["", "a b", "a-b", "gr\u00f6sse", "\u0663", "a\n"])
def test_names_that_oned_does_not_read(util, name):
    with pytest.raises(SaltInvocationError, match="is not a name: letters, digits and _ are allowed"):
        util("one_datastore_rules").attribute_name(name)


@pytest.mark.parametrize(
    ("attribute", "image", "system"),
    [
        ("CLONE_TARGET", "set", "removed"),
        ("LN_TARGET_SSH", "set", None),
        ("DISK_TYPE", "set", None),
        ("TM_MAD_SYSTEM", "set", None),
        ("SHARED", "removed", "set"),
        ("DS_MIGRATE_SNAP", None, "set"),
        ("DS_LIVE_MIGRATE", None, "set"),
        ("PERSISTENT_SNAPSHOTS", "set", "set"),
        ("LIMIT_MB", None, None),
        ("DRIVERS", None, None),
    ],
)
def test_what_the_transfer_driver_decides(util, attribute, image, system):
    fate = util("one_datastore_rules").set_by_driver
    assert [fate(attribute, kind) for kind in ("IMAGE_DS", "FILE_DS", "SYSTEM_DS")] == [image, image, system]


@pytest.mark.parametrize(("value", "kept"), [(" a b\n", "a b"), ("\t", ""), (5, "5"), (True, "YES"), (None, None)])
def test_values_as_oned_keeps_them(util, value, kept):
    rules = util("one_datastore_rules")
    assert rules.written("NOTE", value) == kept
    assert rules.comparable("NOTE", value) == rules.comparable("NOTE", kept) or not isinstance(value, str)


@pytest.fixture
def oneds(execution, util, monkeypatch):
    """The rules, the check of attributes, and what oned shows of a template that it was sent."""
    monkeypatch.syspath_prepend(CHECKOUT / "lab")
    objects, written = importlib.import_module("oned_objects"), execution("opennebula")._template

    def kept(attributes):
        ((sent,), _) = xmlrpc.client.loads(xmlrpc.client.dumps((written(attributes),)))
        return {child.tag: child.text or "" for child in ET.fromstring(objects.Template(sent).xml())}

    return util("one_datastore_rules"), execution("gluster_one_arguments").KINDS["attributes"][0], kept


@given(name=st.text("aX1_mMlLé-", min_size=1, max_size=4), value=st.text('a"\\\\]>=#,[ \t\n\r\f<&é\u2028', max_size=9))
@example("a", "a]]>b")
@example("1a", " x\r\ny")
@example("xml", '"quoted" \\\\ ]]')
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_is_kept_as_it_is_compared(oneds, name, value):
    rules, accepts, kept = oneds
    try:
        attribute = rules.attribute_name(name)
    except SaltInvocationError:
        return
    if accepts({name: value}):
        text = rules.written(attribute, value)
        assert kept({attribute: text}) == {attribute: text}


@pytest.fixture
def one_more(util, execution):
    """one_more("one_datastore"): the module, with a row more in the table than there is."""
    rules = util("one_datastore_rules")
    rules.ARGUMENTS["more_dirs"] = rules._argument(
        "directories", "More of them", "MORE_DIRS", types=("IMAGE_DS",), why="only an image datastore has some"
    )
    names = ("arguments", "written", "comparable", "gluster_host", "changes")
    utils = {f"one_datastore_rules.{name}": getattr(rules, name) for name in names}
    return lambda name, **dunders: execution(name, __utils__=utils, **dunders)


def test_a_row_is_all_that_a_new_attribute_needs(one_more):
    store, check = one_more("one_datastore"), one_more("gluster_one_arguments").argument_needed
    wanted = store.template({"more_dirs": ["/a", "/b"]})
    assert wanted == {"TYPE": "IMAGE_DS", "TM_MAD": "shared", "MORE_DIRS": "/a /b"}
    assert (
        list(
            store.__utils__["one_datastore_rules.changes"](
                wanted, {"type": "IMAGE_DS", "tm_mad": "shared", "MORE_DIRS": "/a  /b "}
            )
        )
        == []
    )
    with pytest.raises(SaltInvocationError, match=r"more_dirs is \['/a'\]: only an image datastore has some, leave it"):
        store.template({"type": "FILE_DS", "more_dirs": ["/a"]})
    assert check("one_datastore_present", "more_dirs", "a").startswith("absolute paths are needed")
    pillar = one_more("gluster_one_pillar", __salt__={"gluster_one_arguments.argument_needed": check})
    assert pillar._datastore_keys()["more_dirs"](["a"]).startswith("absolute paths are needed")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"type": "SYSTEM_DS", "attributes": {"ds_mad": "fs"}}, "ds_mad is 'fs': a system datastore has none, leave"),
        ({"type": "SYSTEM_DS", "volume": "v"}, "volume is 'v': only an image datastore is opened natively, leave it"),
        ({"type": "FILE_DS", "host": "h"}, "volume is None, and host is 'h': give the volume too, or leave host out"),
        ({"type": "SYSTEM_DS", "attributes": {"DISK_TYPE": "FILE"}}, "DISK_TYPE is 'FILE': oned ignores or rejects it"),
        ({"type": "FILE"}, "type is 'FILE': IMAGE_DS, SYSTEM_DS, FILE_DS are possible"),
    ],
)
def test_what_a_type_of_datastore_has_not(execution, arguments, why):
    with pytest.raises(SaltInvocationError, match=re.escape(why)):
        execution("one_datastore").template(arguments)


def test_attributes_of_another_type_that_nobody_reads_are_left_alone(execution):
    made = execution("one_datastore").template({"type": "SYSTEM_DS", "attributes": {"gluster_volume": "v"}})
    assert made == {"TYPE": "SYSTEM_DS", "TM_MAD": "shared", "GLUSTER_VOLUME": "v"}
