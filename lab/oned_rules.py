"""The pools of OpenNebula and oned's rules on them: names, rights, datastores."""

import base64
import secrets
import threading
import xmlrpc.client

import oned_conf as conf
import oned_drivers
from oned_hosts import Hosts
from oned_images import Images
from oned_objects import Caller, Failure, Template, Thing, cdata, element, fields, ids
from oned_users import Users


def arguments_of(signature, given):
    """The arguments that a method takes, if they are of its types."""
    needed, _, optional = signature.lower().partition("?")
    if len(given) < len(needed):
        raise xmlrpc.client.Fault(conf.BAD_TYPE, "Not enough parameters")
    taken = given[: len(needed + optional)]
    for letter, value in zip(needed + optional, taken):
        kind, word = conf.TYPES[letter]
        if type(value) is not kind:
            raise xmlrpc.client.Fault(conf.BAD_TYPE, f"Parameter that is supposed to be {word} is not")
    return taken


class Oned(Users, Hosts, Images):
    """The daemon. A method of its interface is the method here of that name, or the one for all kinds."""

    def __init__(self, admin, location=None, interval=300):
        """admin is `user:password`; location is where the datastores' directories are made, if they are, and interval
        the seconds from one look at them to the next."""
        self.lock, self.location, self.interval, self.drivers = threading.RLock(), location, interval, conf.DS_DRIVERS
        self.encrypted, self.sealed = (), {}  # DATASTORE_ENCRYPTED_ATTR of oned.conf, and the values by what is kept
        self.pools = {kind: {} for kind in conf.OBJECTS}
        self.last = dict.fromkeys(conf.OBJECTS, -1)
        name, password = admin.split(":", 1)
        self.add_group("oneadmin")
        self.add_group(
            "users",
            "SUNSTONE=[DEFAULT_VIEW=cloud,VIEWS=cloud,GROUP_ADMIN_DEFAULT_VIEW=groupadmin,"
            'GROUP_ADMIN_VIEWS="groupadmin,cloud"]',
        )
        self.add_user(name, password, "core", [0])
        self.add_user("serveradmin", secrets.token_hex(16), "server_cipher", [0])
        self.admin = Caller(self.pools["USER"][0], 0, {0})
        self.cluster_allocate(self.admin, "default")
        self.datastore_allocate(self.admin, "NAME=system\nTYPE=SYSTEM_DS\nTM_MAD=local", 0)
        self.datastore_allocate(self.admin, "NAME=default\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=local", 0)
        self.datastore_allocate(self.admin, "NAME=files\nTYPE=FILE_DS\nDS_MAD=fs\nTM_MAD=local", 0)
        self.last.update(DATASTORE=99, CLUSTER=99, GROUP=99)

    def call(self, method, arguments):
        """Answer a request: the caller (None where unknown) and the reply, a list."""
        if not (method.startswith("one.") and method[4:] in conf.METHODS):
            raise xmlrpc.client.Fault(conf.NO_METHOD, f"Method '{method}' not defined")
        (session,) = arguments_of("s", arguments)
        caller = None
        with self.lock:
            try:
                caller = self.authenticate(session)
                return caller, [True, self.run(caller, method, arguments[1:]), 0]
            except Failure as failure:
                return caller, [False, f"[{method}] {failure.text}", failure.code, failure.oid, -1]

    def run(self, caller, method, arguments):
        """The value of a method, from what is here under its name or, where nothing is, from the rule for all kinds."""
        pool, verb = method[4:].split(".")
        kind = pool.removesuffix("pool").upper()
        given = arguments_of(conf.METHODS[method[4:]], arguments)
        own = getattr(self, f"{pool}_{verb}", None)
        shared = getattr(self, "pool_info" if pool.endswith("pool") else "any_" + verb, None)
        try:
            return own(caller, *given) if own else shared(caller, kind, *given)
        except Failure as failure:
            if failure.code == conf.ALLOCATE:
                failure.text = f"Error allocating a new {conf.OBJECTS[kind]}. {failure.text}"
            raise

    def apart(self, work, *things):
        """Let a driver work in a thread of its own: what hangs there, in a file system, hangs nobody else."""
        threading.Thread(target=work, args=(self, *things), daemon=True).start()

    # The pools --------------------------------------------------------------------------------------------------------

    def insert(self, thing):
        """Into its pool, under the next number: none is ever given twice."""
        self.last[thing.kind] = thing.id = self.last[thing.kind] + 1
        self.pools[thing.kind][thing.id] = thing
        return thing

    def get(self, kind, oid):
        if oid not in self.pools[kind]:
            which = "Pool." if oid == -1 else f"[{oid}]."
            raise Failure(conf.NO_EXISTS, f"Error getting {conf.OBJECTS[kind]} {which}", oid)
        return self.pools[kind][oid]

    def find(self, kind, name, uid=None):
        """The id of the object of exactly that name (and owner), or -1."""
        return next(
            (thing.id for thing in self.pools[kind].values() if thing.name == name and uid in (None, thing.uid)), -1
        )

    @staticmethod
    def check_name(name, code=conf.INTERNAL, more_bad="", end=""):
        bad = [char for char in name if char in conf.BAD_IN_NAMES + more_bad]
        problem = (
            "it cannot be empty"
            if not name
            else f"char '{bad[0]}' is not allowed"
            if bad
            else "max length is 128 chars"
            if len(name.encode()) > 128
            else None
        )
        if problem:
            raise Failure(code, f"Invalid NAME, {problem}{end}")

    def check_free(self, kind, name, code=conf.INTERNAL, uid=None):
        taken = self.find(kind, name, uid)
        if taken != -1:
            raise Failure(code, f"NAME is already taken by {kind} {taken}.")

    def owner(self, caller):
        return caller.user.id, caller.gid, caller.user.name, self.pools["GROUP"][caller.gid].name

    def members(self, kind, cluster):
        return [thing.id for thing in self.pools[kind].values() if cluster.id in thing.clusters]

    # Who may what -----------------------------------------------------------------------------------------------------

    @staticmethod
    def may(caller, right, kind, thing=None):
        """Whether the caller has the right on the thing, or on its kind altogether where none is given."""
        if 0 in caller.groups or conf.GROUPS_MAY.get(kind) == right:
            return True
        if right == "CREATE":
            return 1 in caller.groups and kind in conf.USERS_CREATE
        return thing is not None and bool(
            (thing.uid == caller.user.id and thing.bits["OWNER_" + right[0]])
            or (thing.gid in caller.groups and thing.bits["GROUP_" + right[0]])
            or thing.bits["OTHER_" + right[0]]
        )

    def authorize(self, caller, *wanted):
        """Each wanted is (right, kind) or (right, kind, thing); the failure names all that are missing."""
        missing = [
            f"Not authorized to perform {right} {kind}" + "".join(f" [{thing.id}]" for thing in things)
            for right, kind, *things in wanted
            if not self.may(caller, right, kind, *things)
        ]
        if missing:
            raise Failure(conf.AUTHORIZATION, f"User [{caller.user.id}] : {'; '.join(missing)}.")

    def allowed(self, caller, right, kind, oid):
        """The thing of that number, which the caller has the right on."""
        if oid < 0:
            self.authorize(caller, (right, kind))
        thing = self.get(kind, oid)
        self.authorize(caller, (right, kind, thing))
        return thing

    def listed(self, caller, kind, who=-2, start=-1, end=-1):
        """The things of a pool that the caller sees, the newest first.

        who: -4 the caller's group's, -3 the caller's, -2 all, -1 the caller's and the groups', else that user's. An end
        below -1 is the length of a page that begins at the start-th; else both are numbers of objects.
        """
        if who < -4:
            raise Failure(conf.RPC_API, "Incorrect filter_flag")
        everything = 0 in caller.groups or conf.GROUPS_MAY.get(kind) == "USE"

        def sees(thing):
            mine, ours = thing.uid == caller.user.id, thing.gid in caller.groups
            usable = everything or thing.bits["OTHER_U"] or (ours and thing.bits["GROUP_U"])
            choice = {-4: thing.gid == caller.gid, -3: mine, -2: mine or usable, -1: mine or (ours and usable)}
            return choice.get(who, thing.uid == who and (mine or usable))

        things = [thing for oid, thing in sorted(self.pools[kind].items(), reverse=True) if sees(thing)]
        if end < -1:
            return things[max(start, 0) : max(start, 0) - end]
        return [thing for thing in things if start == -1 or (thing.id >= start and (end == -1 or thing.id <= end))]

    # One rule for all kinds -------------------------------------------------------------------------------------------

    def document(self, thing):
        return getattr(self, thing.kind.lower() + "_xml")(thing)

    def pool_info(self, caller, kind, *filters):
        return element(kind + "_POOL", *map(self.document, self.listed(caller, kind, *filters)))

    def any_info(self, caller, kind, oid, decrypt=False):
        if oid == -1:
            oid = {"USER": caller.user.id, "GROUP": caller.gid}.get(kind, oid)
        return self.document(self.allowed(caller, "USE", kind, oid))

    def any_update(self, caller, kind, oid, text, how=0):
        """Replace the template (0) or merge into it (1), all or nothing."""
        it = self.allowed(caller, conf.RIGHTS["update"][kind], kind, oid)
        if how not in (0, 1):
            raise Failure(conf.RPC_API, "Wrong update type")
        before = dict(it.__dict__)
        try:
            new = Template(text, it.template.unique)
            if how == 1:
                it.template = it.template.copy()
                it.template.merge(new)
            else:
                it.template = new
            getattr(self, kind.lower() + "_updated", lambda _: None)(it)
        except Failure as failure:
            it.__dict__.update(before)
            raise Failure(conf.INTERNAL, "Cannot update template. " + failure.text) from None
        return oid

    def any_rename(self, caller, kind, oid, name):
        it, what = self.get(kind, oid), conf.OBJECTS[kind]
        if it.name != name:
            self.authorize(caller, (conf.RIGHTS["rename"][kind], kind, it))
            taken = self.find(kind, name, it.uid if kind == "IMAGE" else None)
            if taken != -1:
                raise Failure(
                    conf.ACTION, f"{what} cannot be renamed to {name} because it collides with {what} {taken}"
                )
            self.check_name(name, conf.ACTION)
            it.name = name
        return oid

    def any_delete(self, caller, kind, oid):
        it = self.get(kind, oid)
        self.authorize(caller, (conf.RIGHTS["delete"][kind], kind, it))
        reason = getattr(self, kind.lower() + "_stays")(it)
        if reason:
            raise Failure(conf.ACTION, f"Cannot delete {conf.OBJECTS[kind]}. {reason}")
        del self.pools[kind][oid]
        return oid

    def any_chmod(self, caller, kind, oid, *bits):
        it, given = self.get(kind, oid), dict(zip(conf.BITS, bits, strict=True))
        admin = any(bit not in (-1, it.bits[name]) for name, bit in given.items() if name.endswith("_A"))
        self.authorize(caller, ("ADMIN" if admin else "MANAGE", kind, it))
        if not set(bits) <= {-1, 0, 1}:
            raise Failure(conf.INTERNAL, "New permission values must be -1, 0 or 1")
        it.bits.update((name, bit) for name, bit in given.items() if bit != -1)
        return oid

    def any_chown(self, caller, kind, oid, uid, gid):
        user = self.get("USER", uid) if uid > -1 else None
        group = self.get("GROUP", gid) if gid > -1 else None
        it = self.get(kind, oid)
        wanted = [("MANAGE", kind, it)]
        if user and uid != it.uid:
            wanted.append(("MANAGE", "USER", user))
        if group and gid != it.gid:
            wanted.append(("USE", "GROUP", group))
        self.authorize(caller, *wanted)
        taken = self.find(kind, it.name, uid) if user and kind == "IMAGE" else -1
        if taken not in (-1, oid):
            raise Failure(conf.INTERNAL, f"user [{uid}] already owns image [{taken}] with NAME {it.name}")
        if user:
            it.uid, it.uname = uid, user.name
        if group:
            it.gid, it.gname = gid, group.name
        return oid

    # Datastores -------------------------------------------------------------------------------------------------------

    def datastore_xml(self, it):
        total, free, used = it.size
        return element(
            "DATASTORE",
            it.head(),
            fields(
                DS_MAD=cdata(it.ds_mad),
                TM_MAD=cdata(it.tm_mad),
                BASE_PATH=cdata(f"{conf.LOCATION}/{it.id}"),
                TYPE=conf.DS_TYPES.index(it.type),
                DISK_TYPE=conf.DISK_TYPES.index(it.disk_type),
                STATE=it.state,
            ),
            ids("CLUSTERS", it.clusters),
            fields(TOTAL_MB=total, FREE_MB=free, USED_MB=used),
            ids("IMAGES", self.images_of(it)),
            it.template.xml(),
        )

    def datastore_allocate(self, caller, text, cluster):
        template = Template(text)
        cluster = self.get("CLUSTER", 0 if cluster == -1 else cluster)
        self.authorize(caller, ("CREATE", "DATASTORE"), ("ADMIN", "CLUSTER", cluster))
        name = template.get("NAME")
        self.check_name(name)
        self.check_free("DATASTORE", name)
        template.erase("NAME")
        kind = template.get("TYPE").upper()
        it = Thing(
            "DATASTORE",
            name,
            self.owner(caller),
            template,
            group_use=1,
            state=0,
            size=(0, 0, 0),
            type=kind if kind in conf.DS_TYPES else conf.IMAGE_DS,
            ds_mad=template.get("DS_MAD"),
            tm_mad="-",
        )
        if it.type == conf.SYSTEM_DS and it.ds_mad:
            raise Failure(conf.INTERNAL, "SYSTEM datastores cannot have DS_MAD defined.")
        if it.type != conf.SYSTEM_DS and not it.ds_mad:
            raise Failure(conf.INTERNAL, "No DS_MAD in template.")
        it.ds_mad = it.ds_mad or "-"
        self.check_ds_mad(it)
        if it.type != conf.BACKUP_DS:
            self.set_tm_mad(it, template.get("TM_MAD"))
        template.erase("BASE_PATH")
        self.set_disk_type(it, template.pop("DISK_TYPE"))
        if not template.get("SAFE_DIRS") and not template.get("RESTRICTED_DIRS"):
            template.replace("SAFE_DIRS", "/var/tmp")
            template.replace("RESTRICTED_DIRS", "/")
        it.clusters = {cluster.id}
        self.encrypt(it)
        self.insert(it)
        if self.location:
            self.apart(oned_drivers.monitor, it)
        return it.id

    @staticmethod
    def check_ds_mad(it):
        """A driver is known, and what it needs is there; whether it runs is not asked."""
        if it.type == conf.SYSTEM_DS:
            return
        if it.ds_mad not in conf.DS_MAD_CONF:
            raise Failure(conf.INTERNAL, f'DS_MAD named "{it.ds_mad}" is not defined in oned.conf')
        for name in filter(None, conf.DS_MAD_CONF[it.ds_mad]["REQUIRED_ATTRS"].split(",")):
            if not it.template.get(name):
                raise Failure(conf.INTERNAL, f'Datastore template is missing the "{name}" attribute or it\'s empty.')

    @staticmethod
    def set_tm_mad(it, name):
        """What the transfer driver says of itself overrides the template."""
        if not name:
            raise Failure(conf.INTERNAL, "No TM_MAD in template.")
        if name not in conf.TM_MAD_CONF:
            raise Failure(conf.INTERNAL, f'TM_MAD named "{name}" is not defined in oned.conf')
        it.tm_mad = name
        system = it.type == conf.SYSTEM_DS
        it.template.erase(*(("LN_TARGET", "CLONE_TARGET") if system else ("SHARED",)))
        said = (*(conf.TM_ON_SYSTEM if system else conf.TM_ON_IMAGES), *conf.TM_DEFAULTS)
        for key, value in {**conf.TM_DEFAULTS, **conf.TM_MAD_CONF[name]}.items():
            if key.startswith(said):
                it.template.replace(key, value)

    @staticmethod
    def set_disk_type(it, text):
        """The number and the template's word; only image and system datastores have a choice."""
        text, it.disk_type = text.upper() or "FILE", "FILE"
        if it.type not in (conf.IMAGE_DS, conf.SYSTEM_DS):
            return
        if text not in conf.DISK_TYPES:
            raise Failure(conf.INTERNAL, "Unknown DISK_TYPE in template.")
        if it.type == conf.IMAGE_DS and text.endswith("CDROM"):
            raise Failure(conf.INTERNAL, "Invalid DISK_TYPE for an Image Datastore.")
        if it.type == conf.SYSTEM_DS and text not in conf.SYSTEM_DISK_TYPES:
            raise Failure(conf.INTERNAL, "Invalid DISK_TYPE for a System Datastore.")
        it.disk_type = text
        it.template.replace("DISK_TYPE", text)

    def datastore_updated(self, it):
        """What an update of the template means for the datastore, and for the template again."""
        kind, tm_mad, ds_mad = (it.template.get(name) for name in ("TYPE", "TM_MAD", "DS_MAD"))
        if it.id == 0:
            it.type = conf.SYSTEM_DS
        elif kind and it.type != conf.BACKUP_DS:
            it.type = kind.upper() if kind.upper() in conf.DS_TYPES else conf.IMAGE_DS
        it.template.replace("TYPE", it.type)
        disk_type = it.template.pop("DISK_TYPE")
        if disk_type:  # taken out, it leaves the number as it was
            self.set_disk_type(it, disk_type)
        if tm_mad and it.type != conf.BACKUP_DS:
            if it.type == conf.SYSTEM_DS and tm_mad != it.tm_mad:
                it.size = (0, 0, 0)
            self.set_tm_mad(it, tm_mad)
        else:
            it.template.replace("TM_MAD", it.tm_mad)
        if it.type == conf.SYSTEM_DS:
            it.ds_mad = "-"
            it.template.erase("DS_MAD")
        elif not ds_mad:
            it.template.replace("DS_MAD", it.ds_mad)
        elif ds_mad != it.ds_mad:
            it.ds_mad, it.size = ds_mad, (0, 0, 0)
        self.check_ds_mad(it)
        self.encrypt(it)

    def encrypt(self, it):
        """What oned.conf says is kept so, of the form of AES-256-CBC's blocks in base64."""
        for name in self.encrypted:
            value = it.template.get(name)
            if value and value not in self.sealed:
                length = 16 * (len(value.encode()) // 16 + 1)
                it.template.replace(name, base64.b64encode(secrets.token_bytes(length)).decode())
                self.sealed[it.template.get(name)] = value

    def datastore_info(self, caller, oid, decrypt=False):
        """Secrets are shown to the group oneadmin, and to others what is kept."""
        it = self.allowed(caller, "USE", "DATASTORE", oid)
        text = self.document(it)
        for kept, value in self.sealed.items() if decrypt and 0 in caller.groups else ():
            text = text.replace(cdata(kept), cdata(value))
        return text

    def datastore_enable(self, caller, oid, enable):
        it = self.allowed(caller, "MANAGE", "DATASTORE", oid)
        if it.type != conf.SYSTEM_DS:
            raise Failure(conf.INTERNAL, "Only SYSTEM_DS can be disabled or enabled")
        it.state = 0 if enable else 1
        return oid

    def datastore_stays(self, it):
        return f"Datastore {it.id} is not empty." if self.images_of(it) else ""
