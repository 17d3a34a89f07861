"""The stand-in for oned, which needs no root and keeps its log and its datastores in a directory of the test's."""

import subprocess
import sys

from lab.fleet import CHECKOUT
from tests.oned import PASSWORD, Oned

LAB = CHECKOUT / "lab"
# The daemon with another place for its datastores than /var/lib/one.
ELSEWHERE = (
    "import sys; sys.path[:0] = [{lab!r}]; import oned_conf; oned_conf.LOCATION = {place!r}; import oned; oned.main()"
)


class StandIn(Oned):
    """An oned that runs, with a log of its own."""

    def __init__(self, home, *options, datastores=None):
        """home is a directory for its credentials and its log, datastores one in which it keeps real files."""
        self.log_file, auth_file = home / "oned.log", home / "one_auth"
        auth_file.write_text(f"oneadmin:{PASSWORD}\n")
        program = [LAB / "oned.py"]
        if datastores:
            program = ["-c", ELSEWHERE.format(lab=str(LAB), place=str(datastores))]
            options = ("--datastores", datastores, "--monitor", "1", *options)
        command = [sys.executable, "-B", *program, "--listen", "127.0.0.1:0", "--auth", auth_file]
        super().__init__([*command, "--log", self.log_file, *options], auth_file, stderr=subprocess.DEVNULL)
