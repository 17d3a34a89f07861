"""docs/commands.md: the public commands by task, with the example and the first line of each one's docstring."""

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs/commands.md"
TASKS = {
    "Set up": (
        "gluster_one.adopt", "state.apply gluster_one", "state.orchestrate gluster_one.orchestrate.rollout",
        "state.apply gluster_one.pillar", "state.apply gluster_one.packages", "state.apply gluster_one.pool",
        "state.apply gluster_one.pool_options",
        "state.apply gluster_one.create", "state.apply gluster_one.volume", "state.apply gluster_one.glusterd",
        "state.apply gluster_one.mount", "state.apply gluster_one.datastore", "state.apply gluster_one.native",
        "state.apply gluster_one.beacon",
    ),
    "See what is wrong": (
        "gluster_one.status", "gluster_one.history", "gluster_one.check", "gluster_one_pillar.node",
        "gluster_one.hidden_modules",
    ),
    "Look at a node": (
        "gluster_one.mount_health", "gluster_one.apart", "gluster_one.machines", "gluster_one.native_access",
        "gluster_one.native_read", "gluster_one.images",
    ),
    "Before maintenance": (
        "gluster_one.ok_to_stop", "gluster_one.stop_blockers", "gluster_one.rollout_plan", "gluster_one.remount_plan",
    ),
    "Upgrade": (
        "state.orchestrate gluster_one.orchestrate.upgrade", "gluster_one.upgrade_plan",
        "state.apply gluster_one.upgrade", "gluster_upgrade.view", "gluster_upgrade.driver",
        "gluster_upgrade.lines", "gluster_upgrade.take_out_error", "gluster_upgrade.take_out",
        "gluster_upgrade.unhealed", "gluster_upgrade.held_for_down",
        "gluster_upgrade.op_versions", "gluster_upgrade.set_op_version",
    ),
    "Replace a server or a disk": (
        "state.orchestrate gluster_one.orchestrate.replace", "gluster_one.replace_plan",
        "state.apply gluster_one.replace", "gluster_replace.view", "gluster_replace.standing",
        "gluster_replace.readiness", "gluster_replace.is_named_by", "gluster_replace.restore_changes",
        "gluster_replace.restore", "gluster_replace.is_in_place", "gluster_replace.brick_changes",
        "gluster_replace.replace_brick", "gluster_replace.unhealed",
    ),
    "Grow": (
        "state.orchestrate gluster_one.orchestrate.grow",
    ),
    "Repair and restart": (
        "state.orchestrate gluster_one.orchestrate.repair_peer", "gluster_one.repair_plan",
        "state.apply gluster_one.repair", "gluster_repair.view", "gluster_repair.membership",
        "gluster_repair.accept_changes", "gluster_repair.restart_error", "gluster_repair.accept",
        "gluster_repair.start_again", "gluster_repair.forget_changes", "gluster_repair.forget", "gluster_repair.renew",
        "gluster_repair.not_joined",
        "gluster_one.remediate", "state.apply gluster_one.started", "state.apply gluster_one.restart",
        "state.apply gluster_one.bricks", "state.apply gluster_one.remount",
        "state.orchestrate gluster_one.orchestrate.restart", "state.orchestrate gluster_one.orchestrate.remount",
    ),
    "Leave": (
        "state.orchestrate gluster_one.orchestrate.leave", "state.apply gluster_one.absent",
        "state.apply gluster_one.absent_volume", "gluster_one.forget",
    ),
    "glusterd of one server": (
        "glusterd.service", "glusterd.unit", "glusterd.info", "glusterd.version", "glusterd.options",
        "glusterd.set_options",
        "glusterd.kept_changes", "glusterd.keep_bricks", "glusterd.drop_in", "glusterd.remove_drop_in",
        "glusterd.restart_changes", "glusterd.restart",
        "glusterd.peers", "glusterd.silent_peers", "glusterd.volumes", "glusterd.pool_options", "glusterd.bricks",
        "glusterd.directories", "glusterd.marks",
        "glusterd.end_brick", "glusterd.brick_ids", "glusterd.identity_changes", "glusterd.restore_identity",
        "glusterd.stored_snapshot", "glusterd.stored_peers", "glusterd.unfinished_probes", "glusterd.definitions",
        "glusterd.not_in_pool", "glusterd.stopped_processes", "glusterd.snapshots", "glusterd.take_out",
    ),
    "The datastores in OpenNebula": (
        "opennebula.datastore_list", "opennebula.datastore_info", "opennebula.image_list", "opennebula.vm_list",
        "opennebula.host_list", "opennebula.cluster_list", "opennebula.drivers", "opennebula.datastore_create",
        "opennebula.datastore_update", "opennebula.datastore_rename", "opennebula.datastore_enable",
        "opennebula.datastore_chmod", "opennebula.datastore_chown", "opennebula.cluster_datastore_add",
        "opennebula.cluster_datastore_remove", "opennebula.datastore_delete",
    ),
    "What the master asks its minions": (
        "gluster_one.report", "gluster_one.findings", "gluster_one.mark", "gluster_one_adopt.found",
    ),
}  # fmt: skip
HEAD = """# Commands

<!-- Made by `make format` from the docstrings and from the first line of each SLS file; do not edit. -->

By task. Arguments, what is returned and what is raised: `salt kvm1 sys.doc gluster_one.check`, and for the commands of
`salt-run`: `salt-run -d gluster_one.status`. Functions that are not here are internal and may change at any time.
"""
STATES = """
## States for your own SLS files

Arguments and an example: `salt kvm1 sys.state_doc gluster_one.datastore_mounted`.

| state | what it makes sure of | in the formula |
|---|---|---|
"""


