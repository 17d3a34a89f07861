"""What the hosts of a lab take, by their cgroups: seconds of the processor, and memory; how figures are printed."""

import statistics
import threading
import time
from pathlib import Path


def middle(values, form="{:.2f} s"):
    """The median, and the range."""
    low, high = min(values), max(values)
    return f"{form.format(statistics.median(values))} ({form.format(low)} to {form.format(high)})"


def processor(group):
    """The seconds of the processor that a cgroup has taken so far, with all that has ended in it."""
    words = (group / "cpu.stat").read_text().split()
    return int(words[words.index("usage_usec") + 1]) / 1e6


def service(lab, host):
    """The cgroup of a host's minion, and of all that it starts."""
    return next(lab.cgroups.paths(host)[-1].glob("**/salt-minion.service"))


def parts(lab):
    """The seconds so far of the minions, of all else on the hosts, and of the master with the commands beside it."""
    hosts = sum(processor(lab.cgroups.paths(host)[-1]) for host in lab.hosts)
    minions = sum(processor(service(lab, host)) for host in lab.hosts)
    master = sum(processor(lab.cgroups.paths(group)[-1]) for group in ("master", "cli"))
    return {"minions": minions, "else": hosts - minions, "master": master}


class Minion:
    """What the minion of a host takes, with all that it starts, by its cgroup."""

    def __init__(self, lab, host):
        self.group = service(lab, host)
        self.seconds, self.megabytes = 0.0, 0.0

    def __enter__(self):
        self.ended, self.begin = threading.Event(), processor(self.group)
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        time.sleep(0.5)  # in which the process of a job ends after its answer
        self.ended.set()
        self.thread.join()
        self.seconds = processor(self.group) - self.begin

    def watch(self):
        """The most memory that its processes have had together, what they share counted once."""
        while not self.ended.wait(0.05):
            self.megabytes = max(self.megabytes, sum(map(self.memory, self.pids())) / 1024)

    def pids(self):
        return [pid for path in self.group.glob("**/cgroup.procs") for pid in path.read_text().split()]

    def memory(self, pid):
        try:
            words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
            return int(words[words.index("Pss:") + 1])
        except (OSError, ValueError):  # it has ended
            return 0
