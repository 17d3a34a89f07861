"""The cases of test_matrix.py: what a datastore is, what is asked for, and what follows from that."""

from dataclasses import dataclass, field

from tests.oned import template

# A datastore of each kind: the arguments that ask for it, and what oned has then.
BASES = {
    "native": (
        {"volume": "one_vol", "host": "kvm1"},
        {"DISK_TYPE": "GLUSTER", "GLUSTER_VOLUME": "one_vol", "GLUSTER_HOST": "kvm1:24007", "DRIVER": "raw"},
    ),
    "fuse": ({"volume": "one_vol", "host": "kvm1", "access": "fuse"}, {"DISK_TYPE": "FILE"}),
    "plain": ({}, {}),
    "system": ({"type": "SYSTEM_DS"}, {"TYPE": "SYSTEM_DS", "DS_MAD": None}),
    "file": ({"type": "FILE_DS"}, {"TYPE": "FILE_DS"}),
}
COMMON = {"TYPE": "IMAGE_DS", "DS_MAD": "fs", "TM_MAD": "shared"}
# Nobody asks for these: they stay, whatever is done to the others.
UNMANAGED = {"KEEP": 'as it "is"', "NOTHING": ""}
ODD = 'ODD=[A="1",B="x y"]\nTWICE="1"\nTWICE="2"\n'


@dataclass
class Attribute:
    """One attribute: arguments that all ask for one value, how oned may spell it, and what is another."""

    key: str
    wanted: list
    value: str
    same: tuple = ()
    other: str = "something else"
    bases: tuple = ("native", "system", "file")
    lacking: bool = True  # whether a datastore can be without it
    along: tuple = ()  # what oned changes with it


TM_DECIDES = ("ALLOW_ORPHANS", "LN_TARGET", "CLONE_TARGET", "PERSISTENT_SNAPSHOTS", "DRIVER", "TM_MAD_SYSTEM", "SHARED",
              "LN_TARGET_SSH", "CLONE_TARGET_SSH", "DISK_TYPE_SSH", "DRIVER_SSH", "DS_MIGRATE", "DS_MIGRATE_SNAP",
              "DS_LIVE_MIGRATE")  # fmt: skip
AWKWARD = 'a "b" = [c], #d\n\u00e9 \\ e'
ATTRIBUTES = [
    Attribute(
        "GLUSTER_HOST",
        [{"host": host} for host in ("kvm2", "kvm2:24007", ["kvm2"], " kvm2 ")],
        "kvm2:24007",
        same=("kvm2", "kvm2:024007"),
        other="kvm2:24008",
        bases=("native",),
    ),
    Attribute(
        "GLUSTER_HOST",
        [{"host": ["kvm1", "kvm2:1"]}, {"host": "kvm1:24007  kvm2:1"}, {"attributes": {"gluster_host": "kvm1 kvm2:1"}}],
        "kvm1:24007 kvm2:1",
        same=("kvm1 kvm2:1", "kvm1:24007  kvm2:1 "),
        other="kvm1:24007",
        bases=("native",),
    ),
    Attribute("GLUSTER_VOLUME", [{"volume": "two_vol"}, {"volume": "two_vol", "attributes": {}}], "two_vol",
              other="one_vol", bases=("native",)),
    Attribute("DISK_TYPE", [{}, {"attributes": {"disk_type": "gluster"}}], "GLUSTER", same=("gluster", "Gluster"),
              other="FILE", bases=("native",)),
    Attribute("DISK_TYPE", [{}, {"attributes": {"disk_type": "FILE"}}], "FILE", same=("file",), other="GLUSTER",
              bases=("fuse",), lacking=False),
    Attribute("DRIVER", [{}, {"driver": "raw"}, {"attributes": {"Driver": "raw"}}], "raw", other="qcow2",
              bases=("native",)),
    Attribute("DRIVER", [{"driver": "qcow2"}], "qcow2", other="raw", bases=("native", "plain")),
    Attribute("DS_MAD", [{"ds_mad": "dummy"}, {"attributes": {"ds_mad": "dummy"}}], "dummy", other="fs",
              bases=("native", "plain", "file"), lacking=False),
    Attribute("TM_MAD", [{"tm_mad": "ssh"}, {"attributes": {"tm_mad": "ssh"}}], "ssh", other="shared",
              bases=("plain", "system", "file"), lacking=False, along=TM_DECIDES),
    Attribute("RESTRICTED_DIRS", [{"restricted_dirs": dirs} for dirs in (["/etc", "/srv"], "/etc /srv", "/etc  /srv ")],
              "/etc /srv", same=("/etc  /srv", " /etc /srv"), other="/etc"),
    Attribute("SAFE_DIRS", [{"safe_dirs": ["/var/tmp", "/tmp"]}, {"attributes": {"safe_dirs": "/var/tmp /tmp"}}],
              "/var/tmp /tmp", same=("/var/tmp   /tmp",), other="/"),
    Attribute("NO_DECOMPRESS", [{"no_decompress": True}, {"attributes": {"no_decompress": True}}], "YES",
              same=("yes", "Yes"), other="NO"),
    Attribute("NO_DECOMPRESS", [{"attributes": {"no_decompress": "yes"}}], "yes", same=("YES",), other="NO",
              bases=("native",)),
    Attribute("NO_DECOMPRESS", [{"no_decompress": False}], "NO", same=("no",), other="YES", bases=("native",)),
    Attribute("LIMIT_MB", [{"attributes": {"LIMIT_MB": 10240}}, {"attributes": {"limit_mb": "10240"}}], "10240",
              other="10"),
    Attribute("QCOW2_STANDALONE", [{"attributes": {"QCOW2_STANDALONE": True}}], "YES", same=("yes",), other="NO",
              bases=("native",)),
    Attribute("LABELS", [{"attributes": {"Labels": AWKWARD}}], AWKWARD, other="A"),
    Attribute("ONE_1A", [{"attributes": {"1a": "x"}}], "x", other="y", bases=("plain",)),
    Attribute("ENDS", [{"attributes": {"ENDS": "\t two  words \n"}}], "two  words", other="one", bases=("plain",)),
    Attribute("EMPTY", [{"attributes": {"EMPTY": ""}}], "", other="full", bases=("plain", "native")),
    Attribute("VECTOR", [{"attributes": {"VECTOR": "flat"}}], "flat", other={"A": "1"}, bases=("plain",)),
]  # fmt: skip


