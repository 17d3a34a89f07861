"""What the master has kept of a job, with a return in it that Salt itself tries to load for ever."""

import inspect
import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import msgpack
import pytest
import salt.cache
import salt.client
import salt.loader
import salt.payload
import salt.utils.jid
import salt.utils.minions
import salt.version
from salt.returners import local_cache

from ..conftest import Master

JID = "20250101000000000000"
YEAR_1 = msgpack.ExtType(78, b"00010101T00:00:00.000000")


@pytest.fixture
def master(monkeypatch, tmp_path):
    opts = {"cachedir": str(tmp_path), "hash_type": "sha256", "keep_jobs_seconds": 86400}
    monkeypatch.setattr(local_cache, "__opts__", opts, raising=False)
    local_cache.prep_jid(passed_jid=JID)
    return Master(monkeypatch, {}, **opts)


def returns(minion, said):
    """As it comes off the wire."""
    load = msgpack.packb({"return": said, "id": minion, "jid": JID, "retcode": 0, "success": True, "out": "nested"})
    local_cache.returner(salt.payload.loads(load))


def kept(master, *minions):
    return master.salt["gluster_one.kept_returns"](JID, list(minions))


def test_one_that_cannot_be_loaded_keeps_nobody_waiting(master):
    returns("liar", YEAR_1)
    returns("kvm1", {"a": [1, None, "x"]})
    assert kept(master, "kvm1", "kvm2", "jid") == {"kvm1": {"a": [1, None, "x"]}}
    assert kept(master, "kvm1", "liar") == {"kvm1": {"a": [1, None, "x"]}, "liar": "an answer that cannot be read"}
    assert master.runner._kept(JID, ["kvm1", "kvm2"], ["kvm1"], 1) == {"kvm1": {"a": [1, None, "x"]}}


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91" * 5000, b"\x01", b"\x80", b"\x81\xa6return"])
def test_a_broken_file_is_no_answer(master, data):
    returns("kvm1", 1)
    path = os.path.join(salt.utils.jid.jid_dir(JID, local_cache._job_dir()), "kvm1", "return.p")
    with open(path, "wb") as stream:
        stream.write(data)
    assert kept(master, "kvm1") == {"kvm1": "an answer that cannot be read"}


def test_one_that_is_too_large_is_not_loaded(master, monkeypatch):
    monkeypatch.setattr(master.files["gluster_one_kept"], "MOST", 1000)
    returns("kvm1", "x" * 900)
    returns("kvm2", "x" * 1000)
    assert kept(master, "kvm1", "kvm2") == {"kvm1": "x" * 900, "kvm2": "an answer that cannot be read"}


@pytest.mark.parametrize("found, said", [
    ({"kvm1": {"return": [1]}, "liar": {"return": 5}, "kvm3": {}}, {"kvm1": [1]}), ({}, {}), (None, {}),
])  # fmt: skip
def test_another_cache_is_asked(master, monkeypatch, found, said):
    master.files["gluster_one_kept"].__opts__["master_job_cache"] = "redis"
    monkeypatch.setattr(salt.loader, "returners", lambda *words: {"redis.get_jid": lambda jid: found})
    assert kept(master, "kvm1", "kvm2", "kvm3") == said


def test_another_cache_that_does_not_come_back_is_ended(master, monkeypatch):
    def endless(jid):
        while True:
            time.sleep(1)

    master.files["gluster_one_kept"].__opts__["master_job_cache"] = "redis"
    monkeypatch.setattr(master.files["gluster_one_kept"], "LOOK", 0.2)
    monkeypatch.setattr(salt.loader, "returners", lambda *words: {"redis.get_jid": endless})
    assert kept(master, "kvm1") == {}


def test_a_look_into_another_cache_takes_no_more_memory_than_it_may(master, monkeypatch):
    """What one has returned may be sixty times as large once it is loaded."""
    master.files["gluster_one_kept"].__opts__["master_job_cache"] = "redis"
    monkeypatch.setattr(master.files["gluster_one_kept"], "MEMORY", 100 * 1024**2)
    found = {"kvm1": {"return": 1}}
    for size, said in ((10, {"kvm1": 1}), (500, {})):
        returners = {"redis.get_jid": lambda jid, size=size: found if bytearray(size * 1024**2) else None}
        monkeypatch.setattr(salt.loader, "returners", lambda *words, returners=returners: returners)
        assert kept(master, "kvm1") == said


