"""
What confines QEMU: AppArmor and SELinux
========================================
"""

import contextlib
import os
import re

import salt.utils.files

__virtualname__ = "gluster_confinement"

APPARMOR = "/sys/kernel/security/apparmor/profiles"
NO_RULES = r"\.|README$|.*(~$|\.(dpkg-|rpm|orig$|rej$))"
QEMU_CONF = "/etc/libvirt/qemu.conf"
SELINUX = "/sys/fs/selinux"


def __virtual__():
    return __virtualname__


def confinement(tops):
    """
    What confines QEMU, where AppArmor or SELinux is in force, so that it may not open what lies in some directories.

    tops
        The directories (list of strings).

    Returns a list of lists, each of what confines, what was seen, what is expected and what to do::

        [["SELinux", "virt_use_fusefs is off", "on", "setsebool -P virt_use_fusefs on"]]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_confinement.confinement '[/var/lib/one/datastores]'
    """
    drivers, found = _security_drivers(), []
    # libvirt uses AppArmor where its own daemon has a profile; that of virt-aa-helper stays when the daemon's is off.
    if "apparmor" in drivers and re.search(r"(?m)^(\S*/)?(libvirtd|virtqemud) \(", _text(APPARMOR)):
        system = __utils__["gluster_system.values"]()
        files = system.get("apparmor_rules") or []
        rules = list(_rules(files, system.get("apparmor_directory", "")))
        for top in tops if files else []:
            if not _allows(rules, top):
                rule = f"add `{top}/** rwk,` to {files[0]}"
                found.append(["AppArmor", f"no rule for {top} in libvirt-qemu", "QEMU may open it", rule])
    boolean = "virt_use_fusefs"
    enforcing = "selinux" in drivers and "1" in _text(f"{SELINUX}/enforce")
    if enforcing and "1" not in _text(f"{SELINUX}/booleans/{boolean}"):
        found.append(["SELinux", f"{boolean} is off", "on", f"setsebool -P {boolean} on"])
    return found


def _text(path):
    """
    What is in a file, empty where there is none.
    """
    with contextlib.suppress(OSError), salt.utils.files.fopen(path, errors="replace") as stream:
        return stream.read()
    return ""


def _security_drivers():
    """
    What libvirt may confine VMs with: where qemu.conf does not say, it takes what is in force.
    """
    said = re.sub("#.*", "", _text(QEMU_CONF))
    values = dict(re.findall(r"(?m)^\s*(security_\w+)\s*=\s*(\[[^]]*\]|\S+)", said))
    if values.get("security_default_confined") == "0":
        return []
    return re.findall(r"\w+", values.get("security_driver", "")) or ["selinux", "apparmor"]


def _rules(files, directory):
    """
    The lines of AppArmor's files for QEMU and of what they include from its directory, without comments.
    """
    left, known = list(files), set()
    while left:
        path = left.pop()
        if path in known:
            continue
        known.add(path)
        if os.path.isdir(path):  # AppArmor leaves out what editors and packages leave there
            left += [os.path.join(path, name) for name in os.listdir(path) if not re.match(NO_RULES, name)]
            continue
        for line in _text(path).splitlines():
            include = re.match(r'\s*#?include\s+(?:if\s+exists\s+)?[<"]?([^>"\s]+)', line)
            if include:
                left.append(os.path.join(directory, include[1]))
            else:
                yield line.partition("#")[0].strip()


def _allows(lines, top):
    """
    Whether rules of AppArmor let QEMU read and write what lies in a directory, or in some of those below it.
    """
    variables, granted, denied = {}, set(), set()
    for line in lines:
        variable = re.match(r"(@\{\w+\})\s*\+?=(.*)", line)
        if variable:
            variables.setdefault(variable[1], []).extend(variable[2].replace('"', "").split())
        elif line.startswith("profile ") and re.search("complain|unconfined", line):
            return True
    # Rules end with a comma; those within braces and quotes are of a path.
    rules = [rule for line in lines for rule in re.findall(r'(?:\{(?:[^{}]|\{[^{}]*\})*\}|"[^"]*"|[^,])+', line)]
    for rule in rules:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rule)]
        paths = [word for word in words if word[:1] in ("/", "@", "{")]
        rights = [word for word in words if re.fullmatch("[rwalkmxipucPUC]+", word)]
        if words[-1:] == ["file"]:
            paths, rights = ["/**"], ["rw"]
        if len(paths) != 1 or len(rights) != 1:
            continue
        path = _spelled_out(paths[0], variables)
        if _covers(path, f"{top}/0/1/disk.0"):
            (denied if "deny" in words else granted).update(rights[0])
        elif "deny" not in words and path.startswith(f"{top}/") and path != f"{top}/":
            granted.update(rights[0])
    return {"r", "w"} <= granted - denied


def _spelled_out(path, variables):
    """
    A path of AppArmor with the values of its variables, which may have others in them.
    """
    for _ in range(5):
        for name, values in variables.items():
            path = path.replace(name, values[0] if len(values) == 1 else f"{{{','.join(values)}}}")
    return re.sub("/+", "/", path)


def _covers(pattern, path):
    """
    Whether a path with AppArmor's wildcards fits a path.
    """
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    parts = re.findall(r"\*\*|\[[^]]*\]|.", pattern)
    with contextlib.suppress(re.error):
        return bool(
            re.fullmatch("".join(signs.get(part) or (part if part[1:] else re.escape(part)) for part in parts), path)
        )
    return False
