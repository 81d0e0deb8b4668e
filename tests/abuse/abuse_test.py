#!/usr/bin/env python3
"""What strangers may do to the API: malformed, slow, huge and cunning requests over real sockets.

    abuse_test.py PROGRAM

PROGRAM (served_api) is the service as the operator starts it. After every attack an honest client must be served at
once; at the end the same process still serves, has closed what was opened, and its memory is within 50 MiB of what it
was.
"""

import pathlib
import resource
import socket
import struct
import subprocess
import sys
import time

import attacks
from wire import HOST, Wire, ask, get

MOST_GROWTH = 50 * 1024 * 1024
PATIENCE = 20.0  # seconds until closed connections are gone


class Served:
    """The process under attack."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def rss(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def honest(self):
        """Seconds until an honest client has its answer; dies when it gets none."""
        begin = time.monotonic()
        status, body = ask(self.port, get(b"/api/v1/graphs/sales/wants?page_size=5"))
        assert status == 200 and b'"wants"' in body, f"an honest client got {status}: {body[:200]}"
        return time.monotonic() - begin

    def settle(self, descriptors):
        """Waits until no more descriptors are open than there were."""
        end = time.monotonic() + PATIENCE
        while self.descriptors() > descriptors:
            assert time.monotonic() < end, f"{self.descriptors()} descriptors are open, there were {descriptors}"
            assert self.honest() < 5


def warm_up(served):
    """What honest traffic makes a process grow by: large answers, large bodies, many clients."""
    for _ in range(3):
        clients = [Wire(served.port) for _ in range(32)]
        for client in clients:
            client.send(get(b"/api/v1/graphs/sales/events?limit=300"))
        for client in clients:
            assert client.answer()[0] == 200
            client.socket.close()
        for fill in (attacks.huge_bodies, attacks.json_bombs, attacks.protobuf_bombs):
            fill(served)  # bodies up to the limit of all together, and of one, parsed


def many_idle(served):
    """10,000 connections that say nothing: the oldest idle ones make room, each new one is served."""
    slowest = 0.0
    idle = []
    for number in range(10_000):
        idle.append(socket.create_connection((HOST, served.port), timeout=10))
        if number % 500 == 0:
            slowest = max(slowest, served.honest())
    assert slowest < 5, f"an honest client waited {slowest:.1f} s"
    for connection in idle:
        connection.close()


def connect_and_reset(served):
    """3,000 connections that are reset in the middle of a request."""
    for number in range(3_000):
        connection = socket.create_connection((HOST, served.port), timeout=10)
        connection.send(b"GET /api/v1/graphs/sales/wants HTTP/1.1\r\n" + b"\r\n" * (number % 2))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 12_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))  # root may
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    served = Served(sys.argv[1])
    try:
        open_before = served.descriptors()
        warm_up(served)
        served.settle(open_before)
        before = served.rss()
        print(f"warm: {before >> 20} MiB", flush=True)
        for attack in [*attacks.ALL, many_idle, connect_and_reset]:
            begin = time.monotonic()
            attack(served)
            waited = served.honest()
            assert waited < 5, f"after {attack.__name__} an honest client waited {waited:.1f} s"
            print(f"{attack.__name__}: {time.monotonic() - begin:.1f} s, {served.rss() >> 20} MiB", flush=True)
        served.settle(open_before)
        after = served.rss()
        assert served.process.poll() is None
        assert after - before <= MOST_GROWTH, f"{before >> 20} MiB became {after >> 20} MiB"
        print(f"{before >> 20} MiB before, {after >> 20} MiB after")
    finally:
        served.process.stdin.close()
        ended = served.process.wait(timeout=30)
    assert ended == 0, f"the server ended with {ended}"


if __name__ == "__main__":
    main()
