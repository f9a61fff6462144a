"""Importing does nothing: no heavy library, no environment read, no logging set up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"pandas", "polars", "pyarrow", "sklearn", "skops", "scipy", "deltalake", "matplotlib", "torch"}
HEAVY |= {"opentelemetry"}
SERVER = {"starlette", "uvicorn", "uvloop", "httptools"}

PROBE = """
import importlib, json, logging, os, sys

readers = []

def reader():
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") in ("os", "_collections_abc"):
        frame = frame.f_back
    return frame.f_globals.get("__name__", "")

class Watched(type(os.environ)):
    def __getitem__(self, key):
        readers.append(reader())
        return super().__getitem__(key)

os.environ.__class__ = Watched
handlers, level = list(logging.root.handlers), logging.root.level
importlib.import_module(sys.argv[1])
print(json.dumps({
    "modules": sorted({name.split(".")[0] for name in sys.modules}),
    "readers": [name for name in readers if name.split(".")[0] == "cloche"],
    "logging": logging.root.handlers != handlers or logging.root.level != level
        or any(type(h) is not logging.NullHandler for h in logging.getLogger("cloche").handlers),
}))
"""


def imported(module: str) -> dict[str, object]:
    """What a fresh interpreter looks like after `import module`."""
    done = subprocess.run([sys.executable, "-c", PROBE, module], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        pytest.param("cloche", HEAVY | SERVER | {"click"}, id="library"),
        pytest.param("cloche.cli", HEAVY, id="command-line"),
        pytest.param("cloche.serving", HEAVY | SERVER, id="serving-core"),
        pytest.param("cloche.web.app", HEAVY, id="server"),
        pytest.param("cloche.web.server", HEAVY, id="runner"),
        pytest.param("cloche.web.processes.worker", HEAVY, id="worker"),
    ],
)
def test_import_is_light(module: str, forbidden: set[str]) -> None:
    seen = imported(module)
    assert not forbidden & set(seen["modules"])  # type: ignore[call-overload]
    assert seen["readers"] == [], "the environment is read by config.from_environment(), when it is called"
    assert seen["logging"] is False


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        pytest.param("cloche.cli.serve", {"numpy", "asyncio", "obstore", "rich"}, id="command"),
        pytest.param("cloche.web.processes.supervisor", {"numpy", "asyncio", "msgspec"}, id="supervisor"),
        pytest.param("cloche.web.processes.agent", {"numpy", "cryptography", "uvicorn"}, id="agent"),
        pytest.param("cloche.web.processes.template", {"cryptography", "uvicorn", "obstore"}, id="template"),
        pytest.param("cloche.web.processes.worker", {"cryptography", "rich"}, id="worker"),
    ],
)
def test_the_start_of_a_server_waits_for_nothing_that_it_does_not_use(module: str, forbidden: set[str]) -> None:
    """Each tenth of a second of imports is one of the start; see docs/explanation/where-the-time-goes.md."""
    assert not forbidden & set(imported(module)["modules"])  # type: ignore[call-overload]


def test_version_needs_no_other_module() -> None:
    code = "import sys, cloche; print(cloche.__version__, *[m for m in sys.modules if m.startswith('cloche.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, *modules = done.stdout.split()
    assert version.count(".") == 2
    assert set(modules) <= {"cloche._version", "cloche.errors"}, "cloche/__init__.py imports the rest on first use"
