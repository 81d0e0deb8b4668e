"""A client that may say anything: raw sockets, and answers read with a deadline."""

import json
import socket

HOST = "127.0.0.1"
SERVICE = "/databuild.v1.DataBuildService/"


class Wire:
    """One connection to the API under test."""

    def __init__(self, port, timeout=10.0, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((HOST, port))
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the server has closed meanwhile."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, socket.timeout):
            return False

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self.received += data
        return bool(data)

    def answer(self):
        """(status, body) of the next answer; (0, b"") when the connection ends without one."""
        while b"\r\n\r\n" not in self.received:
            if not self._more():
                return 0, b""
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, value = line.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        while len(self.received) < length:
            if not self._more():
                return 0, b""
        body, self.received = self.received[:length], self.received[length:]
        return int(head.split()[1]), body

    def ended(self):
        """True when the server closes within the deadline, whatever it still sends."""
        try:
            while self._more():
                self.received = b""
            return True
        except socket.timeout:
            return False


def get(target, *headers):
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: localhost", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(method, body, kind=b"application/json", length=None):
    path = method if method.startswith("/") else SERVICE + method
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) if length is None else length}\r\n"
            "Content-Type: ").encode() + kind + b"\r\n\r\n" + body


def chunked(*pieces):
    return (f"POST {SERVICE}ListWants HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n").encode() + b"".join(pieces)


def ask(port, data, **options):
    """One request on a connection of its own."""
    with Wire(port, **options) as wire:
        wire.send(data)
        return wire.answer()


def code_of(body):
    """The error's code; empty for an answer that is no error of the API."""
    try:
        return json.loads(body).get("code", "")
    except (ValueError, AttributeError):
        return ""
