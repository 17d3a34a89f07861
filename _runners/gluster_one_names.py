"""
By which names the minions go
=============================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. A minion's identifier is its key's; grains
are its own word, and any minion can have any.
"""

import fnmatch
import ipaddress
import socket
import threading
import time

import salt.utils.minions

__virtualname__ = "gluster_one"

# Of one grain.
MOST = 200
# For all names that one command looks up.
LOOKUP_SECONDS = 10


def __virtual__():
    return __virtualname__


def accepted(target="*"):
    """
    The minions whose keys the master has accepted.

    target
        Which of them (string, a glob, default ``*``).

    Returns a list.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.accepted 'kvm*'
    """
    # Salt 3008 counts what a minion registers as its resources, under any name, among those of a glob or a list.
    with __salt__["gluster_one.loading"]():
        matched = salt.utils.minions.CkMinions(__opts__).check_minions(fnmatch.translate(str(target)), "pcre")
    return matched["minions"]


def below():
    """
    Where a master of masters knows its syndics alone: what is to be done, for the end of a sentence that says that a
    minion is not accepted.

    Returns a string, which is empty on any other master.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.below
    """
    here = (
        "; this is a master of masters (order_masters): run it on the master below that has accepted the minions' keys"
    )
    return here if __opts__.get("order_masters") else ""


def called(name, known=None):
    """
    Which accepted minions go by a name of the pillar's ``servers``: the one whose identifier it is, in any case; else
    those of which one is the other's short name and whose grains have it, too, so that they know it themselves; where
    there is no such identifier, those whose grains have it. A name that minions have resolved to addresses of their own
    is of those that say so, of those that say nothing and have such an address, and, where others say so, of one whose
    short or long name it is.

    name
        The name or address (string).

    known
        As for :func:`part`; ``said`` in it has the names that minions say to be theirs (dict of lists of strings).

    Returns a list of minions, with more than one where it is not clear.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.called kvm1.example.com
    """
    known = {} if known is None else known
    if name not in known.setdefault("called", {}):
        among = _candidates(name, known)
        named = _all_names(known).get(name.casefold(), ()) if among is None else among
        found = _having(named, name, known)
        if among is None or not found:
            claimed = _claimants(name, known)
            found |= claimed | (set(among or ()) if claimed - set(among or claimed) else set())
        known["called"][name] = sorted(found)
    return known["called"][name]


def _claimants(name, known):
    """
    Which minions say that a name is theirs, and which of those that say nothing have an address of it.
    """
    said = known.get("said", {})
    found = set(_sayers(name, known))
    for address in _addresses(name, known):
        found |= {minion for minion in _all_names(known).get(address, ()) if minion not in said}
    return found


def _addresses(name, known):
    found = known.setdefault("addresses", {})
    if name not in found:
        until = known.setdefault("lookups", time.monotonic() + LOOKUP_SECONDS)
        found[name] = addresses([name], until).get(name, ())
    return found[name]


def may_go_by(minion, name, known=None):
    """
    Whether a name may be that of a minion that says nothing, as far as the master can tell: also where others claim it,
    unless it is an identifier's, or leads elsewhere than to the addresses that the master has of this minion.

    minion
        The minion (string).

    name
        The name or address (string).

    known
        As for :func:`part`.

    Returns a bool.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.may_go_by kvm1 kvm1.storage
    """
    known = {} if known is None else known
    if minion in called(name, known):
        return True
    if _having(_candidates(name, known) or (), name, known):
        return False
    return not _addresses(name, known) or not any(map(_is_address, names(minion, known)))


def _sayers(name, known):
    """
    Which minions say that a name is theirs. What they say is put in order once, and anew where they are asked again.
    """
    said = known.get("said", {})
    if known.get("sayers", [None])[0] is not said:
        index = {}
        for minion in known["minions"] & set(said):
            for own in said[minion]:
                index.setdefault(own.casefold(), set()).add(minion)
        known["sayers"] = [said, index]
    return known["sayers"][1].get(name.casefold(), ())