def functions(folder):
    """The public functions of a folder of modules: {`gluster_one.check`: its docstring}."""
    found = {}
    for path in sorted((CHECKOUT / folder).glob("*.py")):
        text = path.read_text()
        virtual = re.search(r'^__virtualname__ = "(\w+)"', text, re.M)
        module = virtual[1] if virtual else path.stem
        for one in ast.parse(text).body:
            if isinstance(one, ast.FunctionDef) and one.name[0] != "_":
                found[f"{module}.{one.name}"] = ast.get_docstring(one) or ""
    return found


def sls():
    """The SLS files: {`gluster_one.mount`: its text}."""
    paths = sorted([*(CHECKOUT / "gluster_one").glob("*.sls"), *(CHECKOUT / "gluster_one/orchestrate").glob("*.sls")])
    parts = {path: path.relative_to(CHECKOUT).with_suffix("").parts for path in paths}
    return {".".join(part for part in parts[path] if part != "init"): path.read_text() for path in paths}


def commands():
    """All that can be typed: {what follows the target: (the example, what it does)}."""
    found = {}
    for name, text in {**functions("_modules"), **functions("_runners")}.items():
        examples = re.findall(rf"^ *(salt.* {name}(?: .*)?)$", text, re.M)
        found[name] = (examples[0] if examples else "", text.partition("\n")[0])
    for name, text in sls().items():
        does = " ".join(re.match(r"\{#- (.*?) -#\}", text, re.S)[1].split())
        word, target = ("orchestrate", "salt-run") if ".orchestrate." in name else ("apply", "salt '*'")
        found[f"state.{word} {name}"] = (f"{target} state.{word} {name}", does)
    return found


def row(*cells):
    text = re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", " | ".join(cells).replace("``", "`"))
    return f"| {text} |\n"


def page():
    known, text = commands(), HEAD
    for task, names in TASKS.items():
        text += f"\n## {task}\n\n| command | what it does |\n|---|---|\n"
        text += "".join(row(f"`{known[name][0]}`", known[name][1]) for name in names)
    text += STATES
    for name, docstring in functions("_states").items():
        within = ", ".join(f"`{one}`" for one, content in sls().items() if f"  {name}:\n" in content)
        text += row(f"`{name}`", docstring.partition("\n")[0], within or "-")
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
