"""A fleet that somebody has set up by hand becomes a pillar: by what minions say, which may be anything."""

import copy

import jinja2
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ..conftest import Master
from ..modules.test_gluster_one_pillar_any import node  # noqa: F401 - a fixture

STORES = "/var/lib/one/datastores"
HOSTS = ("kvm1", "kvm2", "kvm3")
OPTIONS = {"network.ping-timeout": "10"}
VOLUME = {
    "id": "id-1", "status": "Started", "replica": 3, "bricks": [f"{host}:/data/one_vol" for host in HOSTS],
    "servers": [f"uuid-{host}" for host in HOSTS], "insecure": "on", "uid": "9869", "gid": "9869", "options": {},
    "group": None, "hidden": [],
}  # fmt: skip
IMAGES = {
    "id": 100, "name": "glusterds", "type": "IMAGE_DS", "ds_mad": "fs", "tm_mad": "shared", "images": 0,
    "base_path": "/var/lib/one//datastores/100", "DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007",
    "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw",
}  # fmt: skip
SYSTEM = {
    "id": 0, "name": "system", "type": "SYSTEM_DS", "ds_mad": "-", "tm_mad": "shared", "images": 0,
    "base_path": f"{STORES}/0", "DISK_TYPE": "FILE", "GLUSTER_HOST": None, "GLUSTER_VOLUME": None, "DRIVER": None,
}  # fmt: skip
LOCAL = {**SYSTEM, "id": 2, "name": "files", "type": "FILE_DS", "tm_mad": "local", "base_path": f"{STORES}/2"}


def mount(path=f"{STORES}/0", device="kvm1:/one_vol", **more):
    """A mount of the guide's, on the directory of a datastore."""
    place = "/var/lib/gluster_one/one_vol" if path.startswith("/var/lib/one") else path
    return {
        "path": path, "device": device, "volume": device.partition(":/")[2], "state": "alive",
        "servers": [device.partition(":")[0]], "options": [], "flags": ["nosuid", "nodev"], "place": place,
        "refused": None, **more,
    }  # fmt: skip


def line(path, *options, device="kvm1:/one_vol", away=()):
    volume = device.partition(":/")[2]
    return {"path": path, "device": device, "volume": volume, "options": [*options, *away], "away": list(away)}


def guide():
    """A fleet after the guide: what its four minions answer."""
    place, at = f"{STORES}/0", {"leads": "one_vol", "mounted": f"{STORES}/0"}
    leads = {
        "0": {"link": None, **at}, "1": {"link": place, **at}, "2": {"link": None, "leads": None, "mounted": None},
        "100": {"link": place, **at},
    }  # fmt: skip
    found = {}
    for minion in ("head", *HOSTS):
        found[minion] = {
            "version": 1, "names": [minion], "user": "oneadmin", "uid": 9869, "gid": 9869, "datastores_dir": STORES,
            "mounts": [mount()], "fstab": [], "directories": copy.deepcopy(leads), "pool": None, "opennebula": None,
        }  # fmt: skip
        if minion in HOSTS:
            peers = [
                {"uuid": f"uuid-{host}", "hostnames": [host], "connected": True, "state": "Peer in Cluster"}
                for host in HOSTS
                if host != minion
            ]
            found[minion]["pool"] = {
                "uuid": f"uuid-{minion}", "peers": peers, "options": {}, "insecure": True, "error": None,
                "volumes": {"one_vol": copy.deepcopy(VOLUME)},
            }  # fmt: skip
    found["head"]["opennebula"] = {
        "datastores": [dict(SYSTEM), dict(IMAGES), dict(LOCAL)], "error": None, "hosts": list(HOSTS),
        "ds_mad": ["dummy", "fs"], "tm_mad": ["shared", "local"],
    }  # fmt: skip
    return found


