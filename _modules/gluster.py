"""
The ``gluster`` command as data
===============================

Every read goes through ``--xml --mode=script`` and returns plain dicts in Gluster's own words; every change is one
process. Nothing is decided here and nothing is kept between calls, except what is asked with ``run``. What an option's
value means is in ``gluster_options``.

Needs the ``gluster`` command (Debian: glusterfs-server, RHEL-like: glusterfs-cli) and a running glusterd.

The command may report a failure in the ``opRet`` of its XML and exit with 0, or fail without any XML: both are looked
at.
"""

import contextlib
import functools
import os
import re
import socket
import time
import xml.etree.ElementTree as ET

import psutil
import salt.utils.files
import salt.utils.path
import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster"

# glusterd writes it when it starts for the first time.
INFO = "/var/lib/glusterd/glusterd.info"
SOCKET = "/var/run/glusterd.socket"
MEMBER = "3"  # the state of a peer that is in the pool
# Seconds that a look at the whole pool may take, its question who is connected, and its wait for a volume's lock.
LOOK, MOST, MOMENT = 30, 10, 3
UNKNOWN = {"pending": None, "split_brain": None}
# Exit statuses of a process whose time was over.
OVER = (124, 137)
# Another command of the pool holds the lock, or a glusterd is just restarting: what passes when several nodes are
# configured at once.
PASSING = r"Another transaction|Locking failed|Quorum not met|Commit failed on \S+ Please check log"
# Bytes that a brick has sent to a client with which it has shaken hands, at most.
HANDSHAKE = 1000


def __virtual__():
    return __virtualname__


def xml(*words, timeout=120, server=None, patience=None):
    """
    Run one ``gluster`` command and return the XML that it answers with (string); wait for Gluster's lock.

    words
        The command's words (strings).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    server
        The server that is asked (host name); it answers only some that read. Default: this node.

    patience
        Seconds to wait for the lock, and for what else passes (int, default ``timeout``): 0 is one try.

    Raises CommandExecutionError when gluster is missing, glusterd does not answer or Gluster refuses.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.xml volume list
    """
    if _yet_to_start():
        return "<cliOutput/>"
    command = [*_program(timeout), *map(str, words)]
    if server:
        command.insert(1, f"--remote-host={server}")
    begin = time.monotonic()
    pause = 0.5
    while True:
        done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=timeout + 10)
        # What stands before the XML is a warning, such as of a library's.
        done["stdout"] = done["stdout"][max(0, done["stdout"].find("<?xml")) :]
        error = _error(done, server or "this node")
        if error is None:
            return done["stdout"]
        asked, passed = f"gluster {' '.join(map(str, words))}", time.monotonic() - begin
        if not re.search(PASSING, error) or passed + pause > (timeout if patience is None else patience):
            raise CommandExecutionError(f"{asked}: {_with_names(error)}")
        __utils__["gluster_states.announce_wait"](f"{asked} was not carried out", error, passed)
        time.sleep(pause)
        pause = min(pause * 2, 5)


def _yet_to_start():
    """
    Whether this is a run with ``test=True`` before glusterd's first start here: there is no pool and no volume yet.
    """
    return __opts__["test"] and not os.path.exists(INFO)


def _program(timeout):
    binary = salt.utils.path.which("gluster")
    if not binary:
        raise CommandExecutionError(
            "The gluster command is not installed on this node: install "
            + __utils__["gluster_system.package"]("gluster_package")
        )
    return [binary, "--mode=script", f"--timeout={int(timeout)}", "--xml"]


def _run(*words, **settings):
    """
    The root of a command's XML.
    """
    return ET.fromstring(xml(*words, **settings))


def _error(done, node):
    """
    Why a finished command failed, in one line that may name the node, or None.
    """
    try:
        root = ET.fromstring(done["stdout"])
    except ET.ParseError:
        root = None
    if root is not None and root.findtext("opRet") == "0" and done["retcode"] == 0:
        return None
    said = root.findtext("opErrstr") if root is not None else done["stdout"]
    error = " ".join((said or done["stderr"] or f"failed with status {done['retcode']}").split())
    if "Connection failed" in error:
        error = f"glusterd is not running on {node}: start it with `systemctl start glusterd`"
    return error


