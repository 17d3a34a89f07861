"""gluster_one/modules.sha256: the checksum of each module, by which a minion sees whether it has to sync them."""

import hashlib
from pathlib import Path

KINDS = ("_beacons", "_modules", "_states", "_utils")
CHECKOUT = Path(__file__).resolve().parents[1]


def checksums(root=CHECKOUT):
    """The lines of `sha256sum` for the modules in a folder."""
    paths = sorted(path for kind in KINDS for path in (root / kind).glob("*.py"))
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in paths)


def stamp(root=CHECKOUT):
    """Write them, if they are others than before."""
    path, wanted = root / "gluster_one/modules.sha256", checksums(root)
    if not path.exists() or path.read_text() != wanted:
        new = path.with_suffix(".new")
        new.write_text(wanted)
        new.replace(path)


if __name__ == "__main__":
    stamp()
