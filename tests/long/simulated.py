"""
A fleet that is not there: a master's folders with the keys, grains and pillar of thousands of minions, and what these
would answer, made from what a lab's four nodes have answered when a brick of kvm3 was killed (answers.json). All else
of the master is Salt's own. As a program, `simulated.py FOLDER NODES WHAT` prints what that took.
"""

import concurrent.futures
import contextlib
import inspect
import json
import os
import re
import resource
import sys
import threading
import time
from pathlib import Path

import salt.cache
import salt.client
import salt.config
import salt.loader
import salt.output
import salt.payload
import salt.utils.jid
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
REAL = json.loads((Path(__file__).parent / "answers.json").read_text())
CONF = """\
root_dir: {folder}
pki_dir: {folder}/pki
cachedir: {folder}/cache
sock_dir: {folder}/sock
log_file: {folder}/log
extension_modules: {folder}/extmods
file_roots: {{base: [{checkout}]}}
pillar_roots: {{base: [{folder}/pillar]}}
runner_dirs: [{checkout}/_runners]
outputter_dirs: [{checkout}/_output]
"""
JOB = 4  # seconds
# What is said of an event whose minion is repaired, or was, or will be when another one's turn has ended.
AGAIN = (
    "was checked just now", "is being repaired already", "has not been checked again since its repair",
    "waits for its turn: another server is being repaired",
)  # fmt: skip
SERVERS = [f"kvm{number}" for number in range(1, 31)]
SETS = [[[f"{name}:/data/one_vol", name != "kvm3"] for name in SERVERS[first : first + 3]] for first in range(0, 30, 3)]


