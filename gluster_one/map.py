#!py
"""
This minion's part in the formula, for the SLS files: the pillar, checked, with defaults and the system's values.

Salt syncs custom modules by itself only for a highstate. So that the first `state.apply gluster_one` finds them too,
and one after an update the new ones, the first SLS file of a run syncs those that differ from what modules.sha256 says.
"""

import ast
import os
import re

from salt.loader import _module_dirs, minion_mods, utils  # the name salt is __salt__ in this file
from salt.loader.context import NamedLoaderContext
from salt.utils.hashutils import get_hash

# Salt's names of the kinds of modules: of the loader's tag, and of the option that names more directories of them.
TAGS = {"modules": "module", "states": "states", "utils": "utils", "beacons": "beacons"}
DIRECTORIES = {"utils": "utils_dirs"}
SSH = (
    "this formula does not run by salt-ssh, whose master renders it without the node's modules: use a minion, or "
    "`salt-call --local state.apply gluster_one` on the node (docs/install.md)"
)


def run():
    if "__master_opts__" in __opts__:  # salt-ssh alone has them
        return {"reload": False, "node": {"errors": [SSH]}}
    pillar = __pillar__.get("gluster_one") or {}
    ours = _ours()
    stale = sorted({kind for kind, _ in (*_differing(ours), *_clashes(ours))})
    for kind in stale:
        __salt__[f"saltutil.sync_{kind}"](refresh=False)
    if stale:
        # The beacon lives in the minion's own process, which would keep using the modules that it has loaded.
        __salt__["saltutil.refresh_modules"]()
        _rescan()
    # What was synced only now is not among the functions with which this run of states began.
    reload = bool(stale) or "gluster_one_run.shared" not in __salt__
    for table in ("os.yaml", "findings.yaml"):  # gluster_system reads the copies, between the runs, too
        __salt__["cp.cache_file"](f"salt://gluster_one/{table}", saltenv=__env__)
    functions = minion_mods(__opts__, utils=utils(__opts__)) if reload else __salt__
    left, clashes = (_differing(ours), _clashes(ours)) if stale else ([], {})
    errors = [*([_mixed(left, ours)] if left else []), *clashes.values()]
    node = {"errors": errors} if errors else functions["gluster_one_pillar.node"](pillar=pillar)
    # Kept where the other SLS files of this run look, or they would not know that there is something to reload.
    keep = __salt__ if "gluster_one_run.shared" in __salt__ else functions
    return keep["gluster_one_run.shared"](pillar, {"reload": reload, "node": node})


def _rescan():
    """
    Have this run's functions know of the files that were synced only now. A name that they do not know they would look
    for in each of Salt's own modules before, which takes two seconds of the processor.
    """
    functions = __salt__.value() if isinstance(__salt__, NamedLoaderContext) else __salt__
    if hasattr(type(functions), "_refresh_file_mapping"):
        functions._refresh_file_mapping()


def _ours():
    """
    The checksums of the formula's modules by kind and file.
    """
    lines = __salt__["cp.get_file_str"]("salt://gluster_one/modules.sha256", saltenv=__env__).splitlines()
    return {tuple(path[1:].split("/")): checksum for checksum, path in map(str.split, lines)}


def _differing(ours):
    """
    The modules of which this minion has others, or none.
    """
    paths = {each: os.path.join(__opts__["extension_modules"], *each) for each in ours}
    return [each for each, path in paths.items() if not os.path.exists(path) or get_hash(path) != ours[each]]


