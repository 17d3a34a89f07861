"""
OpenNebula's XML-RPC interface, one request at a time
=====================================================

Through pyone. Everything that speaks with oned goes through :func:`call`.

Where oned is and who asks comes from the pillar's ``gluster_one:opennebula``, key by key:

==============  ===================================================================================================
``endpoint``    URL (string, default ``http://localhost:2633/RPC2``)
``auth_file``   file with ``user:password`` (string, default ``/var/lib/one/.one/one_auth``, which OpenNebula itself
                leaves on the head): a regular file of at most 4 kB. root reads it where nobody else can write the file
                or a directory above it, otherwise the user ``gluster_one:user`` does (default ``oneadmin``)
``username``    with ``password`` or ``token`` (strings): instead of the file
``timeout``     seconds for connecting, and for each whole answer (int, default 30)
``ca_file``     certificate authority of an https endpoint (string, default those that the Python package requests
                brings along, not the system's); it is always verified
``proxy``       use the proxy that the environment names (bool, default false)
==============  ===================================================================================================

``endpoint``, ``auth_file`` and ``api_timeout`` may be given to each function instead, and ``wait``, the seconds to wait
for an oned whose port is closed, as it is while oned starts (number, default 0); credentials may not, because Salt logs
and stores arguments. A state may name any endpoint. A function that is called by itself (by ``salt``,
``salt-call`` or a schedule) may name only the pillar's, or the default: whoever may call one that reads (by
``publisher_acl``) could send the credentials anywhere otherwise.

An answer of more than 64 MB, a compressed one and one with a DOCTYPE are errors.
"""

import contextlib
import importlib
import os
import re
import socket
import stat
import threading
import time
from xml.parsers import expat

import salt.utils.args
from salt.exceptions import CommandExecutionError

importlib.invalidate_caches()  # pyone may have come since the minion started
try:
    import pyone
    import requests
    import urllib3
except ImportError as exc:
    pyone, WHY = None, exc

__virtualname__ = "opennebula_api"

ENDPOINT = "http://localhost:2633/RPC2"
AUTH_FILE = "/var/lib/one/.one/one_auth"
TIMEOUT = 30
ANSWER_MB = 64
USER = "oneadmin"
AUTH_BYTES = 4096
OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
AUTHORITY_MB = 16
# What a file may be instead of one.
KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link",
         stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}  # fmt: skip
# Print a file's mode and, if it is a regular file, what it holds. A file that becomes a FIFO in between does not block.
READ = f"""stat -L -c %f -- "$1" && test -f "$1" &&
exec dd if="$1" iflag=nonblock,fullblock bs={AUTH_BYTES + 1} count=1 status=none"""
# pyone before 7.1 has none that could be taken over.
HEADERS = {"Content-Type": "text/xml", "Accept": "*/*", "Accept-Encoding": "identity"}
# Seconds before a request that reads is sent again, after a connection that was refused or broke off.
PAUSES = (0.5, 2)
# What oned rejects: pyone's exceptions, oned's codes, and what to do.
REFUSALS = {
    "OneAuthenticationException": (256, ""),
    "OneAuthorizationException": (512, "use a user of the group oneadmin, or allow it with `oneacl create`"),
    "OneNoExistsException": (1024, "correct the identifier; if it was deleted a moment ago, run again"),
    "OneActionException": (2048, "put that right first, and run again"),
    "OneApiException": (4096, "correct the arguments"),
    "OneInternalException": (8192, "correct what it names; /var/log/one/oned.log on the head may say more"),
}


def __virtual__():
    return __virtualname__


