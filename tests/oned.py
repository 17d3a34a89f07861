"""What a test asks of the stand-in for oned, beside its interface."""

import contextlib
import json
import subprocess
import urllib.request
import xmlrpc.client

PASSWORD = "Qu1nce-and-Medlar"
READS = (".info", ".infofilter", ".infoextended", "system.config", "system.version")


class Oned:
    """One that runs as a process of its own: `arguments` are those of every function and state that speaks with it."""

    def __init__(self, command, auth_file, **process):
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, text=True, cwd="/", **process
        )
        self.endpoint = self.process.stdout.readline().strip()
        assert self.endpoint, "the stand-in for oned did not start: see its log"
        self.auth_file = auth_file
        self.arguments = {"endpoint": self.endpoint, "auth_file": str(auth_file)}

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

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

    def log(self):
        """The requests since the last time, each a dict with method, arguments, user and code."""
        return [{**request, "method": request["method"][4:]} for request in self.lab(log=True)["log"]]

    def requests(self):
        """The names of those requests."""
        return [request["method"] for request in self.log()]

    def writes(self):
        """Those of them that change something."""
        return [method for method in self.requests() if not method.endswith(READS)]

    def call(self, method, *arguments, session=None):
        """A call of the administrator, or of another session, outside of the code that is tested."""
        with xmlrpc.client.ServerProxy(self.endpoint) as server:
            fine, answer, *_ = getattr(server, f"one.{method}")(session or f"oneadmin:{PASSWORD}", *arguments)
        assert fine, answer
        return answer

    def datastore(self, name, cluster=-1, **attributes):
        """A datastore that somebody made by hand; returns its identifier."""
        wanted = {"NAME": name, "TYPE": "IMAGE_DS", "DS_MAD": "fs", "TM_MAD": "shared", **attributes}
        return self.call("datastore.allocate", template(wanted), cluster)

    def document(self, datastore_id):
        """A datastore as oned shows it."""
        return self.call("datastore.info", datastore_id, False)


def template(attributes):
    """Attributes in OpenNebula's notation; a dict is a vector, None leaves one out."""

    def written(value):
        if isinstance(value, dict):
            return "[" + ",".join(f"{key}={written(member)}" for key, member in value.items()) + "]"
        return '"' + str(value).replace('"', '\\"') + '"'

    return "".join(f"{key}={written(value)}\n" for key, value in attributes.items() if value is not None)
