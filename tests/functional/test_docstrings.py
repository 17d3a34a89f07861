"""What Salt shows of a function: its examples are calls that fit, and every argument is explained."""

import inspect
import re
import shlex

import pytest
import salt.utils.args
import yaml

from lab.fleet import CHECKOUT


def virtual_names(directory):
    """The names by which Salt knows the modules of a directory; several files may share one."""
    texts = [path.read_text() for path in (CHECKOUT / directory).glob("*.py")]
    return sorted({re.search(r'^__virtualname__ = "(\w+)"', text, re.MULTILINE)[1] for text in texts})


MODULES = virtual_names("_modules")
STATES = virtual_names("_states")
UTILS = virtual_names("_utils")


def public(functions, module):
    """(full name, function, docstring of its module) of all public functions of a module."""
    found = []
    for name in sorted(functions):
        if name.startswith(f"{module}."):
            function = inspect.unwrap(getattr(functions[name], "func", functions[name]))
            found.append((name, function, inspect.getmodule(function).__doc__ or ""))
    assert found, f"Salt does not load {module}"
    return found


@pytest.fixture(scope="module")
def runner_functions(loaders):
    import salt.loader

    return salt.loader.runner({**loaders.opts, "runner_dirs": [str(CHECKOUT / "_runners")]})


@pytest.fixture(scope="module")
def state_functions(loaders):
    """The state functions themselves, which ``loaders.states`` hides behind a proxy."""
    import salt.loader

    return salt.loader.states(loaders.opts, loaders.modules, loaders.utils, loaders.serializers)


def names(text):
    """The heads of paragraphs about arguments: ``uid, gid`` on a line of its own, with indented text below."""
    heads = re.findall(r"^(\w+(?:, \w+)*)\n +\S", text, re.MULTILINE)
    return {name for head in heads for name in head.split(", ")}


def fits(function, words):
    """Whether a function takes these words of a command line."""
    arguments, named = salt.utils.args.parse_input(words, condition=False)
    inspect.signature(function).bind(*arguments, **named)


def unexplained(function, module_text, other=""):
    known = names(inspect.getdoc(function) or "") | names(module_text) | names(other)
    arguments = inspect.signature(function).parameters
    return [name for name in arguments if name not in known]


@pytest.mark.parametrize("module", MODULES)
def test_every_example_of_a_module_is_a_call_that_fits(modules, module):
    for name, function, _ in public(modules, module):
        text = inspect.getdoc(function) or ""
        examples = [shlex.split(line) for line in re.findall(r"^ *salt (\S.*)$", text, re.MULTILINE)]
        assert "CLI Example" in text and name in [example[1] for example in examples], f"{name} has no CLI example"
        for _, called, *words in examples:
            assert called in modules, f"{name} calls {called}"
            fits(inspect.unwrap(getattr(modules[called], "func", modules[called])), words)


@pytest.mark.parametrize("module", MODULES)
def test_every_argument_of_a_module_is_explained(modules, state_functions, module):
    for name, function, module_text in public(modules, module):
        text = inspect.getdoc(function) or ""
        same_as = re.search(r"arguments are those of (the state )?``(\w+\.\w+)``", text)
        others = state_functions if same_as and same_as[1] else modules
        function_of = others[same_as[2]] if same_as else None
        other = inspect.getdoc(inspect.unwrap(getattr(function_of, "func", function_of))) if same_as else ""
        assert not unexplained(function, module_text, other), name


def test_every_example_of_a_runner_fits_and_every_argument_is_explained(runner_functions):
    for name, function, module_text in public(runner_functions, "gluster_one"):
        text = inspect.getdoc(function) or ""
        (example,) = re.findall(r"^ *salt-run (\S.*)$", text, re.MULTILINE)
        called, *words = shlex.split(example)
        assert called == name, f"{name} has no CLI example"
        fits(function, words)
        assert not unexplained(function, module_text), name


@pytest.mark.parametrize("module", UTILS)
def test_every_example_of_a_helper_runs_and_every_argument_is_explained(loaders, modules, module):
    """Salt gives helpers their ``__salt__`` when it makes the modules' loader: `modules` comes before the first one."""
    for name, function, module_text in public(loaders.utils, module):
        text = inspect.getdoc(function) or ""
        (example,) = re.findall(r"^ *(__utils__\S.*)$", text, re.MULTILINE)
        assert name in example
        eval(example, {"__utils__": loaders.utils})
        assert not unexplained(function, module_text), name


@pytest.mark.parametrize("module", STATES)
def test_every_state_explains_its_arguments_and_shows_an_example_that_fits(state_functions, module):
    for name, function, module_text in public(state_functions, module):
        assert not unexplained(function, module_text), name
        _, _, example = inspect.getdoc(function).partition(".. code-block:: yaml\n")
        example = re.sub(r"{{.*}}", "text", example)
        ((state,),) = [part.items() for part in yaml.safe_load(example).values()]
        assert state[0] == name, f"{name} has no example"
        arguments = {key: value for argument in state[1] for key, value in argument.items()}
        inspect.signature(function).bind(**{"name": "the identifier", **arguments})
