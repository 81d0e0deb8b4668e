"""The attacks of the abuse suite. Each takes the served process and asserts what every client must be told."""

import json
import select
import time
import urllib.parse

from wire import SERVICE, Wire, ask, chunked, code_of, get, post

WANTS = b"/api/v1/graphs/sales/wants"
GOOD = get(WANTS + b"?page_size=1")
LIST_WANTS = (SERVICE + "ListWants").encode()


def with_headers(*headers, body=b"{}"):
    return b"POST " + LIST_WANTS + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + \
        b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def refused(served, name, data, statuses=(400, 413, 431)):
    """The client is told one of these and the connection is closed; whatever follows is never a second request."""
    with Wire(served.port) as wire:
        wire.send(data + GOOD)
        status, body = wire.answer()
        assert status in statuses, f"{name}: {status} {body[:200]}"
        assert wire.answer()[0] == 0, f"{name}: what came behind was taken for a request"


def malformed_framing(served):
    sizes = [b"-1", b"-2", b"+5", b"0x5", b"zz", b"ffffffffffffffff", b"7fffffffffffffff", b"8000000000000000",
             b"10000000000000000", b"ffffffffffffffffffff", b"", b" ", b"5 5", b"\xff"]
    for size in sizes:
        refused(served, f"chunk size {size!r}", chunked(size + b"\r\nhello\r\n0\r\n\r\n"))
    refused(served, "chunk longer than it says", chunked(b"2\r\nhello\r\n0\r\n\r\n"))
    refused(served, "no chunk end", chunked(b"2\r\n{}0\r\n\r\n"))
    refused(served, "chunk extension of 64 KiB", chunked(b"2;x=" + b"y" * 65536 + b"\r\n{}\r\n0\r\n\r\n"))
    refused(served, "trailers without end", chunked(b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 20_000))
    lengths = [b"-1", b"-2", b"+2", b"0x2", b"2,3", b"2 2", b"two", b"", b"ffffffffffffffff", b"18446744073709551616",
               b"99999999999999999999999999"]
    for length in lengths:
        refused(served, f"length {length!r}", with_headers(b"Content-Length: " + length))
    refused(served, "length of 2^63", with_headers(b"Content-Length: 9223372036854775808"))
    refused(served, "length and chunks", with_headers(b"Content-Length: 2", b"Transfer-Encoding: chunked",
                                                      body=b"2\r\n{}\r\n0\r\n\r\n"))
    refused(served, "chunks and length", with_headers(b"Transfer-Encoding: chunked", b"Content-Length: 2",
                                                      body=b"2\r\n{}\r\n0\r\n\r\n"))
    refused(served, "two lengths", with_headers(b"Content-Length: 2", b"Content-Length: 3"))
    for line in (b"GET / HTTP/9.9", b"GET /", b"\x16\x03\x01\x02\x00", b"GET\t/ HTTP/1.1", b"G\x00T / HTTP/1.1",
                 b"GET /a b HTTP/1.1", b" GET / HTTP/1.1", b"PRI * HTTP/2.0", b"GET / HTTP/1.1\x00"):
        refused(served, f"line {line!r}", line + b"\r\nHost: localhost\r\n\r\n")
    for header in (b"No colon", b": no name", b"Blank : x", b"X\x00Y: z", b"X: a\x00b", b"\x80: x"):
        refused(served, f"header {header!r}", get(WANTS, header))


def header_floods(served):
    refused(served, "line of 64 KiB", get(b"/" + b"a" * 65536))
    refused(served, "header of 64 KiB", get(WANTS, b"X: " + b"a" * 65536))
    refused(served, "10,000 headers", get(WANTS, *(b"X-%d: y" % i for i in range(10_000))))
    refused(served, "10,000 empty headers", get(WANTS, *([b"a:"] * 10_000)))
    with Wire(served.port) as wire:  # without end
        wire.send(b"GET / HTTP/1.1\r\n")
        for _ in range(1_000):
            if not wire.send(b"X: " + b"a" * 8_192 + b"\r\n"):
                break
        else:
            raise AssertionError("8 MiB of headers were taken")


