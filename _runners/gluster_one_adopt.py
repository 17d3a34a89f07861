"""
What minions say of a fleet that somebody has set up by hand
============================================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. It is checked here, as each answer is:
:mod:`gluster_one_answer`; what the pillar is made of comes from here alone.
"""

__virtualname__ = "gluster_one"

FOUND = 1  # the version of `gluster_one_adopt.found` beside this runner
NAME, WORD, MANY = 300, 4096, 1000


def __virtual__():
    return __virtualname__


class _UnfitError(Exception):
    """
    It has not the shape that it should have.
    """


def _word(most=NAME):
    """
    A text of one line, made visible; what is too long is not cut, as it would be another one.
    """

    def check(said):
        if not isinstance(said, str) or len(said) > most:
            raise _UnfitError
        return __salt__["gluster_one.visible"](said, most)

    return check


def _whole(said):
    if type(said) is not int or not 0 <= said < 2**32:
        raise _UnfitError
    return said


def _yes(said):
    if not isinstance(said, bool):
        raise _UnfitError
    return said


def _or_none(check):
    return lambda said: None if said is None else check(said)


def _all(check):
    def each(said):
        if not isinstance(said, list) or len(said) > MANY:
            raise _UnfitError
        return [check(one) for one in said]

    return each


def _named(check):
    def each(said):
        if not isinstance(said, dict) or len(said) > MANY:
            raise _UnfitError
        return {_word()(name): check(one) for name, one in said.items()}

    return each


def _record(**checks):
    def each(said):
        if not isinstance(said, dict) or not checks.keys() <= said.keys():
            raise _UnfitError
        return {key: check(said[key]) for key, check in checks.items()}

    return each


_LONG = _or_none(_word(WORD))
_TEXTS = _all(_word())
_MAYBE = _or_none(_word())
_OPTIONS = _named(_word(WORD))
_VOLUME = _record(
    id=_MAYBE, status=_MAYBE, replica=_whole, bricks=_TEXTS, servers=_all(_MAYBE), insecure=_MAYBE, uid=_MAYBE,
    gid=_MAYBE, options=_OPTIONS, group=_MAYBE, hidden=_TEXTS,
)  # fmt: skip
_PEER = _record(uuid=_MAYBE, hostnames=_TEXTS, connected=_yes, state=_MAYBE)
_STORE = _record(
    id=_whole, name=_word(), type=_word(), ds_mad=_word(), tm_mad=_word(), base_path=_word(), images=_or_none(_whole),
    DISK_TYPE=_MAYBE, GLUSTER_HOST=_MAYBE, GLUSTER_VOLUME=_MAYBE, DRIVER=_MAYBE,
)  # fmt: skip
SHAPE = {
    "names": _TEXTS,
    "user": _word(),
    "uid": _or_none(_whole),
    "gid": _or_none(_whole),
    "datastores_dir": _word(),
    "mounts": _all(
        _record(
            path=_word(), device=_word(), volume=_word(), state=_word(), servers=_TEXTS, options=_TEXTS, flags=_TEXTS,
            place=_word(), refused=_or_none(_word(WORD)),
        )
    ),
    "fstab": _all(
        _record(path=_word(), device=_word(), volume=_word(), options=_all(_word(WORD)), away=_all(_word(WORD)))
    ),
    "directories": _named(_record(link=_LONG, leads=_LONG, mounted=_LONG)),
    "pool": _or_none(
        _record(
            uuid=_word(), peers=_all(_PEER), options=_OPTIONS, insecure=_yes, error=_or_none(_word(WORD)),
            volumes=_named(_VOLUME),
        )
    ),
    "opennebula": _or_none(
        _record(
            datastores=_all(_STORE), error=_or_none(_word(WORD)), hosts=_TEXTS, ds_mad=_TEXTS, tm_mad=_TEXTS
        )
    ),
}  # fmt: skip
NOTHING = {
    "names": [], "user": "oneadmin", "uid": None, "gid": None, "datastores_dir": "/var/lib/one/datastores",
    "mounts": [], "fstab": [], "directories": {}, "pool": None, "opennebula": None,
}  # fmt: skip


def sound_found(answer):
    """
    A minion's answer to ``gluster_one_adopt.found``, with only what has the right shape and length.

    answer
        Anything.

    Returns a dict with all keys of that answer but the version, and ``wrong``, sentences about what was left out.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.sound_found '{version: 1}'
    """
    if not isinstance(answer, dict):
        return {**NOTHING, "wrong": [__salt__["gluster_one.visible"](answer, NAME)]}
    if type(answer.get("version")) is not int or answer["version"] != FOUND:
        version = __salt__["gluster_one.visible"](answer.get("version"), 40)
        return {**NOTHING, "wrong": [f"its answer is of version {version}, and the master's is {FOUND}"]}
    found, wrong = {}, []
    for key, check in SHAPE.items():
        try:
            found[key] = check(answer.get(key))
        except (_UnfitError, RecursionError):
            found[key] = NOTHING[key]
            wrong.append(f"{key} cannot be read")
    return {**found, "wrong": wrong}


def hosts_in(facts):
    """
    The names and addresses of hosts of which has to be known which minions they are.

    facts
        What the minions have said (dict by minion of what :func:`sound_found` returns).

    Returns a sorted list of strings.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.hosts_in '{}'
    """
    found = set()
    for seen in facts.values():
        one = seen["opennebula"] or {"hosts": [], "datastores": []}
        found.update(one["hosts"])
        for store in one["datastores"]:
            found.update(host.partition(":")[0] for host in (store["GLUSTER_HOST"] or "").replace(",", " ").split())
        for volume in (seen["pool"] or {"volumes": {}})["volumes"].values():
            found.update(brick.partition(":/")[0] for brick in volume["bricks"])
        for mount in seen["mounts"]:
            found.update(mount["servers"] or mount["device"].rpartition(":")[0].split(","))
    return sorted(found - {""})
