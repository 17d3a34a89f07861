"""OpenNebula's credentials are where the user put them, and nowhere else that the lab can write to."""

import contextlib
import re
import secrets
import shlex
import subprocess
import threading
from pathlib import Path

import pytest
from salt.version import __saltstack_version__

from lab.system import wait_for

ONE_AUTH = "hosts/head/upper/var/lib/one/.one/one_auth"
# With a password in the head's pillar: the master's file, and the master's own cache of that minion's pillar.
CACHED = "pillar/head.p" if __saltstack_version__.major >= 3008 else "minions/head/data.p"
PILLAR = {"pillar/gluster_one_head.sls", f"cache/{CACHED}"}


class Watch:
    """All processes of the lab, their arguments and environments, and all events of the master, while runs go on."""

    def __init__(self, fleet):
        self.fleet, self.texts = fleet, set()
        self.over, self.pause = threading.Event(), threading.Lock()
        self.events = fleet.lab.state / "events"

    def __enter__(self):
        with self.events.open("wb") as output:
            command = self.fleet.lab.salt_command("salt-run", "state.event", "pretty=False")
            self.listener = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        wait_for("the first event", lambda: self.fleet.lab.answering(["head"]) and self.events.stat().st_size, 60)
        self.sampler = threading.Thread(target=self._sample)
        self.sampler.start()
        return self

    def _sample(self):
        while not self.over.wait(0.05):
            with self.pause:
                for pid in self.fleet.lab.cgroups.pids():
                    for name in ("cmdline", "environ"):
                        with contextlib.suppress(OSError):
                            self.texts.add((name, Path(f"/proc/{pid}/{name}").read_bytes()))

    def __exit__(self, *exception):
        self.over.set()
        self.sampler.join()
        self.listener.terminate()
        self.listener.wait(20)

    def holders(self, word):
        """What has shown the word."""
        found = {f"{name} of a process" for name, text in self.texts if word.encode() in text}
        return found | ({"an event"} if word.encode() in self.events.read_bytes() else set())


def files_with(fleet, words):
    """{word: every file of the lab that holds it}, by its path below the lab's directory, or by its host."""
    state, found = fleet.lab.state, {word: set() for word in words}
    patterns = [part for word in words for part in ("-e", word)]
    tops = [state / name for name in ("cache", "log", "master", "pillar", "pki", "var", "extmods")]
    tops += [path for name in ("upper", "data") for path in state.glob(f"hosts/*/{name}")]
    command = ["grep", "-raoF", "--devices=skip", *patterns, *(str(top) for top in tops if top.exists())]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout.replace(f"{state}/", "")

    def elsewhere(host):
        # What systemd's journal packs, and what lies in memory only.
        grep = f"grep -aoF {shlex.join(patterns)}"
        script = (
            f"journalctl --no-pager -o export | {grep} --label=journal -H; {grep} -r -D skip /run /tmp /dev/shm; true"
        )
        return fleet.lab.exec(host, "sh", "-c", script).stdout.replace("/run", f"{host}:/run")

    for line in (lines + "".join(fleet.everywhere(elsewhere).values())).splitlines():
        file, _, word = line.rpartition(":")
        found[word].add(file)
    return found


def restart_oned(fleet, password):
    """A fresh stand-in with this password for oneadmin."""
    (fleet.lab.root("head") / "var/lib/one/.one/one_auth").write_text(f"oneadmin:{password}\n")
    fleet.sh("head", "systemctl restart oned")
    answers = "curl -so /dev/null http://127.0.0.1:2633/"
    wait_for("oned", lambda: fleet.lab.exec("head", "sh", "-c", answers).returncode == 0, 30)


@pytest.fixture(scope="module")
def leaks(fleet_of_module):
    """{what was done: (the run, where the password was found)}."""
    fleet, runs, found = fleet_of_module, {}, {}
    one_auth = fleet.lab.root("head") / "var/lib/one/.one/one_auth"
    usual = one_auth.read_text().strip().partition(":")[2]
    words = {case: re.sub(r"\W", "", case) + secrets.token_hex(8) for case in CASES}

    def run(case, head=None, on="*", test=False):
        with fleet.pillar(head=head and {"gluster_one": {"roles": ["head"], "opennebula": head}}):
            runs[case] = fleet.apply(on=on, test=test)
            if on == "*":
                # The search itself has the words in its arguments.
                with watch.pause:
                    places = files_with(fleet, words.values())
                for word in places:
                    found.setdefault(word, set()).update(places[word])

    fleet.stage = "used"
    with Watch(fleet) as watch:
        case = "password in one_auth"
        restart_oned(fleet, words[case])
        run(case)
        case = "token in the head's pillar"
        fleet.oned("one.user.login", "oneadmin", words[case], 600)
        run(case, {"username": "oneadmin", "token": words[case]})
        case = "password in the head's pillar"
        restart_oned(fleet, words[case])
        one_auth.write_text("oneadmin:another\n")
        run(case, {"username": "oneadmin", "password": words[case]})
        case = "wrong password"
        run(case, {"username": "oneadmin", "password": words[case]}, on=["head"], test=True)
        case = "password that is a list"
        run(case, {"username": "oneadmin", "password": [words[case]], "token": [words[case]]}, on=["head"])
        case = "misspelt key"
        run(case, {"username": "oneadmin", "pasword": words[case]}, on=["head"])
        case = "credentials that are no mapping"
        run(case, f"oneadmin:{words[case]}", on=["head"])
        case = "password in the endpoint"
        run(case, {"endpoint": f"http://oneadmin:{words[case]}@localhost:2699/RPC2"}, on=["head"])
        case = "oned that gives no answer"
        restart_oned(fleet, words[case])
        fleet.stand_in(garbage=True)
        run(case, on=["head"])
        restart_oned(fleet, usual)
        run("the end")
    assert watch.texts
    fleet.stage = "doubtful"
    returned = "".join(each.text for each in runs.values())
    for word in words.values():
        found[word] |= watch.holders(word) | ({"a return"} if word in returned else set())
    return {case: (runs[case], found[word]) for case, word in words.items()}


CASES = {
    "password in one_auth": None,
    "token in the head's pillar": None,
    "password in the head's pillar": None,
    "wrong password": "did not accept the credentials .*gluster_one:opennebula",
    "password that is a list": r"gluster_one:opennebula:password is \*\*\*\*",
    "misspelt key": "gluster_one:opennebula:pasword is not a known key: did you mean password",
    "credentials that are no mapping": "gluster_one:opennebula is .*: a mapping is needed",
    "password in the endpoint": "endpoint",
    "oned that gives no answer": "gave no valid answer",
}
IN_ONE_AUTH = ("password in one_auth", "oned that gives no answer")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES)
def test_password_is_nowhere_but_where_the_user_put_it(leaks, case):
    run, places = leaks[case]
    assert places <= ({ONE_AUTH} if case in IN_ONE_AUTH else PILLAR)
    assert run.failures.keys() == ({"head"} if CASES[case] else set())
    if CASES[case]:
        assert any(re.search(CASES[case], comment) for comment in run.failures["head"].values()), run.failures


def test_search_finds_what_is_there(leaks):
    assert leaks["password in one_auth"][1] == {ONE_AUTH}
    assert leaks["password in the head's pillar"][1] >= PILLAR
    assert leaks["token in the head's pillar"][1] >= PILLAR