def addresses(hosts, until=None):
    """
    The addresses by which others know some hosts, of those that were found in time: a name server may not answer.

    hosts
        Their names (list of strings).

    until
        When it has to be over, as ``time.monotonic`` has it (float, default ten seconds from now).

    Returns a dict of sets of strings by name.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.addresses '[kvm1, kvm2]'
    """
    found, deadline = {}, until or time.monotonic() + LOOKUP_SECONDS

    def look(part):
        for host in part:
            if time.monotonic() < deadline:
                found[host] = _looked_up(host)

    parts = [hosts[first::10] for first in range(min(10, len(hosts)))]
    threads = [threading.Thread(target=look, args=[part], daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return dict(found)


def _looked_up(host):
    try:
        found = {_parsed(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()
    return {str(each) for each in found if each and not _is_every_hosts(str(each))}


def goes_by(minion, name, known=None):
    """
    Whether a minion is among those which :func:`called` has, by its identifier, its grains or its word; of others are
    grains read only where the name is like their identifier.

    minion
        The minion (string).

    name
        The name or address (string).

    known
        As for :func:`part`.

    Returns a bool.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.goes_by kvm1 10.0.0.1
    """
    known = {} if known is None else known
    among = _candidates(name, known)
    if minion in (known["minions"] if among is None else among) and name.casefold() in names(minion, known):
        return True
    return minion in _sayers(name, known) and not _having(among or (), name, known)


def _having(minions, name, known):
    """
    Those of some minions that have a name by their identifiers and grains.
    """
    return {minion for minion in minions if name.casefold() in names(minion, known)}


def _candidates(name, known):
    """
    Which minions a name may mean by their identifiers; None, which is all, where it is like none of them.
    """
    if "minions" not in known:
        known["minions"] = set(accepted())
        known["own"], known["short"] = {}, {}
        for minion in known["minions"]:
            own = minion.casefold()
            known["own"].setdefault(own, []).append(minion)
            for start in () if _is_address(minion) else _starts(own):
                known["short"].setdefault(start, []).append(minion)
    name = name.casefold()
    found = known["own"].get(name)
    if not found and not _is_address(name):
        found = list(known["short"].get(name, ()))
        for start in _starts(name):
            if start in known["own"] and not _is_address(start):
                found += known["own"][start]
    return found or None


def _starts(name):
    """
    What stands before each dot of a name.
    """
    return [name[:place] for place, letter in enumerate(name) if letter == "."]


def _all_names(known):
    """
    Which minions have each name: of all of them, looked up once.
    """
    if "all_names" not in known:
        known["all_names"] = {}
        for minion in known["minions"]:
            for name in names(minion, known):
                known["all_names"].setdefault(name, []).append(minion)
    return known["all_names"]


def names(minion, known=None):
    """
    The names and addresses of a minion, by its identifier and its grains as the master has them; where the master has
    none, as with ``minion_data_cache: False``, the short form of its identifier stands for them.

    minion
        The minion (string).

    known
        As for :func:`part`.

    Returns a sorted list of strings in small letters.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.names kvm1
    """
    kept = {} if known is None else known.setdefault("names", {})
    if minion not in kept:
        try:
            grains = __salt__["gluster_one.kept_of"](minion)[0]
        except Exception:  # pylint: disable=broad-except
            grains = None
        grains = grains if isinstance(grains, dict) else {}
        short = [] if grains or _is_address(minion) else [minion.partition(".")[0]]
        found = [grains.get(grain) for grain in ("host", "fqdn", "nodename", "localhost")]
        lists = [grains.get(grain) for grain in ("fqdn_ip4", "ipv4", "ipv6", "fqdns")]
        found += [name for each in lists if isinstance(each, list) for name in each[:MOST]]
        own = {name.casefold() for name in [minion, *short, *found] if isinstance(name, str) and name}
        kept[minion] = sorted(each for each in own - {"localhost"} if not _is_every_hosts(each))
    return kept[minion]


def hosts_of_several(known):
    """
    The addresses of each minion that says to have several, without those that another one has, too: what a brick sees
    as several clients may be that minion's one.

    known
        As for :func:`part`, with ``said``.

    Returns a list of lists of strings.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.hosts_of_several '{said: {kvm1: [10.0.0.1, 10.1.0.1]}}'
    """
    owners, said = {}, known.get("said", {})
    for minion in accepted():
        for name in {*said.get(minion, ()), *names(minion, known)}:
            if _is_address(name) and not _is_every_hosts(name):
                owners.setdefault(str(_parsed(name)), set()).add(minion)
    own = {}
    for address, minions in owners.items():
        if len(minions) == 1 and minions <= set(said):
            own.setdefault(*minions, []).append(address)
    return [sorted(addresses) for _, addresses in sorted(own.items()) if len(addresses) > 1]


def _is_address(name):
    return bool(_parsed(name))


def _parsed(name):
    """
    An address in the form in which equal ones are equal, as the minions have it in gluster_hosts; None for a name.
    """
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_every_hosts(name):
    """
    Whether it is an address that each host has for itself, or that means another host on each link.
    """
    address = _parsed(name)
    return bool(address and (address.is_loopback or address.is_link_local or address.is_unspecified))
