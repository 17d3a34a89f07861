"""
What the arguments of the states have to look like
==================================================

They come from an SLS of anybody's, and reach fstab, volume files, command lines and the terminal: of each, what could
break a line or begin another word is rejected before anything is touched.
"""

import posixpath
import re

from salt.exceptions import SaltInvocationError

__virtualname__ = "gluster_one_arguments"

# Those that a state cannot do without.
REQUIRED = {
    "datastore_mounted": ("name", "volume", "servers"),
    "datastore_remounted": ("name", "volume", "servers"),
    "datastore_unmounted": ("name", "volume"),
    "servers_reachable": ("name", "servers"),
    "native_readable": ("name", "volume", "host", "mount"),
    "packages_installed": ("roles",),
    "peered": ("name", "servers"),
    "volume_present": ("name", "bricks"),
    "options_set": ("name", "options"),
    "pool_options_set": ("name", "options"),
    "op_version_set": ("name", "version"),
}
VOLUME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
ACCOUNT = r"[0-9]+|[A-Za-z_][A-Za-z0-9_.-]*\$?"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OPTION = r"[A-Za-z0-9][A-Za-z0-9._-]*"
SERVICE = r"[A-Za-z0-9_][A-Za-z0-9_.@:-]*"
# What oned (7.5.80) rejects in a name.
BAD_IN_NAMES = "&|:\\\";/'#{}$<>"


def __virtual__():
    return __virtualname__


def require_arguments(state, **arguments):
    """
    The arguments of a state of this formula have the form that it needs; whether a volume or an account of that name is
    there, it finds out by itself.

    state
        The state without ``gluster_one.``, ``gluster_one_check.`` or ``gluster.`` (string).

    arguments
        Its arguments by name; None stands for one that was not given.

    Returns True.

    Raises SaltInvocationError that names the argument and what is needed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_arguments.require_arguments bricks_running name=one_vol
    """
    for key, value in arguments.items():
        if value is None and key not in REQUIRED.get(state, ("name",)):
            continue
        needed = argument_needed(state, key, value)
        if needed:
            value = __utils__["one_datastore_rules.shown"](value) if key == "attributes" else value
            raise SaltInvocationError(f"{key} is {value!r}: {needed}")
    return True


def argument_needed(state, key, value):
    """
    What an argument of a state needs, where a value is not that: the pillar's keys of the same meaning are held to it,
    too.

    state
        See :func:`require_arguments`.

    key
        The argument (string).

    value
        Its value (any).

    Returns None for a value that it can have, else what is needed (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_arguments.argument_needed datastore_mounted servers kvm1
    """
    checks = {**COMMON, **STATES.get(state, {})}
    if state == "one_datastore_present":
        rows = __utils__["one_datastore_rules.arguments"]()
        checks.update((argument, KINDS[row["kind"]]) for argument, row in rows.items())
    if (state, key) == ("pool_options_set", "options"):
        return _pool_options_needed(value)
    accepts, needed = checks.get(key, ANYTHING)
    return None if accepts(value) else needed


def _pool_options_needed(value):
    known = __utils__["gluster_options.pool_options"]()
    if _OPTIONS[0](value) and set(value) <= set(known):
        return None
    return (
        "options of the whole pool are needed, each of one line, such as {cluster.server-quorum-ratio: 51%}; there are "
        f"{', '.join(known)}. Those of a volume go to its own options; cluster.op-version and "
        "cluster.enable-shared-storage are set by hand, once (`gluster volume set all`)"
    )


def undoes_flags(option):
    """
    Whether a mount option undoes ``nosuid`` or ``nodev``, without which a file on the volume can make its user root.

    option
        The option (string).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_arguments.undoes_flags suid
    """
    # Of two opposites the later one wins; mount.glusterfs forgets all it has collected when it comes to fuse-mountopts.
    key = option.partition("=")[0]
    return key in ("suid", "dev", "fuse-mountopts") or key != option and key in ("nosuid", "nodev")


def keeps_away(option):
    """
    Whether with a mount option a volume is not mounted after a boot, not for good, or not writable.

    option
        The option (string).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_arguments.keeps_away noauto
    """
    # systemd still knows the old word for its automounter, too.
    return option.partition("=")[0] in ("ro", "noauto", "x-systemd.automount") or option == "comment=systemd.automount"


