"""
What the master has kept of a job, and of minions
=================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Any minion can return anything under its own
name into any job that it knows of, also what Salt's own ``get_jid`` tries to load for ever: here, of a job only what
was asked for is read, and never without a limit. Any minion can also send any event into it.
"""

import contextlib
import logging
import math
import multiprocessing
import os
import resource
import threading
import time

import salt.cache
import salt.client
import salt.loader
import salt.payload
import salt.utils.files
import salt.utils.jid
import salt.utils.mine

log = logging.getLogger(__name__)

__virtualname__ = "gluster_one"

# Bytes of one return: a report has far less, and what is loaded can be sixty times as large.
MOST = 16 * 1024 * 1024
# Seconds for reading a cache that is not made of files.
LOOK = 10
# Held while Salt loads modules, and for how many seconds a thread waits for it at most.
_LOADING, PATIENCE = threading.Lock(), 60
# Bytes of memory that it may take, for the returns of all.
MEMORY = 2 * 1024**3
# Names that a minion may have.
NAMES = 200
UNREADABLE = "an answer that cannot be read"


def __virtual__():
    return __virtualname__


@contextlib.contextmanager
def client(minions):
    """
    Salt's client, for one job on these minions: it takes nothing for a return but what has the shape of one of theirs.
    Of all else it would show names on the terminal as they are, wait for more minions that it names, or end.

    minions
        The minions (list of strings).

    Returns a context manager; for other functions of this runner alone. ``at_it`` of the client are the minions whose
    last word to Salt's question (``saltutil.find_job``) was that the job runs (set).

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.client '[kvm1]'
    """
    with salt.client.get_local_client(mopts=__opts__) as local:
        # Salt offers no filter of events: these two are its own between its releases, and a test sees when they change.
        events, local.at_it = local.get_returns_no_block, set()

        def returns(tag, match_type=None):
            for count, event in enumerate(events(tag, match_type), 1):
                if event is None or _is_return(event, minions):
                    _note(local.at_it, event)
                    yield event
                if count % 100 == 0:  # whatever they are, so that who follows can look at the clock
                    yield None

        local.get_returns_no_block = returns
        # To see that there is such a job it would load all that is kept of it (`get_load`).
        local.returns_for_job = bool
        yield local


def _is_return(event, minions):
    data = event.get("data")
    own = isinstance(data, dict) and "return" in data and isinstance(data.get("id"), str) and data["id"] in minions
    if not own or not event.get("tag", "").endswith(f"/ret/{data['id']}"):
        return False
    return type(data.get("retcode", 0)) is int and not {"error", "minions", "syndic", "resource_id"} & set(data)


def _note(at_it, event):
    """
    Keep whether a minion runs its job, where an event is its answer to that question.
    """
    if event and event["data"].get("fun") == "saltutil.find_job":
        job = event["data"]["return"]
        (at_it.add if isinstance(job, dict) and job.get("jid") else at_it.discard)(event["data"]["id"])


def kept_returns(jid, minions):
    """
    What minions have returned, as the master has kept it: one read, within a limit of time.

    jid
        The job (string).

    minions
        Those of whom it is wanted, by the master's own list (list of strings); nothing of others is loaded where the
        master keeps returns in files (``master_job_cache: local_cache``).

    Returns a dict by minion, without those that have returned nothing yet; a sentence stands there for what cannot be
    loaded or is too large. Any other ``master_job_cache`` is asked for ten seconds; it has nothing when it fails.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.kept_returns 20250101000000000000 '[kvm1]'
    """
    keeper = __opts__.get("master_job_cache", "local_cache")
    if keeper != "local_cache":
        return _asked_of(keeper, jid, minions)
    jobs = os.path.join(__opts__["cachedir"], "jobs")
    directory = salt.utils.jid.jid_dir(jid, jobs, __opts__.get("hash_type", "sha256"))
    kept = {}
    for minion in minions:
        # Salt moves the whole file there: what cannot be loaded stays so.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            kept[minion] = _loaded(os.path.join(directory, minion, "return.p"))
    return kept


def kept_of(minion):
    """
    The grains and the pillar of a minion, as the master has kept them; both are what that minion likes them to be.

    minion
        The minion (string).

    Returns a list of two dicts; of None for both where the master keeps none (``minion_data_cache: False``).

    Raises whatever Salt does where one cannot be loaded.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.kept_of kvm1
    """
    if not __opts__.get("minion_data_cache"):
        return [None, None]
    found = [cache().fetch(bank, minion) for bank in ("grains", "pillar")]
    if not any(found):  # before Salt 3008
        data = cache().fetch(f"minions/{minion}", "data")
        found = [data.get(key) for key in ("grains", "pillar")] if isinstance(data, dict) else found
    return [each if isinstance(each, dict) else {} for each in found]