def call(method, *args, **connection):
    """
    Send one request.

    method
        OpenNebula's name of it, without ``one.`` (string), such as ``datastorepool.info``.

    args
        Its arguments, without the session.

    connection
        ``endpoint``, ``auth_file``, ``api_timeout``, ``wait``: see above.

    Returns what oned answers: a number, or to what reads a document as a dict in OpenNebula's own names::

        {"DATASTORE": [{"ID": 0, "NAME": "system", "CLUSTERS": {"ID": [0]}, "TEMPLATE": {"TM_MAD": "shared"}, ...}]}

    Raises CommandExecutionError, in one line with the endpoint, the request and what to do, when pyone is missing or
    older than 7, there are no credentials, a job names another endpoint than the pillar's, oned does not answer in
    time, its answer is not a valid one, or it rejects the request (``code`` of the exception is oned's then). A request
    that reads is sent again, twice, when the connection was refused or broke off. ``unsure`` of the exception is True
    where a request that changes something may have been carried out.

    CLI Example:

    .. code-block:: bash

        salt head opennebula_api.call datastorepool.info
    """
    lacks = __salt__["gluster_one_packages.pyone_missing"]()
    if pyone is None or lacks:
        cure = "install what it says is missing, then restart salt-minion"
        raise CommandExecutionError(lacks or f"pyone of this minion's Python cannot be loaded ({WHY}): {cure}")
    settings = dict((__pillar__.get("gluster_one") or {}).get("opennebula") or {})
    # On the command line Salt adds words of its own (__pub_fun, ...) to those of a function that takes any.
    given = salt.utils.args.clean_kwargs(**connection)
    settings = {"endpoint": ENDPOINT, "timeout": TIMEOUT, **settings}
    # Those words tell a job from a state: Salt adds them itself, and nobody can leave them out.
    if len(given) < len(connection) and (given.get("endpoint") or settings["endpoint"]) != settings["endpoint"]:
        raise CommandExecutionError(
            f"A function called by itself asks the endpoint of the pillar alone, {settings['endpoint']}, and not "
            f"{given['endpoint']!r}: put that into gluster_one:opennebula:endpoint"
        )
    settings.update({key: given[key] for key in ("endpoint", "auth_file") if given.get(key)})
    settings["timeout"] = given.get("api_timeout") or settings["timeout"]
    _check(settings)
    session, source = _session(settings)
    read = method.endswith((".info", ".infoextended", ".config"))
    # What changes something may have been done before the connection broke: only what reads is asked again. Of a
    # connection that was refused nothing has come to oned.
    pauses, begin, endpoint = iter(PAUSES if read else ()), time.monotonic(), settings["endpoint"]
    wait = given.get("wait") or 0
    if __context__.get(f"opennebula_api.closed {endpoint}", begin - wait - 1) > begin - wait:
        wait = 0  # it was waited for in vain just now
    while True:
        try:
            return _fitting(_plain(_send(settings, session, method, args)), read)
        # Whatever pyone, requests and the parsers of an answer that is none may raise.
        except Exception as exc:  # pylint: disable=broad-except
            failure = exc
        pause, passed = None, time.monotonic() - begin
        if _refused(failure) and passed < wait:
            __utils__["gluster_states.announce_wait"](
                f"OpenNebula at {endpoint} does not answer", "port closed", passed
            )
            pause = min(1, wait - passed)
        elif _passing(failure):
            pause = next(pauses, None)
        if pause is None:
            break
        time.sleep(pause)
    if wait and _refused(failure):
        __context__[f"opennebula_api.closed {endpoint}"] = time.monotonic()
    what, cure = _explained(failure, f"one.{method}", settings, source)
    if wait and _refused(failure):
        what += f" within {wait} s"
    unsure = not read and isinstance(failure, requests.exceptions.RequestException) and not _unconnected(failure)
    if unsure:
        cure += "; it may have been carried out: run again to see"
    error = CommandExecutionError(f"OpenNebula at {endpoint} {what}: {cure}")
    error.unsure = unsure
    error.code = REFUSALS.get(type(failure).__name__, (None,))[0]
    raise error


def _fitting(answer, read):
    """
    An answer of the kind that oned gives: a document to what reads, a number to what changes something.
    """
    if not isinstance(answer, dict if read else int):
        raise _UnfitError("is no document" if read else "is no number")
    return answer


def _check(settings):
    """
    Reject settings that cannot work.
    """
    endpoint, authority, timeout = settings["endpoint"], settings.get("ca_file"), settings["timeout"]
    if not re.match(r"https?://[^/]", str(endpoint)):
        raise CommandExecutionError(
            f"OpenNebula's endpoint is {endpoint!r}: a URL such as {ENDPOINT} is needed, correct it"
        )
    try:
        if authority:
            os.close(_authority(authority))
    except OSError:
        raise CommandExecutionError(
            f"The certificate authority of OpenNebula at {endpoint} cannot be read from {authority}: correct "
            "gluster_one:opennebula:ca_file"
        ) from None
    if not isinstance(timeout, (int, float)) or not 0 < timeout <= threading.TIMEOUT_MAX:
        raise CommandExecutionError(
            f"The time limit of OpenNebula at {endpoint} is {timeout!r}: a number of seconds is needed, correct it"
        )


