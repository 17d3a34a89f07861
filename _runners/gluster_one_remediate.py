"""
Automatic repair of OpenNebula's GlusterFS datastore
====================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. ``remediate`` is what the reactor calls.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import time

import salt.utils.files
from salt.exceptions import SaltClientError
from salt.utils.args import split_input

log = logging.getLogger(__name__)

__virtualname__ = "gluster_one"

# These concern the pool: on one server at a time.
ONE_AT_A_TIME = ("gluster_one.started", "gluster_one.glusterd")
BANK = "gluster_one/remediate"
ATTEMPTS = 3
# Seconds after the first failure, doubled after each more.
BACK_OFF = 15
NO_ANSWER = "the minion did not answer"
UNCHANGED = "the formula finds nothing to change there"
# Seconds that a repair waits for a place; that is no failure of its own.
PATIENCE = 600
# Seconds that a server waits for the others, in one of the reactor's few threads. Then it is looked at again when a
# turn ends. Longer than LOOKS_APART and REST, within which it would be for nothing.
WAIT = 10
# Seconds after which a minion is asked, again and again, whether the job still runs there.
ASK_AFTER = 15
# Seconds that a job may take beyond the pillar's timeout for each volume, whatever the minion says: then it has failed.
GRACE = 60
# Seconds that one server's job keeps the others waiting, and that it rests before it may do so again.
TURN, REST = 30, 5
# Seconds for which a finding has to stay away before its failures are forgotten, and a job that never ended with it.
FORGOTTEN = 600
# Seconds after which one has gone without a word: the beacon reports what stays at least once an hour.
UNSEEN = 2 * 3600
# Repairs that run at a time: each has the master render pillars and serve files.
JOBS = 20
# Seconds in which a minion's events are looked at once, unless its mine is another.
LOOKS_APART = 3


class _Waits(str):
    """
    Why there was no turn, which is not a failure. It is a type of its own, since any text may be a minion's.
    """

    def __new__(cls, why):
        return super().__new__(cls, f"waits for its turn: {why}")


def __virtual__():
    return __virtualname__


def remediate(minion):
    """
    Repair what a minion has reported, by applying the formula to it again. The reactor calls it.

    The minion's findings are read from its mine, where only it can have left them; what the event said is not used.
    Which kinds are repaired is the pillar's ``remediate``. One job for each minion at a time, servers one after
    another. After a failure, also when nothing was to be changed, that kind of finding waits, each time longer, if the
    minion still has it at its next look; after three it is given up until it has been gone for ten minutes, with an
    event ``gluster_one/<minion>/gave_up``. What only one server at a time may do waits ten
    minutes after three repairs within ten minutes.

    minion
        The minion (string).

    Returns a sentence that says what was done.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.remediate kvm2
    """
    if not isinstance(minion, str) or minion not in __salt__["gluster_one.accepted"]():
        return f"no accepted minion is called that{__salt__['gluster_one.below']()}"
    if not __salt__["gluster_one.keeps_mine"]():
        why = (
            f"what {minion} has found is not known, because the master keeps no mine (minion_data_cache: false), and "
            "nothing is repaired: set minion_data_cache or enforce_mine_cache to true in the master's configuration"
        )
        log.error("gluster_one: %s", why)
        return why
    with _lock(_file("minions", minion)) as held:
        if not held:
            return f"{minion} is being repaired already"
        cache = __salt__["gluster_one.cache"]()
        if _looked_just_now(minion, cache):
            return f"{minion} was checked just now"
        at, found = _reported(minion)
        if found is None:
            return f"{minion} has reported nothing that could be repaired"
        past, given_up = _past(minion, cache, found, at)
        about = __salt__["gluster_one.reported_places"](minion)
        if given_up:
            _tell(minion, given_up, about)
        said = {kind: _waits(past.get(kind), at) for kind in _repairs() if kind in found}
        back = [kind for kind in said if kind in past and _rests(past[kind]) and not past[kind].get("told")]
        back = [kind for kind in back if past[kind]["at"] != at]  # an event is anybody's, and no look
        if back:
            _tell(minion, {kind: _come_back(past[kind]) for kind in back}, about)
            for kind in back:
                past[kind]["told"] = True
        # Also where nothing is done, so that what is gone is forgotten, and what was said is not said again.
        _keep(minion, past, cache)
        if not all(said.values()):
            part = __salt__["gluster_one.rights"](
                minion, {"said": {minion: __salt__["gluster_one.reported_names"](minion)}}
            )
            if part["error"]:
                return f"the pillar of {minion} cannot be rendered: {part['error']}"
            if part["maintenance"]:
                return f"{minion} is under maintenance"
            wanted = part["remediate"] if isinstance(part["remediate"], list) else _repairs()
            mods, table = {}, __salt__["gluster_one.kinds"]()
            for kind in [kind for kind, why in said.items() if not why]:
                sls = _sls(kind, part["roles"])
                holding = [other for other in table if other in found and sls in table[other].get("holds", ())]
                if kind not in part["kinds"]:
                    said[kind] = "is ignored: by its pillar this minion cannot have it"
                elif kind not in wanted:
                    said[kind] = "is not repaired: remediate of the pillar leaves it out"
                elif holding:
                    said[kind] = f"is not repaired: {' and '.join(holding)} has to be looked at by a person first"
                else:
                    mods[kind] = sls
            if mods:
                said.update(_put_right(minion, at, mods, past, part, about))
                _keep(minion, past, cache)
        if not said:
            return f"{minion} has reported nothing that could be repaired"
        return f"{minion}: {'; '.join(f'{kind} {what}' for kind, what in said.items())}"


def forget(minions):
    """
    Forget what was done about the findings of minions, as when they leave.

    minions
        The minions (string, with commas between several, or list).

    Returns a list of those of whom something was known.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.forget kvm2
    """
    cache, known = __salt__["gluster_one.cache"](), []
    for minion in sorted(set(split_input(minions)) & set(__salt__["gluster_one.accepted"]())):
        recorded = __salt__["gluster_one.forget_repairs"](minion)
        known += [minion] if recorded or cache.fetch(BANK, minion) else []
        cache.flush(BANK, minion)
    return known


def _keep(minion, past, cache):
    if past:
        cache.store(BANK, minion, past)
    else:
        cache.flush(BANK, minion)


def _past(minion, cache, found, at):
    """
    What was done about each kind of finding (dict), and why those are given up that are from now on (dict). One that
    has stayed away for a while is forgotten, so that it is new should it come back; one that comes and goes is not.
    """
    known, past, given_up, now = cache.fetch(BANK, minion), {}, {}, time.time()
    for kind, was in (known if isinstance(known, dict) else {}).items():
        was = dict(was)
        gone, seen = was.pop("gone", now), was.pop("seen", was["next"])
        # A beacon that begins anew does not say what has gone, and an event can be lost.
        if not 0 <= now - gone < FORGOTTEN or now - seen >= UNSEEN or kind not in _repairs():
            continue
        past[kind] = {**was, "seen": now} if kind in found else {**was, "seen": seen, "gone": gone}
        if "ended" in was and (kind not in found or was["at"] != at):
            failed = _judge(kind, past[kind], kind in found)
            if failed and past[kind]["failures"] >= ATTEMPTS:
                given_up[kind] = failed
    return past, given_up


def _judge(kind, known, still):
    """
    Take what the minion itself has found since a job has ended into account: anybody may have returned in its name. A
    failure counts only where the finding is still there. Else, where others wait for its turn, that is counted: no
    failure, but after some of them the others are to have theirs.

    Returns why it has failed, or None.
    """
    ended, failed = known.pop("ended"), known.pop("failed")
    if failed and still:
        known["failures"] += 1
        known.update(next=ended + BACK_OFF * 2 ** (known["failures"] - 1), rests=False)
        return failed
    known["turns"] = [turn for turn in known["turns"] if 0 <= ended - turn < FORGOTTEN]
    if _repairs()[kind] in ONE_AT_A_TIME:
        known["turns"].append(ended)
    known["rests"] = len(known["turns"]) >= ATTEMPTS
    known["next"] = ended + FORGOTTEN * known["rests"]
    return None


def _tell(minion, given_up, about):
    why = "; ".join(dict.fromkeys(given_up.values()))
    __salt__["event.send"](f"gluster_one/{minion}/gave_up", {"kinds": list(given_up), "why": why})
    _record(minion, [{"kind": kind, "did": "gave_up", "why": why} for kind, why in given_up.items()], about)


def _record(minion, repairs, about):
    repairs = [{**one, "on": about.get(one["kind"], [])} for one in repairs]
    __salt__["gluster_one.record_repairs"](minion, repairs)


def _looked_just_now(minion, cache):
    """
    Whether a minion was looked at a moment ago, and has not left anything in its mine since: anybody can send events in
    its name, the mine is its own. What it leaves there itself is looked at once in a while, too.
    """
    now, kept = time.time(), _file("looks", minion)
    version = _version(minion, cache)
    try:
        with salt.utils.files.fopen(kept) as stream:
            words = stream.read(200).split()
        looked, renewed, seen = float(words[0]), float(words[1]), words[2]
    except (OSError, ValueError, IndexError):
        looked = renewed = seen = None
    recent = looked is not None and 0 <= now - looked < LOOKS_APART
    if recent and (version == seen or 0 <= now - renewed < LOOKS_APART):
        return True
    with salt.utils.files.fopen(kept, "w") as stream:
        stream.write(f"{now} {renewed if version == seen else now} {version}")
    return False


def _version(minion, cache):
    """
    When a minion last left something in its mine, as a word.
    """
    for bank, key in (("mine", minion), (f"minions/{minion}", "mine")):  # Salt's since 3008, and before
        with contextlib.suppress(Exception):
            if cache.contains(bank, key):
                return str(cache.updated(bank, key))
    return "-"


def _waits(known, at):
    """
    Why a kind of finding is not repaired now, or None.

    known
        What the cache has of it (dict), None for a new one.

    at
        When the minion has last looked (float).
    """
    if not known:
        return None
    if known["at"] == at:
        return "has not been checked again since its repair"
    if known["failures"] >= ATTEMPTS:
        return f"was given up after {ATTEMPTS} failures"
    if time.time() < known["next"]:
        back = "has come back, and " if _rests(known) else ""
        return f"{back}is tried again in {known['next'] - time.time():.0f} s"
    return None


def _rests(known):
    """
    Whether a kind of finding was repaired so often that others have their turn first.
    """
    return known.get("rests", False)


def _come_back(known):
    """
    What is said of a kind of finding that is not repaired for a while, once it is found again.
    """
    count = known["failures"]
    failed = f", with {count} failure{'s' if count > 1 else ''}" if count else ""
    return f"repaired {len(known['turns'])} times within ten minutes{failed}, it has come back"


def _sls(kind, roles):
    """
    What repairs a finding on a minion of these roles.
    """
    others = __salt__["gluster_one.kinds"]()[kind].get("repairs", {})
    return next((others[role] for role in roles if role in others), _repairs()[kind])


def _repairs():
    """
    What repairs a finding, by kind: the formula applied again to that node. Nothing else of an event or a mine is used.
    """
    return {kind: has["repair"] for kind, has in __salt__["gluster_one.kinds"]().items() if "repair" in has}


def _put_right(minion, at, mods, past, part, about):
    """
    Apply the SLS of each kind of finding, keep in ``past`` what came of it, record and say it: a dict by kind.
    """
    begin = time.time()
    came, jid = _repair(minion, mods.values(), part)
    if NO_ANSWER in came.values() and _reported(minion)[0] != at:  # it was restarted, and the job was lost with it
        came, jid = _repair(minion, mods.values(), part)
    waits = {kind: came[sls] for kind, sls in mods.items() if isinstance(came[sls], _Waits)}
    mods = {kind: sls for kind, sls in mods.items() if kind not in waits}
    # What it has found since is counted when it has looked again; it may have come right meanwhile by itself.
    looked, still = _reported(minion)
    looked, still = (at, mods) if still is None else (looked, still)
    done, repairs = {}, []
    for kind, sls in mods.items():
        was, now = past.get(kind, {}), time.time()
        past[kind] = {
            "at": looked, "failures": was.get("failures", 0), "turns": was.get("turns", []), "next": now, "ended": now,
            "failed": came[sls],
        }  # fmt: skip
        failed = came[sls] and kind in still
        if kind not in still:
            _judge(kind, past[kind], False)
        done[kind] = f"could not be repaired: {came[sls]}" if failed else "repaired"
        did = {"did": "failed", "why": came[sls]} if failed else {"did": "repaired"}
        repairs.append({"kind": kind, **did, "sls": sls, "jid": jid, "seconds": round(time.time() - begin, 1)})
    if repairs:
        _record(minion, repairs, about)
    return {**done, **waits}


def _file(folder, minion=""):
    """
    A file of the master's for a minion, in a directory of its kind: no identifier is the name of another's.
    """
    directory = os.path.join(__opts__["cachedir"], "gluster_one", folder)
    os.makedirs(directory, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", minion)[:100]
    return os.path.join(directory, f"{name}.{hashlib.sha256(os.fsencode(minion)).hexdigest()[:16]}")


@contextlib.contextmanager
def _lock(path, patience=0, last=None):
    """
    Hold a lock of the master, free again when its holder ends; yields the file, or None when it was not got within so
    many seconds. Who had it last, by the name that stands there, lets others go first for a moment.
    """
    deadline = time.monotonic() + patience
    with salt.utils.files.fopen(path, "a+") as stream:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if last is None or not _had_it(stream, last):
                    break
                fcntl.flock(stream, fcntl.LOCK_UN)
            if time.monotonic() >= deadline:
                stream = None
                break
            time.sleep(0.5)
        yield stream


@contextlib.contextmanager
def _place():
    """
    One of the places for the repairs that run at a time; yields None when all were taken for too long.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        for number in range(JOBS):
            with _lock(_file("places", str(number))) as held:
                if held:
                    yield held
                    return
        if time.monotonic() >= deadline:
            yield None
            return
        time.sleep(0.5)