def reported(minion):
    """
    What a minion has written to its mine for the reactor.

    minion
        The minion (string).

    Returns when it has last looked, by its own clock (number, or None), and the kinds of all its findings (set). Both
    are None where its mine is none of the kind, and where it has had the master keep more of it than may be loaded.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.reported kvm1
    """
    mine = _mine(minion)
    if not isinstance(mine.get("findings"), list):
        return None, None
    at = mine.get("at")
    at = at if type(at) in (int, float) and abs(at) < 10**12 and math.isfinite(at) else None
    kinds = [finding.get("kind") for finding in mine["findings"][:1000] if isinstance(finding, dict)]
    return at, {kind for kind in kinds if isinstance(kind, str)}


def reported_places(minion):
    """
    What a minion's findings are about, as it has written them to its mine for the reactor.

    minion
        The minion (string).

    Returns a dict of lists of strings by kind, each of them its own word.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.reported_places kvm1
    """
    found, findings = {}, _mine(minion).get("findings")
    for finding in findings[:1000] if isinstance(findings, list) else ():
        words = (finding.get("kind"), finding.get("on")) if isinstance(finding, dict) else ()
        if words and all(isinstance(word, str) for word in words):
            found.setdefault(words[0], []).append(words[1])
    return found


def reported_names(minion):
    """
    The names by which the pillar's ``servers`` may mean a minion, as it has written them to its mine.

    minion
        The minion (string).

    Returns a list of strings, an empty one where its mine is none of the kind.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.reported_names kvm1
    """
    names = _mine(minion).get("names")
    return [name for name in names[:NAMES] if isinstance(name, str)] if isinstance(names, list) else []


def _mine(minion):
    """
    What is read for this is the one file: Salt's own ``mine.get`` makes a minion of the master first, with all of its
    grains, which takes a third of a second and more.
    """
    found = {}
    if not _keeps_too_much(minion):
        try:
            found = cache().fetch("mine", minion) or cache().fetch(f"minions/{minion}", "mine")
        except Exception as exc:  # pylint: disable=broad-except
            log.warning("gluster_one: the mine of %s cannot be read: %s", minion, exc)
    mine = found.get("gluster_one.findings") if isinstance(found, dict) else None
    if isinstance(mine, dict) and salt.utils.mine.MINE_ITEM_ACL_ID in mine:
        mine = mine.get(salt.utils.mine.MINE_ITEM_ACL_DATA)
    return mine if isinstance(mine, dict) else {}


@contextlib.contextmanager
def loading():
    """
    Let no other thread of this process have Salt load modules meanwhile, as for a pillar or a cache: while two load,
    one of them may be told that there is no renderer, or what Python no longer has in its own cache of paths. The
    reactor's threads are in one process. After a minute it goes on all the same.

    Returns a context manager; for other functions of this runner alone.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.loading
    """
    held = _LOADING.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        if held:
            _LOADING.release()


def cache():
    """
    The master's cache. Salt loads its drivers anew for each that is made, which takes a millisecond; the reactor's
    threads have one each.

    Returns Salt's object; for other functions of this runner alone.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.cache
    """
    key = f"gluster_one.cache.{threading.get_ident()}"
    if key not in __context__:
        with loading():
            made = salt.cache.factory(__opts__)
            made.fetch("mine", "-")  # it loads its driver when it is first asked
        __context__[key] = made
    return __context__[key]


def _keeps_too_much(minion):
    """
    Whether a minion's mine, grains or pillar is larger than may be loaded, as far as the master has them in files.
    """
    # Salt's since 3008, and before.
    places = [(bank, minion) for bank in ("mine", "grains", "pillar")]
    places += [(os.path.join("minions", minion), key) for key in ("mine", "data")]
    for bank, key in places:
        with contextlib.suppress(OSError):
            if os.path.getsize(os.path.join(__opts__["cachedir"], bank, f"{key}.p")) > MOST:
                return True
    return False


def _loaded(path):
    with salt.utils.files.fopen(path, "rb") as stream:
        return _loads(stream.read(MOST + 1))


def _loads(data):
    if len(data) > MOST:
        return UNREADABLE
    try:
        return salt.payload.loads(data, encoding="utf-8")["return"]
    except Exception:  # pylint: disable=broad-except
        return UNREADABLE


def _asked_of(keeper, jid, minions):
    """
    The same of a returner, in a process of its own: it loads what others have returned, too, and may not come back.
    """
    fork = multiprocessing.get_context("fork")
    ours, its = fork.Pipe(duplex=False)
    child = fork.Process(target=_ask_returner, args=(keeper, jid, minions, its))
    child.start()
    its.close()
    kept, deadline = {}, time.monotonic() + LOOK
    try:
        while ours.poll(max(0, deadline - time.monotonic())):
            minion, data = ours.recv()
            kept[minion] = _loads(data)
    except (EOFError, OSError):
        pass  # it has ended
    finally:
        child.kill()
        child.join()
        ours.close()
    return kept


def _ask_returner(keeper, jid, minions, pipe):
    with open("/proc/self/statm", encoding="ascii") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    found = salt.loader.returners(__opts__, {})[f"{keeper}.get_jid"](jid)
    for minion in minions:
        if "return" in found.get(minion, ()):
            data = salt.payload.dumps({"return": found[minion]["return"]})
            pipe.send((minion, data[: MOST + 1]))