def _send(settings, session, method, args):
    server = pyone.OneServer(settings["endpoint"], session=session)
    transport = server("transport")
    transport.request = _request(transport, settings)
    function = server
    for part in method.split("."):
        function = getattr(function, part)
    return function(*args)


def _passing(failure):
    """
    Whether a failure may have passed a moment later: a connection that was refused or broke off, no time limit.
    """
    broken = requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError
    lasting = isinstance(failure, requests.exceptions.SSLError) or _late(failure)
    return isinstance(failure, broken) and not lasting


def _unconnected(failure):
    """
    Whether there was no connection at all.
    """
    return _passing(failure) and hasattr((*failure.args, None)[0], "reason")


def _refused(failure):
    """
    Whether nobody listens at the port.
    """
    reason = failure.args[0].reason if _unconnected(failure) else None
    return isinstance(
        getattr(reason, "__cause__", None) or getattr(reason, "__context__", None), ConnectionRefusedError
    )


def _late(failure):
    """
    Whether the time limit was reached; in the middle of an answer requests calls that a broken connection.
    """
    return isinstance(failure, requests.exceptions.Timeout) or "Read timed out" in str(failure)


def _explained(failure, request, settings, source):
    """
    What happened, and what to do.
    """
    oned, port = "see /var/log/one/oned.log on the head", "is the endpoint oned's XML-RPC port?"
    if isinstance(failure, pyone.OneAuthenticationException):
        if settings.get("token"):
            cure = "it has expired or is wrong, make a new one with `oneuser token-create`"
            return f"did not accept the login token from {source} for {request}", cure
        return f"did not accept the credentials from {source} for {request}", (
            "correct them (a login token may have expired)"
        )
    if isinstance(failure, pyone.OneException):
        code, cure = REFUSALS.get(type(failure).__name__, (None, oned))
        text = re.sub(r"^\[[\w.]+\] ", "", " ".join(str(failure).split())).rstrip(".")
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:500])
        return f"rejected {request}: {text}{f' ({code})' if code else ''}", cure
    if isinstance(failure, _UnfitError):
        return f"gave an answer to {request} that {failure}", port
    if _late(failure):
        return f"did not answer {request} within {settings['timeout']} s", oned
    if isinstance(failure, requests.exceptions.SSLError):
        cure = "correct it, or name its authority as ca_file"
        return f"has no valid certificate for {request} ({_certificate(failure)})", cure
    if _unconnected(failure):
        return f"cannot be reached for {request}", (
            "start it with `systemctl start opennebula`, or correct the endpoint"
        )
    if _passing(failure):
        return f"broke off the connection during {request}", oned
    if isinstance(failure, requests.exceptions.HTTPError):
        return f"answered {request} with HTTP status {failure.response.status_code}", port
    # Its text could hold what was sent, so it is not shown.
    return f"gave no valid answer to {request} ({type(failure).__name__})", port


def _session(settings):
    """
    The session string, and where it is from.
    """
    secret = settings.get("token") or settings.get("password")
    if secret or settings.get("username"):
        if not (secret and settings.get("username")):
            raise CommandExecutionError(
                "gluster_one:opennebula needs username and password (or token), or none of them"
            )
        return f"{settings['username']}:{secret}", "the pillar's gluster_one:opennebula"
    path = settings.get("auth_file") or AUTH_FILE
    session = _auth(path).partition("\n")[0].strip()
    if ":" not in session:
        raise CommandExecutionError(f"OpenNebula's credentials in {path} are not of the form user:password")
    return session, path


