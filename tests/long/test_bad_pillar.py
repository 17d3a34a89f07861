"""A pillar that nobody meant: one clear error with key, value and what is allowed, before anything is touched."""

import pytest

from tests.fleet.fleet import changed

HEAD = ["head"]
HYPERVISOR = ["hypervisor"]


def bad(host, *said, roles=None, **keys):
    """A case: the minion concerned, its pillar, and what the error has to say."""
    pillar = changed(**keys)
    if roles or host == "head":
        pillar["gluster_one"]["roles"] = roles or HEAD
    return host, pillar, said


def one(**settings):
    """The standard pillar with other settings of the image datastore."""
    return {"datastores": {"glusterds": settings}}


ONE = "gluster_one:volumes:one_vol"
JINJA = "{% raw %}{{ 7 * 7 }}{% endraw %}"  # for the pillar's own renderer
CASES = {
    "no servers": bad("kvm1", f"{ONE}:servers is []", "a list of host names is needed", volume={"servers": []}),
    "servers left out": bad(
        "kvm2",
        "gluster_one:volumes:two_vol:servers is missing",
        "a list of host names is needed",
        volumes={"two_vol": {"mount": "/srv/two"}},
    ),
    "servers as a string": bad(
        "kvm3", f"{ONE}:servers is 'kvm1, kvm2' (a string)", "such as [kvm1, kvm2", volume={"servers": "kvm1, kvm2"}
    ),
    "unknown key": bad(
        "head", f"{ONE}:datastores:glusterds:hots is not a known key", "did you mean host?", **one(hots="kvm1")
    ),
    "relative mount path": bad(
        "kvm1", f"{ONE}:mount is 'datastores/0'", "an absolute path", volume={"mount": "datastores/0"}
    ),
    "two volumes on one mount point": bad(
        "kvm2",
        "gluster_one:volumes:two_vol:mount is '/var/lib/gluster_one/one_vol', where volume one_vol is mounted",
        "a directory of its own",
        volumes={"two_vol": {"servers": ["kvm1"], "mount": "/var/lib/gluster_one/one_vol"}},
    ),
    "bad port": bad(
        "kvm3",
        f"{ONE}:datastores:glusterds:host is 'kvm1:70000'",
        "no valid port",
        "1 to 65535",
        **one(host="kvm1:70000"),
    ),
    "IPv6 literal": bad(
        "head",
        f"{ONE}:datastores:glusterds:host is 'fd00::1'",
        "IPv6",
        "a host name or IPv4 address",
        **one(host="fd00::1"),
    ),
    "two hosts with a comma": bad(
        "kvm1",
        f"{ONE}:datastores:glusterds:host is 'kvm1,kvm2'",
        "a comma",
        "such as [kvm1, kvm2]",
        **one(host="kvm1,kvm2"),
    ),
    "another type": bad(
        "kvm2", f"{ONE}:datastores:glusterds:type is 'FILES'", "IMAGE_DS, SYSTEM_DS or FILE_DS", **one(type="FILES")
    ),
    "uid that is nobody": bad(
        "kvm1", f"{ONE}:uid is 'nobodysuch'", "no such user on kvm1", "number", volume={"uid": "nobodysuch"}
    ),
    "unknown role": bad(
        "head", "gluster_one:roles is ['frontend'] (a list)", "head, hypervisor, server", roles=["frontend"]
    ),
    "empty pillar": ("kvm3", {"gluster_one": {}}, ("gluster_one is {}", "kvm3", "volumes", "pillar.example")),
    "another formula's": ("kvm1", {"gluster_one": {"bricks": ["/srv"]}}, ("gluster_one:bricks is not a known key",)),
    "no pillar": ("kvm2", {}, ("gluster_one is {}", "kvm2", "volumes", "top file")),
    "a null": bad("kvm1", f"{ONE}:mount is None (nothing)", "an absolute path", volume={"mount": None}),
    "a list for a mapping": (
        "kvm2",
        {"gluster_one": {"volumes": ["one_vol"]}},
        ("gluster_one:volumes is ['one_vol']",),
    ),
    "name with a slash": bad("kvm3", f"{ONE}:datastores is", "datastores by name", datastores={"../x": {}}),
    "name with a quote": bad("head", f"{ONE}:datastores is", "datastores by name", datastores={"it's": {}}),
    "name that is Jinja": bad("kvm1", f"{ONE}:datastores is", "datastores by name", datastores={JINJA: {}}),
    "name with a newline": bad("kvm2", f"{ONE}:datastores is", "datastores by name", datastores={"a\nb": {}}),
    "volume that is an option": bad(
        "kvm3", "gluster_one:volumes is", "volumes by name", volumes={"--mode": {"servers": ["kvm1"]}}
    ),
    "command in an option": bad(
        "kvm1", f"{ONE}:options is", "option names", volume={"options": {"$(touch /srv/hacked)": "on"}}
    ),
    "timeout that is a text": bad("head", "gluster_one:timeout is '2 minutes'", "seconds above 0", timeout="2 minutes"),
    "password on a hypervisor": bad(
        "kvm3",
        "gluster_one:opennebula:password is in the pillar of kvm3, which is not a head",
        "the head alone",
        roles=HYPERVISOR,
        opennebula={"username": "oneadmin", "password": "not-to-be-seen"},
    ),
}


