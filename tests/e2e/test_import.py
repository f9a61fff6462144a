"""`cloche import` as a user types it, and the process that opens pickles seen from inside."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io

import artifacts
import cloche
import foreign
import warm
from cloche.errors import ImportRefusedError
from cloche.importers import sandbox
from cloche.registry import Registry
from cloche.store import Store
from cloche.trust import DEFAULT, TrustPolicy
from conftest import needs
from servers import cloche_here

_ROW = {"length": 1.5, "width": 0.25}


@cache
def _can_be_shut_in() -> bool:
    """Whether this machine lets a process have namespaces of its own."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return (
        subprocess.run([unshare, "--user", "--net", "--pid", "--mount", "--fork", "true"], check=False).returncode == 0
    )


@pytest.fixture
def _shut_in() -> None:
    needs(_can_be_shut_in(), "needs user namespaces (unshare)")


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with warm.saves():
        yield


@cache
def _skops() -> bytes:
    return skops.io.dumps(artifacts.linear())


def _joblib() -> bytes:
    buffer = io.BytesIO()
    joblib.dump(artifacts.linear(), buffer, compress=("zlib", 3))
    return buffer.getvalue()


def _bare(place: Path, content: bytes) -> Path:
    path = place / "model.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "kind", "flags"),
    [
        pytest.param(lambda p: foreign.mlflow(p / "m", _skops(), "model.skops"), "mlflow", [], id="mlflow-skops"),
        pytest.param(lambda p: foreign.mlflow(p / "m", foreign.pickled()), "mlflow", ["--trust"], id="mlflow-pickle"),
        pytest.param(lambda p: foreign.pin(p / "b", _joblib()), "vetiver", ["--trust"], id="vetiver-joblib"),
        pytest.param(lambda p: foreign.bento(p, _skops(), "saved_model.pkl"), "bentoml", [], id="bentoml-skops-inside"),
        pytest.param(lambda p: foreign.hub(p / "h", _skops()), "skops", [], id="skops-repository"),
        pytest.param(lambda p: _bare(p, _skops()), "file", [], id="skops-called-pkl"),
    ],
)
@pytest.mark.usefixtures("_shut_in")
def test_a_model_of_another_tool_answers_as_it_did(
    make: Callable[[Path], Path], kind: str, flags: list[str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    done = cloche_here("import", str(make(tmp_path)), "--name", "boxes", *flags, "--json", store=store)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["kind"], told["version"]["version"]) == (kind, 1)
    model = cloche.load("boxes", store=str(store))
    expected = artifacts.linear().predict_proba(pd.DataFrame([_ROW]))[0]
    assert list((model.predict(_ROW).probabilities or {}).values()) == pytest.approx(expected, abs=1e-9)
    lineage = model.manifest.lineage
    assert (lineage["imported_from"], lineage["trusted"], len(lineage["sha256"])) == (kind, bool(flags), 64)
    assert [field.name for field in model.contract.inputs] == list(artifacts.COLUMNS)
    assert model.manifest.training.rows is None


_TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 2)), columns=list(artifacts.COLUMNS))
_LABELS = np.where(_TABLE.length > 0, "small", "big")


