"""What the lab does to the machine and to what it is told: no secret in the process list, nothing left behind."""

import os
import re
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from lab import build, master, tree
from lab.fleet import CHECKOUT, Lab
from lab.system import LabError, Lock

SECRET = "oneadmin:hidden-password"
UP = ["--name", "unit-auth", "up", "--opennebula", "http://127.0.0.1:1/RPC2"]


@pytest.fixture
def lab_up():
    """lab_up(*words, input=None): `lab/lab up`, which waits for the lab's lock; what it says, and its process."""
    started = []
    with Lab("unit-auth", quiet=True)._lock():

        def start(*words, input=None):
            command = [sys.executable, "lab/lab", *UP, *words]
            streams = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, cwd=CHECKOUT, **streams)
            started.append(process)
            watch = threading.Timer(20, process.kill)
            watch.start()
            process.stdin.write(input or "")
            process.stdin.close()
            said = ""
            for line in process.stderr:  # before it may come what is said of labs that others left
                said += line
                if "waiting for" in line:
                    break
            watch.cancel()
            return said, process

        try:
            yield start
        finally:
            for process in started:
                process.kill()
                process.wait()
    Lock(Lab("unit-auth")._lock().path, lambda: None).remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")
@pytest.mark.parametrize("words", [["--auth", SECRET], [f"--auth={SECRET}"]])
def test_an_account_on_the_command_line_is_not_in_the_process_list(lab_up, words):
    said, process = lab_up(*words)
    assert "waiting for another command" in said
    for place in ("cmdline", "environ"):
        assert b"hidden-password" not in Path(f"/proc/{process.pid}/{place}").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")
def test_an_account_from_a_file_or_standard_input(lab_up, tmp_path):
    path = tmp_path / "one_auth"
    path.write_text(f"{SECRET}\n")
    assert "waiting for another command" in lab_up("--auth", str(path))[0]
    assert "waiting for another command" in lab_up("--auth", "-", input=f"{SECRET}\n")[0]
    assert "USER:PASSWORD is needed" in lab_up("--auth", "-", input="nonsense\n")[0]
    assert "there is no such file" in lab_up("--auth", "/no/such/file")[0]


def test_the_lock_lies_where_nobody_else_can_write():
    directory = Path(Lab("unit-lock")._lock().path).parent
    assert not directory.exists() or not directory.stat().st_mode & 0o022


def test_a_lock_follows_no_link(tmp_path):
    directory = tmp_path / "locks"
    directory.mkdir(0o700)
    (directory / "lab").symlink_to(tmp_path / "made")
    with pytest.raises(OSError), Lock(directory / "lab", lambda: None):
        pass
    assert not (tmp_path / "made").exists()


def test_a_lock_is_not_taken_in_a_directory_of_others(tmp_path):
    directory = tmp_path / "locks"
    directory.mkdir()
    directory.chmod(0o1777)
    with pytest.raises(LabError, match="root alone"), Lock(directory / "lab", lambda: None):
        pass


def test_the_inotify_limit_is_put_back_with_the_last_lab(tmp_path, monkeypatch):
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(build, "INOTIFY", limit)
    monkeypatch.setattr(build, "INOTIFY_BEFORE", tmp_path / "before", raising=False)
    monkeypatch.setattr(build, "run", lambda *words, **settings: "")  # nothing is mounted
    labs = []
    for name in ("unit-one", "unit-two"):
        lab = Lab(name, quiet=True)
        lab.state = tmp_path / "labs" / name
        lab.cgroups.mount = lambda: None
        build.make_state(lab, {})
        assert limit.read_text().strip() == "8192"
        labs.append(lab)
    for lab, left in zip(labs, ("8192", "128")):
        subprocess.run(["find", lab.state, "-mindepth", "1", "-delete"], check=True)
        build.tear_down(lab)
        assert limit.read_text().strip() == left


def test_all_that_pip_installs_has_a_hash():
    commands = re.findall(r"^\s*[^#\s].* pip .*$", (CHECKOUT / "lab/setup.sh").read_text(), re.MULTILINE)
    assert commands and all("--require-hashes" in command for command in commands)


def test_which_hosts_are_of_another_release():
    hosts = ["head", "kvm1", "kvm2"]
    assert tree.releases([], hosts) == {}
    assert tree.releases(["trixie"], hosts) == dict.fromkeys(hosts, "trixie")
    for words in (["trixie", "kvm2=forky"], ["kvm2=forky", "trixie"]):
        assert tree.releases(words, hosts) == {"head": "trixie", "kvm1": "trixie", "kvm2": "forky"}
    with pytest.raises(LabError, match="kvm2=sarge: the release is one of bookworm, trixie, forky"):
        tree.releases(["kvm2=sarge"], hosts)
    with pytest.raises(LabError, match="kvm9=forky: the hosts are head, kvm1, kvm2"):
        tree.releases(["kvm9=forky"], hosts)


