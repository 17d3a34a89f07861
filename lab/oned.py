#!/usr/bin/python3
"""A stand-in for oned, OpenNebula's daemon: its XML-RPC interface and its rules, without a cloud.

    oned.py --auth one_auth [--listen 127.0.0.1:2633] [--datastores DIR [--monitor SECONDS]] [--log FILE]
            [--tls CERT [KEY]]

The files oned_*.py lie beside it. The auth file holds `user:password` of the administrator. Port 0 takes a free one;
the first line on standard output is the endpoint. It starts as a fresh OpenNebula and keeps everything in memory.
With --datastores it does on disk what oned's drivers do: it makes the directory of each datastore that they monitor and
measures the file system found there, at once and then every 300 seconds (--monitor), and puts images into it; without,
sizes are 0 and any path is an image of 1 MB. Each request is one line on standard error (and in the log), without its
session, passwords and tokens.

Tests get at what oned would meet by other ways through `POST /lab`, from the same machine only, with a JSON object:

    {"log": true}           answers {"log": [{"method", "user", "arguments", "code"}, ...]}, those since the last time
    {"reset": true}         a fresh OpenNebula, which behaves
    {"drivers": "fs,ceph"}  the datastore drivers that run: what follows -d in DATASTORE_MAD
    {"encrypted": [NAME, ...]}  the attributes of datastores that are kept encrypted: DATASTORE_ENCRYPTED_ATTR
    {"put": {"vm": {...}}}  makes a VM and answers {"id": n}: name, uid, state and lcm_state (3 and 3: running),
                            host, ds (its system datastore) and disks, each a dict of attributes; one with IMAGE_ID has
                            the rest from its image and that image's datastore, as oned does it. Others go to the
                            template
    {"put": {"image": {"id": n, ...}}}  sets what an image is: state, format, source, size, snapshots (list of dicts)
    {"before": [[METHOD, ARGUMENT, ...], ...], "method": M}  calls that the administrator makes just before the next M
    {"fail": [CODE, TEXT]}  an error instead of an answer
    {"slow": SECONDS}       an answer, but later
    {"hang": true}, {"garbage": true}, {"status": 503}
                            nothing, until another word here; a page that is not XML; an HTTP error
    {"edit": [PATTERN, TEXT]}  what the answer's document has of a regular expression is TEXT
    {"drop": true}          does what is asked and breaks off half-way through the answer
    {"behave": true}        ends the troubles

A trouble, from "fail" to "drop", ends the one before. "method" limits it to one method and "times" to so many requests.
Of these only "slow", "edit" and "drop" do what is asked.
"""

import argparse
import json
import re
import ssl
import sys
import time
import xmlrpc.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from xml.parsers.expat import ExpatError

import oned_conf as conf
from oned_lab import Lab
from oned_rules import Oned


class Server(ThreadingHTTPServer):
    """The daemon on the wire: each connection has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, lab, log=None, tls=None):
        super().__init__(address, Handler)
        self.lab, self.log, self.tls = lab, log, tls

    def server_bind(self):
        """Without the look-up of the host's name, which can take long where nobody answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def finish_request(self, request, client_address):
        """Shake hands in the connection's own thread: a client that does not, keeps nobody waiting."""
        if not self.tls:
            super().finish_request(request, client_address)
            return
        with self.tls.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request, client_address):
        """A client that has gone, or does not trust the certificate, is worth a line."""
        self.write(f"connection: {sys.exc_info()[1]!r}")

    def write(self, line):
        for stream in filter(None, (sys.stderr, self.log)):
            print(time.strftime("%H:%M:%S"), line, file=stream, flush=True)


class Handler(BaseHTTPRequestHandler):
    """One connection, which stays open between requests."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together, or each answer would wait for an acknowledgement

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/lab":
            self.do_lab(body)
        elif self.path in ("/", "/RPC2"):
            self.do_call(body)
        else:
            self.send_error(404)

    def do_lab(self, body):
        if self.client_address[0] != self.connection.getsockname()[0]:
            self.send_error(403)
            return
        try:
            answer = self.server.lab.command(json.loads(body))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            answer = {"error": repr(error)}
        self.answer(json.dumps(answer), "application/json")

    def do_call(self, body):
        try:
            arguments, method = xmlrpc.client.loads(body, use_builtin_types=True)
        except (ExpatError, ValueError, TypeError, xmlrpc.client.Error):
            self.answer(xmlrpc.client.dumps(xmlrpc.client.Fault(conf.BAD_XML, "Call is not valid XML-RPC")))
            return
        kind, value = self.server.lab.trouble_for(method)
        if kind == "slow":
            time.sleep(value)
        elif kind == "hang":
            self.server.lab.wait_for_change()
            self.close_connection = True
            return
        elif kind == "status":
            self.send_error(value)
            return
        elif kind == "garbage":
            self.answer("<html>It works!", "text/html")
            return
        answer = self.reply(method, list(arguments), kind, value)
        self.answer(answer, cut=kind == "drop")

    def reply(self, method, arguments, kind, value):
        """Do what is asked, or fail, and note it without the session."""
        lab, caller = self.server.lab, None
        try:
            if kind == "fail":
                reply = [False, f"[{method}] {value[1]}", value[0], -1, -1]
            else:
                lab.intervene(method)
                caller, reply = lab.oned.call(method, arguments)
                if kind == "edit":
                    reply[1] = re.sub(*value, reply[1])
            code, answer = reply[2], xmlrpc.client.dumps((reply,), methodresponse=True)
        except xmlrpc.client.Fault as fault:
            code, answer = fault.faultCode, xmlrpc.client.dumps(fault)
        self.server.write(lab.note(method, caller, arguments[1:], code))
        return answer

    def answer(self, text, kind="text/xml; charset=utf-8", cut=False):
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_):
        """The requests are noted by what they ask, not by their lines."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:2633", metavar="ADDRESS:PORT")
    parser.add_argument("--auth", required=True, metavar="FILE")
    parser.add_argument("--datastores", metavar="DIR")
    parser.add_argument("--monitor", type=float, default=300, metavar="SECONDS")
    parser.add_argument("--log", metavar="FILE")
    parser.add_argument("--tls", nargs="+", metavar="FILE")
    options = parser.parse_args()
    with open(options.auth, encoding="utf-8") as stream:
        admin = stream.read().strip()
    log = open(options.log, "a", encoding="utf-8") if options.log else None  # noqa: SIM115 (as long as this runs)
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
    address, port = options.listen.rsplit(":", 1)
    server = Server((address, int(port)), Lab(lambda: Oned(admin, options.datastores, options.monitor)), log, tls)
    print(f"http{'s' if tls else ''}://{address}:{server.server_port}/RPC2", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