class Adopted:
    """What the runner makes of the answers of these minions."""

    def __init__(self, master, answers, check=None):
        self.asked, self.check = [], check
        for function in ("saltutil.sync_utils", "saltutil.sync_modules", "saltutil.refresh_modules"):
            master.answers[function] = dict.fromkeys(answers, True)
        master.answers["gluster_one_adopt.found"] = answers
        master.answers["gluster_one_pillar.node"] = self.nodes
        answer = master.runner.adopt()
        assert answer["outputter"] == "txt"
        self.text = answer["data"]
        loaded = yaml.safe_load(self.text) or {}
        self.volumes = (loaded.get("gluster_one") or {}).get("volumes", {})
        self.top = {key: value for key, value in (loaded.get("gluster_one") or {}).items() if key != "volumes"}
        # What stands in comments, without the breaks of its lines.
        self.said = " ".join(each.strip().lstrip("#").strip() for each in self.text.splitlines() if "#" in each)

    def nodes(self, minions, arguments):
        self.asked.append((minions, arguments["pillar"]))
        errors = self.check(arguments["pillar"])["errors"] if self.check else []
        good = {"errors": [], "roles": [], "names": [], "volumes": {}, "batch": 10, "timeout": 120}
        return dict.fromkeys(minions, {"errors": errors} if errors else good)


@pytest.fixture
def adopt(monkeypatch):
    return lambda answers, **more: Adopted(Master(monkeypatch, dict.fromkeys(answers, {})), answers, **more)


def test_the_guides_own_way(adopt):
    found = adopt(guide())
    stores = {"system": {"datastore_id": 0, "type": "SYSTEM_DS"}, "glusterds": {"datastore_id": 100}}
    assert found.volumes == {"one_vol": {"servers": list(HOSTS), "datastores": stores}}
    assert found.top == {}
    assert "head, kvm1, kvm2, kvm3: /etc/fstab does not have the mount of volume one_vol" in found.said
    assert f"volume one_vol is mounted on {STORES}/0, below a directory of another user than root" in found.said


def test_the_line_of_a_mount_that_moves_is_said_to_go(adopt):
    answers = guide()
    assert "its line of /etc/fstab goes" not in adopt(copy.deepcopy(answers)).said
    answers["kvm1"]["fstab"] = [line(f"{STORES}/0")]
    said = adopt(answers).said
    head, _, rest = said.partition("until `state.apply gluster_one.remount` finds nothing that uses it; its line of")
    assert rest.startswith(" /etc/fstab goes") and "- kvm1: volume one_vol is mounted on" in head


def test_which_minions_get_it(adopt):
    found = adopt(guide())
    _, _, top = found.text.partition("pillar_roots.")
    assert "#   'head,kvm1,kvm2,kvm3':" in found.text.replace('"', "'")
    assert "#   head:\n#     - match: list\n#     - gluster_one_head\n" in top
    assert "#   roles: [head]\n" in top
    assert sorted(map(str, found.asked)) == sorted(
        map(str, [(["head"], {"volumes": found.volumes, "roles": ["head"]}), (list(HOSTS), {"volumes": found.volumes})])
    )


def test_a_server_without_opennebula_is_told_so(adopt):
    answers = guide()
    answers["head"]["opennebula"]["hosts"] = ["kvm1", "kvm2"]
    answers["kvm3"].update(mounts=[], directories={}, uid=None, gid=None)
    found = adopt(answers)
    assert "#   kvm3:\n#     - match: list\n#     - gluster_one_server\n" in found.text
    assert "kvm3: volume one_vol is not mounted" not in found.said


@pytest.mark.parametrize(
    ("store", "keys", "said"),
    [
        ({"GLUSTER_HOST": "kvm2"}, {"host": "kvm2"}, "the default is the first server, kvm1"),
        ({"GLUSTER_HOST": "kvm1 kvm2:24007"}, {"host": ["kvm1", "kvm2"]}, "the default is the first server"),
        ({"GLUSTER_HOST": "kvm1,kvm2"}, {}, "which oned does not understand: the run sets it to kvm1"),
        ({"GLUSTER_HOST": "kvm2:24008"}, {"host": "kvm2:24008"}, "the default is the first server"),
        ({"GLUSTER_HOST": None}, {}, "which oned does not understand"),
        ({"ds_mad": "shared"}, {}, "oned runs no such driver (dummy, fs)"),
        ({"DRIVER": "qcow2"}, {"driver": "qcow2"}, "the default is raw"),
        ({"DRIVER": None, "images": 3}, {}, "gluster_one.images"),
        ({"DRIVER": None}, {}, "the run sets raw"),
        ({"DISK_TYPE": "FILE", "GLUSTER_HOST": None, "GLUSTER_VOLUME": None}, {"access": "fuse"}, "not GLUSTER"),
        ({"tm_mad": "qcow2"}, {"tm_mad": "qcow2"}, "the default is shared"),
    ],
)
def test_a_datastore(adopt, store, keys, said):
    answers = guide()
    answers["head"]["opennebula"]["datastores"][1].update(store)
    found = adopt(answers)
    assert found.volumes["one_vol"]["datastores"]["glusterds"] == {"datastore_id": 100, **keys}
    assert said in found.said