def _had_it(stream, minion):
    stream.seek(0)
    return stream.read(1000) == minion and 0 <= time.time() - os.fstat(stream.fileno()).st_mtime < REST


class _Turn:
    """
    The turn of one server of the pool among the others. A job that takes longer than a turn goes on without it.
    """

    def __init__(self, minion, needed):
        self.minion, self.needed, self.begin = minion, needed, time.monotonic()
        self.stack = contextlib.ExitStack()
        self.stream = None

    def __enter__(self):
        if self.needed:
            self.stream = self.stack.enter_context(_lock(_file("servers"), WAIT, self.minion))
            self.begin = time.monotonic()
            if not self.stream:
                with salt.utils.files.fopen(_file("waiting", self.minion), "w") as stream:
                    stream.write(self.minion)
        return self

    def __exit__(self, *_):
        self.end()

    @property
    def held(self):
        return self.stream is not None or not self.needed

    def late(self):
        """
        Let the next one go on once this one has had its time.
        """
        if self.stream and time.monotonic() - self.begin > TURN:
            self.unfinished()
            self.end()

    def unfinished(self):
        """
        Have the others know that the job may go on after the turn.
        """
        if self.stream:
            with salt.utils.files.fopen(_file("unfinished", self.minion), "w") as stream:
                stream.write(self.minion)

    def end(self):
        if self.stream:
            self.stream.seek(0)
            self.stream.truncate()
            self.stream.write(self.minion)
            self.stream.flush()
        ended, self.stream = self.stream, None
        self.stack.close()
        if ended:
            _call_waiting()


