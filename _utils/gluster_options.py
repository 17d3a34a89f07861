"""
What an option of a volume means: values that are equal, owners by name, option groups
======================================================================================
"""

import hashlib
import os
import re
import urllib.parse

import salt.utils.files
import salt.utils.path
import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_options"

GROUPS = "/var/lib/glusterd/groups"
# Values of these are compared as they are: names and paths, in which case and order may mean something.
EXACT = ("ssl-allow", "cipher-list", "own-cert", "private-key", "ca-list", "crl-path", "dh-param", "ec-curve")
SIZES = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5}
SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400, "days": 86400, "w": 604800,
           "wk": 604800}  # fmt: skip
# Options in which `m` is minutes: elsewhere it is a size.
TIME = re.compile("(timeout|interval|freq|frequency|delay|period|time|wait)$")
# Options of the whole pool: Gluster rejects a command that sets one for a volume, with all its other options.
POOL = (
    "cluster.server-quorum-ratio", "cluster.brick-multiplex", "cluster.max-bricks-per-process", "cluster.op-version",
    "cluster.max-op-version", "cluster.enable-shared-storage", "cluster.localtime-logging", "cluster.daemon-log-level",
    "glusterd.vol_count_per_thread", "cluster.brick-graceful-cleanup",
)  # fmt: skip
COPIES = "cluster.shd-max-threads"  # refused for a volume without copies (10.3)
# Of these: raised once, when all servers have a newer Gluster, and never lowered; only read; makes a volume of its own.
BY_HAND = ("cluster.op-version", "cluster.max-op-version", "cluster.enable-shared-storage")

# The record of what the formula has set. A value of 5000 characters ended glusterd (10.3 and 11.1), 4000 it kept.
RECORD, LONGEST = "user.gluster_one.set", 3500
# With it, files are stored in shards, which nobody could read without it. Of a volume that the formula has made it
# comes from this group, which is for a volume of VMs' images.
SHARDS, MADE_WITH, INSECURE = ("features.shard", "features.shard-block-size"), "virt", "server.allow-insecure"
UNKNOWN = "?"  # in it: what an option was before
# Servers that reject each other, as while an upgrade is prepared, are no servers' quorum, by which they would end their
# bricks: it is off then. What it was is kept here, where it outlives whoever turned it off.
QUORUM, PAUSED, RESUMED = "cluster.server-quorum-type", "user.gluster_one.quorum", "-"


def __virtual__():
    return __virtualname__


def pool_options():
    """
    The options of the whole pool that may be set at any time; others of the pool are for an administrator's hand.

    Returns a list of strings; what needs another one to be set comes behind it.

    Example:

    .. code-block:: python

        __utils__["gluster_options.pool_options"]()
    """
    return [option for option in POOL if option not in BY_HAND]


def transport(number):
    """
    By what a volume is reached. ``transport`` of ``gluster volume create`` sets no option.

    number
        Gluster's number for it (string), None where it has none.

    Returns ``tcp``, ``rdma`` or ``tcp,rdma``.

    Example:

    .. code-block:: python

        __utils__["gluster_options.transport"]("0")
    """
    return {"1": "rdma", "2": "tcp,rdma"}.get(number, "tcp")