def test_a_local_datastore_whose_directory_leads_to_the_volume_is_left_out(adopt):
    answers = guide()
    store = {**IMAGES, "id": 1, "name": "default", "tm_mad": "local", "DISK_TYPE": "FILE", "GLUSTER_HOST": None}
    answers["head"]["opennebula"]["datastores"].append(store)
    found = adopt(answers)
    assert set(found.volumes["one_vol"]["datastores"]) == {"system", "glusterds"}
    assert "datastore default (1) leads to volume one_vol and has TM_MAD local" in found.said


@pytest.mark.parametrize(
    ("volume", "keys", "said"),
    [
        ({"options": OPTIONS}, {"options": OPTIONS}, "as they are set now"),
        ({"group": "virt"}, {"group": "virt"}, "all options of that group are set"),
        ({"uid": "1000"}, {"uid": 1000}, "the default is 9869, oneadmin's on the head is 9869"),
        ({"uid": None}, {}, "volume one_vol has no storage.owner-uid"),
        ({"insecure": "disable"}, {}, "the run sets it on, and names the bricks"),
        ({"insecure": None}, {}, "by Gluster's default alone"),
        ({"status": "Stopped"}, {}, "`gluster volume start one_vol`"),
        ({"hidden": ["ssl.private-key"]}, {}, "has ssl.private-key, whose value is not shown"),
    ],
)
def test_a_volume(adopt, volume, keys, said):
    answers = guide()
    for host in HOSTS:
        answers[host]["pool"]["volumes"]["one_vol"].update(volume)
    found = adopt(answers)
    rest = {key: value for key, value in found.volumes["one_vol"].items() if key not in ("servers", "datastores")}
    assert rest == keys
    assert said in found.said


def test_the_owner_where_the_first_server_has_no_such_account(adopt):
    answers = guide()
    answers["kvm1"].update(uid=None, gid=None)
    found = adopt(answers)
    assert (found.volumes["one_vol"]["uid"], found.volumes["one_vol"]["gid"]) == (9869, 9869)
    assert "kvm1 has no such account" in found.said


@pytest.mark.parametrize(
    ("mounts", "keys", "said"),
    [
        ([mount("/srv/one")] * 4, {"mount": "/srv/one"}, "the default is /var/lib/gluster_one/one_vol"),
        ([mount("/var/lib/gluster_one/one_vol")] * 4, {}, ""),
        ([mount(f"{STORES}/5")] * 4, {"mount": f"{STORES}/5"}, "below a directory of another user"),
        ([mount("/srv/one"), *[mount("/mnt")] * 3], {"mount": "/mnt"}, "is mounted on /srv/one on some nodes"),
        ([mount("/usr/one", refused="the system's")] * 4, {}, "where the formula does not: it mounts it on /var/lib"),
        ([mount(state="dead"), *[mount()] * 3], {}, f"head: the mount on {STORES}/0 is dead"),
        ([mount(options=["acl"])] * 4, {"mount_options": ["acl"]}, "all nodes have them"),
        ([mount(options=["acl"]), *[mount()] * 3], {}, "head: volume one_vol is mounted with acl by hand"),
        ([mount(device="kvm2:/one_vol")] * 4, {}, ""),
        ([mount(device="10.0.0.2:/one_vol")] * 4, {}, "10.0.0.2 is not known as a server of volume one_vol"),
        ([mount(device="gl9.example.com:/one_vol")] * 4, {}, "gl9.example.com is not known as a server"),
    ],
)
def test_mounts(adopt, mounts, keys, said):
    answers = guide()
    for minion, each in zip(answers, mounts):
        answers[minion]["mounts"] = [copy.deepcopy(each)]
    found = adopt(answers)
    rest = {key: value for key, value in found.volumes["one_vol"].items() if key not in ("servers", "datastores")}
    assert rest == keys
    assert said in found.said