def batches():
    """The cases in groups with no minion twice."""
    left = dict(CASES)
    while left:
        batch = {}
        for name, (host, *_) in left.items():
            batch.setdefault(host, name)
        yield dict(batch)
        for name in batch.values():
            del left[name]


@pytest.fixture(scope="module")
def runs(clean):
    """{case: (its minion's answer, that to test=True)}, and whether anything was touched."""
    found, texts = {}, ""
    before = clean.look_all()
    clean.requests()
    for batch in batches():
        files = {f"bad_{host}": CASES[name][1] for host, name in batch.items()}
        with clean.pillar(**files, top={"base": {host: [f"bad_{host}"] for host in batch}}):
            done, predicted = clean.apply(on=list(batch)), clean.apply(on=list(batch), test=True)
        found.update({name: (done[host], predicted[host]) for host, name in batch.items()})
        texts += done.text + predicted.text
    requests = clean.requests()
    return {"answers": found, "text": texts, "requests": requests, "looks": (before, clean.look_all())}


@pytest.mark.parametrize("case", CASES)
def test_one_error_names_key_value_and_what_is_allowed(runs, case):
    done, predicted = runs["answers"][case]
    assert isinstance(done, dict), done
    ((state, answer),) = done.items()
    assert (state, answer["result"], answer["changes"]) == ("gluster_one_pillar", False, {})
    assert len(answer["comment"].splitlines()) == 1
    for text in CASES[case][2]:
        assert text in answer["comment"]
    assert "not-to-be-seen" not in answer["comment"]
    assert {name: (state["result"], state["comment"]) for name, state in predicted.items()} == {
        "gluster_one_pillar": (False, answer["comment"])
    }


def test_no_traceback(runs):
    for word in ("Traceback", "traceback", "Jinja", "jinja", "Rendering"):
        assert word not in runs["text"]


def test_nothing_is_touched(runs):
    before, after = runs["looks"]
    assert after == before
    assert runs["requests"] == []


UNRENDERED = {
    "for one minion": ("{% if grains.id == 'kvm2' %}{{ nosuch.thing() }}{% endif %}\n", ["kvm2"]),
    "a duplicate key": ("gluster_one: {}\n", ["head", "kvm1", "kvm2", "kvm3"]),
}


@pytest.mark.parametrize("case", UNRENDERED)
def test_a_pillar_that_cannot_be_rendered(clean, case):
    """Each minion is named, and nobody is left out of the plan and of the status."""
    more, minions = UNRENDERED[case]
    text = (clean.lab.pillar_dir / "gluster_one.sls").read_text()
    refresh = "saltutil.refresh_pillar", "wait=True"
    try:
        with clean.pillar(everyone=text + more):
            clean.salt("*", *refresh)
            errors = clean.runner("gluster_one.rollout_plan")[1]["errors"]
            assert sorted(error.partition(": its pillar cannot be rendered")[0] for error in errors) == minions
            status = clean.runner("gluster_one.status")[1]
            assert sorted([*status["nodes"], *status["absent"]]) == ["head", "kvm1", "kvm2", "kvm3"]
            for minion in minions:
                found = str(status["nodes"][minion]["findings"])
                assert "be rendered: " in found and f"pillar.show_pillar {minion}" in found
    finally:
        clean.salt("*", *refresh)
