"""
Where a worker's time goes, by parts of a request: from what py-spy saw while wrk was asking.

    py-spy record --native --format raw --rate 500 --duration 10 --output FILE --pid WORKER
    python bench/shares.py FILE MICROSECONDS

MICROSECONDS is what the worker spends on a request; each part is shown as its share of it.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

#: Parts by words of a frame, innermost frame first; what no frame tells is the event loop.
PARTS = (
    ("the kernel: write, read, epoll", ("write (libc", "read (libc", "epoll_pwait (libc", "read (loop.c", "uv__read")),
    ("prediction log", ("cloche/prediction_log", "request_of (")),
    (
        "access log and metrics",
        ("cloche/web/access", "cloche/web/measured", "cloche/metrics", "cloche/logs.py", "Gate.finish"),
    ),
    (
        "contract: bytes to valid rows",
        ("cloche/contract", "cloche/web/bodies.py", "cloche/protocols/native.py:2", "decode (cloche"),
    ),
    ("the model", ("cloche/engines",)),
    ("answer: outputs to bytes", ("cloche/serving/answers.py", "encode (cloche", "Call.answered")),
    (
        "gate: key, id, rate, limits",
        ("cloche/web/gate.py", "cloche/keys", "cloche/ids.py", "let_in (", "cloche/web/head.py"),
    ),
    ("batching", ("cloche/serving/inline.py", "cloche/serving/batch.py", "cloche/serving/queueing.py")),
    ("the version that answers", ("cloche/serving/deploy", "cloche/web/predicting.py", "Call.__init__", "Asked.by")),
    (
        "connection and head of the answer",
        ("cloche/web/lane.py", "cloche/web/protocol.py", "cloche/web/answer.py", "known_heads", "cloche/web/timed.py"),
    ),
    ("express lane", ("cloche/web/express.py", "Call.rows")),
)
REST = "event loop and interpreter"
#: A sampled thread that waits for work takes no time.
IDLE = "_bootstrap"


def main() -> None:
    """Print the table."""
    each_us = float(sys.argv[2])
    found: Counter[str] = Counter()
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        if IDLE not in stack:
            found[part_of(stack.split(";"))] += int(count)
    total = found.total()
    print("| part | share | µs |\n|---|--:|--:|")
    for part, count in found.most_common():
        print(f"| {part} | {count / total:.0%} | {count / total * each_us:.1f} |")


def part_of(frames: list[str]) -> str:
    """The part that the innermost telling frame belongs to; a system call is the kernel's, whoever makes it."""
    for part, words in PARTS[:1]:
        if any(word in frames[-1] for word in words):
            return part
    for frame in reversed(frames):
        for part, words in PARTS[1:]:
            if any(word in frame for word in words):
                return part
    return REST


if __name__ == "__main__":
    main()
