#!/usr/bin/python3
"""The formula's main job on a fresh lab, explained on the terminal: `make demo`. KEEP=1 leaves the lab up."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from lab.fleet import Lab, default_name  # noqa: E402
from lab.system import LabError  # noqa: E402

STORES = "/var/lib/one/datastores"
MOUNT = "/var/lib/gluster_one/one_vol"
NODES = ("head", "kvm1", "kvm2", "kvm3")
SYSTEM, IMAGES = "gluster_system", "glusterds"  # the datastores of pillar.example
# States that cannot say all before: Gluster's package has the options of a group, pyone asks for datastores.
UNKNOWN = ("gluster_one_volume_", "gluster_one_datastore_")

# One line for each state, with its comment; it only concerns what the `salt` command prints.
OUTPUT = """\
state_output: terse
state_output_profile: False
state_tabular: "  {0}{4:<7} {1}: {6[comment]}{5}"
"""

# The disk is what OpenNebula writes into deployment.0 for a cloned raw image of VM 7.
DOMAIN = """\
<domain type='qemu'>
  <name>one-7</name> <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='network' device='disk'>
      <source protocol='gluster' name='one_vol/7/disk.0'>
        <host name='kvm1' port='24007' transport='tcp'/>
      </source>
      <target dev='sda'/>
      <boot order='1'/>
      <driver name='qemu' type='raw' cache='none' discard='unmap'/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
  </devices>
</domain>
"""


def check(right, otherwise):
    """Go on only if all is right."""
    if not right:
        raise LabError(otherwise)


# On the terminal


def say(text, code="36", around=""):
    """Print in a colour, if this is a terminal."""
    print(around + (f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() else text) + around)


title = partial(say, code="1;36", around="\n")
command = partial(say, code="1")  # behind the prompt of the host where it would be typed


def outcome(done, only=""):
    """What a command printed, without the lines that Gluster's library logs; `only` picks lines by a pattern."""
    for line in (done.stdout + done.stderr).splitlines():
        if line.strip() and not re.match(r'\[\d{4}-|The message "', line) and re.search(only, line):
            print(f"  {line}")


def table(*rows):
    print()
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows)]
    for row in rows:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


# In the lab


def run(lab, host, line, user="root"):
    """Show a command, run it in a host, show what it prints."""
    command(f"{user}@{host}{'#' if user == 'root' else '$'} {line}")
    done = lab.exec(host, "sh", "-c", line, user=user)
    outcome(done)
    return done


def read_natively(lab, hosts, images):
    """Whether QEMU, as oneadmin, reads each image, on all hosts at once. The signal ends it before the library closes,
    which takes ten seconds."""
    line = "stdbuf -oL qemu-io -r -f raw -c 'read 0 512' -c 'sigraise 9' gluster://kvm1:24007/one_vol/{}"
    asked = [(host, line.format(image)) for image in images for host in hosts]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: lab.exec(one[0], "sh", "-c", one[1], user="oneadmin"), asked))
    for (host, line), done in zip(asked, answers):
        command(f"oneadmin@{host}$ {line}")
        outcome(done, "^(read |qemu-io|hint)")
    return ["read 512/512 bytes" in done.stdout for done in answers]


def apply(lab, *arguments):
    """Run `salt '*' state.apply gluster_one` on this terminal.

    Returns what each state changed, or would: {(minion, state): changes}, without those that had nothing to do.
    """
    command(" ".join(("root@salt# salt '*' state.apply gluster_one", *arguments)))
    line = lab.salt_command("salt", "*", "state.apply", "gluster_one", *arguments)
    done = subprocess.run(line, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f"salt ended with exit status {done.returncode}")
    # The master keeps what it printed; the last answer may be some moments on its way there.
    for _ in range(20):
        text = lab.run("jobs.last_run", "function=state.apply", "--out=json").stdout
        (job,) = json.loads(text[text.index("{") :]).values()
        if set(job["Result"]) == set(NODES):
            break
    answers = {minion: answer["return"] for minion, answer in job["Result"].items()}
    check(set(answers) == set(NODES), f"only {', '.join(sorted(answers))} answered")
    states = {(minion, one["__id__"]): one for minion, answer in answers.items() for one in answer.values()}
    return {key: one["changes"] for key, one in states.items() if one["changes"] or one["result"] is not True}


# The steps


