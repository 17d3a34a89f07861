"""The stand-in for oned, run by oneadmin."""

import shutil
from pathlib import Path

from lab.fleet import CHECKOUT
from tests.oned import PASSWORD, Oned

LOG = Path("/var/log/oned-functional.log")


class StandIn(Oned):
    """An oned that runs as oneadmin does."""

    def __init__(self, home, datastores=None, tls=()):
        """home is a directory that oneadmin can read; datastores one that it can write."""
        program = home / "oned"
        if not program.exists():
            program.mkdir(parents=True)
            for path in (CHECKOUT / "lab").glob("oned*.py"):
                shutil.copy(path, program)
        auth_file = home / "one_auth"
        auth_file.write_text(f"oneadmin:{PASSWORD}\n")
        shutil.chown(auth_file, "oneadmin", "oneadmin")
        auth_file.chmod(0o600)
        command = ["python3", "-B", f"{program}/oned.py", "--listen", "127.0.0.1:0", "--auth", auth_file]
        command += ["--datastores", datastores, "--monitor", "1"] if datastores else []
        command += ["--tls", *tls] if tls else []
        with LOG.open("ab") as log:
            super().__init__(command, auth_file, stderr=log, user="oneadmin", group="oneadmin", extra_groups=[])