def _is_printable(value):
    """
    No text in it has a line break or another control character, at any depth.
    """
    if isinstance(value, dict):
        return all(_is_printable(key) and _is_printable(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_printable, value))
    return str(value).isprintable()


def _is_word(value, without=""):
    return isinstance(value, str) and value.isprintable() and value.split() == [value] and not set(value) & set(without)


def _is_path(value, without="\\#"):
    return _is_word(value, without) and posixpath.isabs(value)


def _is_volume(value):
    """
    A volume, perhaps with a directory of it behind a slash.
    """
    if not isinstance(value, str):  # one of digits alone has to be in quotes
        return False
    name, *directories = value.split("/")
    return bool(re.fullmatch(VOLUME, name)) and all(
        _is_word(each, "\\#,\"'") and each not in (".", "..") for each in directories
    )


def _is_like(pattern, types=(str,)):
    return lambda value: isinstance(value, types) and type(value) is not bool and re.fullmatch(pattern, str(value))


def _is_list(accepts, empty=True):
    return lambda value: isinstance(value, list) and (empty or value != []) and all(map(accepts, value))


def _are_servers(value):
    hosts = _is_list(_is_like(HOST), empty=False)(value)
    return hosts and len({host.casefold() for host in value}) == len(value)


def _is_mount_option(value):
    return _is_word(value, "\\#,") and not undoes_flags(value) and not keeps_away(value)


def _is_whole(value):
    return type(value) is int and value >= 0


def _is_bool(value):
    return isinstance(value, bool)


def _is_text(value):
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


def _is_text_or_whole(value):
    return _is_text(value) or _is_whole(value)


def _are_directories(value):
    paths = value.split() if isinstance(value, str) else value
    return _is_list(_is_word, empty=False)(paths) and str(value).isprintable() and all(map(posixpath.isabs, paths))


def _are_hosts(value):
    """
    Text that may be a host; ``one_datastore_rules.gluster_host`` rejects what is not one.
    """
    return _is_text(value) or _is_list(_is_text, empty=False)(value)


def _is_number(value):
    return type(value) in (int, float) and value >= 0


def _is_name(value):
    """
    What a datastore may be called; OpenNebula itself rejects more, and cuts blanks at the ends.
    """
    return isinstance(value, str) and value.isprintable() and value.strip() == value != ""


def _is_new_name(value):
    """
    What oned accepts as a datastore's name, and keeps.
    """
    return _is_name(value) and len(value.encode()) <= 128 and not set(value) & set(BAD_IN_NAMES)


def _is_sendable(value):
    """
    OpenNebula's notation has no place for a backslash before a quote, and its documents for the end of a CDATA section.
    """
    text = str(value).strip()
    return '\\"' not in text and "]]>" not in text and not text.endswith("\\")


def _are_options(accepts):
    """
    Names of options, and values of one line that this function accepts, too.
    """
    return lambda options: (
        isinstance(options, dict)
        and all(
            isinstance(name, str)
            and re.fullmatch(OPTION, name)
            and isinstance(value, (str, int, float))
            and accepts(str(value))
            for name, value in options.items()
        )
    )


def _are_datastores(value):
    """
    Names of datastores, or a dict of them and their identifiers, of which None is one that is not known yet.
    """
    if isinstance(value, dict):
        return all(map(_is_name, value)) and all(each is None or type(each) is int for each in value.values())
    return isinstance(value, list) and all(map(_is_name, value))


def _are_attributes(value):
    """
    OpenNebula takes texts of several lines, in quotes. Which names and values there can be, ``one_datastore.template``
    says.
    """
    return isinstance(value, dict) and all(
        str(name).isprintable() and _is_sendable(text) and str(text).replace("\n", "").replace("\t", "").isprintable()
        for name, text in value.items()
    )


_A_VOLUME = (
    _is_like(f"(?!(all|help)$){VOLUME}"),  # those are words of the command
    "the name of a volume is needed: letters, digits, _ and -, in quotes where it has digits alone, not all or help",
)