@dataclass
class Case:
    """One datastore."""

    label: str
    arguments: dict
    there: dict | None  # its attributes when the state comes, None where it is not there
    changes: dict = field(default_factory=dict)  # key: (old, new)
    requests: list = field(default_factory=list)  # what changes something
    before: tuple = ()  # calls of the administrator, each of which gets the datastore's identifier: method, arguments
    along: tuple = ()

    def document(self, name):
        """The template that the administrator makes it from."""
        return template({"NAME": name, **COMMON, **self.there}) + ODD


def attribute_cases():
    for number, row in enumerate(ATTRIBUTES):
        for base in row.bases:
            arguments, has = BASES[base]
            has = {**UNMANAGED, **has}
            for nth, wanted in enumerate(row.wanted):
                label = f"{row.key}{number}-{base}-{nth}"
                asked = {**arguments, **wanted}
                everything = {**COMMON, **BASES[base][1], row.key: row.value}
                yield Case(
                    f"{label}-new",
                    asked,
                    None,
                    {key: (None, value) for key, value in everything.items() if value is not None},
                    ["datastore.allocate"],
                )
                for spelling in (row.value, *row.same):
                    yield Case(f"{label}-equal-{spelling}", asked, {**has, row.key: spelling})
                    # The spellings alike are one test; only the first way to ask is put against all of them.
                    if nth:
                        break
                yield Case(
                    f"{label}-different",
                    asked,
                    {**has, row.key: row.other},
                    {row.key: (row.other, row.value)},
                    ["datastore.update"],
                    along=row.along,
                )
                if row.lacking:
                    # oned says FILE where nothing is said, and gives directories that were not asked for.
                    old = {"DISK_TYPE": "FILE"}.get(row.key)
                    gone = {**has, "RESTRICTED_DIRS": "/", "SAFE_DIRS": "/"}
                    gone.pop(row.key, None)
                    yield Case(f"{label}-absent", asked, gone, {row.key: (old, row.value)}, ["datastore.update"])
            if row.key not in BASES[base][1] and row.lacking:
                yield Case(f"{row.key}{number}-{base}-unmanaged", arguments, {**has, row.key: row.other})


def removed(label, asked, there, changes=(), base="native"):
    """Attributes that are to be absent."""
    arguments, has = BASES[base]
    requests = ["datastore.update"] if changes else []
    return Case(label, {**arguments, **asked}, {**UNMANAGED, **has, **there}, dict(changes), requests)