def _mixed(left, ours):
    """
    Why this is not to be run: modules of this minion are not those of these SLS files. Another file root may have some
    of the same name, or those are of another version that the minion gets, from its top file's environments.
    """
    sync = f"`salt {__grains__['id']} saltutil.sync_all saltenv={__env__}`"
    stamp = "after a change of your own write the checksums, `python3 -m lab.stamp` in the clone"
    for kind, name in left:
        path = f"_{kind}/{name}"
        served = __salt__["cp.cache_file"](f"salt://{path}", saltenv=__env__)
        if served and get_hash(served) == ours[kind, name]:
            continue
        root, own = _root(path), _root("gluster_one/modules.sha256")
        cure = f"rename that file, or put this formula's root first in file_roots, and {sync}"
        if not root:
            return (
                f"the master serves another salt://{path} than this formula's: a file root before its own has one "
                f"(`salt-run gluster_one.hidden_modules` names it): {cure}; or it was edited: {stamp}"
            )
        if root != own:
            return (
                f"{path} of the file root {root} is not this formula's module, and hides it, because {root} stands "
                f"before this formula's root, {own}: {cure}"
            )
    kinds = ", ".join(sorted({kind for kind, _ in left}))
    return (
        f"{kinds} on this minion are not those of saltenv {__env__}: sync them, {sync}; right after an update the "
        "master may not list its new files yet, as it looks every 20 s (fileserver_list_cache_time): run again; "
        f"{stamp}"
    )


def _root(path):
    """
    The file root that has a file; None where the master has it, which does not say.
    """
    if __opts__.get("file_client") != "local":
        return None
    roots = __opts__["file_roots"].get(__env__) or []
    return next((root for root in roots if os.path.exists(os.path.join(root, path))), None)


def _clashes(ours):
    """
    Modules of others that go by the virtual name of one of ours: of two functions of one name the one that happens to
    be loaded first is called. By kind and path, what is wrong.
    """
    found, extension = {}, __opts__.get("extension_modules")
    for kind in sorted({kind for kind, _ in ours}):
        names = {}
        for name in [name for each, name in ours if each == kind]:
            path = os.path.join(extension, kind, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8") as stream:
                    said = re.search(r'^__virtualname__ = "(\w+)"', stream.read(), re.MULTILINE)
                names.setdefault(said[1] if said else name[:-3], name)
        directories = _module_dirs(__opts__, kind, TAGS[kind], ext_type_dirs=DIRECTORIES.get(kind))[
            :-1
        ]  # without Salt's
        for directory in dict.fromkeys(each for each in directories if os.path.isdir(each)):
            for name in sorted(os.listdir(directory)):
                path = os.path.join(directory, name)
                if directory == os.path.join(extension, kind) and (kind, name) in ours:
                    continue
                # A copy, as of the minion's own where `salt-call` has another cachedir, is the same whoever is loaded.
                if (kind, name) in ours and os.path.isfile(path) and get_hash(path) == ours[kind, name]:
                    continue
                clash = sorted(_virtual_names(path) & set(names))
                if clash:
                    found[kind, path] = _clash(kind, path, clash[0], names[clash[0]])
    return found


def _clash(kind, path, virtual, own):
    name, minion = os.path.basename(path), __grains__["id"]
    if os.path.dirname(path) == os.path.join(__opts__["extension_modules"], kind):
        roots = [_root(f"_{kind}/{name}"), _root(f"_{kind}/{own}")]
        roots = " and ".join(filter(None, roots)) or "`salt-run config.get file_roots` on the master names the roots"
        path = f"_{kind}/{name} of the file roots ({roots})"
    return (
        f"{path} is loaded as {virtual}, as this formula's _{kind}/{own} is, and which of them is called is chance: "
        f"rename it (its file and __virtualname__), or remove it, and `salt {minion} saltutil.sync_all`"
    )


def _virtual_names(path):
    """
    The names by which Salt may load a file, without loading it.
    """
    file = os.path.join(path, "__init__.py") if os.path.isdir(path) else path
    if not (file.endswith(".py") and os.path.isfile(file)):
        return set()
    own = {os.path.basename(path).removesuffix(".py")}
    try:
        with open(file, "rb") as stream:
            tree = ast.parse(stream.read())
    except (SyntaxError, ValueError):
        return own
    texts = lambda node: {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}  # noqa: E731
    named, virtual = set(), set()
    for node in tree.body:
        targets = {getattr(target, "id", None) for target in getattr(node, "targets", ())}
        if targets & {"__virtualname__", "__virtual_aliases__"}:
            named |= texts(node)
        if isinstance(node, ast.FunctionDef) and node.name == "__virtual__":
            virtual = set().union(*(texts(each) for each in ast.walk(node) if isinstance(each, ast.Return)), named)
    return (named or own) | {each for each in virtual if isinstance(each, str)}