class Fleet:
    """One head, thirty servers that are hypervisors, and hypervisors: so many nodes altogether."""

    def __init__(self, folder, nodes):
        self.folder, self.minions = Path(folder), ["head", *(f"kvm{number}" for number in range(1, nodes))]
        conf = self.folder / "master"
        conf.write_text(CONF.format(folder=self.folder, checkout=CHECKOUT))
        self.opts = salt.config.master_config(str(conf))
        self.runners = salt.loader.runner(self.opts)

    def make(self):
        pillar, keys = self.folder / "pillar", self.folder / "pki/minions"
        for directory in (pillar, keys):
            directory.mkdir(parents=True)
        everyone = yaml.safe_load((CHECKOUT / "pillar.example").read_text())
        everyone["gluster_one"]["volumes"]["one_vol"]["servers"] = SERVERS
        files = {
            "top": {"base": {"*": ["all"], "head": ["head"]}}, "all": everyone,
            "head": {"gluster_one": {"roles": ["head"]}},
        }  # fmt: skip
        for name, content in files.items():
            (pillar / f"{name}.sls").write_text(yaml.safe_dump(content))
        cache = salt.cache.factory(self.opts)
        for minion in self.minions:
            (keys / minion).write_text("a public key")
            cache.store("grains", minion, self.like(minion, REAL["grains"]))
            roles = files["head"]["gluster_one"] if minion == "head" else {}
            cache.store("pillar", minion, {"gluster_one": {**everyone["gluster_one"], **roles}})

    def like(self, minion, said):
        """What kvm2 has said, as another one would."""
        number = self.minions.index(minion)
        text = json.dumps(said).replace("10.77.1.2", f"10.77.{number // 250}.{number % 250 + 1}")
        return json.loads(re.sub(r"\bkvm2\b", minion, text))

    def answer(self, function, minion):
        real = REAL[function]
        if minion == "head":
            return real[minion]
        if minion not in SERVERS:
            said = self.like(minion, real["kvm2"])
            said["roles"] = ["hypervisor"]
            if function == "gluster_one.report":
                said["looked"].remove("glusterd")
                said["back"] = {}
            return said
        said = self.like(minion, real["kvm2"]) if minion not in real else json.loads(json.dumps(real[minion]))
        if "sets" in said["volumes"]["one_vol"]:
            said["volumes"]["one_vol"].update(sets=SETS, bricks=[29, 30], peers=[29, 29])
        return said

    def ask(self, minions, function, arguments=None, timeout=15, until=None):
        """In place of jobs: each hundredth does not answer, and each fiftieth has lost its mount."""
        if function not in REAL:
            return dict.fromkeys(minions, True)
        answers = {minion: self.answer(function, minion) for minion in minions}
        if function == "gluster_one.report":
            for number, minion in enumerate(self.minions):
                if minion in SERVERS or minion == "head":
                    continue
                if number % 100 == 0:
                    del answers[minion]
                elif number % 50 == 0:
                    dead = {**answers[minion]["findings"][0], "kind": "mount_dead", "seen": "the FUSE client is gone"}
                    answers[minion]["findings"] = [dead]
        return answers

    def function(self, name):
        """A runner's function, whose jobs are answered here; the time that the answers take is not the master's."""
        found = inspect.unwrap(getattr(self.runners[name], "func", self.runners[name]))
        found.__globals__["ask"] = self.timed
        return self.runners[name]

    def timed(self, *words, **more):
        begin = time.process_time()
        try:
            return self.ask(*words, **more)
        finally:
            self.spent += time.process_time() - begin

    def run(self, what):
        self.spent, begin = 0.0, time.process_time()  # the machine may do other things
        said = getattr(self, what)()
        seconds = time.process_time() - begin - self.spent
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"seconds": round(seconds, 2), "megabytes": round(megabytes), **said}

    def status(self):
        page, metrics = self.folder / "fleet.html", self.folder / "fleet.prom"
        data = self.function("gluster_one.status")(html=str(page), metrics=str(metrics))["data"]
        table = salt.output.out_format(data, "gluster_one", self.opts)
        return {
            "causes": [cause["kind"] for cause in data["causes"]], "felt": len(data["causes"][0]["felt_by"]),
            "lines": len(table.splitlines()), "page": page.stat().st_size, "series": metrics.read_text().count("\n"),
        }  # fmt: skip

    def rollout(self):
        plan = self.function("gluster_one.rollout_plan")()
        return {"errors": plan["errors"][:5], "minions": len(plan["minions"]), "batches": len(plan["batches"])}

    def events(self):
        """
        Two events of each node in a second, as when a rack has its network back: mounts are dead, and on five servers
        glusterd is down. The reactor's threads are forty, by default Salt has ten; a job takes some seconds.
        """
        cache, client, events = salt.cache.factory(self.opts), Client(self.opts), []
        for minion in self.minions:
            kind = "glusterd_down" if minion in SERVERS[:5] else "mount_dead"
            finding = {"kind": kind, "on": "/var/lib/gluster_one/one_vol"}
            found = {"at": time.time(), "findings": [finding], "names": [minion]}
            cache.store("mine", minion, {"gluster_one.findings": found})
        salt.client.get_local_client = lambda mopts: contextlib.nullcontext(client)
        remediate = self.function("gluster_one.remediate")
        sys.setswitchinterval(1e-5)  # so that each of a thousand runs' coincidences comes in one
        with concurrent.futures.ThreadPoolExecutor(40) as reactor:
            called = lambda tag, data: events.append(reactor.submit(remediate, data["id"]))  # noqa: E731
            self.runners["event.send"] = called  # whose turn has come
            events += [reactor.submit(remediate, minion) for minion in self.minions for _ in range(2)]
            said = [event.result() for event in events]
        looks = [each for each in said if not any(again in each for again in AGAIN)]
        others = [each for each in looks if not each.endswith(("_dead repaired", "_down repaired"))]
        kept = self.function("gluster_one.history")()["data"]["repairs"]
        return {
            "looks": len(looks), "others": others,
            "jobs": len(client.jobs), "nodes": len(set(client.jobs)), "at once": client.most,
            "servers at once": client.most_servers, "history": len(kept),
        }  # fmt: skip


class Client:
    """In place of Salt's client: jobs on minions that do not exist, each with one state that has changed something."""

    get_returns_no_block = None

    def __init__(self, opts):
        self.opts, self.lock = opts, threading.Lock()
        self.jobs, self.running, self.most, self.most_servers = [], [], 0, 0

    def run_job(self, minions, function, arguments, **more):
        with self.lock:
            self.jobs += minions
            self.running += minions
            self.most = max(self.most, len(self.running))
            self.most_servers = max(self.most_servers, len(set(self.running) & set(SERVERS[:5])))
            jid = f"2026{len(self.jobs):016d}"
        state = {"name": "x", "result": True, "changes": {"a": "b"}, "comment": "", "__sls__": arguments[0]}
        jobs = os.path.join(self.opts["cachedir"], "jobs")
        place = os.path.join(salt.utils.jid.jid_dir(jid, jobs, self.opts["hash_type"]), minions[0])
        os.makedirs(place)
        with open(os.path.join(place, "return.p"), "wb") as stream:
            stream.write(salt.payload.dumps({"return": {"a": state}}))
        return {"jid": jid, "minions": minions}

    def get_iter_returns(self, jid, minions, **more):
        time.sleep(JOB)
        with self.lock:
            self.running.remove(minions[0])
        yield {minions[0]: {"ret": {}}}


if __name__ == "__main__":
    fleet = Fleet(sys.argv[1], int(sys.argv[2]))
    with contextlib.suppress(FileExistsError):
        fleet.make()
    print(json.dumps(fleet.run(sys.argv[3])))