def absence_cases():
    for base in BASES:
        for spelling in (["FOO"], ["foo"], "Foo"):
            asked = {"absent_attributes": spelling}
            label = f"without-{base}-{spelling}"
            yield removed(f"{label}-present", asked, {"FOO": "1"}, {"FOO": ("1", None)}, base)
            yield removed(f"{label}-absent", asked, {}, (), base)
    both = {"absent_attributes": ["FOO", "BAR"], "attributes": {"NEW": 1, "SAME": "s"}, "host": "kvm2"}
    yield removed(
        "one-update-for-all",
        both,
        {"FOO": "1", "BAR": "2", "SAME": "s"},
        {"FOO": ("1", None), "BAR": ("2", None), "NEW": (None, "1"), "GLUSTER_HOST": ("kvm1:24007", "kvm2:24007")},
    )
    several = {"driver": "qcow2", "safe_dirs": ["/tmp"], "no_decompress": True, "attributes": {"LIMIT_MB": 5}}
    yield removed(
        "one-merge-for-all",
        several,
        {"SAFE_DIRS": "/", "NO_DECOMPRESS": "NO"},
        {
            "DRIVER": ("raw", "qcow2"),
            "SAFE_DIRS": ("/", "/tmp"),
            "NO_DECOMPRESS": ("NO", "YES"),
            "LIMIT_MB": (None, "5"),
        },
    )
    for keys in ({}, {"driver": "qcow2"}):
        new = {"DRIVER": ("raw", "qcow2")} if keys else {}
        gluster = {"GLUSTER_HOST": ("kvm1:24007", None), "GLUSTER_VOLUME": ("one_vol", None)}
        changes = {"DISK_TYPE": ("GLUSTER", "FILE"), **gluster, **new}
        yield removed(f"native-to-fuse-{len(keys)}", keys, BASES["native"][1], changes, "fuse")
    changes = {key: ({"DISK_TYPE": "FILE"}.get(key), value) for key, value in BASES["native"][1].items()}
    yield removed("fuse-to-native", {}, {"DISK_TYPE": "FILE", **dict.fromkeys(BASES["native"][1])}, changes)
    decided = {"CLONE_TARGET": "SYSTEM", "LN_TARGET": "NONE", "ALLOW_ORPHANS": "format", "PERSISTENT_SNAPSHOTS": True}
    yield removed("named-in-small-letters", {"attributes": {"Note": "x"}}, {"note": "x"})
    yield removed("decided-by-oned", {"attributes": decided}, {})
    yield removed("decided-by-oned-system", {"attributes": {"CLONE_TARGET": "SYSTEM"}}, {}, (), "system")


KVM, LAB, EVE, STAFF = 100, 101, 2, 100  # identifiers of what the administrator makes first
WORLD = (
    ("cluster.allocate", "kvm"),
    ("cluster.allocate", "lab"),
    ("user.allocate", "eve", "Medlar-of-eve", "core", []),
    ("group.allocate", "staff"),
)


def adds(*clusters):
    return tuple(("cluster.adddatastore", cluster, "ID") for cluster in clusters)


def leaves(*clusters):
    return tuple(("cluster.deldatastore", cluster, "ID") for cluster in clusters)