def test_a_server_by_another_name_is_known(adopt):
    answers = guide()
    for minion in answers:
        answers[minion]["mounts"] = [mount(device="kvm2.example.com:/one_vol")]
    assert "not known as a server" not in adopt(answers).said
    for minion in answers:
        answers[minion]["mounts"] = [mount(device="10.0.0.2:/one_vol")]
    answers["kvm2"]["names"] += ["10.0.0.2"]
    assert "not known as a server" not in adopt(answers).said
    answers["kvm2"]["names"] = ["kvm2"]
    answers["kvm1"]["pool"]["peers"][0]["hostnames"] += ["10.0.0.2"]
    assert "not known as a server" not in adopt(answers).said


def test_a_line_of_fstab(adopt):
    answers = guide()
    for minion in answers:
        answers[minion]["fstab"] = [line(f"{STORES}/0", "defaults", "_netdev", "log-level=warning")]
        answers[minion]["mounts"] = [mount(options=["log-level=WARNING"])]
    more = ("log-level=WARNING", "x-systemd.requires=glusterd.service")
    answers["kvm2"]["fstab"] = [line(f"{STORES}/0", *more, away=["noauto"])]
    found = adopt(answers)
    assert found.volumes["one_vol"]["mount_options"] == ["log-level=WARNING"]
    assert "kvm2: /etc/fstab mounts /var/lib/one/datastores/0 with noauto" in found.said
    assert "kvm2: /etc/fstab mounts /var/lib/one/datastores/0 with x-systemd.requires=glusterd.service" in found.said
    assert "does not have the mount" not in found.said


def test_a_directory_of_a_volume_is_said(adopt):
    answers = guide()
    answers["head"]["opennebula"]["datastores"][1]["GLUSTER_VOLUME"] = "one_vol/sub"
    found = adopt(answers)
    assert set(found.volumes["one_vol"]["datastores"]) == {"system"}
    assert "the pillar has no place for a directory of a volume" in found.said


def test_several_volumes(adopt):
    answers = guide()
    other = {**IMAGES, "id": 101, "name": "fast", "GLUSTER_VOLUME": "two_vol", "GLUSTER_HOST": "kvm2"}
    answers["head"]["opennebula"]["datastores"].append(other)
    for minion in answers:
        answers[minion]["mounts"].append(mount(f"{STORES}/101", "kvm2:/two_vol"))
        answers[minion]["directories"]["101"] = {"link": None, "leads": "two_vol", "mounted": f"{STORES}/101"}
        if minion in HOSTS:
            bricks = [f"{host}:/data/two" for host in ("kvm2", "kvm3")]
            two = {**VOLUME, "id": "id-2", "bricks": bricks, "servers": ["uuid-kvm2", "uuid-kvm3"]}
            answers[minion]["pool"]["volumes"].update(two_vol=two, backup={**VOLUME, "id": "id-3"})
    found = adopt(answers)
    assert found.volumes["two_vol"] == {"servers": ["kvm2", "kvm3"], "datastores": {"fast": {"datastore_id": 101}}}
    assert set(found.volumes) == {"one_vol", "two_vol"}
    assert "volume backup has no datastore of OpenNebula" in found.said


def test_who_is_no_minion_is_named(adopt):
    answers = guide()
    del answers["kvm1"]
    found = adopt(answers)
    assert "kvm1 is a host of OpenNebula, and no minion that has answered" in found.said
    assert "kvm1 is a member of Gluster's pool, and no minion that has answered is" in found.said
    assert found.volumes["one_vol"]["servers"] == ["kvm2", "kvm1", "kvm3"]
    assert "kvm1, the first of its bricks, is no minion" in found.said


def test_servers_that_are_no_minions(adopt):
    answers = guide()
    for host in HOSTS:
        answers[host]["pool"] = None
    found = adopt(answers)
    assert found.volumes["one_vol"]["servers"] == ["kvm1"]
    assert "no minion is a server of it" in found.said


def test_a_minion_that_does_not_answer(adopt):
    answers = guide()
    answers["kvm3"] = "'gluster_one_adopt.found' is not available.\x1b[2J"
    assert "kvm3: could not be looked at: 'gluster_one_adopt.found' is not available.\\x1b[2J" in adopt(answers).said


def test_without_a_head_nothing_is_described(adopt):
    answers = guide()
    answers["head"]["opennebula"] = {"datastores": [], "error": "no pyone", "hosts": [], "ds_mad": [], "tm_mad": []}
    found = adopt(answers)
    assert found.volumes == {}
    assert "head: OpenNebula could not be asked: no pyone" in found.said
    assert "no minion has OpenNebula's datastores" in found.said


