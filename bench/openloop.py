"""
Requests at a fixed rate, whether or not answers come: latency counts from when a request was due, not when it left.

    python bench/openloop.py PORT PATH BODY RATE SECONDS [AUTHORIZATION]

One process that never sleeps, 64 connections. Prints one line of JSON: what was answered, latencies in ms over the
whole run, and the p99 of every second of it.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

CONNECTIONS = 64
PATIENCE_S = 2.0  # for the last answers


class Connection:
    """One request at a time; an answer ends where its Content-Length says."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = 0.0
        self._got = b""

    def answered(self) -> bool | None:
        """Read; None while the answer is not complete, else whether it is a good one."""
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed a connection")
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return None
        self._got = b""
        return head.startswith(b"HTTP/1.1 200")


def main() -> None:
    """Send, receive, count."""
    port, path, body = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes()
    rate, seconds = float(sys.argv[4]), float(sys.argv[5])
    auth = f"authorization: {sys.argv[6]}\r\n" if len(sys.argv) > 6 else ""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{auth}"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    latencies, bad = drive(port, request, rate, int(rate * seconds))
    print(json.dumps(summary(latencies, bad, int(rate * seconds))))


def drive(port: int, request: bytes, rate: float, count: int) -> tuple[list[tuple[float, float]], int]:
    """(when it was due, seconds it took) of every answer, and how many were no good ones."""
    connections = {one.socket.fileno(): one for one in (Connection(port) for _ in range(CONNECTIONS))}
    ready = select.epoll()
    for number in connections:
        ready.register(number, select.EPOLLIN)
    free = deque(connections.values())
    latencies: list[tuple[float, float]] = []
    sent = bad = 0
    start, now = time.perf_counter(), 0.0
    while len(latencies) < count and now < count / rate + PATIENCE_S:
        now = time.perf_counter() - start
        while free and sent < count and sent / rate <= now:
            one = free.popleft()
            one.due = sent / rate
            one.socket.send(request)
            sent += 1
        for number, _ in ready.poll(0):
            one = connections[number]
            good = one.answered()
            if good is not None:
                latencies.append((one.due, time.perf_counter() - start - one.due))
                bad += not good
                free.append(one)
    return latencies, bad


def summary(latencies: list[tuple[float, float]], bad: int, count: int) -> dict[str, object]:
    """Milliseconds at the usual places."""
    took = sorted(seconds for _, seconds in latencies)
    by_second: dict[int, list[float]] = {}
    for due, seconds in latencies:
        by_second.setdefault(int(due), []).append(seconds)
    return {
        "n": len(latencies),
        "bad": bad + count - len(latencies),
        "p50_ms": at(took, 0.5),
        "p99_ms": at(took, 0.99),
        "p999_ms": at(took, 0.999),
        "max_ms": at(took, 1.0),
        "p99_by_second_ms": [at(sorted(by_second[second]), 0.99) for second in sorted(by_second)],
    }


def at(ordered: list[float], share: float) -> float:
    """The value below which *share* of them lie, in ms."""
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0


if __name__ == "__main__":
    main()
