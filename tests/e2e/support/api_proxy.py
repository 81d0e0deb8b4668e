"""A proxy in front of the API server, plain HTTP on loopback, that can be told to go wrong.

It speaks to the server as the user of a kubeconfig. Faults: the operator dies at the i-th write (see
fault_plan), watches freeze and the past is listed again (freeze, thaw), watches are cut.
"""

import http.client
import http.server
import json
import re
import socket
import threading
import urllib.parse

from support.fault_plan import Write

MUTATING = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NO_WRITES = re.compile(r"/(leases|tokenreviews|subjectaccessreviews)(/|$)")
GONE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version"}
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


def version_of(item):
    return int(item.get("metadata", {}).get("resourceVersion") or 0)


class ApiProxy:
    """Start it, point an operator's kubeconfig at `url`. Thread-safe."""

    def __init__(self, kube, plan):
        self.kube, self.plan = kube, plan
        self.deletes = []           # (path, body) of every DELETE asked for
        self._frozen_at = None      # resourceVersion whose future nobody is shown
        self._cuts = 0              # raised to end every open watch
        self._expired = 0           # watches opened before so many cuts lost what was held back
        self._watches = set()       # connections that carry one
        self._lock = threading.Condition()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, name="api-proxy",
                                        kwargs={"poll_interval": 0.1})
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self):
        self.thaw()
        self.cut_watches()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- an API server that lives in the past ---------------------------------------------------

    def freeze(self, version):
        """From now on lists show the objects as of `version`, and watches nothing newer."""
        with self._lock:
            self._frozen_at = int(version)

    def thaw(self):
        with self._lock:
            self._frozen_at = None
            self._lock.notify_all()

    def cut_watches(self):
        """Ends every open watch in the middle of its stream."""
        with self._lock:
            self._cuts += 1
            self._lock.notify_all()
            for connection in self._watches:
                connection.sock.shutdown(socket.SHUT_RDWR)

    def forget(self):
        """Thaws, without what was held back: watches end as too old, and the next list is all."""
        with self._lock:
            self._frozen_at = None
            self._expired = self._cuts + 1
        self.cut_watches()

    def expired(self, cuts):
        """Whether a watch opened after so many cuts is to be told that its version is gone."""
        with self._lock:
            return cuts < self._expired

    def watching(self, connection, on):
        with self._lock:
            (self._watches.add if on else self._watches.discard)(connection)

    def frozen_at(self):
        with self._lock:
            return self._frozen_at

    def cuts(self):
        with self._lock:
            return self._cuts

    def may_pass(self, version, cuts):
        """Waits until a watch may show an object of that version; False: the watch was cut."""
        with self._lock:
            while self._frozen_at is not None and version > self._frozen_at and cuts == self._cuts:
                self._lock.wait(1)
            return cuts == self._cuts

    def rewritten(self, path, query):
        """The path of a list or watch, with the past asked for while frozen."""
        frozen = self.frozen_at()
        if frozen is not None and "watch" not in query and "continue" not in query:
            query["resourceVersion"] = [str(frozen)]
            query["resourceVersionMatch"] = ["Exact"]
        return path + "?" + urllib.parse.urlencode(query, doseq=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None
    upstream = None

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # one of the two ends is gone; the client will see that

    def finish(self):
        if self.upstream:
            self.upstream.close()
        try:
            super().finish()
        except OSError:
            pass

    def pass_on(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        path, _, text = self.path.partition("?")
        query = urllib.parse.parse_qs(text, keep_blank_values=True)
        last_segment = path.rstrip("/").rpartition("/")[2]
        is_list = self.command == "GET" and last_segment in COLLECTIONS
        if self.command == "DELETE":
            self.owner.deletes.append((path, json.loads(body or b"{}")))
        if is_list and "watch" in query:
            return self._watch(path, query)
        if last_segment == "log" and "follow" in query:
            return self._follow()
        target = self.owner.rewritten(path, query) if is_list else self.path
        counts = self.command in MUTATING and "dryRun" not in query and not NO_WRITES.search(path)
        if not counts:
            answer = self._ask(target, body)
            return self._reply(answer, answer.read())
        return self._write(target, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    def _write(self, target, body):
        plan = self.owner.plan
        last = plan.begin(MUTATING[self.command])
        if last and not plan.after:
            self.close_connection = True
            plan.strike(MUTATING[self.command])
            return
        answer = self._ask(target, body)
        data = answer.read()
        plan.done(Write(MUTATING[self.command], target, answer.status, _parsed(data)))
        if last:
            self.close_connection = True
            plan.strike(MUTATING[self.command])
            return
        self._reply(answer, data)

    def _ask(self, target, body):
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in HOP_BY_HOP | {"accept-encoding"}}
        if self.upstream is None:
            self.upstream = self.owner.kube.connect(120)
        self.upstream.request(self.command, target, body=body,
                              headers=self.owner.kube.authorized(headers))
        return self.upstream.getresponse()

    def _reply(self, answer, data):
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, path, query):
        cuts = self.owner.cuts()
        answer = self._ask(self.owner.rewritten(path, query), None)
        if answer.status != 200:
            return self._reply(answer, answer.read())
        self.close_connection = True
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.upstream.sock.settimeout(None)
        self.owner.watching(self.upstream, True)
        try:
            for line in iter(answer.readline, b""):
                if not self.owner.may_pass(version_of(json.loads(line).get("object", {})), cuts):
                    break
                self._chunk(line)
        except (OSError, http.client.HTTPException, ValueError):
            pass  # cut, perhaps in the middle of a line, or one of the two ends is gone
        finally:
            self.owner.watching(self.upstream, False)
        if self.owner.expired(cuts):
            self._chunk(json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n")
        if self.owner.expired(cuts) or cuts == self.owner.cuts():
            self._chunk(b"")

    def _follow(self):
        """A pod's log, as it grows."""
        answer = self._ask(self.path, None)
        if answer.status != 200:
            return self._reply(answer, answer.read())
        self.close_connection = True
        self.send_response_only(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.upstream.sock.settimeout(None)
        while data := answer.read1(65536):
            self._chunk(data)
        self._chunk(b"")

    def _chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def _parsed(data):
    try:
        return json.loads(data)
    except ValueError:
        return {}


COLLECTIONS = {"wants", "taints", "datajobs", "jobs", "pods", "nodes", "events"}