def _call_waiting():
    """
    Have the reactor look again at the servers that wait for their turn, first at the one that has waited longest; a
    beacon's event is but a hint. One alone might take no turn, and nobody would call the others then.
    """
    directory, waiting = os.path.dirname(_file("waiting")), []
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError), salt.utils.files.fopen(path) as stream:
            waiting.append((os.fstat(stream.fileno()).st_mtime, path, stream.read(1000)))
    for at, path, minion in sorted(waiting):
        with contextlib.suppress(FileNotFoundError):  # another turn has ended, too
            os.remove(path)
            if 0 <= time.time() - at < FORGOTTEN:
                __salt__["event.send"](f"salt/beacon/{minion}/gluster_one/changed", {"id": minion})


def _last_turn():
    """
    When the last turn of a server has ended (nanoseconds), 0 before the first.
    """
    with contextlib.suppress(FileNotFoundError):
        kept = os.stat(_file("servers"))
        return kept.st_size and kept.st_mtime_ns
    return 0


def _unfinished(minion):
    """
    Whose job of another server is still going on, as far as is known (list of minions).
    """
    directory, found = os.path.dirname(_file("unfinished")), []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError), salt.utils.files.fopen(path) as stream:
            if 0 <= time.time() - os.fstat(stream.fileno()).st_mtime < FORGOTTEN:
                found.append(stream.read(1000))
    return [other for other in found if other != minion]