def _lightgbm(place: Path) -> Any:
    lightgbm = importlib.import_module("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(_TABLE, _LABELS)
    model.booster_.save_model(place / "model.pkl")
    return model.predict_proba(_TABLE.head(1))[0]


def _pickled_lightgbm(place: Path) -> Any:
    lightgbm = importlib.import_module("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(_TABLE, _LABELS)
    (place / "model.pkl").write_bytes(pickle.dumps(model))
    return model.predict_proba(_TABLE.head(1))[0]


@pytest.mark.parametrize(
    ("make", "library", "format_", "flags"),
    [
        pytest.param(_lightgbm, "lightgbm", "LightGBM", [], id="lightgbm"),
        pytest.param(_pickled_lightgbm, "lightgbm", "pickle", ["--trust"], id="lightgbm-pickled"),
    ],
)
@pytest.mark.usefixtures("_shut_in")
def test_files_of_other_libraries_go_by_the_table_of_flavors(
    make: Callable[[Path], Any], library: str, format_: str, flags: list[str], tmp_path: Path
) -> None:
    needs(importlib.util.find_spec(library), f"needs {library}")
    expected = make(tmp_path)
    told = ["import", str(tmp_path / "model.pkl"), "--name", "boxes", *flags, "--json"]
    done = cloche_here(*told, store=tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["format"] == format_
    answer = cloche.load("boxes", store=str(tmp_path / "s")).predict(_TABLE.head(1))
    shares = [share[0] for share in (answer.probabilities or {}).values()]
    assert shares == pytest.approx(list(expected), abs=1e-9)


@pytest.mark.usefixtures("_shut_in")
def test_every_decision_is_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = str(foreign.mlflow(tmp_path / "m", foreign.gadget(tmp_path / "canary")))
    for flags in ([], ["--trust"]):
        assert cloche_here("import", path, "--name", "boxes", *flags, store=tmp_path / "s").returncode == 1
    [written] = (tmp_path / "state").rglob("audit.jsonl")
    told = [json.loads(line) for line in written.read_text().splitlines()]
    assert [(one["what"], one["verdict"], one.get("sandbox")) for one in told] == [
        ("import", "refused", None),
        ("import", "trusted", True),
    ]
    assert told[0]["sha256"] == told[1]["sha256"]
    shown = cloche_here("trust", "--log").stdout.splitlines()[-1]
    assert "model.pkl" in shown
    assert told[0]["sha256"][:12] in shown


def test_a_target_without_a_table_is_told(tmp_path: Path) -> None:
    path = foreign.mlflow(tmp_path / "m", _skops(), "model.skops")
    done = cloche_here("import", str(path), "--name", "boxes", "--target", "y", store=tmp_path / "s")
    assert done.returncode == 2
    assert "--inputs TABLE" in done.stderr


def test_what_has_to_be_signed_is_signed_on_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "cloche").mkdir(parents=True, mode=0o700)
    key = str(tmp_path / "release.pem")
    assert cloche_here("sign", "--generate", key).returncode == 0
    assert cloche_here("trust", "--key", f"{key}.pub").returncode == 0
    (tmp_path / "config" / "cloche" / "config.toml").write_text("[trust]\nrequire_signature = true\n")
    told = [str(foreign.mlflow(tmp_path / "m", _skops(), "model.skops")), "--name", "boxes"]
    without = cloche_here("import", *told, store=tmp_path / "s")
    assert without.returncode == 1
    assert "no private key is named" in without.stderr
    done = cloche_here("import", *told, "--sign", key, store=tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert cloche_here("verify", "boxes@1", store=tmp_path / "s").returncode == 0


def test_with_a_table_ranges_and_a_reference_are_learnt(tmp_path: Path) -> None:
    table = pd.DataFrame({"length": range(200), "width": [0.5] * 200, "y": ["big"] * 199 + ["small"]})
    table.to_csv(tmp_path / "train.csv", index=False)
    path = foreign.mlflow(tmp_path / "m", _skops(), "model.skops")
    told = ["--inputs", str(tmp_path / "train.csv"), "--target", "y"]
    done = cloche_here("import", str(path), "--name", "boxes", *told, store=tmp_path / "s")
    assert done.returncode == 0, done.stderr
    field = cloche.load("boxes", store=str(tmp_path / "s")).contract.field("length")
    assert field is not None
    assert field.training_range == (0, 199)


def test_types_of_the_signature_hold_where_no_table_was_given(tmp_path: Path) -> None:
    inputs = json.dumps([{"type": "long", "name": "length"}, {"type": "double", "name": "width"}])
    path = foreign.mlflow(tmp_path / "m", _skops(), "model.skops", signature={"inputs": inputs})
    done = cloche_here("import", str(path), "--name", "boxes", store=tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert "no training table was given" in done.stdout
    contract = cloche.load("boxes", store=str(tmp_path / "s")).contract
    assert [field.type for field in contract.inputs] == ["integer", "number"]


@pytest.mark.parametrize(
    ("content", "flags", "says"),
    [
        pytest.param(foreign.gadget, ["--trust"], "not on the allow-list: posix.system", id="system"),
        pytest.param(lambda c: foreign.gadget(c)[:-2], ["--trust"], "posix.system (and it is broken", id="truncated"),
        pytest.param(lambda _c: foreign.pickled(), [], "say --trust", id="without-trust"),
        pytest.param(lambda _c: foreign.mlflow.__doc__.encode(), ["--trust"], "not a model file", id="no-format"),
    ],
)
@pytest.mark.usefixtures("_shut_in")
def test_what_is_refused_leaves_nothing_in_the_store(
    content: Callable[[Path], bytes], flags: list[str], says: str, tmp_path: Path
) -> None:
    path = foreign.mlflow(tmp_path / "m", content(tmp_path / "canary"))
    done = cloche_here("import", str(path), "--name", "boxes", *flags, store=tmp_path / "s")
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "trust --type posix" not in done.stderr  # nobody is told to allow it
    assert not (tmp_path / "canary").exists()
    assert not Registry(Store.open(str(tmp_path / "s"), tmp_path)).models()


# -- the sandbox from inside --------------------------------------------------------------------

_PROBE = """
import json, os, socket
def attempt(work):
    try:
        return str(work())
    except BaseException as exc:
        return type(exc).__name__
report = {
    "write": attempt(lambda: open(outside, "w")),
    "replace": attempt(lambda: open(own, "w")),
    "network": attempt(lambda: socket.create_connection(("127.0.0.1", port), 1)),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "signal": attempt(lambda: os.kill(parent, 0)),
    "pid": os.getpid(),
    "secret": os.environ.get("SECRET_TOKEN"),
    "home": os.environ["HOME"].endswith("/home"),
    "memory": attempt(lambda: bytearray(1 << 40)),
    "capable": attempt(lambda: os.chroot("/")),
}
open("report.json", "w").write(json.dumps(report))
"""


@pytest.mark.usefixtures("_shut_in")
def test_code_that_an_operator_let_in_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        known = {
            "outside": str(tmp_path / "canary"), "own": str(tmp_path / "model"), "parent": os.getpid(),
            "port": listener.getsockname()[1],
        }  # fmt: skip
        (tmp_path / "model").write_bytes(pickle.dumps(foreign.Calls(exec, _PROBE, known)))
        allowed = TrustPolicy(allowed_functions=frozenset({"builtins.exec"}))
        with pytest.raises(ImportRefusedError, match="could not be converted"):
            sandbox.convert(tmp_path / "model", tmp_path, allowed, isolate=True, name="model")
    report = json.loads((tmp_path / "sandbox" / "report.json").read_text())
    assert not (tmp_path / "canary").exists()
    assert report == {
        "write": "OSError",
        "replace": "OSError",
        "network": "OSError",
        "interfaces": ["lo"],
        "signal": "ProcessLookupError",
        "pid": 1,
        "secret": None,
        "home": True,
        "memory": "MemoryError",
        "capable": "PermissionError",
    }


@pytest.mark.usefixtures("_shut_in")
def test_an_answer_that_the_payload_forges_is_checked_as_a_foreign_artifact(tmp_path: Path) -> None:
    forged = """
import os, struct
import msgspec
body = msgspec.msgpack.encode({"kind": "done", "flavor": "sklearn", "options": {"file": "model.skops"}, "asked": 1})
os.mkdir("converted")
open("converted/model.skops", "wb").write(b"PK\\x03\\x04 not a model")
for fd in range(3, 64):
    try:
        os.write(fd, struct.pack(">Q", len(body)) + body)
    except OSError:
        pass
os._exit(0)
"""
    config = tmp_path / "config" / "cloche"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('[trust]\nallowed_functions = ["builtins.exec"]\n')
    path = foreign.mlflow(tmp_path / "m", pickle.dumps(foreign.Calls(exec, forged, {})))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        done = cloche_here("import", str(path), "--name", "boxes", "--trust", store=tmp_path / "s")
    assert done.returncode == 1
    assert "model.skops: expected a zip archive" in done.stderr
    assert not Registry(Store.open(str(tmp_path / "s"), tmp_path)).models()


@pytest.mark.usefixtures("_shut_in")
def test_without_isolation_the_gap_has_to_be_named(tmp_path: Path) -> None:
    path = foreign.mlflow(tmp_path / "m", foreign.pickled())
    script = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" -m cloche import "$@"'
    unshare = [str(shutil.which("unshare")), "--user", "--map-root-user", "sh", "-c", script, sys.executable]
    arguments = [str(path), "--name", "boxes", "--store", str(tmp_path / "s"), "--trust"]
    done = subprocess.run([*unshare, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot shut the process in" in done.stderr
    assert "say --no-sandbox" in done.stderr
    (tmp_path / "model").write_bytes(foreign.pickled())
    made = sandbox.convert(tmp_path / "model", tmp_path, DEFAULT, isolate=False, name="model")
    assert (made.flavor, (made.directory / "model.skops").is_file()) == ("sklearn", True)