@pytest.mark.parametrize("said", [YEAR_1, "x" * 1000])
def test_what_another_cache_has_of_one_minion_is_read_like_a_file(master, monkeypatch, said):
    master.files["gluster_one_kept"].__opts__["master_job_cache"] = "redis"
    monkeypatch.setattr(master.files["gluster_one_kept"], "MOST", 900)
    found = {"liar": {"return": salt.payload.loads(msgpack.packb(said))}, "kvm1": {"return": {"a": [1, None]}}}
    monkeypatch.setattr(salt.loader, "returners", lambda *words: {"redis.get_jid": lambda jid: found})
    assert kept(master, "liar", "kvm1") == {"liar": "an answer that cannot be read", "kvm1": {"a": [1, None]}}


def ret(minion="kvm1", tag=None, **data):
    return {"tag": tag or f"salt/job/{JID}/ret/{minion}", "data": {"id": minion, **data}}


ODD = [
    ret("\x1b[2J"), ret("\x1b[2J", **{"return": 5}), ret(minions=["ghost"]), ret(error="no"),
    ret(**{"return": 1}, minions=[]), ret(["x"], **{"return": 5}),
    ret(**{"return": 6}, retcode="1"), ret(**{"return": 7}, resource_id="\x1b"),
    {"tag": f"salt/job/{JID}/ret/kvm1", "data": 5}, ret(tag=f"salt/job/{JID}/x", **{"return": 8}),
]  # fmt: skip


@pytest.fixture(params=["ask", "job"])
def follow(request, monkeypatch, tmp_path):
    """follow(events): what is made of a job of kvm1 by Salt's own client; of another cache it could load everything."""
    loads = []

    class Client(salt.client.LocalClient):
        event = None

        def __init__(self):
            self.opts = {"timeout": 1, "gather_job_timeout": 1, "order_masters": False, "syndic_wait": 1}
            self.returners = {"local_cache.get_load": loads.append}

        def __exit__(self, *words):
            pass

        def returns_for_job(self, jid):
            loads.append(jid)

        def run_job(self, minions, *words, **more):
            return {"jid": JID, "minions": minions}

        def get_returns_no_block(self, tag, match_type=None):
            yield from self.events

    with monkeypatch.context() as nothing:
        master = Master(nothing, {}, cachedir=str(tmp_path))
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: Client())
    monkeypatch.setattr(salt.cache, "factory", lambda opts: master.bank)
    master.salt["gluster_one.kept_returns"] = lambda jid, minions: {"kvm1": "kept"}

    def follow(events):
        Client.events = iter(events)
        if request.param == "ask":
            answer = master.runner.ask(["kvm1"], "test.ping", timeout=1)["kvm1"]
        else:
            turn = master.remediation._Turn("kvm1", False)
            answer, jid = master.remediation._job("kvm1", ["gluster_one.mount"], 5, turn)
            assert jid == JID
        assert loads == []
        return answer

    return follow


@pytest.mark.parametrize(
    "name, arguments", [("get_returns_no_block", ["self", "tag", "match_type"]), ("returns_for_job", ["self", "jid"])]
)
def test_salts_client_has_what_the_runner_replaces(name, arguments):
    """No documented function of Salt's takes a filter of events, or follows a job without loading it first."""
    client = salt.client.LocalClient
    why = (
        f"Salt {salt.version.__version__}: LocalClient.{name} is not what `client` in _runners/gluster_one_kept.py "
        "replaces. See what follows a job now, and that no event of another minion gets there"
    )
    assert list(inspect.signature(getattr(client, name, len)).parameters) == arguments, why
    assert f"self.{name}(" in inspect.getsource(client.get_iter_returns), why


def test_of_a_job_only_returns_of_its_minions_are_followed(follow, caplog):
    """All else Salt's client would show as it is, wait for, or end by."""
    assert follow([*ODD, ret(**{"return": 5})]) == "kept"
    assert not [record for record in caplog.records if record.levelno >= 30]


def test_a_flood_of_events_is_not_followed_for_ever(follow):
    count = itertools.count()
    follow(ret(minions=[f"ghost{next(count)}"]) for _ in itertools.count())
    assert next(count) < 10**7


