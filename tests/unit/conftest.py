"""Execution and state modules imported as plain Python, their Salt names given by the test."""

import importlib.util
from pathlib import Path

import pytest
import salt._logging

salt._logging.shutdown_temp_handler()  # it would write what is logged to a stream of pytest that is closed by then

CHECKOUT = Path(__file__).resolve().parents[2]


def imported(path, **dunders):
    """A fresh import of one file, with the names that Salt's loader would give it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {"__salt__": {}, "__opts__": {"test": False}, "__pillar__": {}, "__grains__": {}, "__context__": {}}
    for name, value in {**names, **dunders}.items():
        setattr(module, name, value)
    return module


@pytest.fixture
def execution():
    """execution("gluster", __salt__={...}): the execution module of that name."""
    return lambda name, **dunders: imported(CHECKOUT / "_modules" / f"{name}.py", **dunders)
