"""
An environment with other people's tools, whose libraries would not go together with ours.

`.venv-peers/` is made once, from `tests/peers/requirements.txt` (600 MB, some 40 s), and used again until that file
changes. In CI it is made; on your machine tests that need it are skipped until `python tests/peering.py` has made it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

_ROOT = Path(__file__).parent.parent / ".venv-peers"
_REQUIREMENTS = Path(__file__).parent / "peers" / "requirements.txt"


def python() -> Path | None:
    """Its interpreter, where the environment is there."""
    place = _place()
    return place / "bin" / "python" if (place / "ready").is_file() else None


def make() -> Path:
    """Its interpreter; the environment is made where it is not there, by one process at a time."""
    _ROOT.mkdir(exist_ok=True)
    with (_ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = python()
        return found if found is not None else _make(_place())


def wanted() -> bool:
    """Whether it is to be made here without being asked."""
    return bool(os.environ.get("CI"))


def _make(place: Path) -> Path:
    for old in _ROOT.iterdir():  # of earlier requirements, or half made
        if old.is_dir():
            shutil.rmtree(old)
    venv.create(place, with_pip=False, symlinks=True)
    interpreter = place / "bin" / "python"
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--prefer-binary"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(interpreter), *install, "-r", str(_REQUIREMENTS)], check=True
    )
    (place / "ready").touch()
    return interpreter


def _place() -> Path:
    return _ROOT / hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]


if __name__ == "__main__":
    print(make())