def option_text(value):
    """
    An option's value as text for Gluster: YAML makes an unquoted ``on`` a boolean and ``1`` a number.

    value
        A string, number or boolean.

    Example:

    .. code-block:: python

        __utils__["gluster_options.option_text"](True)
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def merged_options(needed, options=None):
    """
    The options that are needed with further ones laid over them.

    needed
        Option names and values (dict).

    options
        The same; what stands in both is taken from here (dict, default none).

    Returns a dict of option names and values; a name without a dot is the end of a full one, as Gluster has it.

    Raises SaltInvocationError when ``options`` is no such dict, or a name may be one of several.

    Example:

    .. code-block:: python

        __utils__["gluster_options.merged_options"]({"server.allow-insecure": "on"}, {"network.ping-timeout": 10})
    """
    if options is not None and not isinstance(options, dict):
        raise SaltInvocationError(
            f"options is {options!r}: option names and values are needed, such as {{network.ping-timeout: 10}}"
        )
    return {**needed, **{_full(name, needed): value for name, value in (options or {}).items()}}


def _full(name, options):
    """
    The name under which Gluster keeps an option, if it is among these: what is behind the first dot may stand for it.
    """
    full = [each for each in options if str(each).partition(".")[2] == name]
    if name in options or not full:
        return name
    if len(full) > 1:
        raise SaltInvocationError(f"options has {name!r}: it may be {' or '.join(full)}, give the full name")
    return full[0]


def option_changes(current, wanted):
    """
    The options that differ. ``on``, ``yes``, ``true``, ``enable`` and ``1`` are equal, their opposites too, and so are
    sizes and times in different units (``1GB`` and ``1024MB``, ``1min`` and ``60``), a percentage with and without its
    sign, numbers as C reads them (``0x10``), words in any case, lists in any order, with and without blanks at their
    commas, which Gluster drops, and names without the part before the dot. Values of ``user.*`` are equal only as
    booleans, or letter by letter.

    current
        Options and values as they are (dict).

    wanted
        Options and values as they should be (dict of strings, numbers and booleans).

    Returns a dict ``{"server.allow-insecure": {"old": "off", "new": "on"}}``; ``old`` is None for an option that is not
    set. While :func:`pause_changes` holds, the server quorum does not differ, whatever it is.

    Raises SaltInvocationError when a name may be one of several, or an option that differs is the whole pool's.

    The words are those of ``gf_string2boolean`` and the units those of ``gf_string2bytesize`` and ``gf_string2time`` in
    Gluster's libglusterfs/src/common-utils.c. Gluster 10.3 refuses some of them, as ``64k`` and ``info``, which is said
    where they differ from what is set.

    Example:

    .. code-block:: python

        __utils__["gluster_options.option_changes"]({"features.shard": "enable"}, {"features.shard": "on"})
    """
    changes = pool_option_changes(current, wanted)
    if paused(current):
        changes.pop(QUORUM, None)
    for option in changes:
        full = _full(option, dict.fromkeys(POOL))
        if full in POOL:
            raise SaltInvocationError(
                f"options: {full} {changes[option]['new']!r}: it is the whole pool's, and Gluster rejects it for one "
                f"volume, with all other options; leave it out, and run `gluster volume set all {full} "
                f"{changes[option]['new']}` once"
                + (", or have it in pool_options of the pillar" if full not in BY_HAND else "")
            )
    return changes


def pool_option_changes(current, wanted):
    """
    The options of the whole pool that differ.

    current, wanted
        See :func:`option_changes`, as which it compares.

    Returns what that returns.

    Raises SaltInvocationError when a name may be one of several.

    Example:

    .. code-block:: python

        __utils__["gluster_options.pool_option_changes"]({}, {"cluster.server-quorum-ratio": "51%"})
    """
    named = {_full(name, current): value for name, value in wanted.items()}
    return {
        option: {"old": current.get(option), "new": option_text(value)}
        for option, value in named.items()
        if option not in current or _canonical(option, current[option]) != _canonical(option, value)
    }


def has_server_quorum(current):
    """
    Whether servers end their bricks of a volume when they are not members of more than half of the pool.

    current
        The volume's options and values as they are (dict).

    Returns a bool.

    Example:

    .. code-block:: python

        __utils__["gluster_options.has_server_quorum"]({"cluster.server-quorum-type": "server"})
    """
    return current.get(QUORUM, "none").lower() == "server"


def paused(current):
    """
    What the server quorum of a volume was before it was turned off by :func:`pause_changes`.

    current
        The volume's options and values as they are (dict).

    Returns ``server``, or ``none`` where there was nothing to turn off; None where that is not so, or is over.

    Example:

    .. code-block:: python

        __utils__["gluster_options.paused"]({"user.gluster_one.quorum": "server"})
    """
    was = current.get(PAUSED)
    return was if was in ("server", "none") else None


def pause_changes(current):
    """
    What has to change in a volume's options so that it has no server quorum, and it is known what it had.

    current
        The volume's options and values as they are (dict).

    Returns a dict as :func:`option_changes`, an empty one where it is so.

    Example:

    .. code-block:: python

        __utils__["gluster_options.pause_changes"]({"cluster.server-quorum-type": "server"})
    """
    now, changes = "server" if has_server_quorum(current) else "none", {}
    if now == "server":
        changes[QUORUM] = {"old": current[QUORUM], "new": "none"}
    if paused(current) != now and (now == "server" or not paused(current)):
        changes[PAUSED] = {"old": current.get(PAUSED), "new": now}
    return changes


def resume_changes(current):
    """
    What has to change in a volume's options so that it has the server quorum again that :func:`pause_changes` has
    turned off. One that somebody has set since stays.

    current
        The volume's options and values as they are (dict).

    Returns a dict as :func:`option_changes`, an empty one where nothing is turned off. What was kept becomes ``-``, as
    such an option cannot be reset alone (10.3 and 11.1).

    Example:

    .. code-block:: python

        __utils__["gluster_options.resume_changes"]({"user.gluster_one.quorum": "server"})
    """
    was, changes = paused(current), {}
    if was == "server" and not has_server_quorum(current):
        changes[QUORUM] = {"old": current.get(QUORUM), "new": was}
    if was:
        changes[PAUSED] = {"old": was, "new": RESUMED}
    return changes


def record(current, changes):
    """
    The option that records on a volume which of its options the formula has set, and to what. It is to be set by the
    same command.

    current
        The volume's options and values as they are (dict).

    changes
        What :func:`option_changes` returned (dict).

    Returns a dict of one option and its value, which Gluster keeps and does not read. Behind ``<`` stands what somebody
    else had set before, ``?`` where that was too long, or is not known, nothing where nobody had set it::

        {"user.gluster_one.set": "network.ping-timeout=10<20 server.allow-insecure=on<"}

    Example:

    .. code-block:: python

        __utils__["gluster_options.record"]({}, {"network.ping-timeout": {"old": "42", "new": "10"}})
    """
    return {RECORD: _words(noted(_recorded(current), changes))}


def _words(found):
    words = [f"{option}={was['new']}<{was['old'] or ''}" for option, was in found.items()]
    while sum(map(len, words)) + len(words) > LONGEST:  # what has no record is not ours, and is left
        words.pop(0)
    return " ".join(words)


def unrecorded(current, options):
    """
    The record without some options, as an option that is to be set. It cannot be reset alone (10.3 and 11.1).

    current
        The volume's options and values as they are (dict).

    options
        The options (list of strings).

    Returns a dict of one option and its value: ``{"user.gluster_one.set": "-"}`` where nothing is left.

    Example:

    .. code-block:: python

        __utils__["gluster_options.unrecorded"]({"user.gluster_one.set": "nfs.disable=on<"}, ["nfs.disable"])
    """
    found = {option: was for option, was in _recorded(current).items() if _full(option, current) not in options}
    return {RECORD: _words(found) or "-"}


def noted(found, changes):
    """
    What is to be recorded of options when the formula changes them.

    found
        What is recorded of them (dict by option).

    changes
        What :func:`option_changes` returned (dict).

    Returns a dict by option, those that change last: ``new`` is what it is set to, ``old`` what it was before the
    formula first set it, None where nobody had set it; both as one short word, ``old`` is ``?`` where it has none::

        {"network.ping-timeout": {"old": "20", "new": "10"}}

    Example:

    .. code-block:: python

        __utils__["gluster_options.noted"]({}, {"network.ping-timeout": {"old": "20", "new": "10"}})
    """
    found = {option: _was(recorded) for option, recorded in found.items()}
    for option, change in changes.items():
        was = found.pop(option, None)
        if was:  # what somebody has set since is what the pillar does not want
            old = was["old"]
        elif change["old"] is None:
            old = None
        else:
            old = _quoted(change["old"])
            old = old if old and old == _shortened(change["old"]) else UNKNOWN
        found[option] = {"old": old, "new": _shortened(change["new"])}
    return found


def recorded(current):
    """
    Which options of a volume the formula has set, and nobody has changed since.

    current
        The volume's options and values as they are (dict).

    Returns a list of option names.

    Example:

    .. code-block:: python

        __utils__["gluster_options.recorded"]({"nfs.disable": "on", "user.gluster_one.set": "nfs.disable=on<"})
    """
    return list(undone(current, _recorded(current)))


def undone(current, found=None):
    """
    What options would change to if the formula had never set them. One that somebody has changed since stays.

    current
        Options and values as they are (dict).

    found
        What is recorded of them, as :func:`noted` returns it (dict). Default: the record among a volume's options.

    Returns a dict as :func:`option_changes` has it; ``new`` is None for an option that nobody had set, and ``?`` where
    it is not known::

        {"network.ping-timeout": {"old": "10", "new": "20"}}

    Example:

    .. code-block:: python

        __utils__["gluster_options.undone"]({"nfs.disable": "on", "user.gluster_one.set": "nfs.disable=on<"})
    """
    found = _recorded(current) if found is None else found
    found = {_full(option, current): _was(recorded) for option, recorded in found.items()}
    return {
        option: {"old": current[option], "new": was["old"] and urllib.parse.unquote(was["old"])}
        for option, was in found.items()
        if option in current and _shortened(current[option]) == was["new"]
    }


def known(changes):
    """
    Those of the changes that :func:`undone` returned of which it is known what the option was before.

    changes
        The changes (dict).

    Returns a dict of the same form.

    Example:

    .. code-block:: python

        __utils__["gluster_options.known"]({"auth.allow": {"old": "10.0.*", "new": "?"}})
    """
    return {option: change for option, change in changes.items() if change["new"] != UNKNOWN}


def kept_group(current, wanted=()):
    """
    What the options of a volume go back to that was made with the group ``virt``, or had it from the pillar, when
    nothing asks for them any more: the group's, and not Gluster's defaults, since its images are stored as the group
    has it.

    current
        The volume's options and values as they are (dict).

    wanted
        Option names (a dict or list of strings, default none): those are asked for.

    Returns a dict of option names and values, of those options that the formula has set and nobody has changed since;
    those of the shards as they are. It is empty where the volume has its shards from somebody else, or none.

    Raises CommandExecutionError where this node has no such group, or an empty one: without it the options would go.

    Example:

    .. code-block:: python

        __utils__["gluster_options.kept_group"]({"features.shard": "on", "user.gluster_one.set": "features.shard=on<"})
    """
    recorded = {_full(name, current) for name in _recorded(current)}
    sharded = SHARDS[0] in recorded and _canonical(SHARDS[0], current.get(SHARDS[0], "off")) == _canonical("", "on")
    asked = {_full(name, current) for name in wanted}
    ours = [option for option in undone(current) if option not in asked] if sharded else []
    group = group_options(MADE_WITH) if ours else {}
    if ours and not group:
        raise CommandExecutionError(f"Option group {MADE_WITH} is empty: {os.path.join(GROUPS, MADE_WITH)}")
    return {option: current[option] if option in SHARDS else group[option] for option in group if option in ours}


def dropped(current, wanted=()):
    """
    What is to be set back of a volume's options: those that the formula has set, that nobody has changed since, and
    that are not asked for any more.

    current
        The volume's options and values as they are (dict).

    wanted
        Option names (a dict or list of strings, default none): those are asked for.

    Returns a tuple of changes, as :func:`undone` has them, and a dict of those that stay nevertheless, with the reason.
    ``server.allow-insecure`` is never set off again: it would shut out root's clients, too, and after it clients of
    bricks that were started meanwhile.

    Example:

    .. code-block:: python

        __utils__["gluster_options.dropped"]({"nfs.disable": "on", "user.gluster_one.set": "nfs.disable=on<"})
    """
    asked, stays = {_full(name, current) for name in wanted}, {}
    changes = {option: change for option, change in undone(current).items() if option not in asked}
    for option in list(changes):
        if option in SHARDS:
            stays[option] = "files may be stored in shards, which nobody could read then"
        elif changes[option]["new"] == UNKNOWN and option != INSECURE:
            stays[option] = "what it was before is not known"
        elif option.startswith("user.") and changes[option]["new"] is None:  # such as user.cifs, of the group virt
            stays[option] = "Gluster resets an option of that kind with all others alone"
        if option in stays:
            del changes[option]
    if INSECURE in changes:
        changes[INSECURE] = {**changes[INSECURE], "new": None}
    return changes, stays


def missing(found, wanted):
    """
    Which options are recorded and not asked for.

    found
        What is recorded of them (dict by option).

    wanted
        Option names (a dict or list of strings).

    Returns a list of option names.

    Example:

    .. code-block:: python

        __utils__["gluster_options.missing"]({"cluster.server-quorum-ratio": {}}, {})
    """
    asked = {_full(name, found) for name in wanted}
    return [option for option in found if option not in asked]


def _was(recorded):
    """
    What is recorded of an option; a version before wrote down only what it was set to.
    """
    return recorded if isinstance(recorded, dict) else {"old": UNKNOWN, "new": str(recorded)}


def _recorded(current):
    words = [word.partition("=") for word in current.get(RECORD, "").split()]
    values = {option: value.partition("<") for option, equals, value in words if equals}
    return {
        # A version before wrote no <, whether somebody had set the option or nobody.
        option: {"old": (old or None) if less else UNKNOWN, "new": new}
        for option, (new, less, old) in values.items()
    }


def _quoted(value):
    """
    A value as one word of the record. Gluster drops blanks at the commas of a list.
    """
    return urllib.parse.quote(re.sub(r"\s*,\s*", ",", option_text(value)), safe="/:,*@")


def _shortened(value):
    """
    A value as one short word of the record.
    """
    text = _quoted(value)
    return text if len(text) <= 40 else hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(option, value):
    """
    A value in a form in which equal ones compare equal.
    """
    text = option_text(value).strip()
    lower = text.lower()
    if lower in ("on", "yes", "true", "enable"):
        return 1
    if lower in ("off", "no", "false", "disable"):
        return 0
    name = str(option).rpartition(".")[2]
    if str(option).startswith("user.") or name in EXACT:
        return text
    number = re.fullmatch(r"[+]?(\d+(?:\.\d+)?)\s*(%|b|sec|min|hr|[kmgtp](?:i?b)?|[shdw]|days|wk)?", lower)
    if re.fullmatch("0x[0-9a-f]+|0[0-7]+", lower):  # as C reads numbers
        return int(lower, 16 if "x" in lower else 8)
    if number:
        unit = number[2] or ""
        if unit in SECONDS and (unit != "m" or TIME.search(name)):
            return float(number[1]) * SECONDS[unit]
        return float(number[1]) * SIZES.get(unit[:1], 1)
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and all(re.fullmatch(r"[\w.:*/@|()-]+", part) for part in parts):
        return tuple(sorted(set(parts)))  # a list, whose order means nothing; no regular expression
    return lower if re.fullmatch(r"[A-Za-z][A-Za-z_-]*", text) else ",".join(parts)


def owner_id(owner, kind="user"):
    """
    The number that ``storage.owner-uid`` or ``storage.owner-gid`` needs.

    owner
        A number, or the name of a user or group of this node (int or string).

    kind
        ``user`` or ``group`` (string, default ``user``).

    Returns an int.

    Raises SaltInvocationError when it is neither.

    Example:

    .. code-block:: python

        __utils__["gluster_options.owner_id"]("oneadmin")
    """
    if str(owner).isdecimal():
        return int(owner)
    found = (salt.utils.user.get_uid if kind == "user" else salt.utils.user.get_gid)(str(owner))
    if found is None:
        raise SaltInvocationError(
            f"{owner!r} is not a {kind} of this node: give its number, or install OpenNebula's packages, which make "
            "oneadmin"
        )
    return found


def group_options(name):
    """
    The options of an option group, as Gluster's packages bring it; ``volume set VOLUME group NAME`` sets the same.

    name
        The group (string), such as ``virt``.

    Returns a dict ``{"features.shard": "on", "network.remote-dio": "disable", ...}``.

    Raises CommandExecutionError when there is no such group on this node.

    Example:

    .. code-block:: python

        __utils__["gluster_options.group_options"]("virt")
    """
    path = os.path.join(GROUPS, name)
    try:
        with salt.utils.files.fopen(path, errors="replace") as stream:
            lines = [line.strip().partition("=") for line in stream if "=" in line and not line.startswith("#")]
    except FileNotFoundError:
        raise CommandExecutionError(
            f"Option group {name} is not on this node, {path} is missing: it comes with the package that has glusterd"
        ) from None
    return {option.strip(): value.strip() for option, _, value in lines}


def wanted_options(uid="oneadmin", gid="oneadmin", options=None, group=None, copies=True):
    """
    The options of a volume whose images OpenNebula's VMs open.

    uid, gid
        The owner of its root: a number, or the name of a user and a group of this node (default ``oneadmin``).

    options
        Further options, and others of these (dict, default none).

    group
        An option group, such as ``virt``, over whose options all of these are laid (string, default none).

    copies
        Whether the volume has copies of its files (bool, default True). Of a group's options Gluster refuses one for
        another volume, with all others: it is left out.

    Returns a dict ``{"server.allow-insecure": "on", "storage.owner-uid": "9869", "storage.owner-gid": "9869"}``.

    Raises SaltInvocationError for a user or group that is not there or options that are none, CommandExecutionError for
    an option group that is not on this node.

    Example:

    .. code-block:: python

        __utils__["gluster_options.wanted_options"]()
    """
    needed = group_options(group) if group else {}
    needed = {option: value for option, value in needed.items() if copies or option != COPIES}
    needed = {
        **needed,
        "server.allow-insecure": "on",
        "storage.owner-uid": owner_id(uid, "user"),
        "storage.owner-gid": owner_id(gid, "group"),
    }
    if "group" in (options or ()):  # Gluster takes it for an option, and sets those of the group
        raise SaltInvocationError("options has 'group': it is an argument of its own")
    return merged_options(needed, options)
