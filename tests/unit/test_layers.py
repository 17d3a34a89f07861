"""How the modules are laid out: read from the syntax trees, against what docs/architecture.md says of it."""

import ast
import re
from itertools import chain

import pytest

from lab import commands
from lab.fleet import CHECKOUT

LONGEST = 500  # lines of code, without docstrings, comments and empty lines
PAGE = CHECKOUT / "docs/architecture.md"
LOWER = ("_utils", "_modules")
FOLDERS = (*LOWER, "_states", "_runners", "_beacons", "_output")


class File:
    """What one file of the formula's modules defines, and calls of the others."""

    def __init__(self, path):
        self.path, self.name, self.folder = path, path.stem, path.parent.name
        text = path.read_text()
        self.tree = ast.parse(text)
        self.public = [one.name for one in self.tree.body if isinstance(one, ast.FunctionDef) and one.name[0] != "_"]
        names = [
            one
            for one in self.tree.body
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__virtualname__"
        ]
        self.virtual = names[0].value.value if names else self.name
        strings = {one.value for one in ast.walk(self.tree) if isinstance(one, ast.Constant)}
        self.calls = {one for one in strings if isinstance(one, str) and re.fullmatch(r"\w+\.\w+", one)}
        prose = set()
        for one in ast.walk(self.tree):
            if isinstance(one, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(one):
                prose.update(range(one.body[0].lineno, one.body[0].end_lineno + 1))
        lines = enumerate(map(str.strip, text.splitlines()), 1)
        self.code = sum(1 for number, line in lines if line and line[0] != "#" and number not in prose)


@pytest.fixture(scope="module")
def files():
    return [File(path) for folder in FOLDERS for path in sorted((CHECKOUT / folder).glob("*.py"))]


@pytest.fixture(scope="module")
def table():
    """By module what the page says of it: (level, whether it is internal)."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|.*\| (internal)? ?\|$", PAGE.read_text(), re.M)
    return {name: (int(level), bool(internal)) for name, level, internal in rows}


def test_the_page_has_each_module(files, table):
    assert set(table) == {file.name for file in files if file.folder in LOWER}


def test_a_call_has_the_name_of_its_file(files):
    assert [file.name for file in files if file.folder in LOWER and file.virtual != file.name] == []


def test_no_function_is_there_twice(files):
    where = {}
    for file in files:
        for name in file.public:
            where.setdefault((file.folder, file.virtual, name), []).append(file.name)
    assert {key: names for key, names in where.items() if len(names) > 1} == {}


def test_modules_call_lower_levels_only(files, table):
    lower = [file for file in files if file.folder in LOWER]
    owner = {f"{file.virtual}.{name}": file.name for file in lower for name in file.public}
    called = {(file.name, owner[call]) for file in lower for call in file.calls if call in owner}
    assert {(one, other) for one, other in called if one != other and table[one][0] <= table[other][0]} == set()


def test_nothing_of_a_process_is_read_whole(files):
    """Whoever runs it makes its command line gigabytes long; psutil reads that for its name, too."""
    whole = {"cmdline", "name", "environ", "as_dict", "memory_maps"}
    found = []
    for file in (file for file in files if file.folder in (*LOWER, "_states", "_beacons")):
        for one in ast.walk(file.tree):
            called = one.func if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) else None
            words = {each.value for each in ast.walk(one) if isinstance(each, ast.Constant)} if called else set()
            found += [
                f"{file.name}:{one.lineno}"
                for wrong in (
                    called and called.attr in whole,
                    called and called.attr == "process_iter" and words & whole,
                    isinstance(one, ast.Attribute) and one.attr == "cmdline",
                    isinstance(one, ast.Constant) and str(one.value).endswith(("/cmdline", "/environ")),
                )
                if wrong
            ]
    assert found == []


def test_no_file_is_too_long(files):
    assert {file.name: file.code for file in files if file.code > LONGEST} == {}


def test_what_is_not_internal_is_a_command(files, table):
    modules = [file for file in files if file.folder == "_modules" and not table[file.name][1]]
    public = {f"{file.name}.{name}" for file in modules for name in file.public}
    assert commands.functions("_modules").keys() & on_the_page() == public


def test_what_the_docs_and_the_master_name_is_a_command():
    """The master asks minions that may have another version of the modules."""
    docs = [path for path in (CHECKOUT / "docs").glob("*.md") if path not in (PAGE, commands.PAGE)]
    docs += [CHECKOUT / name for name in ("README.md", "SECURITY.md", "pillar.example")]
    master = [path for folder in ("_runners", "_beacons") for path in (CHECKOUT / folder).glob("*.py")]
    texts = {path: path.read_text() for path in [*docs, *master]}
    named = {one for text in texts.values() for one in re.findall(r"\b\w+\.\w+\b", text)}
    typed = {one for path in docs for one in re.findall(r"salt-run (gluster_one\.\w+)", texts[path])}
    typed &= commands.functions("_runners").keys()
    assert (commands.functions("_modules").keys() & named) | typed <= on_the_page()


def test_the_page_of_commands_is_that_of_the_docstrings():
    assert commands.PAGE.read_text() == commands.page(), "run `make format`"


def test_a_command_is_on_the_page_once_with_an_example_and_a_sentence():
    names, known = list(chain(*commands.TASKS.values())), commands.commands()
    assert len(names) == len(set(names)) and {name for name in known if "state." in name} <= set(names)
    cells = {name: known[name] for name in names}
    cells.update({name: ("its SLS", text.partition("\n")[0]) for name, text in commands.functions("_states").items()})
    assert [name for name, (example, does) in cells.items() if not example or does[-1:] != "."] == []


def on_the_page():
    return set(chain(*commands.TASKS.values()))
