"""
What the master has kept of a job
=================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Any minion can return anything under its own
name into any job that it knows of, also what Salt's own ``get_jid`` tries to load for ever: here, of a job only what
was asked for is read, and never without a limit. Who follows a job with Salt's client has it believe that there is such
a job: to see that, it would load all that is kept of it (``get_load``), also names that any minion may add.
"""

import contextlib
import multiprocessing
import os
import resource
import time

import salt.loader
import salt.payload
import salt.utils.files
import salt.utils.jid

__virtualname__ = "gluster_one"

# Bytes of one return: a report has far less, and what is loaded can be sixty times as large.
MOST = 16 * 1024 * 1024
# Seconds for one look into a cache that is none of files.
LOOK = 10
# Bytes of memory that it may take, for the returns of all.
MEMORY = 2 * 1024**3
UNREADABLE = "an answer that cannot be read"


def __virtual__():
    return __virtualname__


def kept_returns(jid, minions):
    """
    What minions have returned, as the master has kept it: one look, which ends.

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
    cache = __opts__.get("master_job_cache", "local_cache")
    if cache != "local_cache":
        return _asked_of(cache, jid, minions)
    jobs = os.path.join(__opts__["cachedir"], "jobs")
    directory = salt.utils.jid.jid_dir(jid, jobs, __opts__.get("hash_type", "sha256"))
    kept = {}
    for minion in minions:
        # Salt moves the whole file there: what cannot be loaded stays so.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            kept[minion] = _loaded(os.path.join(directory, minion, "return.p"))
    return kept


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


def _asked_of(cache, jid, minions):
    """
    The same of a returner, in a process of its own: it loads what others have returned, too, and may not come back.
    """
    fork = multiprocessing.get_context("fork")
    ours, its = fork.Pipe(duplex=False)
    child = fork.Process(target=_ask_returner, args=(cache, jid, minions, its))
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


def _ask_returner(cache, jid, minions, pipe):
    with open("/proc/self/statm", encoding="ascii") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    found = salt.loader.returners(__opts__, {})[f"{cache}.get_jid"](jid)
    for minion in minions:
        if "return" in found.get(minion, ()):
            data = salt.payload.dumps({"return": found[minion]["return"]})
            pipe.send((minion, data[: MOST + 1]))
