"""oned's rules on users, their passwords and login tokens, and on groups; and what the daemon says of itself."""

import hashlib
import secrets
import time

import oned_conf as conf
from oned_objects import Caller, Failure, Template, Thing, cdata, element, fields, ids, vector

BLANK = " \t\n\v\f\r"
MOST_TOKENS = 10
NO_QUOTAS = fields(DATASTORE_QUOTA="", NETWORK_QUOTA="", VM_QUOTA="", IMAGE_QUOTA="")


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Users:
    """The part of the daemon that knows users and groups."""

    def user_xml(self, it, quotas=True):
        tokens = (
            element("LOGIN_TOKEN", fields(TOKEN=token, EXPIRATION_TIME=expires, EGID=gid))
            for token, (expires, gid) in sorted(it.tokens.items())
        )
        more = NO_QUOTAS + element("DEFAULT_USER_QUOTAS", NO_QUOTAS) if quotas else ""
        return element(
            "USER",
            fields(ID=it.id, GID=it.gid),
            ids("GROUPS", it.groups),
            fields(
                GNAME=it.gname,
                NAME=it.name,
                PASSWORD=cdata(it.password),
                AUTH_DRIVER=cdata(it.driver),
                ENABLED=int(it.enabled),
            ),
            *tokens,
            it.template.xml(),
            more,
        )

    def group_xml(self, it, quotas=True):
        users = (user.id for user in self.pools["USER"].values() if it.id in user.groups)
        more = NO_QUOTAS + element("DEFAULT_GROUP_QUOTAS", NO_QUOTAS) if quotas else ""
        return element(
            "GROUP", it.head(owner=False, bits=False), it.template.xml(), ids("USERS", users), ids("ADMINS", ()), more
        )

    def userpool_info(self, caller):
        return self.with_quotas(self.listed(caller, "USER"), "USER")

    def grouppool_info(self, caller):
        return self.with_quotas(self.listed(caller, "GROUP"), "GROUP")

    def with_quotas(self, things, kind):
        render = getattr(self, kind.lower() + "_xml")
        return element(
            kind + "_POOL",
            *(render(it, quotas=False) + element("QUOTAS", element("ID", it.id), NO_QUOTAS) for it in things),
            element(f"DEFAULT_{kind}_QUOTAS", NO_QUOTAS),
        )

    # Users ------------------------------------------------------------------------------------------------------------

    def authenticate(self, session):
        """The caller of a session `user:secret`, where the secret is a password or a token that has not expired."""
        name, _, secret = session.partition(":")
        user = self.pools["USER"].get(self.find("USER", name))
        if user and user.enabled:
            if secret in user.tokens:
                expires, gid = user.tokens[secret]
                if (expires == -1 or time.time() < expires) and gid in (-1, *user.groups):
                    return Caller(user, user.gid if gid == -1 else gid, set(user.groups) if gid == -1 else {gid})
                del user.tokens[secret]
            elif user.driver == "core" and user.password == sha256(secret):
                return Caller(user, user.gid, set(user.groups))
        raise Failure(conf.AUTHENTICATION, "User couldn't be authenticated, aborting call.")

    @staticmethod
    def check_password(password, code=conf.INTERNAL, end=""):
        bad = [char for char in password if char in BLANK]
        if not password or bad:
            problem = f"character '{bad[0]}' is not allowed" if bad else "it cannot be empty"
            raise Failure(code, f"Invalid password, {problem}{end}")

    def add_user(self, name, password, driver, groups):
        """A user owns itself; the first group is its primary one."""
        it = self.insert(
            Thing(
                "USER",
                name,
                enabled=True,
                tokens={},
                driver=driver,
                groups=set(groups),
                password=sha256(password) if driver == "core" else password,
            )
        )
        it.uid, it.uname, it.gid, it.gname = it.id, name, groups[0], self.pools["GROUP"][groups[0]].name
        it.template.add("TOKEN_PASSWORD", secrets.token_hex(32))
        return it.id

    def user_allocate(self, caller, name, password, driver, groups=()):
        chosen = [self.get("GROUP", gid) for gid in groups]
        self.authorize(
            caller, ("CREATE", "USER"), *(("MANAGE", "GROUP", group) for group in chosen if group.id != caller.gid)
        )
        self.check_password(password, end=".")
        self.check_name(name, more_bad=" :" + BLANK, end=".")
        self.check_free("USER", name)
        return self.add_user(name, password, driver or "core", list(groups) or [caller.gid or 1])

    def user_stays(self, it):
        return "oneadmin cannot be deleted." if it.id == 0 else ""

    def user_passwd(self, caller, oid, password):
        it = self.allowed(caller, "MANAGE", "USER", oid)
        if it.driver != "core" and 0 not in caller.groups:
            raise Failure(conf.ACTION, f"Password for driver {it.driver} cannot be changed.")
        self.check_password(password, conf.ACTION)
        it.password, it.tokens = sha256(password) if it.driver == "core" else password, {}
        return oid

    def user_enable(self, caller, oid, enable):
        it = self.allowed(caller, "ADMIN", "USER", oid)
        if oid == 0:
            raise Failure(conf.ACTION, "Cannot enable/disable oneadmin user")
        it.enabled = enable
        return oid

    def user_login(self, caller, name, token, seconds, gid=-1):
        """Make a token, the given one or a new one, or with 0 seconds forget the given one, or all."""
        found = self.find("USER", name)
        if found == -1:
            raise Failure(conf.NO_EXISTS, "Error getting user Pool.")
        it = self.allowed(caller, "MANAGE", "USER", found)
        if seconds < -1:
            raise Failure(conf.RPC_API, "Wrong valid period for token")
        if seconds == 0:
            if token and token not in it.tokens:
                raise Failure(conf.RPC_API, "Could not find token: " + token)
            it.tokens = {other: end for other, end in it.tokens.items() if token and other != token}
            return token
        if gid != -1 and 0 not in caller.groups and gid not in it.groups & caller.groups:
            raise Failure(conf.RPC_API, "EGID is not in user group list")
        if gid == -1 and it.groups != caller.groups:
            raise Failure(conf.RPC_API, "Cannot create a full token with a specific group token")
        it.tokens = {other: end for other, end in it.tokens.items() if end[0] == -1 or time.time() <= end[0]}
        if len(it.tokens) >= MOST_TOKENS:
            raise Failure(conf.RPC_API, "Max number of tokens limit reached.")
        token = token or secrets.token_hex(32)
        it.tokens[token] = (-1 if seconds == -1 else int(time.time()) + seconds, gid)
        return token

    # Users and their groups -------------------------------------------------------------------------------------------

    def user_chgrp(self, caller, oid, gid):
        """Another primary group; the old one is left unless the new one was a secondary one already."""
        if gid < 0:
            raise Failure(conf.RPC_API, "Wrong group ID")
        it, group = self.get("USER", oid), self.get("GROUP", gid)
        if oid == 0:
            raise Failure(conf.INTERNAL, "user [0] oneadmin cannot be moved outside of the group [0] oneadmin")
        self.authorize(caller, ("MANAGE", "USER", it), ("USE", "GROUP", group))
        if gid not in it.groups:
            it.groups = it.groups - {it.gid} | {gid}
        it.gid, it.gname = gid, group.name
        return oid

    def membership(self, caller, oid, gid):
        it, group = self.get("USER", oid), self.get("GROUP", gid)
        self.authorize(caller, ("MANAGE", "USER", it), ("MANAGE", "GROUP", group))
        return it

    def user_addgroup(self, caller, oid, gid):
        it = self.membership(caller, oid, gid)
        if gid in it.groups:
            raise Failure(conf.ACTION, "User is already in this group")
        it.groups = it.groups | {gid}
        return oid

    def user_delgroup(self, caller, oid, gid):
        it = self.membership(caller, oid, gid)
        if gid not in it.groups:
            raise Failure(conf.ACTION, "User is not part of this group")
        if gid == it.gid:
            raise Failure(conf.ACTION, "Cannot remove user from the primary group")
        it.groups = it.groups - {gid}
        return oid

    def group_allocate(self, caller, name):
        self.authorize(caller, ("CREATE", "GROUP"))
        self.check_name(name)
        self.check_free("GROUP", name)
        return self.add_group(name)

    def add_group(self, name, template=""):
        """A group belongs to itself, so that its members may use it."""
        it = self.insert(Thing("GROUP", name, template=Template(template), group_use=1))
        it.gid = it.id
        return it.id

    def group_stays(self, it):
        if it.id < 100:
            return "System Groups (ID < 100) cannot be deleted."
        members = any(it.id in user.groups for user in self.pools["USER"].values())
        return f"Group {it.id} is not empty." if members else ""

    # The daemon itself ------------------------------------------------------------------------------------------------

    def system_version(self, caller):
        return conf.VERSION

    def system_config(self, caller):
        drivers = {"EXECUTABLE": "one_datastore", "ARGUMENTS": f"-t 15 -d {self.drivers} -s {conf.TM_DRIVERS}"}
        vectors = {
            "DATASTORE_MAD": [drivers],
            "DS_MAD_CONF": conf.DS_MAD_CONF.values(),
            "TM_MAD_CONF": conf.TM_MAD_CONF.values(),
            "VM_MAD": conf.VM_MAD,
        }
        words = {name: [value] for name, value in conf.SINGLE_CONF.items()}
        words.update(INHERIT_DATASTORE_ATTR=conf.INHERIT, DATASTORE_ENCRYPTED_ATTR=self.encrypted)
        return element(
            "OPENNEBULA_CONFIGURATION",
            *(
                element(tag, cdata(each)) if isinstance(each, str) else vector(tag, each)
                for tag, values in sorted({**vectors, **words}.items())
                for each in values
            ),
        )
