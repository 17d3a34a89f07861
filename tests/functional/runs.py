"""What every state owes: it predicts, does what it predicted, is idle afterwards, and fails in words and in time."""

import pytest
from salt.exceptions import CommandExecutionError

from . import host


def four_runs(state, *args, paths=(), look=None, **arguments):
    """
    The state four times: predicted, applied, again, predicted again. Between them the host is compared, and whatever
    else ``look`` returns. Returns the run that changed something.
    """

    def seen():
        return host.outside(*paths), look() if look else None

    before = seen()
    predicted = state(*args, test=True, **arguments)
    assert (predicted.result, bool(predicted.changes)) == (None, True), predicted.comment
    assert seen() == before, "test=True has changed something"
    applied = state(*args, **arguments)
    assert applied.result is True, applied.comment
    assert known(applied.changes, predicted.changes) == predicted.changes
    assert not applied.warnings
    idle(state, *args, paths=paths, look=look, **arguments)
    return applied


def known(changes, predicted):
    """Changes with the identifiers, which no prediction can know, hidden where the prediction has none."""
    hidden = {}
    for key, change in changes.items():
        foretold = predicted.get(key, {}).get("new")
        new = change["new"]
        if foretold == "(identifier)" and isinstance(new, int):
            new = foretold
        elif "(identifier)" in str(foretold):
            head, tail = foretold.split("(identifier)")
            middle = str(new).removeprefix(head).removesuffix(tail)
            new = foretold if middle.isdecimal() else new
        hidden[key] = {**change, "new": new}
    return hidden


def idle(state, *args, paths=(), look=None, **arguments):
    """A state that has nothing to do says so, twice, and does nothing."""
    before = host.outside(*paths), look() if look else None
    for test in (False, True):
        run = state(*args, test=test, **arguments)
        assert (run.result, run.changes) == (True, {}), run.comment
    assert (host.outside(*paths), look() if look else None) == before


def refuses(state, *args, paths=(), within=10, look=None, **arguments):
    """A state that fails before it touches anything, also with test=True; returns what it says."""
    comments = set()
    for test in (True, False):
        before = host.outside(*paths), look() if look else None
        with host.seconds(within):
            run = state(*args, test=test, **arguments)
        assert (run.result, run.changes) == (False, {}), run.comment
        assert (host.outside(*paths), look() if look else None) == before
        assert "\n" not in run.comment and "Traceback" not in run.comment, run.comment
        comments.add(str(run.comment))
    assert len(comments) == 1, comments
    return comments.pop()


def fails(state, *args, within=10, **arguments):
    """A state that fails when it is applied, in one line, after no more than so many seconds; returns its run."""
    with host.seconds(within):
        run = state(*args, **arguments)
    assert run.result is False, run.comment
    assert "\n" not in run.comment and "Traceback" not in run.comment, run.comment
    return run


def raises(function, *args, within=10, **arguments):
    """An execution function that fails, in one line and in time; returns what it says."""
    with host.seconds(within), pytest.raises(CommandExecutionError) as failure:
        function(*args, **arguments)
    assert "\n" not in str(failure.value)
    return str(failure.value)