@pytest.mark.parametrize("follow, flooded", [("ask", "job"), ("ask", "question"), ("repair", "question")])
def test_a_flood_of_returns_is_not_followed_for_ever(monkeypatch, follow, flooded):
    """Of one that has returned already, or answers again and again that its job runs."""
    with monkeypatch.context() as nothing:
        master = Master(nothing, {}, job_cache=False)
    minions = type("", (), {"_pki_minions": lambda self: {"kvm1", "liar"}})()
    monkeypatch.setattr(salt.utils.minions, "CkMinions", lambda opts: minions)
    client, limit = Busy([], 99), time.monotonic() + 6

    def flood(tag, match_type=None):
        for _ in iter(int, 1):
            if time.monotonic() > limit:
                raise ValueError("it is followed for ever")
            ours = (JID in tag) == (flooded == "job")
            yield ret("liar", f"{tag}/ret/liar", fun="saltutil.find_job", **{"return": RUNS}) if ours else None

    client.get_returns_no_block = flood
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: client)
    if follow == "ask":
        monkeypatch.setattr(master.runner, "PATIENCE", 2)
        master.runner.ask(["kvm1", "liar"], "test.ping", timeout=0.5)
    else:
        monkeypatch.setattr(master.remediation, "ASK_AFTER", 0.5)
        turn = master.remediation._Turn("kvm1", False)
        master.remediation._job("liar", ["gluster_one.mount"], 1, turn)
    assert time.monotonic() < limit


@pytest.mark.parametrize("place", ["mine/kvm1", "grains/kvm1", "pillar/kvm1", "minions/kvm1/mine", "minions/kvm1/data"])
def test_what_a_minion_leaves_is_not_loaded_where_it_is_too_large(monkeypatch, tmp_path, place):
    """The reactor's process does everybody's repairs."""
    master = Master(monkeypatch, {"kvm1": {}}, cachedir=str(tmp_path))
    mine, loads = {"at": 5, "findings": [{"kind": "link"}]}, []
    monkeypatch.setattr(master.files["gluster_one_kept"], "MOST", 1000)
    master.bank["mine", "kvm1"] = lambda: loads.append(1) or {"gluster_one.findings": mine}
    path = tmp_path / f"{place}.p"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(1001))
    assert master.remediation.remediate("kvm1") == "kvm1 has reported nothing that could be repaired"
    assert loads == []
    path.write_bytes(bytes(1000))
    assert master.salt["gluster_one.reported"]("kvm1") == (5, {"link"})


FOUND = {"at": 5, "findings": [{"kind": "link"}]}


@pytest.mark.parametrize("bank", [("mine", "kvm1"), ("minions/kvm1", "mine")], ids=["3008", "before"])
@pytest.mark.parametrize("entry", [FOUND, {"__data__": FOUND, "__saltmine_acl__": 1, "allow_tgt": "*"}])
def test_a_mine_is_read_where_salt_keeps_it(monkeypatch, bank, entry):
    """Salt's own `mine.get` makes a minion of the master for each, with all grains."""
    master = Master(monkeypatch, {"kvm1": {}})
    master.bank[bank] = {"gluster_one.findings": entry, "network.ip_addrs": []}
    assert master.salt["gluster_one.reported"]("kvm1") == (5, {"link"})
    master.bank[bank] = lambda: 1 / 0
    assert master.salt["gluster_one.reported"]("kvm1") == (None, None)


def test_of_three_thousand_minions_the_drivers_of_the_cache_are_loaded_once(monkeypatch):
    master, made = Master(monkeypatch, {}, minion_data_cache=True), []
    kept_of = master.files["gluster_one_kept"].kept_of
    monkeypatch.setattr(salt.cache, "factory", lambda opts: made.append(1) or master.bank)
    master.bank["grains", "kvm1"], master.bank["pillar", "kvm1"] = {"host": "kvm1"}, {"gluster_one": {}}
    master.bank["minions/kvm2", "data"] = {"grains": {"host": "kvm2"}, "pillar": "x"}
    master.bank["grains", "kvm3"] = master.bank["minions/kvm3", "data"] = [1]
    assert kept_of("kvm1") == [{"host": "kvm1"}, {"gluster_one": {}}]
    assert kept_of("kvm2") == [{"host": "kvm2"}, {}] and kept_of("kvm3") == kept_of("kvm4") == [{}, {}]
    assert made == [1]
    master = Master(monkeypatch, {}, minion_data_cache=False)
    assert master.files["gluster_one_kept"].kept_of("kvm1") == [None, None]