def truncated_bodies(served):
    for half in (post("ListWants", b'{"pageSi', length=100), chunked(b"64\r\n{"), chunked(b"2\r\n{}\r\n"), b"GET / HT"):
        wires = [Wire(served.port) for _ in range(50)]
        for number, wire in enumerate(wires):
            wire.send(half)
            if number % 2:
                wire.socket.shutdown(1)
            wire.socket.close()


def huge_bodies(served):
    """Bodies of the size that is allowed, all but their last byte, by 300 clients: together they are bounded."""
    before = served.rss()
    wires = [Wire(served.port) for _ in range(300)]
    for wire in wires:
        wire.send(post("ListWants", b"x" * (1024 * 1024 - 1), length=1024 * 1024))
    grown = served.rss() - before
    assert grown < 160 << 20, f"{grown >> 20} MiB were taken"
    told = [wire.answer()[0] for wire in wires]
    assert set(told) <= {503, 408, 0} and told.count(503) >= 100, sorted(told)
    for wire in wires:
        wire.socket.close()


def slow_senders(served):
    """One byte at a time: each arrives in time, the whole request does not."""
    starts = [b"GET / HTTP/1.1\r\nX-", post("ListWants", b"", length=1_000), chunked(b"3e8\r\n")]
    wires = [Wire(served.port) for _ in range(60)]
    for number, wire in enumerate(wires):
        wire.send(starts[number % 3])
    begin = time.monotonic()
    open_wires = set(wires)
    while open_wires:
        assert time.monotonic() - begin < 8, f"{len(open_wires)} slow senders were not cut"
        assert served.honest() < 5
        readable, _, _ = select.select([wire.socket for wire in open_wires], [], [], 0.2)
        for wire in [wire for wire in open_wires if wire.socket in readable]:
            status, _ = wire.answer()
            assert status == 408, status
            open_wires.discard(wire)
            wire.socket.close()
        for wire in open_wires:
            wire.send(b"y")


def slow_readers(served):
    """Large answers asked for again and again, and none read: the server stops reading, then closes."""
    before = served.descriptors()
    request = get(b"/api/v1/graphs/sales/events?limit=1500")
    wires = [Wire(served.port, receive_buffer=4_096) for _ in range(16)]
    for wire in wires:
        wire.socket.settimeout(0.01)
        wire.send(request * 50)
    served.settle(before)  # not one of them has read a byte
    for wire in wires:
        wire.socket.close()


def pipelining(served):
    with Wire(served.port) as wire:
        for at in range(20):
            wire.send(b"".join(get(WANTS + b"/nobody-%d" % i) for i in range(at * 50, at * 50 + 50)))
            for number in range(at * 50, at * 50 + 50):
                status, body = wire.answer()
                assert status == 404 and b"nobody-%d " % number in body, (status, body)
    with Wire(served.port) as wire:  # more than is ever taken in while nothing is read
        wire.socket.settimeout(1)
        wire.send(GOOD * 200_000)


