"""
By which names the minions go
=============================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. A minion's identifier is its key's; grains
are its own word, and any minion can have any.
"""

import ipaddress

import salt.utils.minions

__virtualname__ = "gluster_one"

# Of one grain.
MOST = 200


def __virtual__():
    return __virtualname__


def called(name, known=None):
    """
    Which accepted minions go by a name of the pillar's ``servers``: the one whose identifier it is, in any case; else
    those of which one is the other's short name and whose grains have it, too, so that they know it themselves; where
    there is no such identifier, those whose grains have it.

    name
        The name or address (string).

    known
        As for :func:`part`.

    Returns a list of minions, with more than one where it is not clear.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.called kvm1.example.com
    """
    known = {} if known is None else known
    if name not in known.setdefault("called", {}):
        among = _candidates(name, known)
        known["called"][name] = sorted(minion for minion in among if goes_by(minion, name, known))
    return known["called"][name]


def goes_by(minion, name, known=None):
    """
    Whether a minion is among those which :func:`called` has; of no other one are grains read.

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
    return minion in _candidates(name, known) and name.casefold() in names(minion, known)


def _candidates(name, known):
    """
    Which minions a name may mean by their identifiers: all where it is like none of them.
    """
    if "minions" not in known:
        known["minions"] = salt.utils.minions.CkMinions(__opts__).check_minions("*", "glob")["minions"]
    name = name.casefold()
    if name not in known.setdefault("candidates", {}):
        found = [minion for minion in known["minions"] if minion.casefold() == name]
        if not found and not _is_address(name):
            pairs = [(minion, minion.casefold()) for minion in known["minions"] if not _is_address(minion)]
            found = [minion for minion, own in pairs if own.startswith(f"{name}.") or name.startswith(f"{own}.")]
        known["candidates"][name] = found or known["minions"]
    return known["candidates"][name]


def names(minion, known=None):
    """
    The names and addresses of a minion, by its identifier and its grains as the master has them.

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
            grains = salt.utils.minions.get_minion_data(minion, __opts__)[1]
        except Exception:  # pylint: disable=broad-except
            grains = None
        grains = grains if isinstance(grains, dict) else {}
        found = [grains.get(grain) for grain in ("host", "fqdn", "nodename", "localhost")]
        lists = [grains.get(grain) for grain in ("fqdn_ip4", "ipv4", "fqdns")]
        found += [name for each in lists if isinstance(each, list) for name in each[:MOST]]
        own = {name.casefold() for name in [minion, *found] if isinstance(name, str) and name}
        kept[minion] = sorted(own - {"localhost", "127.0.0.1"})
    return kept[minion]


def _is_address(name):
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