def _reported(minion):
    return __salt__["gluster_one.reported"](minion)


def _repair(minion, mods, part):
    """
    Apply these SLS in one job; returns what failed of each, or None, by its name, and the job, None where there was
    none. That nothing was changed fails, too: what was found is still there.
    """
    mods = list(dict.fromkeys(mods))
    # What only starts what is down takes its turn on the servers themselves, and others need not have ended.
    beside = _unfinished(minion) if "gluster_one.glusterd" in mods else []
    last = _last_turn()
    # Before the turn, which others wait for: to ask takes a while.
    why = _in_the_way(minion, beside)
    if why:
        return dict.fromkeys(mods, _Waits(why)), None
    with _Turn(minion, set(mods) & set(ONE_AT_A_TIME)) as turn:
        if not turn.held:
            return dict.fromkeys(mods, _Waits("another server is being repaired")), None
        if "gluster_one.glusterd" in mods and set(_unfinished(minion)) - set(beside):
            return dict.fromkeys(mods, _Waits("the job on another server is still running")), None
        # The answer is from before what another one has done in its turn meanwhile.
        why = _in_the_way(minion, beside) if _last_turn() != last else None
        if why:
            return dict.fromkeys(mods, _Waits(why)), None
        longest = GRACE + part["timeout"] * max(1, len(part["servers"]))
        with _place() as place:
            if place is None:
                return dict.fromkeys(mods, _Waits(f"{JOBS} other repairs are running")), None
            turn.begin = time.monotonic()
            try:
                answer, jid = _job(minion, mods, longest, turn)
            except SaltClientError as exc:
                return dict.fromkeys(mods, str(exc)), None
    if isinstance(answer, _Waits):
        return dict.fromkeys(mods, answer), jid
    if not isinstance(answer, dict):
        said = _visible(answer)
        silent = not answer or said.startswith("Minion did not return")
        return dict.fromkeys(mods, NO_ANSWER if silent else said), jid
    came = {}
    for sls in mods:
        own = ("gluster_one.pillar", sls)
        states = [state for state in answer.values() if isinstance(state, dict) and state.get("__sls__") in own]
        failed = [
            f"{_visible(state.get('name'))}: {_visible(state.get('comment'))}"
            for state in states
            if state.get("result") is False
        ]
        changed = any(state.get("result") is True and state.get("changes") for state in states)
        came[sls] = "; ".join(failed[:5]) or (None if changed else UNCHANGED)
    return came, jid