def bring_up(lab):
    title("1. Bare machines: an OpenNebula head, and three hypervisors that are to be Gluster servers as well")
    if lab.down():
        say("The lab of an earlier demo was still there; it is down now.")
    say(
        "Each host is a small Debian with systemd and salt-minion, hypervisors have libvirt and QEMU; none has Gluster."
    )
    say("A stand-in answers for oned, as a real one answered when it was recorded. No host reaches a network: the")
    say("packages lie in apt's cache.")
    words = os.environ.get("LAB_RELEASE", "").split()
    command(" ".join([f"root@here# lab/lab --name {lab.name} up --bare", *(f"--release {word}" for word in words)]))
    lab.up(bare=True)
    (lab.master_dir / "master.d/output.conf").write_text(OUTPUT)
    say("\nThe pillar is pillar.example with `create`. This is everyone's part; the head also has `roles: [head]`.")
    command("root@salt# cat pillar/gluster_one.sls")
    example = (lab.pillar_dir / "gluster_one.sls").read_text()
    print(re.search(r"^gluster_one:\n.*?\n(?=\n)", example, re.M | re.S)[0])
    say("So that a run fits on a screen, the master's configuration has Salt print one line for each state:")
    command("root@salt# cat master.d/output.conf")
    print(OUTPUT, end="")


def before(lab):
    title("2. Before: no Gluster, no volume, no VM with a disk on it")
    run(lab, "kvm1", "dpkg -l 'glusterfs*' qemu-block-extra")
    run(lab, "kvm1", "gluster volume info")
    run(lab, "kvm1", "df -h --output=source,size,target /data; ls -A /data")
    written = run(lab, "head", f"touch {MOUNT}/probe", "oneadmin")
    lab.exec("kvm2", "sh", "-c", "cat >one-7.xml", input=DOMAIN, check=True)
    machine = run(lab, "kvm2", "virsh create one-7.xml")
    check(written.returncode, "oneadmin should not have been able to write")
    check(machine.returncode, "the VM should not have started without QEMU's gluster driver")


def listed(changes):
    """[minion, state, changes], in order, of what can be known before there are packages."""
    return [[*key, what] for key, what in sorted(changes.items()) if what and not key[1].startswith(UNKNOWN)]


def carry_out(lab):
    title("3. What would be done: test=True")
    predicted = apply(lab, "test=True")
    title("4. The one run")
    say("Packages, pool, volume, mounts, datastores. A node waits for what another one has yet to do.")
    done = apply(lab)
    ids = lab.call("head", "gluster_one_ids.published_ids", MOUNT).get("head")
    check(sorted(ids) == sorted((SYSTEM, IMAGES)), f"OpenNebula should have both datastores, not {ids}")
    text = json.dumps(listed(done), sort_keys=True)
    for number in ids.values():  # unknown until OpenNebula has picked it
        text = text.replace(f"{STORES}/{number} ", f"{STORES}/(identifier) ")
        text = text.replace(f'"identifier": {{"new": {number},', '"identifier": {"new": "(identifier)",')
    text = re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', '"(identifier)"', text)  # a volume's, from Gluster
    check(json.loads(text) == json.loads(json.dumps(listed(predicted))), "test=True was not exact")
    say("These are the changes that test=True named, the datastores' and the options of the group virt apart, which")
    say(f"are known once the packages are there. OpenNebula picked {ids[SYSTEM]} and {ids[IMAGES]} as identifiers.")
    return ids


def write_image(lab, ids):
    title("5. An image is registered, and cloned for VM 7")
    say("oned writes an image into the image datastore's directory on the head, and copies it on a hypervisor.")
    image, clone = f"{STORES}/{ids[IMAGES]}/probe.img", f"{STORES}/{ids[SYSTEM]}/7"
    done = [
        run(lab, "head", f"qemu-img create -f raw {image} 64M", "oneadmin"),
        run(lab, "kvm3", f"mkdir {clone} && cp {image} {clone}/disk.0 && ls -l {clone}/disk.0", "oneadmin"),
    ]
    check(not any(one.returncode for one in done), "oneadmin should have been able to write")
    say("Each is read over gluster://, as a VM reads its disk: as oneadmin, on every hypervisor.")
    opened = read_natively(lab, NODES[1:], ["probe.img", "7/disk.0"])
    check(all(opened), "every hypervisor should have read both")


def start_machine(lab):
    title("6. A VM starts on kvm2, its disk the clone over gluster://")
    _, *done = [
        run(lab, "kvm2", "sed -n '/<disk/,/<.disk>/p' one-7.xml"),
        run(lab, "kvm2", "virsh create one-7.xml"),
        run(lab, "kvm2", "virsh list"),
        run(lab, "kvm2", "virsh domblklist one-7"),
        run(lab, "kvm2", "ps -o user=,pid=,exe= -C qemu-system-x86_64"),
        run(lab, "kvm2", "virsh destroy one-7"),
    ]
    check(not any(one.returncode for one in done), "the VM should have started")
    check("running" in done[1].stdout and "one_vol/7/disk.0" in done[2].stdout, "the VM should be running")
    check(re.fullmatch(r"oneadmin +\d+ \S*qemu-system\S*\n", done[3].stdout), "QEMU should run as oneadmin")


