"""A worker opens several versions at once, each in a thread: the first to read a document may not be alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Eight threads that read their first document at the same moment, in a fresh process.
PROGRAM = """
import sys, threading
from cloche.artifact.golden import parse
from cloche.contract.model import Contract
from cloche.errors import ClocheError
from cloche.graph.model import Graph
from cloche.manifest import Manifest
from cloche.registry.model import RouteEvent, decode
sys.setswitchinterval(1e-6)
READ = {
    "graph": Graph.from_json,
    "manifest": Manifest.from_json,
    "contract": Contract.from_json,
    "golden rows": parse,
    "route event": lambda raw: decode(raw, RouteEvent, "an event"),
}
barrier = threading.Barrier(8)
def read():
    barrier.wait()
    try:
        READ[sys.argv[1]](sys.argv[2].encode())
    except Exception:
        pass  # what it holds does not matter
threads = [threading.Thread(target=read) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
"""


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("graph", '{"schema": "cloche-twin/1"}'),
        ("manifest", '{"schema": "cloche-artifact/1"}'),
        ("contract", "{}"),
        ("golden rows", "{}"),
        ("route event", "{}"),
    ],
)
def test_documents_are_read_by_several_threads_at_once(kind: str, raw: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, kind, raw], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