_OPTIONS = (
    # A value of 5000 characters ended glusterd (10.3 and 11.1).
    _are_options(lambda value: 0 < len(value) <= 4000 and value.isprintable()),
    "option names and values are needed, such as {network.ping-timeout: 10}, of one line and up to 4000 characters",
)


_A_SERVICE = (_is_like(SERVICE), "the name of a service is needed, such as glusterd")


_A_PATH = (_is_path, "an absolute path without spaces is needed, such as /var/lib/gluster_one/one_vol")


_AN_ACCOUNT = (_is_like(ACCOUNT, (str, int)), "a number or the name of an account is needed, such as oneadmin")


_MOUNT = {
    "name": _A_PATH,
    "options": (
        _is_list(_is_mount_option),
        "a list of words is needed, each one mount option without spaces, commas, # and \\; without suid, dev and "
        "fuse-mountopts, which would undo nosuid and nodev, so that a file on the volume can make its user root; and "
        "without ro, noauto and x-systemd.automount: the volume has to be there, for good, and writable",
    ),
}


_A_GROUP = (_is_like(HOST), "the name of an option group is needed, such as virt")


_A_TEXT = (_is_text, "a text of one line is needed")


_SECONDS = (_is_number, "a number of seconds is needed")


_A_DATASTORE = (_is_name, "a name of one line is needed, such as glusterds, without blanks at its ends")


_A_NEW_DATASTORE = (
    _is_new_name,
    "a name is a text of up to 128 bytes, such as glusterds, without blanks at its ends and without any of "
    + " ".join(BAD_IN_NAMES),
)


_NOTATION = 'without \\" and ]]> in it and without \\ at its end'


ANYTHING = (_is_printable, "a line break or another control character is not possible")


COMMON = {
    "name": ANYTHING,
    "volume": (
        _is_volume,
        "the name of a volume is needed: letters, digits, _ and -, in quotes where it has digits alone, perhaps with "
        "/DIRECTORY behind it",
    ),
    "servers": (
        _are_servers,
        "a list of host names is needed, each once, such as [kvm1, kvm2, kvm3]; an address with colons (IPv6) is not "
        "possible",
    ),
    "links": (_is_list(_is_path), "absolute paths are needed, without spaces"),
    "datastores": (_are_datastores, "a list of texts is needed, or names and identifiers, each a number or None"),
    "user": _AN_ACCOUNT,
    "uid": _AN_ACCOUNT,
    "gid": _AN_ACCOUNT,
    "mount": _A_PATH,
    "path": _A_PATH,
    "auth_file": _A_PATH,
    "datastores_dir": _A_PATH,
    "endpoint": (_is_word, "a URL is needed, such as http://localhost:2633/RPC2"),
    "timeout": _SECONDS,
}


# The kinds of a datastore's arguments: see one_datastore_rules.arguments.
KINDS = {
    "type": _A_TEXT,  # which there are, one_datastore.template says
    "text": (lambda value: _is_text(value) and _is_sendable(value), f"{_A_TEXT[1]}, {_NOTATION}"),
    "boolean": (_is_bool, "true or false is needed"),
    "number": (_is_whole, "a number is needed, 0 or more"),
    "seconds": _SECONDS,
    "path": _A_PATH,
    "volume": COMMON["volume"],
    "hosts": (_are_hosts, "a host name is needed, such as kvm1 or kvm1:24007, or a list of those"),
    "access": (
        lambda value: value in ("native", "fuse"),
        "native (QEMU's gluster://) or fuse (files on the mount) is needed",
    ),
    "directories": (
        lambda value: _are_directories(value) and all(map(_is_sendable, [value] if isinstance(value, str) else value)),
        f"absolute paths are needed, such as [/etc, /root], each {_NOTATION}; for OpenNebula's own, leave it out",
    ),
    "attributes": (
        _are_attributes,
        f"names and values are needed, such as {{LIMIT_MB: 5}}, without control characters, each text {_NOTATION}",
    ),
    "names": (
        lambda value: _is_text(value) or _is_list(_is_text)(value),
        "a list of attribute names is needed",
    ),
    "clusters": (
        lambda value: _is_text_or_whole(value) or _is_list(_is_text_or_whole)(value),
        "a list of cluster names or identifiers is needed, such as [default]",
    ),
    "permissions": (_is_text_or_whole, "letters such as um-u-----, or 640, are needed"),
    "allow": (lambda value: value == "allow", "allow is possible"),
}


