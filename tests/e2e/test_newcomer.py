"""
A newcomer with a clean machine, the README and nothing else: from an own fitted model to the first answer.

The wheel is built, installed into an empty environment with the extra that the README names, the README's first block
is run as it stands, and `cloche serve` is called: two commands, and no file is written by hand. Seconds and
megabytes are printed (`-s`), and stand in docs/reference/installed-size.md with their date; they are not asserted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = {"island": "Dream", "bill_length_mm": 39.1, "bill_depth_mm": None}


def _run(*command: str | Path, cwd: Path, stdin: str | None = None) -> str:
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("CLOCHE_", "PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, input=stdin, capture_output=True, text=True, env=clean, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _megabytes(folder: Path) -> int:
    return (
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) // 1_000_000
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("CI" not in os.environ, reason="installs everything afresh: minutes; runs in CI")
def test_first_answer_in_two_commands(tmp_path: Path) -> None:
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("cloche-*.whl")
    _run(sys.executable, "-m", "venv", "env", cwd=tmp_path)
    bin_ = tmp_path / "env" / "bin"
    started = time.monotonic()
    _run(bin_ / "pip", "install", "-q", f"{wheel}[all]", cwd=tmp_path)
    installed = time.monotonic()
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[:1]
    work = tmp_path / "work"
    work.mkdir()
    _run(bin_ / "python", "-", cwd=work, stdin=block)  # the notebook's cell
    answer = _first_answer(bin_ / "cloche", work)  # cloche serve penguins
    answered = time.monotonic()
    assert json.loads(answer)["prediction"] == "Adelie"
    print(
        f"\ninstall {installed - started:.0f} s, model to answer {answered - installed:.1f} s, "
        f"{_megabytes(tmp_path / 'env')} MB installed"
    )


def _first_answer(cloche: Path, work: Path) -> str:
    server = subprocess.Popen(
        [cloche, "serve", "penguins", "--port", "0"],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = next(found.group() for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        request = urllib.request.Request(f"{url}/predict", data=json.dumps(ROW).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            text: str = answer.read().decode()
            return text
    finally:
        server.terminate()
        server.wait()