def _auth(path):
    """
    What the file with the credentials holds.

    It usually lies in a directory of oneadmin's, who may put anything at its place: a link to a file of root's, a FIFO,
    something endless. So root reads it only where nobody else can have put it there.
    """
    refused = f"OpenNebula's credentials cannot be read from {path!s}"
    if not (isinstance(path, str) and path.startswith("/") and path.isprintable()):
        raise CommandExecutionError(
            f"OpenNebula's credentials cannot be read from {path!r}: name the absolute path of a file with "
            "user:password in gluster_one:opennebula:auth_file"
        )
    cure = "run this on the head, or name the file in gluster_one:opennebula:auth_file"
    try:
        # Who is not root can read nothing that it may not.
        descriptor, others = _roots(path) if os.geteuid() == 0 else (os.open(path, OPEN), None)
        if descriptor is not None:
            mode = os.fstat(descriptor).st_mode
            text = os.read(descriptor, AUTH_BYTES + 1).decode("utf-8", "replace") if stat.S_ISREG(mode) else ""
            os.close(descriptor)
    except OSError as exc:
        raise CommandExecutionError(f"{refused} ({exc.strerror}): {cure}") from None
    if descriptor is None:
        user = account()
        _, out, error = __utils__["gluster_process.run"](["sh", "-c", READ, "sh", path], user=user)
        mode, _, text = out.partition("\n")
        if error or not mode:
            why = error.rpartition(": ")[2]
            raise CommandExecutionError(f"{refused} as {user} ({why}), because {others}: {cure}")
        mode = int(mode, 16)
    kind = None if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no file")
    if kind or len(text) > AUTH_BYTES:
        kind = kind or f"larger than {AUTH_BYTES} bytes"
        raise CommandExecutionError(f"{refused}, which is {kind}: put a file with user:password there")
    return text


def account():
    """
    The account of this node that OpenNebula's files belong to.

    Returns a string: ``gluster_one:user`` of the pillar, else what the formula has for this operating system.

    CLI Example:

    .. code-block:: bash

        salt head opennebula_api.account
    """
    # Never None: what is done as that user would be done as root.
    user = (__pillar__.get("gluster_one") or {}).get("user")
    return user or __utils__["gluster_system.values"]().get("user") or USER


def _roots(path):
    """
    Open a file to read it, if nobody but root can have put it there: a descriptor and None, or else None and who can.

    It goes from directory to directory by descriptors, so that it opens what it has looked at. In a sticky directory
    such as /tmp nobody but root can make or replace a directory of root's, but anybody a file: by a hard link.
    """
    *above, name = [part for part in path.split("/") if part] or ["."]
    directory, shown = os.open("/", os.O_PATH | os.O_CLOEXEC), "/"
    try:
        for part in [*above, None]:
            status = os.fstat(directory)
            writable = status.st_mode & 0o022
            if status.st_uid != 0 or (writable and not (part and status.st_mode & stat.S_ISVTX)):
                return None, f"{shown} is not root's alone"
            if not stat.S_ISDIR(status.st_mode):
                return None, f"{shown} is {KINDS.get(stat.S_IFMT(status.st_mode), 'a file')}"
            if part:
                below = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
                os.close(directory)
                directory, shown = below, os.path.join(shown, part)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if status.st_uid != 0 or status.st_mode & 0o022 or stat.S_ISLNK(status.st_mode):
            return None, f"{path} is {'a link' if stat.S_ISLNK(status.st_mode) else 'writable by others than root'}"
        return os.open(name, OPEN | os.O_NOFOLLOW, dir_fd=directory), None
    finally:
        os.close(directory)


class _UnfitError(Exception):
    """
    An answer that is not read any further; the text says why.
    """


class _Deadline:
    """
    Ends the connections of one request when its time is over, wherever it waits: the limits of requests are a byte's.
    """

    def __init__(self, seconds):
        self.over, self.sockets, self.pools, self.lock = False, [], [], threading.Lock()
        self.timer = threading.Timer(seconds, self._end)
        self.timer.daemon = True

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, *exception):
        self.timer.cancel()
        with self.lock:
            for each in (*self.sockets, *self.pools):
                each.close()

    def _end(self):
        with self.lock:
            self.over = True
            for each in self.sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def watched(self, pool):
        """
        A pool of urllib3 whose connections end then.
        """

        def connected(connection):
            made = super(Watched, connection)._new_conn()
            with self.lock:
                if self.over:
                    made.close()
                    raise TimeoutError("it took too long to connect")
                self.sockets.append(made.dup())  # TLS takes the socket itself over
            return made

        Watched = type("Watched", (pool.ConnectionCls,), {"_new_conn": connected})
        pool.ConnectionCls = Watched
        self.pools.append(pool)
        return pool