STATES = {
    "volume_configured": {
        "name": _A_VOLUME,
        "options": _OPTIONS,
        "group": _A_GROUP,
        "new_group": _A_GROUP,
    },
    "volume_known": {
        "name": _A_VOLUME,
        "server": KINDS["boolean"],
        "id": (_is_like(UUID), "the identifier of a volume is needed, as `gluster volume info` has it"),
    },
    "volume_present": {"name": _A_VOLUME, "split_brain": KINDS["allow"], "grow": KINDS["boolean"]},
    "volume_started": {"name": _A_VOLUME},
    "volume_restored": {"name": _A_VOLUME},
    "volume_files_absent": {"name": _A_VOLUME},
    "servers_reachable": {"name": _A_VOLUME},
    "options_set": {
        "name": _A_VOLUME,
        "options": (
            lambda value: value and _OPTIONS[0](value) and "group" not in value,
            f"{_OPTIONS[1]}; those of a group one by one",
        ),
    },
    "brick_prepared": {
        "name": _A_PATH,
        "device": (
            lambda value: _is_path(value) and value.startswith("/dev/") and ".." not in value.split("/"),
            "a device below /dev is needed, best one of `ls -l /dev/disk/by-id`, which names this disk and no other",
        ),
    },
    "peers_accepted": {
        "name": _A_SERVICE,
        "peers": (
            lambda value: (
                isinstance(value, dict) and value and all(map(_is_list(_is_text, empty=False), value.values()))
            ),
            "the names of peers by their uuids are needed",
        ),
    },
    "probes_forgotten": {"name": _A_SERVICE},
    "glusterd_started_again": {"name": _A_SERVICE},
    "volume_renewed": {"name": _A_VOLUME},
    "op_version_set": {
        "version": (
            lambda value: _is_whole(value) and 0 < value < 2**31,
            "a version of Gluster's protocol is needed, such as 110000",
        ),
    },
    "bricks_running": {"name": _A_VOLUME, "service": _A_SERVICE},
    "bricks_restarted": {"name": _A_VOLUME},
    "heal_daemon_connected": {"name": _A_VOLUME, "service": _A_SERVICE},
    "glusterd_configured": {
        "name": _A_SERVICE,
        "options": (
            _are_options(lambda value: _is_word(value, "\"'#")),
            "option names and values are needed, each value one word without quotes and #, such as {ping-timeout: 10}",
        ),
    },
    "packages_installed": {
        "roles": (
            _is_list(lambda value: value in ("head", "hypervisor", "server"), empty=False),
            "a list of head, hypervisor, server is needed",
        ),
        "native": KINDS["boolean"],
    },
    "glusterd_enabled": {"name": _A_SERVICE},
    "bricks_kept": {"name": _A_SERVICE},
    "glusterd_restored": {"name": _A_SERVICE},
    "glusterd_running": {"name": _A_SERVICE},
    "glusterd_restarted": {"name": _A_SERVICE},
    "datastore_mounted": _MOUNT,
    "datastore_remounted": _MOUNT,
    "datastore_unmounted": _MOUNT,
    "node_forgotten": {"bricks": COMMON["links"], "mounts": COMMON["links"]},
    "mounts_unused": {
        "datastores": (_is_list(_is_text), "a list of names of datastores is needed"),
        "mounts": (
            lambda value: (
                isinstance(value, dict) and all(map(_is_path, value)) and all(map(_is_volume, value.values()))
            ),
            "volumes by the directories on which they are mounted are needed",
        ),
    },
    "files_usable": {"name": _A_PATH},
    "one_datastore_present": {"name": _A_NEW_DATASTORE},
    "one_datastore_absent": {"name": _A_DATASTORE},
    "beacon_configured": {
        "name": (_is_word, "one word is needed, such as gluster_one"),
        "interval": _SECONDS,
    },
}
