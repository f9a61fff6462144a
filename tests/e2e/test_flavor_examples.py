"""The scripts of `examples/` that save a model of a library: each runs, and its model is in the store and answers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import needs
from flavor_fixtures import importable

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Script:
    """A script, the module it needs, the model it saves, what it prints, and what the operator trusts."""

    file: str
    needs: str
    model: str
    says: str
    trust: str = ""


SCRIPTS = [
    Script("price_function.py", "cloche", "parcels", "21.75 euro", 'allowed_functions = ["price_function.quote"]'),
    Script("statsmodels_glm.py", "statsmodels", "affairs", "(statsmodels: 0.717139)"),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.file)
def test_an_example_saves_its_model_and_asks_it(script: Script, tmp_path: Path) -> None:
    needs(importable(script.needs), f"needs {script.needs}")
    (tmp_path / "cloche").mkdir()
    (tmp_path / "cloche" / "config.toml").write_text(f"[trust]\n{script.trust}\n", encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(EXAMPLES), os.environ.get("PYTHONPATH"))))
    surroundings = {**os.environ, "PYTHONPATH": path, "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, str(EXAMPLES / script.file)]
    environment = {**surroundings, "CLOCHE_STORE": str(tmp_path / "store")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert script.says in done.stdout
    assert (tmp_path / "store" / "models" / script.model / "versions").is_dir()
