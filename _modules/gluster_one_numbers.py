"""
Which identifier a datastore has, by the pillar and by what the head has left on the volume
===========================================================================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.

Whoever writes on the volume can write that file. The pillar outranks it, and OpenNebula's own datastores, with numbers
below 100, are not linked on its word.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

# The first identifier that oned gives to a datastore that somebody makes.
FIRST = 100


def __virtual__():
    return __virtualname__


def datastore_numbers(stores, left):
    """
    The identifiers of datastores.

    stores
        Those that the pillar has, None for those that OpenNebula picks (dict by name).

    left
        What the head has left on the volume (dict by name), see ``gluster_one_ids.datastore_ids``.

    Returns a dict of identifiers by name, None for those that are not known: the pillar's come first, and no number is
    taken twice.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.datastore_numbers '{glusterds: null, system: 0}' '{glusterds: 101}'
    """
    named = [number for number in stores.values() if number is not None]
    asked = [left[store] for store, number in stores.items() if number is None and store in left]
    return {
        store: left.get(store)
        if number is None and left.get(store) not in named and asked.count(left.get(store)) == 1
        else number
        for store, number in stores.items()
    }


def require_number(store, number, given):
    """
    The number of a datastore that is to be linked comes from the pillar, where it is one of OpenNebula's own.

    store
        The datastore (string).

    number
        Its identifier (int).

    given
        The identifier that the pillar has for it (int), or None.

    Returns True.

    Raises CommandExecutionError that says what to put into the pillar.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.require_number system 0 0
    """
    if given is None and number < FIRST:
        raise CommandExecutionError(
            f"datastore {store} seems to be {number}, one of OpenNebula's own, which oneadmin could have written: if "
            f"so, put `datastore_id: {number}` into the pillar, at this datastore"
        )
    return True
