"""
What lies beneath a mount
=========================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.
"""

import sys

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

MOST_FILES = 1000

# In a mount namespace of its own, the directory above is mounted elsewhere: without what is mounted in it. Over itself
# would do, but for the root, which stays what it was for the process. It is reached one component after the other: who
# owns one of them may exchange it for a link at any moment.
LIST = """
import ctypes, os, sys
sys.excepthook = lambda kind, error, _: print(error, file=sys.stderr)
*above, name = sys.argv[1].strip("/").split("/")
walk = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
at = os.open("/", walk)
for part in above:
    at = os.open(part, walk, dir_fd=at)
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"/proc/self/fd/%d" % at, b"/tmp", None, 4096, None):  # MS_BIND
    sys.exit(os.strerror(ctypes.get_errno()))
inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=os.open("/tmp", walk))
with os.scandir(inside) as entries:
    names = [os.fsencode(entry.name) for entry, _ in zip(entries, range(int(sys.argv[2])))]
sys.stdout.buffer.write(b"\\0".join(names))
"""


def __virtual__():
    return __virtualname__


def hidden(path):
    """
    What lies on the local disk beneath a mounted directory: files that were written while nothing was mounted.

    path
        The directory on which something is mounted (string).

    Returns a sorted list of at most 1000 names, empty when there is nothing.

    Raises CommandExecutionError when it cannot be looked at.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.hidden /var/lib/gluster_one/one_vol
    """
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-I", "-S", "-c", LIST]
    status, out, error = __salt__["gluster_one.child"]([*command, path, str(MOST_FILES)])
    if status != 0:
        raise CommandExecutionError(f"What lies beneath {path} cannot be looked at: {error}")
    return sorted(__salt__["gluster_one.visible"](name) for name in out.split("\0") if name)