def json_bombs(served):
    deep = 300_000
    bombs = {
        "lists in lists": b"[" * deep, "lists in a field": b'{"status":' + b"[" * deep,
        "objects in objects": b'{"a":' * (deep // 2), "a million brackets": b"[],".join([b"["] + [b""] * deep) + b"0]",
        "strange names": json.dumps({f"x{i}": i for i in range(50_000)}).encode(),
        "one name again and again": b"{" + b'"pageSize":1,' * 70_000 + b'"x":1}',
        "a long number": b'{"pageSize":' + b"1" * 900_000 + b"}", "a large exponent": b'{"pageSize":1e999999}',
        "a long text": b'{"pageToken":"' + b"x" * 900_000 + b'"}', "escapes": b'{"x":"' + b"\\u0000" * 150_000 + b'"}',
        "half a pair": b'{"graph":"\\ud800"}', "no UTF-8": b'{"graph":"\xff\xfe"}', "many statuses":
        json.dumps({"status": ["created"] * 80_000 + ["vanished"]}).encode(), "blanks": b" " * 1_000_000 + b"x",
    }
    for name, bomb in bombs.items():
        status, body = ask(served.port, post("ListWants", bomb))
        assert status == 400 and code_of(body) == "invalid_argument", f"{name}: {status} {body[:200]}"
        assert len(body) < 64 * 1024, f"{name}: {len(body)} bytes of error"
    many = {"requests": {str(i): {"listWants": {}} for i in range(10_000)}}
    status, body = ask(served.port, post("Batched", json.dumps(many).encode()))
    assert status == 400 and b"requests" in body, (status, body[:200])
    nested = {"listWants": {}}
    for _ in range(200):
        nested = {"batched": {"requests": {"k": nested}}}
    status, body = ask(served.port, post("Batched", json.dumps({"requests": {"k": nested}}).encode()))
    assert status == 400, (status, body[:200])
    for pattern in ("(a+)+$", "(" * 400, "((a{100}){100}){100}", "(.*)*" * 200, "[" * 900, "\\pN{1000}", "a" * 1_001):
        status, body = ask(served.port, post("ListPartitions", json.dumps({"refPattern": pattern}).encode()))
        assert status in (200, 400), (pattern, status, body[:200])
        assert status == 200 or b"ref_pattern" in body, (pattern, body[:200])
    globs = {"filter": {"partitionPatterns": ["*a" * 100] * 100}}
    status, body = ask(served.port, post("/databuild.v1.GraphService/ListEvents", json.dumps(globs).encode()))
    assert status in (200, 400), (status, body[:200])


def varint(number):
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def protobuf_bombs(served):
    nested = b""
    while len(nested) < 1_000_000:  # messages in messages, by a field that holds its own kind
        wrapped = b"\xa2\x07" + varint(len(nested)) + nested
        entry = b"\x0a\x01k\x12" + varint(len(wrapped)) + wrapped
        nested = b"\x0a" + varint(len(entry)) + entry + (b"" if nested else b"\x0a\x00" * 400_000)
    bombs = {
        "groups in groups": b"\x0b" * 1_000_000, "groups in an unknown field": b"\xfb\x3e" * 500_000,
        "messages in messages": nested, "unknown numbers": b"\xf8\x3e\x01" * 330_000,
        "unknown texts": b"\xfa\x3e\x00" * 330_000, "a length of 2^64": b"\x0a" + b"\xff" * 9 + b"\x01",
        "a length of 2 GiB": b"\x0a\xff\xff\xff\xff\x07", "a tag without end": b"\xff" * 1_000_000,
        "entries of a map": b"\x0a\x00" * 500_000, "zeros": b"\x00" * 1_000_000,
    }
    for name, bomb in bombs.items():
        status, body = ask(served.port, post("Batched", bomb, b"application/proto"))
        # Entries without a key are one entry: an empty one, which is refused by itself.
        assert status == 400 or (name == "entries of a map" and status == 200), f"{name}: {status} {body[:200]}"
    statuses = b"\xc2\x06" + varint(900_000) + b"\x01" * 900_000  # packed
    for body in (b"\xb8\x06\x01" * 300_000, statuses):
        status, _ = ask(served.port, post("ListWants", body, b"application/proto"))
        assert status in (200, 400), status


def path_tricks(served):
    tricks = [b"/..", b"/../../etc/passwd", b"//api//v1", b"/api/v1/graphs/sales/../sales/wants", b"/%2e%2e/%2e%2e/etc",
              b"/api/v1/graphs/%2e%2e/wants", b"/api/v1/graphs/sales%2fwants", b"/api/v1/graphs/sales%00/wants",
              b"/api/v1/graphs/sales/wants%00", b"/api/v1/graphs/sales/wants/%00", b"/api/v1/graphs/sales/wants/%c0%ae",
              b"/api/v1/graphs/sales/partitions/%c0%af", b"/api/v1/graphs/sales/partitions/%e0%80%af",
              b"/api/v1/graphs/sales/partitions/%ed%a0%80", b"/api/v1/graphs/sales/partitions/%f8%88%80%80%80",
              b"/api/v1/graphs/sales/partitions/..", b"/api/v1/graphs/sales/partitions/%", b"*", b"",
              b"/api/v1/graphs/sales/partitions/%2", b"/api/v1/graphs/sales/partitions/%zz", b"/" * 8_000,
              b"/api/v1/graphs/sales/partitions/" + b"/.." * 4_000, b"/api/v1/graphs/" + b"a" * 10_000 + b"/wants",
              b"/api/v1/graphs/sales/wants;x=y", b"/api/v1/graphs/sales/wants\\", b"/api/v1/graphs/SALES/wants",
              b"http://elsewhere/api/v1/graphs/sales/wants", b"/API/V1/graphs/sales/wants", b"?", b"/?" + b"?" * 8_000,
              b"/api/v1/graphs/sales/wants?" + b"&" * 8_000 + b"x", b"/api/v1/graphs/sales/wants?%00=%00",
              b"/api/v1/graphs/sales/wants?graph=../ops", b"/api/v1/graphs/sales/wants?page_size=%31%00",
              b"/databuild.v1.DataBuildService/../Other/ListWants", b"/databuild.v1.DataBuildService/ListWants/"]
    for target in tricks:
        status, body = ask(served.port, get(target))
        assert 400 <= status < 500, f"{target[:80]!r}: {status} {body[:200]}"
        assert len(body) < 64 * 1024 and b"root:" not in body
    for verb in (b"OPTIONS * HTTP/1.1", b"CONNECT elsewhere:443 HTTP/1.1", b"TRACE " + WANTS + b" HTTP/1.1",
                 b"DELETE " + WANTS + b" HTTP/1.1", b"X" * 5_000 + b" / HTTP/1.1"):
        status, body = ask(served.port, verb + b"\r\nHost: localhost\r\n\r\n")
        assert 400 <= status < 500, f"{verb[:80]!r}: {status} {body[:200]}"


def refs_of_every_byte(served):
    """A ref may hold any printable byte: each is found by its escape; every other byte is a ref nobody mentioned."""
    with Wire(served.port) as wire:
        for byte in range(256):
            for escape in (b"%%%02x" % byte, b"%%%02X" % byte):
                wire.send(get(b"/api/v1/graphs/sales/partitions/byte%2Fx" + escape + b"y"))
                status, body = wire.answer()
                if 0x20 <= byte <= 0x7e:
                    assert status == 200, (byte, status, body[:200])
                    answer = json.loads(body)
                    assert answer["partition"]["partition_ref"]["str"] == f"byte/x{chr(byte)}y", body
                    wire.send(get(answer["partition"]["links"]["self"].encode()))
                    assert json.loads(wire.answer()[1]) == answer, "the link leads elsewhere"
                else:
                    assert status in (400, 404), (byte, status, body[:200])
            name = urllib.parse.quote(b"byte/x" + bytes([byte]) + b"y", safe="").encode()
            wire.send(get(b"/api/v1/graphs/sales/partitions?ref_prefix=" + name))
            status, body = wire.answer()
            expected = 200 if byte < 0x80 else 400  # alone it is no UTF-8
            assert status == expected, (byte, status, body[:200])
            assert status == 400 or len(json.loads(body)["refs"]) == (0x20 <= byte <= 0x7e), (byte, body[:200])


def followers(served):
    """More waiting calls than there is room for: those over it are answered at once, the rest when they leave."""
    request = get(b"/api/v1/graphs/sales/events?since_idx=1000000&wait_ms=50000")
    waiting = get(b"/api/v1/graphs/sales/events?want_ids=nobody&wait_ms=50000&since_idx=5000")
    wires = [Wire(served.port) for _ in range(900)]
    for number, wire in enumerate(wires):
        wire.send(waiting if number % 2 else request)
    assert served.honest() < 5
    for wire in wires:
        wire.socket.close()


ALL = [malformed_framing, header_floods, truncated_bodies, huge_bodies, slow_senders, slow_readers, pipelining,
       json_bombs, protobuf_bombs, path_tricks, refs_of_every_byte, followers]