def test_two_heads_of_which_one_is_a_host_too(adopt):
    answers = guide()
    answers["kvm3"]["opennebula"] = copy.deepcopy(answers["head"]["opennebula"])
    found = adopt(answers)
    assert "head, kvm3: each has OpenNebula's datastores" in found.said
    assert "#   kvm3:\n#     - match: list\n#     - gluster_one_head_hypervisor\n" in found.text
    assert "#   roles: [head, hypervisor]\n" in found.text


def test_a_node_that_opennebula_does_not_have_yet(adopt):
    answers = guide()
    answers["head"]["opennebula"]["hosts"] = ["kvm1", "kvm2"]
    found = adopt(answers)
    assert "kvm3: datastores' directories lead to a volume, and OpenNebula has no host of that name" in found.said
    assert "gluster_one_server" not in found.text


def test_machines_that_are_copies_of_one_are_named(adopt):
    answers = guide()
    answers["kvm3"]["pool"]["uuid"] = "uuid-kvm2"
    assert "kvm2, kvm3: their glusterd has one identifier" in adopt(answers).said


def test_what_a_node_has_against_it_is_shown(adopt):
    found = adopt(guide(), check=lambda pillar: {"errors": ["gluster_one:user is 'x'"]})
    assert "To be put right first, as a run stops there: - head, kvm1, kvm2, kvm3: gluster_one:user is" in found.said


@pytest.fixture
def master(monkeypatch):
    return Master(monkeypatch, dict.fromkeys(guide(), {}))


EVIL = "{{ salt['cmd.run']('id') }} {% set x %} {# x #} \x1b[2J\n- x: [y]"


@pytest.mark.parametrize("key", ["name", "tm_mad", "GLUSTER_HOST", "DRIVER", "ds_mad"])
def test_nothing_in_it_is_a_template(adopt, key):
    answers = guide()
    answers["head"]["opennebula"]["datastores"][1].update({key: EVIL})
    answers["kvm1"]["pool"]["volumes"]["one_vol"]["options"] = {"user.x": EVIL}
    answers["head"]["opennebula"]["hosts"].append(EVIL)
    found = adopt(answers)
    assert jinja2.Environment().from_string(found.text).render() == found.text.rstrip("\n")
    assert "\x1b" not in found.text
    assert found.text.startswith("#!yaml\n")


WORDS = ["kvm1", "kvm2", "one_vol", "one_vol/x", EVIL, "on", "{", "%}", "1"]
texts = st.one_of(st.text(max_size=12), st.sampled_from(WORDS))
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**12), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def places(value, path=()):
    """All paths in an answer."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from places(each, (*path, key))


PLACES = [path for path in places(guide()) if path]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(texts, anything)), max_size=3))
@example(changes=[(("head", "opennebula", "datastores", 1, "GLUSTER_HOST"), "kvm1 0?")])
def test_whatever_minions_say_the_text_loads_and_the_pillar_is_right_or_says_why(master, node, changes):  # noqa: F811
    answers = guide()
    for path, value in changes:
        at = answers
        try:
            for key in path[:-1]:
                at = at[key]
            at[path[-1]]
            at[path[-1]] = value
        except (LookupError, TypeError):
            continue
    found = Adopted(master, answers, check=node)
    assert jinja2.Environment().from_string(found.text).render() == found.text.rstrip("\n")
    assert all(each.isprintable() for each in found.text.split("\n"))
    if found.volumes:
        errors = node({**found.top, "volumes": found.volumes})["errors"]
        assert not errors or "To be put right first" in found.said


NAMES = [
    "0?", "?", "a: b", "a #b", "<<", "=", "1_0", "0o7", "1:30", "2020-01-01", "yes", "null", "~", "", "- a", "{{{%",
    "\\{", "...", "a\u2028", "\x85\ufeff", "\n\t", "x" * 1100, "\U0001f600" * 300, "{" * 300,
]  # fmt: skip


def pillar_of(master, name):
    """A pillar with this name in all places, and what its text loads as."""
    volume = {"servers": ["kvm1", name], "group": name, "options": {name: name}, "datastores": {name: {"host": [name]}}}
    pillar = {"volumes": {name: volume}}
    comments = {("volumes", name, "datastores", name): ["the default is another"]}
    found = {"pillar": pillar, "comments": comments, "remarks": [], "minions": ["kvm1"], "roles": {}}
    text = master.salt["gluster_one.pillar_text"](found)
    return {"gluster_one": pillar}, yaml.safe_load(jinja2.Environment().from_string(text).render())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_yaml_or_jinja_reads_as_another_thing_loads_as_itself(master, name):
    pillar, loaded = pillar_of(master, name)
    assert loaded == pillar


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=20))
def test_every_name_loads_as_itself(master, name):
    pillar, loaded = pillar_of(master, name)
    assert loaded == pillar


def linked(answers, path, link=None):
    """The datastores' directories lead to a mount there, by links that say so, or another link on the way."""
    for seen in answers.values():
        for number in ("0", "100"):
            seen["directories"][number] = {"link": link or path, "leads": "one_vol", "mounted": path}


