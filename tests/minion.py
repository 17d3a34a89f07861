"""A minion that lives in a directory of its own, for Salt's loaders."""

import logging
import os
from pathlib import Path

from lab.fleet import CHECKOUT

_mappings = {}


def list_modules_once():
    """Salt's loaders map the files of all modules anew for each run of states, which takes half of a test's time."""
    from salt.loader.lazy import LazyLoader

    if LazyLoader._refresh_file_mapping.__name__ == "remembered":
        return
    refresh = LazyLoader._refresh_file_mapping

    def remembered(loader):
        names = tuple((path, *os.listdir(path)) for path in loader.module_dirs if os.path.isdir(path))
        key = names, tuple(loader.static_modules), tuple(loader.disabled)
        if key not in _mappings:
            refresh(loader)
            _mappings[key] = loader.file_mapping, loader.suffix_map, loader.suffix_order
        loader.file_mapping, loader.suffix_map, loader.suffix_order = (each.copy() for each in _mappings[key])

    LazyLoader._refresh_file_mapping = remembered


def count_no_options():
    """
    Salt asks of the options whether there are any, for each loader: without an answer of their own Python counts them,
    which takes a third of a run of states.
    """
    try:
        from salt.utils.optsdict import OptsDict
    except ImportError:  # before 3008
        return
    OptsDict.__bool__ = lambda options: any(key in options for key in options._get_all_keys())


def minion_opts(home, name="head", pillar=None):
    """Its options."""
    import salt.config

    list_modules_once()
    count_no_options()
    # Salt lets everything through, which pytest then writes down twice for each test.
    logging.getLogger().setLevel(logging.INFO)
    tree = home / "states"
    for directory in (tree, home / "pillar", home / "cache", home / "pki"):
        directory.mkdir(parents=True)
    # The checkout itself would do for file_roots, and Salt would list its virtual environment for 20 s.
    for folder in ("_modules", "_states", "_utils", "gluster_one"):
        (tree / folder).symlink_to(CHECKOUT / folder)
    (home / "pillar/top.sls").write_text("base: {'*': [data]}\n")
    write_pillar(home, pillar or {})
    opts = salt.config.minion_config(None)
    opts.update(
        id=name,
        root_dir=str(home),
        cachedir=str(home / "cache"),
        # Outside of the cache, which is emptied after each test: what sync_all brings stays.
        extension_modules=str(home / "extmods"),
        pki_dir=str(home / "pki"),
        sock_dir=str(home / "sock"),
        log_file=str(home / "log"),
        file_client="local",
        file_roots={"base": [str(tree)]},
        pillar_roots={"base": [str(home / "pillar")]},
        enable_fqdns_grains=False,
        enable_gpu_grains=False,
    )
    return opts


def write_pillar(home, data):
    """What the minion's pillar is from now on. No Jinja: Salt logs what that makes of a file."""
    import salt.utils.yaml

    (Path(home) / "pillar/data.sls").write_text("#!yaml\n" + salt.utils.yaml.safe_dump(data))
