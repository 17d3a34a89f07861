"""
What a state returns, and what it announces while it waits
==========================================================

Salt's state modules share no functions; these serve all of this formula's.
"""

import logging
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_states"

log = logging.getLogger(__name__)
MOST_NAMED = 5  # of what uses a mount


def __virtual__():
    return __virtualname__


def describe(changes):
    """
    Changes in words.

    changes
        What was and what is to be, by what it is (dict of dicts with ``old`` and ``new``).

    Returns a string such as ``server.allow-insecure: off -> on, storage.owner-uid: 9869``.

    Example:

    .. code-block:: python

        __utils__["gluster_states.describe"]({"storage.owner-uid": {"old": -1, "new": 9869}})
    """
    words = []
    for key, change in changes.items():
        # What was there may be anybody's text: it writes nothing of its own to a terminal.
        old, new = (text if text.isprintable() else repr(text) for text in (str(change["old"]), str(change["new"])))
        new = "gone" if change["new"] is None else new
        words.append(f"{key}: {new}" if change["old"] is None else f"{key}: {old} -> {new}")
    return ", ".join(words)


def would_change(ret, changes, fine):
    """
    What a state returns when nothing is to be changed, because of ``test=True`` or because nothing differs.

    ret
        What it would return so far (dict).

    changes
        What differs (dict of dicts, as :func:`describe` takes them).

    fine
        Its comment where nothing differs (string).

    Returns ``ret`` with ``result``, ``changes`` and ``comment``.

    Example:

    .. code-block:: python

        __utils__["gluster_states.would_change"]({"name": "one_vol", "result": True, "changes": {}}, {}, "all is well")
    """
    if not changes:
        return {**ret, "comment": fine}
    return {**ret, "result": None, "changes": changes, "comment": f"would change {describe(changes)}"}


def changed(ret, changes, left, fine, error=None):
    """
    What a state returns after it has changed something.

    ret
        What it would return so far (dict).

    changes
        What differed before (dict of dicts, as :func:`describe` takes them).

    left
        What differs still (dict, the same way): the state has failed unless it is empty.

    fine
        What else its comment says (string).

    error
        What the tool said that was to change it (string, default none): the comment, where something is left.

    Returns ``ret`` with ``result``, with ``changes`` that were really made, and ``comment``.

    Example:

    .. code-block:: python

        __utils__["gluster_states.changed"]({"name": "one_vol", "result": True}, {"size": {"old": 1, "new": 2}}, {}, "")
    """
    done = {key: change for key, change in changes.items() if key not in left}
    if left:
        comment = error or f"still differs after the change: {describe(left)}"
        return {**ret, "result": False, "changes": done, "comment": comment}
    return {**ret, "changes": done, "comment": f"{describe(done)}; {fine}" if done else fine}


def announce_wait(what, seen, seconds):
    """
    Announce what is waited for, in the minion's log and as an event ``gluster_one/MINION/waiting``: from the fifth
    second on, then every ten seconds.

    what
        What would be so if nothing came (string), such as ``Volume one_vol was not started``.

    seen
        What is there instead (string).

    seconds
        How long it has been waited for already (number).

    Returns whether it was said.

    Example:

    .. code-block:: python

        __utils__["gluster_states.announce_wait"]("Volume one_vol was not started", "Created", 7)
    """
    said = __context__.setdefault("gluster_states.announce_wait", {})
    if seconds < 5 or 0 <= seconds - said.get(what, seconds - 10) < 10:
        return False
    said[what] = seconds
    log.info("waiting for %d s: %s (last seen: %s)", seconds, what, seen)
    if __opts__.get("file_client") != "local":  # without a master nobody receives it
        tag = f"gluster_one/{__opts__['id']}/waiting"
        __salt__["event.send"](tag, {"what": what, "seen": seen, "seconds": round(seconds)})
    return True


def used(path, users):
    """
    Why a mount is left as it is.

    path
        The directory (string).

    users
        What uses it (list of strings, one or more), as ``gluster_native.volume_users`` has them.

    Returns a sentence, without the cure.

    Example:

    .. code-block:: python

        __utils__["gluster_states.used"]("/var/lib/gluster_one/one_vol", ["less (4711)"])
    """
    shown = ", ".join(users[:MOST_NAMED]) + (", ..." if len(users) > MOST_NAMED else "")
    return f"{path} stays as it is while it is used by {shown}"


def wait_for(look, timeout, failure, cure=""):
    """
    Call a function until it returns nothing. An error that it raises counts as "not yet", its text as the reason; one
    whose attribute ``lasts`` is true, which comes a second time in a row, is not waited for.

    look
        The function, or the name of an execution function (string).

    timeout
        Seconds to wait (number).

    failure
        What has not come about when it never does (string).

    cure
        What the error says in its end (string, default nothing).

    Returns the seconds that it took (int).

    Raises CommandExecutionError that says the failure and what was seen last.

    Example:

    .. code-block:: python

        __utils__["gluster_states.wait_for"]("gluster_pool.unsettled_reason", 60, "The pool was not ready")
    """
    look = __salt__[look] if isinstance(look, str) else look
    begin = time.monotonic()
    pause, lasts = 0.25, False
    while True:
        lasted, lasts = lasts, False
        try:
            seen = look()
        except CommandExecutionError as exc:
            seen, lasts = str(exc), getattr(exc, "lasts", False)
        passed = time.monotonic() - begin
        if not seen:
            return round(passed)
        if lasts and lasted:
            raise CommandExecutionError(f"{failure}: {seen}{cure}")
        if passed + pause > timeout:
            raise CommandExecutionError(f"{failure} within {timeout} s (last seen: {seen}){cure}")
        announce_wait(failure, seen, passed)
        time.sleep(pause)
        pause = min(pause * 1.5, 3)
