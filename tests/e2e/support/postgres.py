"""A Postgres of the tests' own on this machine, and a proxy in front of it that knows appends.

The proxy reads the frontend protocol: a group of messages that binds the statement which inserts into
bel_events is a write of the operator (see fault_plan).
"""

import glob
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading

from support.fault_plan import Write
from support.waiting import eventually


class Postgres:
    """One server on a unix socket; nobody else sees it."""

    def __init__(self):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        assert programs, "no Postgres on this machine: deploy/packages.sh"
        self._bin = programs[-1]
        self.folder = tempfile.mkdtemp(prefix="databuild-e2e-pg-")
        shutil.chown(self.folder, "postgres")
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "databuild", "-A", "trust", "-E",
                  "UTF8", "--locale=C", "--no-sync")
        self._server = subprocess.Popen(
            self._command("postgres", "-D", f"{self.folder}/data", "-k", self.folder, "-c",
                          "listen_addresses="),
            stdout=subprocess.DEVNULL, stderr=open(f"{self.folder}/log", "wb"))
        eventually("Postgres accepts connections", self._answers, 30, every=0.1)

    def _command(self, program, *args):
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        return [*user, f"{self._bin}/{program}", *args]

    def _run(self, program, *args):
        subprocess.run(self._command(program, *args), check=True, capture_output=True, timeout=60)

    def _answers(self):
        pid_file = pathlib.Path(self.folder, "data", "postmaster.pid")
        return pid_file.exists() and "ready" in pid_file.read_text(encoding="utf-8")

    @property
    def socket(self):
        return f"{self.folder}/.s.PGSQL.5432"

    def stop(self):
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(30)
        shutil.rmtree(self.folder)


def message(stream):
    """One typed message: its type and all its bytes; nothing at the end of the stream."""
    head = exactly(stream, 5)
    if not head:
        return b"", b""
    return head[:1], head + exactly(stream, struct.unpack("!I", head[1:])[0] - 4)


def exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            return b""
        data += more
    return data


class PostgresProxy:
    """TCP on loopback to the server's socket; every append asks the plan."""

    def __init__(self, postgres, plan):
        self.postgres, self.plan = postgres, plan
        proxy = self

        class Handler(_Connection):
            owner = proxy

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, name="postgres-proxy",
                                        kwargs={"poll_interval": 0.1})
        self._thread.start()

    @property
    def uri(self):
        port = self._server.server_address[1]
        return f"postgres://databuild@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Connection(socketserver.BaseRequestHandler):
    owner = None

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server_side = socket.socket(socket.AF_UNIX)
        self.server_side.connect(self.owner.postgres.socket)
        self.held = threading.Event()      # the answer to come is the one that gets lost
        self.committed = threading.Event()
        self.groups = []                   # for each Sync on its way: whether it is an append
        answers = threading.Thread(target=self._pass_answers, daemon=True)
        answers.start()
        try:
            self._pass_requests()
        except OSError:
            pass
        finally:
            for side in (self.server_side, self.request):
                try:
                    side.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            answers.join(10)
            self.server_side.close()

    def _pass_requests(self):
        head = exactly(self.request, 4)  # the start-up message has no type
        if not head:
            return
        self.server_side.sendall(head + exactly(self.request, struct.unpack("!I", head)[0] - 4))
        names, append, group = set(), False, b""
        while True:
            kind, data = message(self.request)
            if not kind:
                return
            group += data
            if kind == b"P":
                name, sql = data[5:].split(b"\0")[:2]
                if b"INSERT INTO bel_events" in sql:
                    names.add(name)
            elif kind == b"B":
                append = append or data[5:].split(b"\0")[1] in names
            elif kind in (b"S", b"Q", b"H", b"p", b"X"):
                if append and kind == b"S":
                    if not self._append(group):
                        return
                    append = False
                else:
                    self._send(group, kind in (b"S", b"Q"), False)
                group = b""

    def _send(self, group, answered, append):
        if answered:
            self.groups.append(append)
        self.server_side.sendall(group)

    def _append(self, group):
        """False: the operator is dead."""
        plan = self.owner.plan
        last = plan.begin("append")
        if last and not plan.after:
            plan.strike("append")
            return False
        if last:
            self.held.set()
        self._send(group, True, True)
        if last:
            self.committed.wait(30)
            plan.strike("append")
        return not last

    def _pass_answers(self):
        try:
            while True:
                kind, data = message(self.server_side)
                if not kind:
                    break
                append = kind == b"Z" and self.groups and self.groups.pop(0)
                if append:
                    self.owner.plan.done(Write("append", "", 200, {}))
                if self.held.is_set():
                    if append and not any(self.groups):
                        self.committed.set()
                    continue
                self.request.sendall(data)
        except OSError:
            pass
        try:
            self.request.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