def _request(transport, settings):
    """
    How the transport is to send. pyone's own way has no time limit but one for all sockets of the process, no limit of
    size, and takes a proxy from the environment.
    """

    def request(host, handler, request_body, verbose=False):
        with contextlib.ExitStack() as stack:
            verify = True
            if settings.get("ca_file"):
                descriptor = _authority(settings["ca_file"])
                stack.callback(os.close, descriptor)
                verify = f"/proc/self/fd/{descriptor}"
            session = stack.enter_context(requests.Session())
            deadline = stack.enter_context(_Deadline(settings["timeout"]))
            adapter = requests.adapters.HTTPAdapter()
            # requests before 2.32 has only the latter.
            find = getattr(adapter, "get_connection_with_tls_context", adapter.get_connection)
            setattr(adapter, find.__name__, lambda *words, **named: deadline.watched(find(*words, **named)))
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            session.trust_env = bool(settings.get("proxy"))
            # To nobody else: it holds the credentials. And requests would read all of a redirection's answer.
            session.get_redirect_target = lambda answer: None
            try:
                with session.post(
                    transport._build_url(host, handler),
                    data=request_body,
                    headers=HEADERS,
                    timeout=settings["timeout"],
                    allow_redirects=False,
                    verify=verify,
                    stream=True,
                ) as answer:
                    answer.raise_for_status()
                    body = _body(answer)
            except Exception:
                if not deadline.over:
                    raise
            if deadline.over:  # an answer without a length seems to be complete
                raise requests.exceptions.Timeout("the deadline") from None
        return _values(transport, body)

    return request


def _authority(path):
    """
    A descriptor of a certificate authority, which OpenSSL can open without waiting for it and read to its end.
    """
    descriptor = os.open(path, OPEN)
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size <= AUTHORITY_MB << 20):
        return descriptor
    os.close(descriptor)
    raise OSError("no file of a certificate authority")


def _body(answer):
    """
    An answer's bytes, of which there are not too many.
    """
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _UnfitError("is compressed, which was not asked for")
    body = bytearray()
    try:
        # Of requests' own ways to read, one takes the sizes of chunks for lines of any length.
        while part := answer.raw.read(65536, decode_content=False):
            body += part
            if len(body) > ANSWER_MB << 20:
                raise _UnfitError(f"is larger than {ANSWER_MB} MB")
    except urllib3.exceptions.ReadTimeoutError as exc:
        raise requests.exceptions.ReadTimeout(exc) from None
    except urllib3.exceptions.HTTPError as exc:
        raise requests.exceptions.ChunkedEncodingError(exc) from None
    return bytes(body)


def _values(transport, body):
    """
    What an answer says, and that a document in it is one that pyone may parse.
    """
    _without_doctype(body)
    parser, unmarshaller = transport.getparser()
    parser.feed(body)
    parser.close()
    values = unmarshaller.close()
    reply = values[0] if len(values) == 1 else None
    if isinstance(reply, list) and len(reply) > 1 and reply[0] and isinstance(reply[1], str) and reply[1][:1] == "<":
        _without_doctype(reply[1])
    return values


def _without_doctype(document):
    """
    That a document has no document type, whose entities some versions of lxml (4.9) look up in files. pyone hands lxml
    UTF-8, so that a text that names another encoding would be read otherwise there than here.
    """

    def doctype(*_):
        raise _UnfitError("has a DOCTYPE")

    def declared(_, encoding, *__):
        if isinstance(document, str) and (encoding or "utf-8").lower() != "utf-8":
            raise _UnfitError("has a document of another encoding than UTF-8")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.XmlDeclHandler = doctype, declared
    parser.Parse(document, True)


def _certificate(error):
    """
    The reason of a certificate's refusal, out of the many layers that wrap it.
    """
    while error.__context__ is not None:
        error = error.__context__
    return str(getattr(error, "verify_message", "") or error)


def _plain(value):
    """
    pyone's objects as dicts: their members of upper-case names that have a value.
    """
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if hasattr(value, "__dict__"):
        members = vars(value).items()
        return {key: _plain(member) for key, member in members if key.isupper() and member is not None}
    return value
