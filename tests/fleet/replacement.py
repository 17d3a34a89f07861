"""What is lost where a disk or a server is replaced, and how the bricks are afterwards."""

from lab.system import wait_for

from .load import Load

BRICK = "/data/one_vol"
LOST = f"pkill -9 -o -x glusterfsd; sleep 1; find {BRICK} -delete"
FILES = "cd {} && find . -path ./.glusterfs -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum"


def down(fleet, brick="kvm3"):
    """Wait until a brick is seen down; one whose server is no member is not listed."""
    look = f"! gluster --mode=script volume status one_vol | grep '^Brick {brick}:' | grep -q ' Y '"
    wait_for(f"the end of the brick on {brick}", lambda: fleet.lab.exec("kvm1", "sh", "-c", look).returncode == 0, 60)


def same_files(fleet, *hosts, least=100, brick=BRICK):
    """The brick of each host has the same files, and at least so many."""
    found = fleet.everywhere(lambda host: fleet.sh(host, FILES.format(brick)), hosts)
    counts = {host: text.count("\n") for host, text in found.items()}
    assert len(set(found.values())) == 1 and counts[hosts[0]] >= least, counts


def unnoticed(load):
    """Writers and reader saw no error, and never waited for long."""
    felt = load.end()
    assert all(longest < 15 and not error and number > 20 for number, longest, error in felt.values()), felt


def replaced_disk(fleet):
    """A disk is lost and replaced as test=True has shown it, under writers and a reader, who notice nothing."""
    words = {"brick": f"kvm3:{BRICK}"}
    load = Load(fleet)
    fleet.sh("kvm3", LOST)
    down(fleet)
    _, predicted, _ = fleet.orchestrate("replace", words, test=True)
    code, steps, said = fleet.orchestrate("replace", words)
    assert code == 0, said
    change = {f"kvm3:{BRICK}": {"old": "lost", "new": "a brick of volume one_vol"}}
    assert steps == predicted == {"brick on kvm3": {"kvm3": {f"gluster_one_replace_kvm3:{BRICK}": change}}}
    unnoticed(load)
    return words
