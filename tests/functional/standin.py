"""The stand-in for oned as a process of its own, run by oneadmin, and what a test asks of it besides its interface."""

import contextlib
import json
import shutil
import subprocess
import urllib.request
import xmlrpc.client
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LOG = Path("/var/log/oned-functional.log")
PASSWORD = "Qu1nce-and-Medlar"
READS = (".info", "pool.infofilter", "system.config", "system.version")


class StandIn:
    """An oned that runs: ``arguments()`` are those of every function and state that speaks with it."""

    def __init__(self, home, datastores=None, tls=()):
        """home is a directory that oneadmin can read; datastores one that it can write."""
        program = home / "oned"
        if not program.exists():
            program.mkdir(parents=True)
            for path in (CHECKOUT / "lab").glob("oned*.py"):
                shutil.copy(path, program)
        self.auth_file = home / "one_auth"
        self.auth_file.write_text(f"oneadmin:{PASSWORD}\n")
        shutil.chown(self.auth_file, "oneadmin", "oneadmin")
        self.auth_file.chmod(0o600)
        command = ["python3", "-B", f"{program}/oned.py", "--listen", "127.0.0.1:0", "--auth", self.auth_file]
        command += ["--datastores", datastores, "--monitor", "1"] if datastores else []
        command += ["--tls", *tls] if tls else []
        with LOG.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                user="oneadmin",
                group="oneadmin",
                extra_groups=[],
                cwd="/",
            )
        self.endpoint = self.process.stdout.readline().strip()
        assert self.endpoint, f"the stand-in for oned did not start: see {LOG}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def arguments(self):
        return {"endpoint": self.endpoint, "auth_file": str(self.auth_file)}

    def lab(self, **words):
        """One command through POST /lab: see lab/oned.py."""
        request = urllib.request.Request(self.endpoint.replace("/RPC2", "/lab"), json.dumps(words).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            told = json.load(answer)
        assert "error" not in told, told
        return told

    @contextlib.contextmanager
    def trouble(self, **words):
        self.lab(**words)
        try:
            yield
        finally:
            self.lab(behave=True)

    def requests(self):
        """The methods that were called since the last time."""
        return [request["method"] for request in self.lab(log=True)["log"]]

    def writes(self):
        """Those of them that change something."""
        return [method for method in self.requests() if not method.endswith(READS)]

    def call(self, method, *arguments):
        """A call of the administrator, outside of the code that is tested."""
        with xmlrpc.client.ServerProxy(self.endpoint) as server:
            fine, answer, *_ = getattr(server, f"one.{method}")(f"oneadmin:{PASSWORD}", *arguments)
        assert fine, answer
        return answer

    def datastore(self, name, **attributes):
        """A datastore that somebody made by hand; returns its identifier."""
        wanted = {"NAME": name, "TYPE": "IMAGE_DS", "DS_MAD": "fs", "TM_MAD": "shared", **attributes}
        return self.call("datastore.allocate", "".join(f'{key}="{value}"\n' for key, value in wanted.items()), -1)

    def document(self, datastore_id):
        """A datastore as oned shows it."""
        return self.call("datastore.info", datastore_id, False)
