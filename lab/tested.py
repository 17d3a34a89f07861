"""docs/tested.md: the page of what was run on which release. A run of tests with RECORD=1 writes its row."""

import os
import re
from datetime import date
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs/tested.md"
RECORD = bool(os.environ.get("RECORD"))
HEAD = ("suite", "Debian", "Gluster", "QEMU", "libvirt", "systemd", "Salt", "result", "on")
NUMBERS = {"bookworm": "12", "trixie": "13", "forky": "14"}
# One line for each version, in HEAD's order.
VERSIONS = """\
. /etc/os-release; echo "$VERSION_CODENAME"
glusterfs --version | head -n 1
qemu-img --version | head -n 1
virsh --version
systemctl --version | head -n 1
salt-call --version
"""
TOP = """\
# What was run on which release

Each row is the last whole run of a suite on a lab whose hosts are of that release of Debian, with that Salt; where
hosts differ, both are named, and of Salt the master's first. The run itself writes it, when `RECORD=1` is set:
`make fleet RELEASE=trixie RECORD=1`. Debian 14 is in the making: its versions are those of that day.

"""


def versions(lab):
    """What the hosts of a lab have, in the order of HEAD: versions of different hosts are joined by `and`."""
    hosts = []
    for host in lab.hosts:
        release, *lines = lab.exec(host, "sh", "-ec", VERSIONS, check=True).stdout.splitlines()
        hosts.append([NUMBERS[release], *map(_version, lines)])
    *columns, salts = zip(*hosts)
    columns.append([_version(lab.run("--version").stdout), *salts])
    return [" and ".join(dict.fromkeys(column)) for column in columns]


def _version(line):
    return re.search(r"\d+(\.\d+)*", line)[0]


def record(suite, found, result, page=PAGE):
    """Write a row, in place of that of the same suite, release and Salt."""
    row = [suite, *found, result, date.today().isoformat()]
    same = lambda other: [other[HEAD.index(column)] for column in ("suite", "Debian", "Salt")]  # noqa: E731
    kept = [other for other in rows(page) if same(other) != same(row)]
    page.write_text(text([*kept, row]))


def rows(page=PAGE):
    """The rows of the page."""
    lines = page.read_text().partition("|---")[2].splitlines()[1:]
    return [line.strip("| ").split(" | ") for line in lines]


def text(rows):
    """The text of the page."""
    head, *lines = (f"| {' | '.join(row)} |\n" for row in [HEAD, *sorted(rows)])
    return "".join([TOP, head, f"|{'---|' * len(HEAD)}\n", *lines])