@pytest.mark.parametrize("link", ["/srv/one_vol", "/srv/current", "../../../../srv/one_vol"])
def test_a_second_mount_that_no_datastore_uses_is_left_out(adopt, link):
    answers = guide()
    linked(answers, "/srv/one_vol", link)
    for seen in answers.values():
        seen["mounts"] = [mount("/backup", options=["log-level=ERROR"]), mount("/srv/one_vol")]
        seen["fstab"] = [line("/backup", "log-level=ERROR", away=["ro"]), line("/srv/one_vol", "defaults")]
    found = adopt(answers)
    assert found.volumes["one_vol"]["mount"] == "/srv/one_vol" and "mount_options" not in found.volumes["one_vol"]
    assert "one_vol is mounted on /backup as well, to which no datastore's directory leads" in found.said
    assert "remove that first" not in found.said and "on others" not in found.said


def test_what_fstab_says_counts_and_not_what_the_client_still_has(adopt):
    answers = guide()
    linked(answers, "/srv/one_vol")
    for seen in answers.values():
        seen["mounts"] = [mount("/srv/one_vol", options=["direct-io-mode=enable", "xlator-option=a=1"])]
        seen["fstab"] = [line("/srv/one_vol", "direct-io-mode=disable", "xlator-option=b=2")]
    found = adopt(answers)
    options = ["direct-io-mode=disable", "xlator-option=a=1", "xlator-option=b=2"]
    assert found.volumes["one_vol"]["mount_options"] == options
    assert "mounted with direct-io-mode=enable, and its line of /etc/fstab has another value" in found.said


def test_datastores_of_the_driver_qcow2_are_shared(adopt, node):  # noqa: F811
    answers = guide()
    system, images = answers["head"]["opennebula"]["datastores"][:2]
    system["tm_mad"] = "qcow2"
    images.update(tm_mad="qcow2", DISK_TYPE="FILE", GLUSTER_HOST=None, GLUSTER_VOLUME=None)
    stores = adopt(answers, check=node).volumes["one_vol"]["datastores"]
    assert stores == {
        "system": {"datastore_id": 0, "type": "SYSTEM_DS", "tm_mad": "qcow2"},
        "glusterds": {"datastore_id": 100, "access": "fuse", "tm_mad": "qcow2"},
    }


@pytest.mark.parametrize("names", [("kvm4", "kvm4.example.com"), ("KVM4", "kvm4.EXAMPLE.com")])
def test_a_member_without_bricks_is_listed_once(adopt, names):
    answers = guide()
    more = {"uuid": "uuid-4", "hostnames": ["kvm4", "kvm4.example.com"], "connected": True, "state": "Peer in Cluster"}
    for host in HOSTS:
        answers[host]["pool"]["peers"].append(more)
    for host, name in zip(HOSTS, names):
        answers[host]["mounts"] = [mount(device=f"{name}:/one_vol")]
    found = adopt(answers)
    assert found.volumes["one_vol"]["servers"] == [*HOSTS, names[0]]
    assert "is not known as a server" not in found.said


def test_a_single_server_has_no_backups(adopt):
    answers = guide()
    for seen in answers.values():
        seen["fstab"] = [line(f"{STORES}/0")]
        if seen["pool"]:
            one = {"bricks": ["kvm1:/data/one_vol"], "servers": ["uuid-kvm1"], "replica": 1}
            seen["pool"]["volumes"]["one_vol"].update(one)
    found = adopt(answers)
    assert found.volumes["one_vol"]["servers"] == ["kvm1"] and "backup-volfile-servers" not in found.said
