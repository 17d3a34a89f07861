"""For the tests of every kind: what they load again and again is compiled once."""

import functools
from importlib.machinery import SourceFileLoader


@functools.cache
def _code(source, path):
    return compile(source, path, "exec", dont_inherit=True)


# Unit tests import the modules anew for each test, Salt's loaders for each run of states. Where Python is told to keep
# no bytecode (-B, PYTHONDONTWRITEBYTECODE) it would compile them each time, for half of such a test's time.
SourceFileLoader.source_to_code = lambda self, data, path, **_: _code(data, path)
