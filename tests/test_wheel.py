"""The wheel holds everything that is read at run time, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import cloche

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "cloche"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_it_holds_the_package_and_its_data(wheel: zipfile.ZipFile) -> None:
    there = {name for name in wheel.namelist() if name.startswith("cloche/")}
    wanted = {
        f"cloche/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == wanted
    assert "cloche/py.typed" in there


def test_its_metadata(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = wheel.read(name).decode()
    assert f"\nVersion: {cloche.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    core = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.M)
    assert set(core) == {
        "click",
        "cryptography",
        "httptools",
        "msgspec",
        "numpy",
        "obstore",
        "rich",
        "safetensors",
        "starlette",
        "tzdata",
        "uvicorn",
        "uvloop",
    }
    assert "Requires-Dist: uvicorn==0.54.0" in metadata