def test_threads_have_salt_load_modules_one_after_the_other(monkeypatch):
    """Two that render pillars at once make Salt's loader fail, once in some hundred times: an event would be lost."""
    master, inside, most = Master(monkeypatch, {f"kvm{number}": {} for number in range(8)}), [], []
    show, check, factory = master.pillar, master.check_minions, salt.cache.factory

    def noting(function):
        def called(*words):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()
            return function(*words)

        return called

    master.salt["pillar.show_pillar"] = noting(show)
    monkeypatch.setattr(master, "check_minions", noting(check))
    monkeypatch.setattr(salt.cache, "factory", noting(factory))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(master.salt["gluster_one.rights"], master.pillars))
        list(pool.map(master.salt["gluster_one.reported"], master.pillars))
        list(pool.map(master.salt["gluster_one.accepted"], master.pillars))
    assert not any(each["error"] for each in found)
    assert len(most) >= 17 and max(most) == 1


def test_a_pillar_that_is_rendered_for_ever_delays_the_others_and_no_more(monkeypatch):
    master = Master(monkeypatch, {"kvm1": {}, "kvm2": {}})
    monkeypatch.setattr(master.files["gluster_one_kept"], "PATIENCE", 0.1)
    with master.salt["gluster_one.loading"]():
        assert master.salt["gluster_one.rights"]("kvm1")["error"] is None
    assert master.salt["gluster_one.rights"]("kvm2")["error"] is None


class Busy(salt.client.LocalClient):
    """Salt's own client on a master whose minions run a job of some seconds' tenths, and hear only so often of it."""

    def __init__(self, words, ends):
        self.opts = {"timeout": 1, "gather_job_timeout": 0, "order_masters": False, "syndic_wait": 1}
        nothing = dict.fromkeys(("subscribe", "unsubscribe", "destroy"), lambda *words: None)
        self.event = type("", (), nothing)
        self.words, self.ends, self.begin, self.asked = iter(words), ends, time.monotonic(), 0

    def __exit__(self, *words):
        pass

    def run_job(self, minions, function, *words, **more):
        self.asked += function == "saltutil.find_job"
        return {"jid": f"ask{self.asked}" if self.asked else JID, "minions": minions}

    def get_returns_no_block(self, tag, match_type=None):
        if JID not in tag:
            said = next(self.words, None)
            if said is not None:
                yield {"tag": f"{tag}/ret/kvm1", "data": {"id": "kvm1", "fun": "saltutil.find_job", "return": said}}
        for _ in iter(int, 1):
            over = JID in tag and time.monotonic() - self.begin > self.ends
            yield ret(**{"return": "done"}) if over else None


RUNS = {"jid": JID, "fun": "gluster_one.report", "pid": 7}


@pytest.mark.parametrize("words, ends, answer, asked, patience", [
    ([RUNS], 0.7, {"kvm1": "done"}, None, 100), ([RUNS, None, {}], 60, {}, 3, 100), ([], 60, {}, 1, 100),
    (["?"], 60, {}, 1, 100), ([RUNS], 60, {}, None, 10),
], ids=["is heard once", "was restarted", "is not heard", "odd words", "never ends"])  # fmt: skip
def test_one_that_has_said_that_the_job_runs_is_waited_for(monkeypatch, words, ends, answer, asked, patience):
    """On a busy master Salt's question whether it still runs is answered late, or not at all."""
    with monkeypatch.context() as nothing:
        master = Master(nothing, {}, job_cache=False)
    minions = type("", (), {"_pki_minions": lambda self: {"kvm1"}})()
    monkeypatch.setattr(salt.utils.minions, "CkMinions", lambda opts: minions)
    monkeypatch.setattr(master.runner, "PATIENCE", patience)
    client = Busy(words, ends)
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: client)
    assert master.runner.ask(["kvm1"], "gluster_one.report", timeout=0.1) == answer
    assert asked in (None, client.asked)
    assert time.monotonic() - client.begin > (1 if ends == 60 and asked is None else 0)


def test_what_came_past_the_events_is_taken_as_well(monkeypatch):
    """A busy master's events may be lost; what it has kept is there."""
    with monkeypatch.context() as nothing:
        master = Master(nothing, {}, cachedir="/nowhere")
    minions = type("", (), {"_pki_minions": lambda self: {"kvm1"}})()
    monkeypatch.setattr(salt.utils.minions, "CkMinions", lambda opts: minions)
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: Busy([], 9))
    master.salt["gluster_one.kept_returns"] = lambda jid, minions: {"kvm1": 5}
    assert master.runner.ask(["kvm1", "kvm2"], "gluster_one.report", timeout=0.1) == {"kvm1": 5}
