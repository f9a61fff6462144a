"""`cloche serve` as several processes: what starts, what is refused at the start, who keeps whom from answering."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

import cloche
from odd_models import DIE, HANG, OddClassifier
from processes import alive, by_role, eventually, everybody, kill, load, of_role, run_folder
from servers import cloche as command
from servers import serving

pytestmark = pytest.mark.e2e
ROW = {"a": 1.0, "b": 2.0}
TESTS = Path(__file__).parents[1]


def test_every_process_is_there_once_and_gone_at_the_end(lines_store: str) -> None:
    with serving(["lines"], store=lines_store, flags=["--workers", "2"]) as server:
        run = run_folder(server.process.pid)
        found = by_role(server.process.pid)
        assert {role: len(pids) for role, pids in found.items()} == {
            "agent": 1,
            "monitor": 0,
            "template": 1,
            "worker": 2,
            "engine": 2,
        }
        assert run.stat().st_mode & 0o777 == 0o700
        assert httpx.post(f"{server.url}/predict", json=ROW).json()["prediction"] == "yes"
        known = everybody(server.process.pid)
    assert not any(map(alive, known))
    assert not run.exists()
    assert server.process.returncode == 0


def test_the_workers_share_one_socket(lines_store: str) -> None:
    with serving(["lines"], store=lines_store, flags=["--workers", "2"]) as server:
        first, second = of_role(server.process.pid, "worker")
        with load(server.url, ROW, clients=2) as clients:
            os.kill(first, 19)  # SIGSTOP
            with httpx.Client(timeout=60) as client:
                assert {client.post(f"{server.url}/predict", json=ROW).status_code for _ in range(5)} == {200}
            os.kill(first, 18)  # SIGCONT
        assert [one.failures for one in clients] == [[], []]
        assert alive(second)


def test_the_supervisor_imports_the_standard_library_alone() -> None:
    code = (
        "import sys, cloche.web.processes.supervisor\n"
        "print(*{name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__', 'cloche'})"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(Path(cloche.__file__).parents[1])})  # fmt: skip
    assert done.stdout.split() == []


# -- the start --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("references", "flags", "status", "said"),
    [
        pytest.param(["walrus"], [], 3, "walrus", id="unknown-name"),
        pytest.param(["lines@9"], [], 3, "9", id="unknown-version"),
        pytest.param([], [], 2, "--all", id="nothing-named"),
        pytest.param(["lines"], ["--default", "other"], 2, "--default", id="default-is-not-served"),
        pytest.param(["lines"], ["--host", "192.0.2.1"], 2, "192.0.2.1", id="address-of-another-machine"),
        pytest.param(["lines"], ["--host", "0.0.0.0"], 1, "cloche keys create", id="open-without-a-key"),
    ],
)
def test_a_start_that_fails_is_one_line(
    lines_store: str, references: list[str], flags: list[str], status: int, said: str
) -> None:
    done = command("serve", *references, "--port", "0", *flags, store=lines_store)
    assert done.returncode == status, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("cloche: ")
    assert said in line
    assert not done.stdout


def test_in_json(lines_store: str) -> None:
    refused = command("serve", "walrus", "--port", "0", "--json", store=lines_store)
    assert (refused.returncode, json.loads(refused.stderr)["error"]) == (3, "ModelNotFound")
    with serving(["lines"], store=lines_store, flags=["--json", "--log-format", "json"]) as server:
        told, _ = json.JSONDecoder().raw_decode(server.said(), server.said().index("{\n"))
        assert (told["url"], told["serving"], told["keys_required"]) == (server.url, ["lines@1"], False)
        assert told["predict"] == [f"{server.url}/predict"]


def test_an_artifact_that_is_refused_ends_the_start(lines_store: str, tmp_path: Path) -> None:
    (tmp_path / "cloche").mkdir()
    (tmp_path / "cloche" / "config.toml").write_text("[trust]\nrequire_signature = true\n")
    done = command("serve", "lines", "--port", "0", store=lines_store, env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert done.returncode == 1, done.stderr
    assert "manifest.sig" in done.stderr.splitlines()[-1] or "sign" in done.stderr.splitlines()[-1]


def at_start(tmp_path: Path, code: str) -> dict[str, str]:
    """An environment in which every Python process runs *code* first; `argv` are its arguments."""
    (tmp_path / "sitecustomize.py").write_text(f"import os, sys, threading, time\nargv = sys.orig_argv\n{code}\n")
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def test_a_template_that_dies_again_and_again_is_refused(lines_store: str, tmp_path: Path) -> None:
    env = at_start(tmp_path, "if 'cloche.web.processes.template' in argv: os._exit(77)")
    done = command("serve", "lines", "--port", "0", store=lines_store, env=env)
    assert done.returncode == 1, done.stderr
    assert "ended 3 times while it opened the artifact (exit status 77)" in done.stderr.splitlines()[-1]


def test_a_generation_whose_template_dies_is_refused_and_the_old_one_goes_on(
    lines_store_2: str, tmp_path: Path
) -> None:
    broken = "if any(one.startswith('lines-2-') for one in argv): os._exit(77)"
    with serving(["lines"], store=lines_store_2, env=at_start(tmp_path, broken)) as server:
        with load(server.url, ROW, clients=1) as [client]:
            assert command("promote", "lines", "2", store=lines_store_2).returncode == 0
            found = eventually(
                lambda: httpx.get(f"{server.url}/metadata").json()["serving"].get("refused"), "version 2 is refused"
            )
        assert "exit status 77" in json.dumps(found)
        assert (client.versions, client.failures) == (["1"], [])


def test_where_a_library_starts_threads_each_engine_opens_the_artifact(lines_store: str, tmp_path: Path) -> None:
    threads = (
        "if 'cloche.web.processes.template' in argv and '--cold' not in argv:\n"
        "    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"
    )
    with serving(["lines"], store=lines_store, env=at_start(tmp_path, threads)) as server:
        assert httpx.post(f"{server.url}/predict", json=ROW).json()["prediction"] == "yes"
        assert "has started threads" in server.said()


# -- several models ---------------------------------------------------------------------------------


def test_a_model_that_hangs_or_dies_does_not_take_the_others_along(lines_store_2: str, tmp_path: Path) -> None:
    (tmp_path / "cloche").mkdir()
    (tmp_path / "cloche" / "config.toml").write_text('[trust]\nallowed_types = ["odd_models.OddClassifier"]\n')
    env = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")])),
        "CLOCHE_SERVER_REQUEST_TIMEOUT_S": "2",
    }
    table = pd.DataFrame({"x": np.linspace(-10, 10, 201), "z": np.linspace(0, 1, 201)})
    labels = np.where(table.x > 0, "yes", "no")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        cloche.save(OddClassifier().fit(table, labels), "odd", inputs=table, targets=labels, store=lines_store_2,
                    quiet=True)  # fmt: skip
    with serving(["lines", "odd"], store=lines_store_2, env=env) as server:
        odd = f"{server.url}/models/odd/predict"
        with load(server.url, ROW, clients=2, path="/models/lines/predict") as clients:
            assert httpx.post(odd, json={"x": DIE, "z": 0.5}, timeout=30).status_code == 500
            assert httpx.post(odd, json={"x": HANG, "z": 0.5}, timeout=30).status_code == 504
            template = next(pid for pid in of_role(server.process.pid, "template") if "odd-" in " ".join(_words(pid)))
            kill(template)
            eventually(lambda: httpx.post(odd, json={"x": 1.0, "z": 0.5}, timeout=30).status_code == 200, "odd is back")
        assert [client.failures for client in clients] == [[], []]
        assert all(client.answered for client in clients)


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
