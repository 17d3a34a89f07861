"""Run a command inside a host as if it were typed there: `python3 enter.py PID CGROUP CGROUP -- COMMAND...`

Exit status, the three standard streams, the terminal and signals pass through. `nsenter` alone does not do: a signal
sent to it ends it and leaves the command running.
"""

import ctypes
import os
import signal
import sys
import warnings  # noqa: F401 - os.execvpe imports it: too late in a host, whose Python may be another

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
}
PR_SET_PDEATHSIG = 1
# The terminal sends these to the command as well, as both are in its foreground group: those are not sent again.
PASSED_ON = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
    signal.SIGTSTP,
}


def enter(pid, cgroups, command):
    """Run command in the namespaces of process pid and in these cgroups; return its wait status."""
    libc = ctypes.CDLL(None, use_errno=True)
    for cgroup in cgroups:
        os.makedirs(cgroup, exist_ok=True)
        with open(f"{cgroup}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))
    namespaces = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("cgroup", "uts", "ipc", "net", "mnt")]
    inner_pids = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)

    def join(namespace):
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), "cannot enter the host")

    # The parent waits for signals itself, so none may come before it does.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})
    join(inner_pids)  # for children only
    child = os.fork()
    if child == 0:
        try:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for namespace in namespaces:
                join(namespace)
            os.chdir("/root")
            environment = dict(ENVIRONMENT, TERM=os.environ.get("TERM", "dumb"))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON | {signal.SIGCHLD})
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, a command must not
            os.environ["PATH"] = environment["PATH"]
            os.execvpe(command[0], command, environment)
        except OSError as error:
            print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    return _wait(child)


def _wait(child):
    """Pass signals on until the child ends. A child that the terminal stops stops us too."""
    while True:
        info = signal.sigwaitinfo(PASSED_ON | {signal.SIGCHLD})
        if info.si_signo != signal.SIGCHLD:
            if info.si_code <= 0:  # sent by a process, not by the terminal
                os.kill(child, info.si_signo)
            continue
        done, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if done and os.WIFSTOPPED(status):
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(child, signal.SIGCONT)
        elif done:
            return status


def end_like(status):
    """End this process as the command ended: with its exit status, or by the same signal."""
    sys.stdout.flush()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    split = sys.argv.index("--")
    end_like(enter(int(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]))