def _in_the_way(minion, beside):
    """
    Why nothing may be done on a server while the jobs on these, which have had their turn, go on; None where nothing
    is.
    """
    if not beside:
        return None
    answer = __salt__["gluster_one.ok_to_stop"]([minion], restart=True, unasked=beside)
    return None if answer["ok"] else f"the job on {beside[0]} is still running, and {'; '.join(answer['reasons'][:3])}"


def _job(minion, mods, longest, turn):
    """
    What a job has returned, a sentence when it has not ended in time, None when the minion does not run it; and the
    job's number.

    It is what the master has kept: an event may be anybody's. Only a master that keeps nothing has but the event.
    """
    deadline, at = time.monotonic() + longest, _reported(minion)[0]
    with __salt__["gluster_one.client"]([minion]) as client:
        job = client.run_job(
            [minion], "state.apply", [",".join(mods)], tgt_type="list", kwarg={"queue": True}, timeout=ASK_AFTER,
            listen=True,
        )  # fmt: skip
        if not job:
            return None, None
        more = {"timeout": ASK_AFTER, "tgt": [minion], "tgt_type": "list", "block": False}
        returned, broken, lost = {}, None, False
        try:
            with contextlib.closing(client.get_iter_returns(job["jid"], [minion], **more)) as came:
                for part in came:  # nothing, while nothing comes
                    if isinstance(part, dict) and isinstance(part.get(minion), dict) and "ret" in part[minion]:
                        returned = part
                        break
                    if time.monotonic() > deadline:
                        break
                    turn.late()
                    time.sleep(0.05)
                else:  # nobody says that it runs: also when another one has answered that in the minion's name
                    lost = True
                    turn.unfinished()
        except SaltClientError:
            raise
        except Exception as exc:  # pylint: disable=broad-except
            # Salt's client takes what any minion says of a job to be of the right shape: one that is not ends it.
            broken = _Waits(f"its job could not be followed ({type(exc).__name__})")
        if __salt__["gluster_one.keeps_returns"]():
            awaited, broken = returned or broken or lost, None
            kept = __salt__["gluster_one.kept_returns"](job["jid"], [minion])
            while awaited and minion not in kept and time.monotonic() <= deadline:
                if lost and _reported(minion)[0] != at:  # its own word: it may have been restarted, without the job
                    break
                turn.late()
                time.sleep(0.5)
                kept = __salt__["gluster_one.kept_returns"](job["jid"], [minion])
            returned = {name: {"ret": said} for name, said in kept.items()}
    if minion in returned:
        with contextlib.suppress(FileNotFoundError):
            os.remove(_file("unfinished", minion))
        return returned[minion]["ret"], job["jid"]
    late = f"the job did not end within {longest} s" if time.monotonic() > deadline and not lost else None
    return broken or late, job["jid"]


def _visible(said):
    return __salt__["gluster_one.visible"](said)