def _with_names(error):
    """
    What Gluster says, with the names of peers of which it has an address or a uuid.
    """
    if not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f]*:", error):
        return error
    roots, _ = _together(list(PLAIN), timeout=5)
    bricks = _volumes(roots["volume info"]).values() if "volume info" in roots else []
    named = {uuid: brick.partition(":/")[0] for each in bricks for uuid, brick in zip(each["servers"], each["bricks"])}
    for peer in _peers(roots["peer status"]) if "peer status" in roots else []:
        addresses = [name for name in peer["hostnames"] if __utils__["gluster_hosts.network"](name)]
        names = [named.get(peer["uuid"]), *peer["hostnames"]]
        name = next((name for name in names if name and name not in addresses), None)
        for token in [peer["uuid"], *addresses] if name else []:
            # Not within another one, or where the name stands already.
            error = re.sub(rf"(?<![\w.:(-]){re.escape(token)}(?![\w:-]|\.\d)", f"{name} ({token})", error)
    return error


def pool_list(server=None):
    """
    The members of the trusted pool, the node that is asked included (as ``localhost``).

    server
        The server that is asked (host name). Default: this node. Servers may see different peers connected.

    Returns a list of dicts ``{"hostname": "kvm2", "uuid": "...", "connected": True, "state": "Peer in Cluster"}``. Only
    a full member is connected: Gluster also calls one so that it has rejected, or has yet to accept. The state is in
    Gluster's words, None of the node that is asked.

    Raises CommandExecutionError when gluster is missing or glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.pool_list
    """
    return _members(_run("pool", "list", server=server))


def _members(root):
    return [
        {
            "hostname": peer.findtext("hostname"),
            "uuid": peer.findtext("uuid"),
            "connected": _is_connected(peer),
            "state": peer.findtext("stateStr"),
        }
        for peer in root.iter("peer")
    ]


def _is_connected(peer):
    return peer.findtext("connected") == "1" and peer.findtext("state", MEMBER) == MEMBER


def volume_info(name=None, run=None, server=None):
    """
    What the pool's volumes are, by name: one process however many volumes there are.

    name
        A volume's name (string). Default: all volumes.

    run
        Take the answer of an earlier call with the same value here, if nothing was changed since: the states of one run
        give its identifier, so that they ask once (string). Default: ask.

    server
        The server that is asked (host name), perhaps of another pool. Default: this node.

    Returns a dict of dicts; of a name that is no volume's, an empty dict::

        {"one_vol": {"id": "...", "type": "Replicate", "status": "Started", "replica": 3, "arbiter": 0, "disperse": 0,
                     "redundancy": 0, "transport": "tcp", "bricks": ["kvm1:/data/one_vol", ...],
                     "servers": ["uuid of the first brick's server", ...],
                     "options": {"server.allow-insecure": "on", ...}}}

    ``options`` are those that were set, as typed; see :func:`volume_options` for those in force.

    Raises CommandExecutionError when gluster is missing or glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_info one_vol
    """
    volumes = _volumes(_run("volume", "info", server=server)) if server else _read("volume info", run)
    if name is None:
        return volumes
    return {name: volumes[name]} if name in volumes else {}


def peer_status(run=None, timeout=120):
    """
    The other members of the trusted pool as this node's glusterd sees them.

    run
        See :func:`volume_info`, with which it shares one process.

    timeout
        Seconds to wait for Gluster's answer where it is a process of its own (int, default 120).

    Returns a list of dicts; the names are all by which the pool knows the peer, addresses among them, and the state is
    in Gluster's words, ``Peer in Cluster`` for a member, ``Peer Rejected`` for one whose volumes are not the pool's.
    Only a member is connected::

        [{"uuid": "...", "hostnames": ["10.0.0.2", "kvm2"], "connected": True, "state": "Peer in Cluster"}]

    Raises CommandExecutionError when gluster is missing or glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_status
    """
    return _read("peer status", run, timeout)


def _read(command, run, timeout=120):
    """
    What ``peer status`` or ``volume info`` says. In one run one process reads both, and once while nothing is changed.
    """
    kept = __context__.get("gluster.read")
    found = kept[1] if run is not None and kept and kept[0] == run else {}
    if command not in found:
        roots = _together(list(PLAIN), timeout=13)[0] if run is not None else {}
        if command not in roots:
            roots[command] = _run(*command.split(), timeout=timeout)
        found = {command: PLAIN[command](root) for command, root in roots.items()}
        __context__["gluster.read"] = (run, found)
    return found[command]


def _together(commands, timeout):
    """
    The roots of several reading commands' XML by command, asked in one process, and whether its time was over before
    all had answered: without a command of its own gluster takes commands from standard input, one a line, and ends at
    the first that fails. None is answered when glusterd does not run.
    """
    if _yet_to_start() or not _listens():
        return {}, False
    done = __salt__["cmd.run_all"](
        # What has been answered before stands, and what a command has started ends with it.
        ["timeout", "-k", "5", str(timeout), *_program(timeout)],
        stdin="".join(f"{command}\n" for command in commands),
        python_shell=False,
        ignore_retcode=True,
        timeout=timeout + 10,
    )
    answers = [f"<?xml{answer}" for answer in done["stdout"].split("<?xml")[1:]]
    fine = {
        command: ET.fromstring(answer)
        for command, answer in zip(commands, answers)
        if not _error({**done, "stdout": answer, "retcode": 0}, "")
    }
    return fine, done["retcode"] in OVER