def run_again(lab):
    title("7. The second run: nothing changes")
    check(not apply(lab), "a second run should change nothing")
    title("8. A reboot of kvm2, a restart of every salt-minion: the mounts are there, nothing is left to do")
    command(f"root@here# lab/lab --name {lab.name} reboot kvm2")
    lab.reboot("kvm2")
    for node in NODES:
        command(f"root@{node}# systemctl restart salt-minion")
    with ThreadPoolExecutor(len(NODES)) as pool:
        list(pool.map(lambda node: lab.exec(node, "systemctl", "restart", "salt-minion", check=True), NODES))
    lab.wait_for_minions(NODES)
    say("A state that finds nothing to do is left out of this output.")
    check(not apply(lab, "test=True", "--state-verbose=False"), "nothing should be left to do")


def show_nodes(lab, ids):
    title("9. How every node is")
    paths = [f"{STORES}/{number}" for number in ids.values()]
    asked = [
        ("'*'", "gluster_one.mount_health", MOUNT),
        *(("'*'", "gluster_links.link_state", path, MOUNT, "one_vol") for path in paths),
        ("'kvm*'", "gluster_one.native_read", "one_vol", "7/disk.0", "host=kvm1"),
        ("head", "opennebula.datastore_list"),
        ("head", "disk.usage"),
    ]
    for words in asked:
        command(f"root@salt# salt {' '.join(words)}")
    with ThreadPoolExecutor(len(asked)) as pool:
        health, *links, opened, stores, usage = pool.map(lambda line: lab.call(line[0].strip("'"), *line[1:]), asked)
    rows, wrong = [("NODE", "MOUNTED", *(f"LINK {Path(path).name}" for path in paths), "NATIVE ACCESS AS ONEADMIN")], []
    for node in NODES:
        mount, native = health[node], opened.get(node, "- (runs no VMs)")
        access = native or "reads one_vol/7/disk.0"
        linked = [states[node]["state"] for states in links]
        rows.append((node, f"{mount['device']}, {mount['state']}", *linked, access))
        right = mount["state"] == "alive" and mount["volume"] == "one_vol" and set(linked) == {"linked"}
        wrong += [] if right and (native is None or node == "head") else [node]
    table(*rows)
    volume = int(usage["head"][MOUNT]["1K-blocks"]) // 1024
    rows = [("DATASTORE", "ID", "TYPE", "DS_MAD", "TM_MAD", "SIZE IN OPENNEBULA", "SIZE OF THE VOLUME")]
    for store in (store for store in stores["head"] if store["name"] in ids):
        cells = [store[key] or "-" for key in ("name", "id", "type", "ds_mad", "tm_mad")]
        rows.append((*cells, f"{store['total_mb']} MB", f"{volume} MB"))
        wrong += [] if store["total_mb"] == volume else [store["name"]]
    table(*rows)
    check(not wrong, f"see {', '.join(wrong)}")


def goodbye(lab, keep):
    """Take the lab down, or say how to look around; a second Ctrl-C does not keep it from that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not (keep and lab.is_up):
        lab.down()
        print("The lab is down. `make demo KEEP=1` leaves it up.")
        return
    print("The lab is still up. Look around:\n")
    for line in ("status", "exec kvm2", "salt '*' state.apply gluster_one", "reboot kvm2", "down"):
        print(f"  lab/lab --name {lab.name} {line}")


def main():
    """The whole demo; returns the exit status."""
    sys.stdout.reconfigure(line_buffering=True)
    print("OpenNebula's GlusterFS datastore by one command of Salt, from bare machines. It takes about three minutes")
    print("on two cores; the first time a Debian for the hosts is made, which takes two more.")
    begin = time.monotonic()
    lab = Lab(f"demo-{default_name()[-25:].lstrip('-')}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        bring_up(lab)
        before(lab)
        ids = carry_out(lab)
        write_image(lab, ids)
        start_machine(lab)
        run_again(lab)
        show_nodes(lab, ids)
        title(f"All as it should be, after {time.monotonic() - begin:.0f} s.")
        return 0
    except LabError as error:
        title(f"Not as it should be: {error}", code="1;31")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        goodbye(lab, os.environ.get("KEEP", "") not in ("", "0"))


if __name__ == "__main__":
    sys.exit(main())
