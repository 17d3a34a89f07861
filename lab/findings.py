"""docs/findings.md: the page of the kinds of findings, made from gluster_one/findings.yaml."""

import string
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs/findings.md"
WHO = {
    "coordinator": "The coordinator, of a volume",
    "server": "Every server, of itself and its bricks",
    "head": "The head, of OpenNebula",
    "mounts": "The head and every hypervisor, of a mount",
    "hypervisor": "Every hypervisor, of QEMU",
    "anybody": "Any node",
    "master": "The runner on the master, with `status` of the whole fleet",
}
LOOK = {"beacon": "beacon", "check": "check, status", "native": "check, status with `native=True`", "status": "status"}
TOP = """\
# Findings

What `gluster_one.check`, the beacon and `salt-run gluster_one.status` report. This page is made from
`gluster_one/findings.yaml` (`make format`).

"Found by" names the first of them that sees it; what the beacon finds, check and status find, too. An **error**
affects VMs or images, a **warning** does not yet. The reactor applies the SLS under "repair" if the pillar's
`remediate` allows it ([remediation.md](remediation.md)); where there is none, a person has to look. `status` prints
the cure with the names filled in, and `check` often a more exact one.
"""
HEAD = """\
| finding | what is wrong, and what it means for VMs and data | | found by | cure | repair |
|---|---|---|---|---|---|
"""


def page(checkout=CHECKOUT):
    """The text of the page."""
    kinds = yaml.safe_load((checkout / "gluster_one/findings.yaml").read_text())
    parts = [TOP]
    for who, title in WHO.items():
        rows = [_row(kind, has) for kind, has in kinds.items() if has["who"] == who]
        parts.append(f"\n## {title}\n\n{HEAD}{''.join(rows)}")
    return "".join(parts)


def _row(kind, has):
    cures = [has["cure"], *(f"{on}: {cure}" for on, cure in has.get("cures", {}).items())]
    repair = f"`{has['repair']}`" if "repair" in has else ""
    wrong = f"{has['meaning']} {has.get('effect', '')}".rstrip()
    cells = [f"`{kind}`", wrong, has["severity"], LOOK[has["look"]], "; ".join(map(_shown, cures)), repair]
    return f"| {' | '.join(cells)} |\n"


def _shown(cure):
    names = {name: name.upper() for _, name, *_ in string.Formatter().parse(cure) if name}
    return cure.format(**names)


if __name__ == "__main__":
    PAGE.write_text(page())