def _listens():
    """
    Whether glusterd runs: with commands on standard input, gluster would wait for one until its time is over.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(SOCKET)
    except OSError:
        return False
    return True


def snapshot(heal=()):
    """
    The pool, the volumes and their processes at one moment: one process however many volumes there are, and a second
    one for who is connected.

    heal
        The volumes of which to count what waits to be healed, and to see who is connected, too (list of strings,
        default none).

    Returns a dict of what :func:`pool_list`, :func:`volume_info`, :func:`volume_status` and :func:`connections` return,
    the latter two by volume: those that are started, and those that were asked for. ``heal`` has by volume how many
    files wait to be healed, and how many are in split-brain, counted on the brick that has most; zeros for a volume
    that has no copies to heal, None for both while a brick is not connected. ``status`` and ``connections`` are None,
    and what is to be healed, where Gluster does not say it in time::

        {"pool": [{"hostname": "kvm2", ...}], "volumes": {"one_vol": {"status": "Started", ...}},
         "status": {"one_vol": [{"hostname": "kvm1", "path": "/data/one_vol", "online": True, ...}]},
         "heal": {"one_vol": {"pending": 0, "split_brain": 0}},
         "connections": {"one_vol": {"kvm1:/data/one_vol": [["10.0.0.1:49149", 1236], ...]}}}

    Raises CommandExecutionError when gluster is missing, or glusterd does not answer, or not within half a minute.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.snapshot '[one_vol]'
    """
    counts = {name: f"volume heal {name} info summary" for name in heal}
    quick, begin = ["pool list", "volume info", "volume status all"], time.monotonic()
    answers, over = _together([*quick, *counts.values()], timeout=LOOK)
    if over and not set(quick) <= set(answers):  # after one has hung no second is started
        raise CommandExecutionError(f"gluster did not answer within {LOOK} s: a peer or a brick hangs")

    def root(command):
        if command not in answers:
            answers[command] = _run(*command.split(), timeout=LOOK, patience=MOMENT)
        return answers[command]

    found = {"pool": _members(root("pool list")), "volumes": _volumes(root("volume info"))}
    found["status"] = _statuses(lambda: root("volume status all"), found["volumes"], begin + LOOK)
    found["heal"] = {name: dict(UNKNOWN) for name in heal}
    found["connections"] = dict.fromkeys(heal)
    for name, command in counts.items():
        with contextlib.suppress(CommandExecutionError):
            if command in answers or not over:  # what took too long is not asked for again
                found["heal"][name] = _counts(found["volumes"].get(name), lambda command=command: root(command))
    # glusterd asks each brick's process who is connected, and keeps the volume's lock for minutes where one hangs. The
    # process of before cannot go on with it: into a pipe gluster writes its answers when it ends. To change that
    # (stdbuf) and to feed it meanwhile is more to go wrong than 0.1 s of a look by hand is worth.
    fine = [name for name in heal if not _hanging(answers.get(counts[name]), found["status"].get(name))]
    clients = {name: f"volume status {name} clients" for name in fine}
    answers, over = _together(clients.values(), timeout=MOST) if clients else ({}, False)
    for name, command in clients.items():
        with contextlib.suppress(CommandExecutionError):
            if command in answers or not over:
                there = answers[command] if command in answers else _run(*command.split(), timeout=MOST, patience=0)
                found["connections"][name] = _connections(there)
    return found


def _statuses(ask, volumes, until):
    """
    The processes of all started volumes, None for a volume whose processes Gluster does not list, for example while
    another command, which may hang, holds its lock. Asked for all volumes at once, Gluster silently leaves out such a
    volume, or all of them.
    """
    found = {}
    with contextlib.suppress(CommandExecutionError):
        found = {volume.findtext("volName"): _processes(volume) for volume in ask().iter("volume")}
    for name in [name for name, volume in volumes.items() if volume["status"] == "Started" and name not in found]:
        found[name] = None
        with contextlib.suppress(CommandExecutionError):
            if time.monotonic() < until:
                found[name] = _processes(_run("volume", "status", name, timeout=LOOK, patience=MOMENT))
    return found


def _hanging(healed, rows):
    """
    Whether a brick's process is there and does not answer, by what the heal's information says.
    """
    online = {f"{row['hostname']}:{row['path']}" for row in rows or [] if row["online"]}
    bricks = healed.iter("brick") if healed is not None else []
    return any(brick.findtext("name") in online and brick.findtext("status") != "Connected" for brick in bricks)


def _number(element, tag, otherwise=None):
    """
    A number from Gluster's output, None where that has words, ``N/A``, ``-`` or nothing instead.
    """
    text = element.findtext(tag, "").strip()
    return int(text) if text.isdecimal() else otherwise


def _peers(root):
    return [
        {
            "uuid": peer.findtext("uuid"),
            "hostnames": list(dict.fromkeys(name.text for name in peer.iter("hostname") if name.text)) or ["?"],
            "connected": _is_connected(peer),
            "state": peer.findtext("stateStr"),
        }
        for peer in root.iter("peer")
    ]


def _volumes(root):
    return {
        volume.findtext("name"): {
            "id": volume.findtext("id"),
            "type": volume.findtext("typeStr"),
            "status": volume.findtext("statusStr"),
            "replica": _number(volume, "replicaCount", 1) or 1,
            "arbiter": _number(volume, "arbiterCount", 0),
            "disperse": _number(volume, "disperseCount", 0),
            "redundancy": _number(volume, "redundancyCount", 0),
            "transport": __utils__["gluster_options.transport"](volume.findtext("transport")),
            "bricks": [brick.findtext("name", "") for brick in volume.iter("brick")],
            "servers": [brick.findtext("hostUuid") for brick in volume.iter("brick")],
            "options": {option.findtext("name"): option.findtext("value") or "" for option in volume.iter("option")},
        }
        for volume in root.iter("volume")
        if volume.findtext("name")
    }


PLAIN = {"peer status": _peers, "volume info": _volumes}


def volume_status(name):
    """
    The processes of a started volume: bricks and self-heal daemons.

    name
        The volume's name (string).

    Returns a list of dicts ``{"hostname": "kvm1", "path": "/data/one_vol", "online": True, "port": "49152",
    "pid": 2034}``; a self-heal daemon has the hostname ``Self-heal Daemon`` and the node's name as path. A ``pid`` that
    Gluster does not know is None.

    Raises CommandExecutionError when the volume does not exist or is not started.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_status one_vol
    """
    return _processes(_run("volume", "status", name))


def connections(name):
    """
    Who is connected to the bricks of a started volume, and what each brick has sent.

    name
        The volume's name (string).

    Returns a dict of lists, by brick each client's address with its port, and a number of bytes, None if it is not
    known: ``{"kvm1:/data/one_vol": [["10.0.0.1:49149", 1236]]}``.

    Raises CommandExecutionError when the volume does not exist or is not started; Gluster 10.3 says "Commit failed"
    also where no brick has had a client since its start, and leaves out those behind the first that has had none.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.connections one_vol
    """
    return _connections(_run("volume", "status", name, "clients", timeout=10))


def client_kinds(name):
    """
    What kinds of clients are connected to a started volume, and how many of each. Only the text has that, not the XML.

    name
        The volume's name (string).

    Returns a dict such as ``{"glustershd": 3, "fuse": 4, "gfapi.qemu-system-x86_64": 1}``.

    Raises CommandExecutionError with Gluster's message when it is not known, as for a volume that is not started;
    Gluster 10.3 says "Commit failed" also where the bricks of another server have no client.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.client_kinds one_vol
    """
    command = [word for word in _program(30) if word != "--xml"] + ["volume", "status", name, "client-list"]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=40)
    if done["retcode"] != 0 or "total clients" not in done["stdout"]:
        said = " ".join((done["stderr"] or done["stdout"]).split())
        raise CommandExecutionError(f"gluster volume status {name} client-list: {_with_names(said)}")
    # A client names itself, after the thread that connects, and a thread's name may have blanks.
    rows = re.findall(r"^(?!total clients)(\S.*?) +([0-9]+) *$", done["stdout"], re.MULTILINE | re.IGNORECASE)
    return {__utils__["gluster_process.visible"](kind): int(count) for kind, count in rows}


def client_versions(name):
    """
    The newest version of Gluster's protocol that each client of a started volume speaks.

    name
        The volume's name (string).

    Returns a dict of ints by the clients' addresses, the oldest of those with one address, 0 for one that does not say:
    ``{"10.0.0.1": 100000}``. Self-heal daemons are clients, too.

    Raises CommandExecutionError as :func:`connections` does.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.client_versions one_vol
    """
    found = {}
    for client in _run("volume", "status", name, "clients", timeout=30).iter("client"):
        address, version = client.findtext("hostname", "").rpartition(":")[0], _number(client, "opVersion", 0)
        found[address] = min(version, found.get(address, version))
    return found


def max_op_version():
    """
    The newest version of Gluster's protocol that all servers of the pool speak.

    Returns an int such as 100000, None where Gluster does not say it.

    Raises CommandExecutionError with Gluster's message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.max_op_version
    """
    root = _run("volume", "get", "all", "cluster.max-op-version", timeout=30)
    return next((_number(option, "Value") for option in root.iter("Opt")), None)


def _connections(root):
    return {
        f"{brick.findtext('hostname')}:{brick.findtext('path')}": [
            [client.findtext("hostname", ""), _number(client, "bytesWrite")] for client in brick.iter("client")
        ]
        for brick in root.iter("node")
        if brick.find("clientsStatus") is not None
    }


def _processes(root):
    return [
        {
            "hostname": node.findtext("hostname"),
            "path": node.findtext("path"),
            # glusterd may lose a brick's port while it starts: the process runs, and no client finds it.
            "online": node.findtext("status") == "1" and not (_is_brick(node) and node.findtext("port") == "N/A"),
            "port": node.findtext("port"),
            "pid": _number(node, "pid"),
        }
        for node in root.iter("node")
        if node.find("hostname") is not None
    ]


def _is_brick(process):
    return process.findtext("path", "").startswith("/")


def volume_set(name, options, timeout=120):
    """
    Set options of a volume, all of them in one process.

    name
        The volume's name (string).

    options
        Option names and values (dict). A boolean is written as ``on`` or ``off``.

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's own message when the volume does not exist, an option is unknown or a
    value is refused; Gluster then sets none of them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_set one_vol '{server.allow-insecure: "on", storage.owner-uid: 9869}'
    """
    if not isinstance(options, dict) or not options:
        raise SaltInvocationError(f"options is {options!r}: names and values are needed, such as {{nfs.disable: on}}")
    words = [
        word
        for option, value in options.items()
        for word in (str(option), __utils__["gluster_options.option_text"](value))
    ]
    try:
        _run("volume", "set", name, *words, timeout=timeout)
    finally:
        __context__.pop("gluster.read", None)  # what was reported as failed may be done
    return True


def volume_reset(name, option, timeout=120):
    """
    Reset one option, to what Gluster has for it where nobody has set it.

    name
        The volume's name (string), ``all`` for an option of the whole pool.

    option
        The option (string).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's own message, such as that the option is not set.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_reset one_vol network.ping-timeout
    """
    return _change("volume", "reset", name, option, timeout=timeout)


def _counts(info, ask):
    """
    What ``ask`` returns for a volume; not called for a volume without replicas.
    """
    if info and info["replica"] == 1 and not info["disperse"]:
        return {"pending": 0, "split_brain": 0}
    tags = {"pending": "totalNumberOfEntries", "split_brain": "numberOfEntriesInSplitBrain"}
    bricks = list(ask().iter("brick"))
    counts = {key: [_number(brick, tag) for brick in bricks] for key, tag in tags.items()}
    known = bricks and all(brick.findtext("status") == "Connected" for brick in bricks)
    if not known or any(None in values for values in counts.values()):
        return dict.fromkeys(tags)
    return {key: max(values) for key, values in counts.items()}


def _change(*words, timeout):
    """
    Run one command that changes something, and forget what was read of the pool before.
    """
    try:
        xml(*words, timeout=timeout)
    finally:
        __context__.pop("gluster.read", None)
    return True


def peer_probe(server, timeout=120):
    """
    Take a server into this node's pool, or give a peer another name.

    server
        The server, by the name by which the pool is to know it (string).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True, also for this node itself and for a peer that has that name already.

    Raises CommandExecutionError with Gluster's own message, such as that the server is in another pool.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_probe kvm2
    """
    return _change("peer", "probe", server, timeout=timeout)


def peer_detach(server, timeout=120):
    """
    Take a server that has no brick out of this node's pool.

    server
        The server, by a name that the pool has for it (string).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's own message, such as that there are bricks on it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_detach kvm4
    """
    return _change("peer", "detach", server, timeout=timeout)


def brick_replace(volume, brick, new=None, timeout=120):
    """
    Give the place of a brick to another one, or to the empty directory that is at its own path now; what belongs there
    is healed from the others of its set.

    volume
        The volume (string).

    brick
        The brick (string), such as ``kvm3:/data/one_vol/brick``.

    new
        The brick that takes its place (string, default none: the same path).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock, and until the other
        servers are connected to that of the brick (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's own message.

    CLI Example:

    .. code-block:: bash

        salt kvm4 gluster.brick_replace one_vol kvm3:/data/one_vol/brick kvm4:/data/one_vol/brick
    """
    # Neither command has another form than with `commit force`: it overrides no check of the new place but that of the
    # root file system, which `gluster_replace` makes itself.
    words = "replace-brick" if new else "reset-brick", volume, brick, new or brick
    refused = []

    def apart():
        try:
            if not new:
                _change("volume", "reset-brick", volume, brick, "start", timeout=timeout)
            _change("volume", *words, "commit", "force", timeout=timeout)
        except CommandExecutionError as exc:
            if re.search(r"Host \S+ not connected", str(exc)):
                return str(exc)
            refused.append(exc)
        return None

    # Others are some seconds behind a glusterd that has just been restarted.
    __utils__["gluster_states.wait_for"](apart, timeout, f"{brick} was not replaced")
    if refused:
        raise refused[0]
    return True


def volume_create(name, words, timeout=120):
    """
    Create a volume; it is not started. What Gluster makes on some servers before another one refuses stays there.

    name
        The volume (string).

    words
        What follows the name (list of strings), see ``gluster_layout.words``.

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's own message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_create new_vol '[replica, "2", "kvm1:/data/b", "kvm2:/data/b"]'
    """
    return _change("volume", "create", name, *words, timeout=timeout)


def volume_add_bricks(name, bricks, timeout=120):
    """
    Add bricks to a volume, in whole sets.

    name
        The volume (string).

    bricks
        The bricks (list of strings), set by set, such as ``kvm4:/data/one_vol/brick``.

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's own message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_add_bricks new_vol '["kvm3:/data/b", "kvm4:/data/b"]'
    """
    return _change("volume", "add-brick", name, *bricks, timeout=timeout)


def volume_start(name, force=False, timeout=120):
    """
    Start a volume.

    name
        The volume's name (string).

    force
        Start the bricks of a started volume that are down, too (bool, default False).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when there is no such volume, or it is started already and ``force`` not given.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_start one_vol force=True
    """
    return _change("volume", "start", name, *(["force"] if force else []), timeout=timeout)


def volume_stop(name, timeout=120):
    """
    Stop a volume: every client loses it until it is started again.

    name
        The volume (string).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when there is no such volume, it is not started, or is being rebalanced.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_stop one_vol
    """
    return _change("volume", "stop", name, timeout=timeout)


def heal(name):
    """
    Have the self-heal daemons look now for what waits to be healed; by themselves they look every ten minutes. One try:
    who looks at a pool does not wait for it.

    name
        The volume's name (string).

    Returns True.

    Raises CommandExecutionError when the volume is not started or a self-heal daemon does not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.heal one_vol
    """
    try:
        xml("volume", "heal", name, patience=0)
    except CommandExecutionError as exc:
        if "has been successful" not in str(exc):  # it answers in words, also with --xml
            raise
    return True


def clients_apart(name, bricks=None, without=(), connections=None, servers=None, hosts=()):
    """
    Which clients of a started volume are not connected to all of its bricks.

    A brick knows a client by its address alone. A host may have several of them: it reaches its own bricks by a
    loopback address where its name has one in ``/etc/hosts``, and bricks of two networks by an address in each.
    Addresses that the names of a server's bricks have are the server's, all addresses of this node are this node's; of
    others, those of different networks count as one host where each has what the other misses, the most alike first.
    Which they are only the clients know: ``gluster_one.apart``.

    A host with two clients has two connections to every brick, that are used on one of them at least: more went over
    them than the handshake. A client that has changed to another set of options keeps the connections of the one before
    on bricks that were restarted since: they carry nothing (seen with Gluster 10.3; a handshake is answered with 508 to
    644 bytes).

    name
        The volume (string).

    bricks
        The bricks to which they have to be connected (list of strings, default those that run).

    without
        Those of them that do not matter (list of strings, default none).

    connections
        What ``gluster.connections`` has said (dict). Default: ask.

    servers
        The uuid of each brick's server (dict of strings). Default: ask.

    hosts
        Addresses that are known to be one host's (list of lists of strings, default none).

    Returns a dict such as ``{"10.0.0.9": ["kvm1:/data/one_vol"]}``, by address the bricks that it misses; a loopback
    address has its server with it, ``127.0.0.1 of kvm1``, and addresses that may be one host are together, ``10.0.0.9
    and 10.1.0.9``.

    Raises CommandExecutionError as ``gluster.connections`` does.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.clients_apart one_vol
    """
    if connections is None:
        connections = __salt__["gluster.connections"](name)
    needed = [brick for brick in bricks or connections if brick not in without]
    clients = _clients(connections)
    if any(_missed(client, needed) for client in clients):  # names are resolved only then
        if servers is None:
            info = volume_info(name).get(name, {"bricks": [], "servers": []})
            servers = dict(zip(info["bricks"], info["servers"]))
        clients = _joined(_by_server(clients, connections, servers, hosts), needed)
    apart = {_called(client): _missed(client, needed) for client in clients}
    return {address: missed for address, missed in sorted(apart.items()) if missed}


def _clients(connections):
    """
    Each address with its numbers of connections by brick, and how many of those are used; a loopback address once for
    each server.
    """
    found = {}
    for brick, there in connections.items():
        for text, written in there:
            address = __utils__["gluster_hosts.address"](text.rpartition(":")[0])
            server = brick.partition(":/")[0] if __utils__["gluster_hosts.is_loopback"](address) else None
            new = {"addresses": [address], "networks": set(), "server": server, "counts": {}}
            count = found.setdefault((address, server), new)["counts"].setdefault(brick, [0, 0])
            count[0] += 1
            count[1] += written is None or written > HANDSHAKE
    return list(found.values())


def _missed(client, bricks):
    """
    The bricks to which a client has fewer connections than it uses on another one.
    """
    most = max(used for _, used in client["counts"].values())
    return [brick for brick in bricks if client["counts"].get(brick, [0])[0] < most]


def _called(client):
    known = [address for address in client["addresses"] if not __utils__["gluster_hosts.is_loopback"](address)]
    if client["server"]:
        return known[0] if known else f"{client['addresses'][0]} of {client['server']}"
    return " and ".join(sorted(known))


def _by_server(clients, connections, servers, hosts):
    """
    The clients, those addresses together that belong to one of the bricks' servers, to this node or another host.
    """
    given, hosts = hosts, {}  # addresses and names, by uuid
    for brick in connections:
        name = brick.partition(":/")[0]
        known, names = hosts.setdefault(servers.get(brick, name), (set(), set()))
        if name not in names:
            names.add(name)
            known.update(__utils__["gluster_hosts.addresses"](name))
    for own in (__utils__["gluster_hosts.addresses"]("127.0.0.1"), *map(set, given)):
        known = next((known for known, _ in hosts.values() if own & known), None)
        if known is None:  # it is no server of the volume
            hosts[frozenset(own)] = (own, set())
        else:
            known.update(own)
    for known, names in hosts.values():
        own = [one for one in clients if one["server"] in names or known.intersection(one["addresses"])]
        if own:
            clients = [one for one in clients if one not in own]
            clients.append({**functools.reduce(_one_client, own), "server": min(names, default=None)})
    return clients


def _one_client(one, other):
    """
    Two clients as one.
    """
    counts = {**one["counts"]}
    for brick, more in other["counts"].items():
        counts[brick] = [sum(pair) for pair in zip(counts.get(brick, (0, 0)), more)]
    more = {"addresses": one["addresses"] + other["addresses"], "networks": one["networks"] | other["networks"]}
    return {**more, "server": one["server"] or other["server"], "counts": counts}


def _joined(clients, bricks):
    """
    Those clients that miss bricks, without addresses that may be one host and have just the bricks between them that
    it needs. What is left and may be one host is together, too. Those come first whose addresses end alike: hosts often
    have the same number in each of their networks.
    """
    left = [client for client in clients if _missed(client, bricks)]
    left.sort(key=lambda client: (-len(client["counts"]), client["addresses"]))
    left = [{**client, "networks": _networks(client)} for client in left]  # of each address once
    for complete, alike in ((True, True), (True, False), (False, True), (False, False)):
        left = _as_one(left, bricks, complete, alike)
    return left


def _as_one(clients, bricks, complete, alike):
    """
    Clients that may be one host as one: only those that have all bricks then (``complete``), which are left out; only
    those whose addresses end alike (``alike``).
    """
    left, found = clients, []
    while left:
        first, *left = left
        client, parts, ending = first, [], _host_part(first)
        for other in left:
            if alike and ending != _host_part(other) or not _may_be_one(client, other):
                continue
            missed = _missed(client, bricks)
            if missed and {*other["counts"]}.intersection(bricks).issubset(missed):
                client, parts = _one_client(client, other), [*parts, other]
        missed = _missed(client, bricks)
        if missed and complete:
            client, parts = first, []
        left = [other for other in left if other not in parts]
        found += [client] if missed else []
    return found


def _host_part(client):
    return re.split("[.:]", client["addresses"][0])[-1]


def _may_be_one(one, other):
    """
    Whether two clients may be one host: they are not of two servers, and not of one network, in which a host would go
    by one address.
    """
    networks, more = one["networks"], other["networks"]
    return not (None in networks | more or networks & more or (one["server"] and other["server"]))


def _networks(client):
    real = [address for address in client["addresses"] if not __utils__["gluster_hosts.is_loopback"](address)]
    return {__utils__["gluster_hosts.network"](address) for address in real}


def heal_daemon_apart(name):
    """
    To which bricks of a started volume that run this server's self-heal daemon is not connected. A brick that has
    refused it once, as while ``server.allow-insecure`` was off, it does not ask again (Gluster 10.3): it heals nothing
    there.

    name
        The volume (string).

    Returns a list of bricks such as ``kvm2:/data/one_vol``: all of them where the daemon does not run, none where there
    is to be none (``cluster.self-heal-daemon`` is off).

    Raises CommandExecutionError when the volume does not exist or is not started.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.heal_daemon_apart one_vol
    """
    every = volume_status(name)
    rows = [row for row in every if row["online"]]
    bricks = [f"{row['hostname']}:{row['path']}" for row in rows if row["path"].startswith("/")]
    daemon = _heal_daemon(rows)
    if daemon is None:
        named = [row for row in every if row["hostname"] == "Self-heal Daemon" and row["path"] == "localhost"]
        return bricks if any(not row["online"] for row in named) else []
    # psutil 6 has given it another name.
    connections = getattr(daemon, "net_connections", None) or daemon.connections
    with _looking("the self-heal daemon"):
        own = {f"{seen.laddr.ip.removeprefix('::ffff:')}:{seen.laddr.port}" for seen in connections("tcp")}
    try:
        there = __salt__["gluster.connections"](name)
    except CommandExecutionError as exc:
        if "Commit failed" not in str(exc):
            raise
        there = {}  # none has had one
    return [brick for brick in bricks if own.isdisjoint(client for client, _ in there.get(brick, []))]


def _heal_daemon(rows):
    """
    The process of this server's self-heal daemon, by what Gluster says of a volume's processes, or None.
    """
    daemons = [row for row in rows if row["hostname"] == "Self-heal Daemon" and row["online"]]
    pids = [row["pid"] for row in daemons if row["path"] == "localhost" and row["pid"] is not None]
    with _looking("the self-heal daemon"):
        return psutil.Process(pids[0]) if pids else None


@contextlib.contextmanager
def _looking(what):
    """
    Look at a process that may have ended: what Gluster said of it may be outdated.
    """
    try:
        yield
    except psutil.Error as exc:
        raise CommandExecutionError(f"{what}: {exc}; run again") from exc


def heal_daemon_end(name):
    """
    End the self-heal daemon of a volume on this server, which may be that of others, too.

    Nothing of a volume starts it again but ``volume start VOLUME force``, which starts bricks that are down as well,
    also over an empty directory: a start of glusterd does, and leaves such a directory alone (Gluster 10.3).

    name
        A volume (string).

    Returns whether it was running (bool).

    Raises CommandExecutionError when the volume does not exist or is not started.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.heal_daemon_end one_vol
    """
    daemon = _heal_daemon(volume_status(name))
    if daemon:
        __utils__["gluster_process.end"](daemon)
    return bool(daemon)


def brick_restart(volume, brick, timeout=120):
    """
    End a brick of this server and start it again.

    volume
        The volume (string).

    brick
        The brick (string), such as ``kvm1:/data/one_vol``.

    timeout
        Seconds for Gluster's lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when the brick is down or shares its process with others (``cluster.brick-multiplex``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.brick_restart one_vol kvm1:/data/one_vol
    """
    host, _, path = brick.partition(":/")  # an IPv6 address has colons, too
    path = f"/{path}"
    rows = [row for rows in snapshot()["status"].values() for row in rows or [] if row["hostname"] == host]
    pid = next((row["pid"] for row in rows if row["path"] == path and row["online"]), None)
    if pid is None:
        raise CommandExecutionError(f"{brick} is down: apply gluster_one.started to its server")
    others = [row["path"] for row in rows if row["pid"] == pid and row["path"] != path]
    if others:
        raise CommandExecutionError(
            f"{brick} shares its process with {', '.join(others)} (cluster.brick-multiplex): restart them by hand"
        )
    with _looking(brick):
        process = psutil.Process(pid)
        known = path in (__utils__["gluster_process.words"](pid) or [])
    if not known:
        raise CommandExecutionError(f"{brick}: the process {pid} is another one by now; run again")
    __utils__["gluster_process.end"](process)
    return volume_start(volume, force=True, timeout=timeout)
