"""
Attributes of a datastore that oned encrypts
============================================

oned keeps the attributes that its configuration names in ``DATASTORE_ENCRYPTED_ATTR`` encrypted, and shows what they
are to users of the group oneadmin alone.

connection
    As in ``opennebula.datastore_list``.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "one_datastore_secrets"

SECRET = "a secret, which oned encrypts"


def __virtual__():
    return __virtualname__


def without_values(name, changes, current, known, **connection):
    """
    Changes of attributes without those that oned encrypts and that are as wanted, and without the values of the others.

    name
        The datastore (string).

    changes
        ``{attribute: {"old": ..., "new": ...}}`` (dict), as of ``one_datastore.difference``.

    current
        The datastore's attributes as oned shows them (dict), empty for a new one.

    known
        What ``one_datastore.drivers`` returns (dict), empty where oned does not tell this user: then the form of a
        value says whether it is encrypted.

    Returns a tuple: the changes; ``{attribute: value}`` of what is not shown in them; sentences about attributes that
    cannot be compared. Raises CommandExecutionError where oned encrypts one and this user may not see what it is.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_secrets.without_values glusterds '{NOTE: {old: null, new: a}}' '{}' '{encrypted: [KEY]}'
    """
    asked = {key: change["new"] for key, change in changes.items() if key.isupper() and change["new"] is not None}
    encrypted = known.get("encrypted", [])
    if asked and not known:
        encrypted = [key for key in asked if __utils__["one_datastore_rules.is_encrypted"](current.get(key))]
    secrets = {key: value for key, value in asked.items() if key in encrypted}
    warnings = []
    if secrets and not __salt__["opennebula_api.sees_all"](**connection):
        if known:
            raise CommandExecutionError(
                f"Datastore {name}: oned encrypts {', '.join(secrets)}, and shows to users of the group oneadmin alone "
                "what it is: use one of them, or leave it out"
            )
        warnings = [
            f"{', '.join(secrets)}: left as it is and not compared, because oned seems to encrypt it, and shows to "
            "users of the group oneadmin alone what it is: use one of them, or leave it out"
        ]
        changes, secrets = {key: change for key, change in changes.items() if key not in secrets}, {}
    if secrets and current:
        there = __salt__["opennebula_api.call"]("datastore.info", current["id"], True, **connection).get("TEMPLATE")
        differ = __utils__["one_datastore_rules.changes"](secrets, there if isinstance(there, dict) else {})
        changes = {key: change for key, change in changes.items() if key in differ or key not in secrets}
        secrets = {key: secrets[key] for key in differ}
    hidden = {key: {"old": changes[key]["old"] and f"another {SECRET[2:]}", "new": SECRET} for key in secrets}
    if asked and not known:  # it may be encrypted once it is set
        by_name = {key: value for key, value in asked.items() if key in changes and key not in secrets}
        by_name = {key: value for key, value in by_name.items() if __utils__["one_datastore_rules.is_secret"](key)}
        hidden.update({key: {"old": changes[key]["old"] and "another one", "new": "a secret"} for key in by_name})
        secrets = {**secrets, **by_name}
    return {**changes, **hidden}, secrets, warnings
