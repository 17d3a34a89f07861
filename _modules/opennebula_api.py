"""
OpenNebula's XML-RPC interface, one request at a time
=====================================================

Through pyone. Everything that speaks with oned goes through :func:`call`.

Where oned is and who asks comes from the pillar's ``gluster_one:opennebula``, key by key:

==============  ===================================================================================================
``endpoint``    URL (string, default ``http://localhost:2633/RPC2``)
``auth_file``   file with ``user:password`` (string, default ``/var/lib/one/.one/one_auth``, which OpenNebula itself
                leaves on the head)
``username``    with ``password`` or ``token`` (strings): instead of the file
``timeout``     seconds for connecting, and for each answer (int, default 30)
``ca_file``     certificate authority of an https endpoint (string, default those that the Python package requests
                brings along, not the system's); it is always verified
``proxy``       use the proxy that the environment names (bool, default false)
==============  ===================================================================================================

``endpoint``, ``auth_file`` and ``api_timeout`` may be given to each function instead; credentials may not, because Salt
logs and stores arguments.
"""

import os
import re
import time

import salt.utils.args
import salt.utils.files
from salt.exceptions import CommandExecutionError

try:
    import pyone
    import requests
except ImportError:
    pyone = None

__virtualname__ = "opennebula_api"

ENDPOINT = "http://localhost:2633/RPC2"
AUTH_FILE = "/var/lib/one/.one/one_auth"
TIMEOUT = 30
# Seconds before a request that reads is sent again, after a connection that was refused or broke off.
PAUSES = (0.5, 2)
# What oned refuses: pyone's exceptions, oned's codes, and what to do.
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
        ``endpoint``, ``auth_file``, ``api_timeout``: see above.

    Returns what oned answers: a number, a string, or a document as a dict in OpenNebula's own names::

        {"DATASTORE": [{"ID": 0, "NAME": "system", "CLUSTERS": {"ID": [0]}, "TEMPLATE": {"TM_MAD": "shared"}, ...}]}

    Raises CommandExecutionError, in one line with the endpoint, the request and what to do, when pyone is missing,
    there are no credentials, oned does not answer in time, or it refuses (``code`` of the exception is oned's then). A
    request that reads is sent again, twice, when the connection was refused or broke off.

    CLI Example:

    .. code-block:: bash

        salt head opennebula_api.call datastorepool.info
    """
    if pyone is None:
        raise CommandExecutionError(
            "pyone is not installed for this minion's Python: `salt-pip install pyone` (onedir) or `pip install pyone`"
        )
    settings = dict((__pillar__.get("gluster_one") or {}).get("opennebula") or {})
    # On the command line Salt adds words of its own (__pub_fun, ...) to those of a function that takes any.
    given = salt.utils.args.clean_kwargs(**connection)
    settings.update({key: given[key] for key in ("endpoint", "auth_file") if given.get(key)})
    settings = {"endpoint": ENDPOINT, "timeout": TIMEOUT, **settings}
    settings["timeout"] = given.get("api_timeout") or settings["timeout"]
    _check(settings)
    session, source = _session(settings)
    read = method.endswith((".info", ".infoextended")) or method.startswith("system.")
    # What changes something may have been done before the connection broke: only what reads is asked again.
    for pause in (*(PAUSES if read else ()), None):
        try:
            return _plain(_send(settings, session, method, args))
        # Whatever pyone, requests and the parsers of an answer that is none may raise.
        except Exception as exc:  # pylint: disable=broad-except
            failure = exc
        if pause is None or not _passing(failure):
            break
        time.sleep(pause)
    what, cure = _explained(failure, f"one.{method}", settings, source)
    if not read and isinstance(failure, requests.exceptions.RequestException):
        cure += "; it may have been carried out: run again to see"
    error = CommandExecutionError(f"OpenNebula at {settings['endpoint']} {what}: {cure}")
    error.code = REFUSALS.get(type(failure).__name__, (None,))[0]
    raise error


def _check(settings):
    """
    Settings that lead nowhere.
    """
    endpoint, authority = settings["endpoint"], settings.get("ca_file")
    if not re.match(r"https?://[^/]", endpoint):
        raise CommandExecutionError(
            f"OpenNebula's endpoint is {endpoint!r}: a URL such as {ENDPOINT} is needed, correct it"
        )
    if authority and not os.access(authority, os.R_OK):
        raise CommandExecutionError(
            f"The certificate authority of OpenNebula at {endpoint} cannot be read from {authority}: correct "
            "gluster_one:opennebula:ca_file"
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
        return f"refused {request}: {text}{f' ({code})' if code else ''}", cure
    if _late(failure):
        return f"did not answer {request} within {settings['timeout']} s", oned
    if isinstance(failure, requests.exceptions.SSLError):
        cure = "correct it, or name its authority as ca_file"
        return f"has no valid certificate for {request} ({_certificate(failure)})", cure
    if _passing(failure) and hasattr((*failure.args, None)[0], "reason"):  # urllib3 could not connect
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
    try:
        with salt.utils.files.fopen(path, encoding="utf-8", errors="replace") as stream:
            session = stream.readline().strip()
    except OSError as exc:
        raise CommandExecutionError(
            f"OpenNebula's credentials cannot be read from {path} ({exc.strerror}): run this on the head, or name the "
            "file in gluster_one:opennebula:auth_file"
        ) from None
    if ":" not in session:
        raise CommandExecutionError(f"OpenNebula's credentials in {path} are not of the form user:password")
    return session, path


def _request(transport, settings):
    """
    How the transport is to send. pyone's own way has no time limit but one for all sockets of the process, and takes a
    proxy from the environment.
    """

    def request(host, handler, request_body, verbose=False):
        with requests.Session() as session:
            session.trust_env = bool(settings.get("proxy"))
            answer = session.post(
                transport._build_url(host, handler),
                data=request_body,
                headers=transport.headers,
                timeout=settings["timeout"],
                allow_redirects=False,  # to nobody else: it holds the credentials
                verify=settings.get("ca_file") or True,
            )
            answer.raise_for_status()
            return transport.parse_response(answer)

    return request


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