def test_only_a_host_over_a_tree_comes_back_with_another_release(monkeypatch):
    monkeypatch.setattr(Lab, "hosts", ["head", "kvm1"])
    monkeypatch.setattr(Lab, "shape", {"releases": {"kvm1": "bookworm"}})
    with pytest.raises(LabError, match="reboot --release is for hosts that `lab/lab up --release` has made"):
        Lab("unit").start_again("kvm1", "head", release="trixie")
    with pytest.raises(LabError, match="kvm1=sarge: the release is one of bookworm, trixie, forky"):
        Lab("unit").start_again("kvm1", release="sarge")


def test_each_release_has_the_lock_files_of_its_python():
    newest = re.search(r"^SALTS := (\S+)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)[1]
    for release in tree.RELEASES:
        assert f"salt=={newest} " in tree.lock_file(release, newest).read_text()
    assert tree.lock_file("bookworm", "3006.28").exists()
    with pytest.raises(LabError, match=f"--release forky: Salt 3006.28 .* only {newest}"):
        tree.lock_file("forky", "3006.28")


def test_the_minions_may_have_another_salt(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "CHECKOUT", tmp_path)
    for name, salt in ((".venv", "3008.5"), (".venv-3006.28", "3006.28")):
        (tmp_path / name / f"lib/python3.11/site-packages/salt-{salt}.dist-info").mkdir(parents=True)
        (tmp_path / name / "complete").touch()
    assert tree.venv_of("3006.28") == tmp_path / ".venv-3006.28"
    assert tree.venv_of(None) is tree.venv_of("") is None
    with pytest.raises(LabError, match="no Salt 3007.15 here, only 3006.28, 3008.5: run `make setup SALT=3007.15`"):
        tree.venv_of("3007.15")


def test_a_tree_is_taken_from_where_the_machine_has_debian_from(monkeypatch):
    answer = "bookworm-updates http://one/debian/\nbookworm http://one/debian/\nbookworm http://two/debian/\n"
    monkeypatch.setattr(tree.platform, "freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    monkeypatch.setattr(tree, "run", lambda *words: answer)
    assert tree.mirror() == "http://one/debian/"
    answer = "stable http://one/debian/\n"
    assert tree.mirror() == "http://one/debian/"
    answer = "other http://one/debian/\n"
    with pytest.raises(LabError, match="apt has no source"):
        tree.mirror()


@pytest.fixture
def making(tmp_path, monkeypatch):
    """making(script): a tree is made by that shell script, whose last argument but one is the place; its process."""
    for name in ("venv/lib/python3.13/site-packages/salt-3008.5.dist-info", "gluster_one"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tree, "mirror", lambda: "mirror")
    monkeypatch.setattr(tree, "APART", "env")

    monkeypatch.setattr(tree, "MMDEBSTRAP", ["sh", "-e", str(tmp_path / "script")])

    def ready(script):
        (tmp_path / "script").write_text(f'for place; do [ "$place" = mirror ] || new=$place; done; {script}')
        return tree.ready("trixie", tmp_path / "venv", lambda text: None)

    return ready


def test_a_tree_is_made_once_and_is_in_its_place_when_it_is_complete(making, tmp_path):
    with pytest.raises(LabError, match="could not be made, see .*trixie.log"):
        making('mkdir "$new"; exit 1')
    assert not [path for path in tmp_path.glob("gluster_one/trixie*") if path.is_dir()]
    (tmp_path / "gluster_one/trixie.new/half").mkdir(parents=True)  # what a killed command leaves
    made = making('mkdir "$new" "$new/etc"')
    assert [path.name for path in made.iterdir()] == ["etc"]
    assert making("exit 1") == made
    assert [path for path in tmp_path.glob("gluster_one/trixie*") if path.is_dir()] == [made]


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")
def test_a_killed_command_ends_what_makes_its_tree_and_leaves_no_mount(tmp_path):
    script = f"mount -t tmpfs none {tmp_path}; echo mounted; sleep 60 & sleep 60"
    code = f"import subprocess; subprocess.run({[*tree.APART.split(), 'sh', '-c', script]})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout.readline() == "mounted\n"
        command.kill()
        assert select.select([command.stdout], [], [], 20)[0] and command.stdout.read() == ""  # all have closed it
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_bare_hosts_lack_what_others_have():
    assert {*tree.BARE} < {*tree.PACKAGES.read_text().split()}


def test_the_pillar_of_bare_hosts_has_create():
    text = (CHECKOUT / "pillar.example").read_text()
    volume = yaml.safe_load(master.bare_pillar(text, ["kvm1", "kvm2", "kvm3"]))["gluster_one"]["volumes"]["one_vol"]
    create = volume.pop("create")
    assert create == {"replica": 3, "bricks": "/data/one_vol"}
    assert volume == yaml.safe_load(text)["gluster_one"]["volumes"]["one_vol"]