ADD, DELETE = "cluster.adddatastore", "cluster.deldatastore"
# What is asked for, what the administrator did to the datastore before, the change and its requests; None: it is new.
OBJECTS = [
    ({"clusters": ["kvm"]}, None, {"clusters": (None, [KVM])}, []),
    ({"clusters": ["kvm", "lab"]}, None, {"clusters": (None, [KVM, LAB])}, [ADD]),
    ({"clusters": ["kvm"]}, (), {"clusters": ([0], [0, KVM])}, [ADD]),
    ({"clusters": "kvm"}, (), {"clusters": ([0], [0, KVM])}, [ADD]),
    ({"clusters": [KVM]}, (), {"clusters": ([0], [0, KVM])}, [ADD]),
    ({"clusters": [str(KVM), "kvm"]}, adds(KVM), {}, []),
    ({"clusters": ["default", 0]}, adds(LAB), {}, []),
    ({"clusters": ["lab", "kvm"]}, (), {"clusters": ([0], [0, KVM, LAB])}, [ADD, ADD]),
    ({"clusters": ["kvm"], "clusters_exact": True}, None, {"clusters": (None, [KVM])}, []),
    ({"clusters": ["kvm"], "clusters_exact": True}, (), {"clusters": ([0], [KVM])}, [ADD, DELETE]),
    ({"clusters": ["kvm"], "clusters_exact": True}, adds(KVM), {"clusters": ([0, KVM], [KVM])}, [DELETE]),
    ({"clusters": ["kvm"], "clusters_exact": True}, adds(KVM) + leaves(0), {}, []),
    ({"clusters": ["lab", "kvm"], "clusters_exact": True}, adds(KVM, LAB) + leaves(0), {}, []),
    ({"clusters": [], "clusters_exact": True}, (), {"clusters": ([0], [])}, [DELETE]),
    ({"clusters": [], "clusters_exact": True}, leaves(0), {}, []),
    ({"clusters": [], "clusters_exact": True}, None, {"clusters": (None, [])}, [DELETE]),
    ({"clusters": []}, (), {}, []),
    ({}, adds(KVM), {}, []),
    ({"owner": "eve"}, None, {"owner": (None, "eve")}, ["datastore.chown"]),
    ({"owner": "eve"}, (), {"owner": ("oneadmin", "eve")}, ["datastore.chown"]),
    ({"owner": "eve"}, (("datastore.chown", "ID", EVE, -1),), {}, []),
    ({}, (("datastore.chown", "ID", EVE, STAFF),), {}, []),
    ({"owner": "oneadmin"}, None, {"owner": (None, "oneadmin")}, []),
    ({"group": "staff"}, (), {"group": ("oneadmin", "staff")}, ["datastore.chown"]),
    ({"group": "staff"}, (("datastore.chown", "ID", -1, STAFF),), {}, []),
    ({"owner": "eve", "group": "staff"}, (), {"owner": ("oneadmin", "eve"), "group": ("oneadmin", "staff")},
     ["datastore.chown"]),
    *(({"permissions": same}, (), {}, []) for same in ("um-u-----", "640", 640)),
    *(({"permissions": other}, (), {"permissions": ("um-u-----", "um-um----")}, ["datastore.chmod"])
      for other in ("um-um----", "660", 660)),
    ({"permissions": 775}, (), {"permissions": ("um-u-----", "umaumau-a")}, ["datastore.chmod"]),
    ({"permissions": "640"}, None, {"permissions": (None, "um-u-----")}, []),
    ({"permissions": "600"}, None, {"permissions": (None, "um-------")}, ["datastore.chmod"]),
    ({}, (("datastore.chmod", "ID", 1, 1, 1, 1, 1, 1, 1, 1, 1),), {}, []),
]  # fmt: skip
ENABLED = [
    ({"enabled": True}, (), {}, []),
    ({"enabled": False}, (), {"state": ("READY", "DISABLED")}, ["datastore.enable"]),
    ({"enabled": True}, (("datastore.enable", "ID", False),), {"state": ("DISABLED", "READY")}, ["datastore.enable"]),
    ({"enabled": False}, (("datastore.enable", "ID", False),), {}, []),
    ({"enabled": False}, None, {"state": (None, "DISABLED")}, ["datastore.enable"]),
    ({}, (("datastore.enable", "ID", False),), {}, []),
]


def object_cases():
    for base in ("native", "system", "file"):
        for number, (asked, before, changes, requests) in enumerate(OBJECTS + (ENABLED if base == "system" else [])):
            arguments, has = BASES[base]
            label, asked = f"object{number}-{base}-{'-'.join(asked) or 'unmanaged'}", {**arguments, **asked}
            if before is None:
                everything = {key: (None, value) for key, value in {**COMMON, **has}.items() if value is not None}
                yield Case(label, asked, None, {**everything, **changes}, ["datastore.allocate", *requests])
            else:
                yield Case(label, asked, {**UNMANAGED, **has}, changes, requests, before)


def rename_cases():
    """By identifier, which the test puts in the place of "ID"."""
    for base in ("native", "system", "plain"):
        arguments, has = BASES[base]
        asked = {**arguments, "datastore_id": "ID", "name": "new name of {}"}
        renamed = {"name": ("{}", "new name of {}")}
        yield Case(f"by-id-{base}-renamed", asked, {**UNMANAGED, **has}, renamed, ["datastore.rename"])
        yield Case(f"by-id-{base}-as-it-is", {**arguments, "datastore_id": "ID"}, {**UNMANAGED, **has})
        yield Case(
            f"by-id-{base}-renamed-and-more",
            {**asked, "attributes": {"A": 1}, "clusters": ["kvm"]},
            {**UNMANAGED, **has},
            {**renamed, "A": (None, "1"), "clusters": ([0], [0, KVM])},
            ["datastore.update", "datastore.rename", ADD],
        )


CASES = [*attribute_cases(), *absence_cases(), *object_cases(), *rename_cases()]
