"""How the modules are laid out: read from the syntax trees, against what docs/architecture.md says of it."""

import ast
import re

import pytest

from lab.fleet import CHECKOUT

LONGEST = 500  # lines of code, without docstrings, comments and empty lines
# Calls that go up: what is mended has to be taken out, and none comes in.
UPWARDS = {("gluster_mount", "gluster_links")}
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
    assert {(one, other) for one, other in called if one != other and table[one][0] <= table[other][0]} == UPWARDS


def test_no_file_is_too_long(files):
    assert {file.name: file.code for file in files if file.code > LONGEST} == {}


def test_what_only_modules_call_is_internal(files, table):
    text = "".join(path.read_text() for path in outside())
    modules = [file for file in files if file.folder == "_modules"]
    asked_for = {file.name for file in modules for name in file.public if re.search(rf"\b{file.name}\.{name}\b", text)}
    assert {name for name, (_, internal) in table.items() if not internal} == asked_for


def outside():
    """Where a function is called that is not by a module or a state: the docs, the SLS files, the master."""
    docs = [path for path in (CHECKOUT / "docs").glob("*.md") if path != PAGE]
    formula = [path for path in (CHECKOUT / "gluster_one").rglob("*") if path.suffix in (".sls", ".py", ".jinja")]
    master = [path for folder in ("_runners", "_beacons") for path in (CHECKOUT / folder).glob("*.py")]
    return [CHECKOUT / "README.md", CHECKOUT / "pillar.example", *docs, *formula, *master]
