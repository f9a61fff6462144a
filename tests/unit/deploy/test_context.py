"""The files of a build context: the same bytes every time, a store that answers, nothing that was not asked for."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import artifacts
from cloche.api.workplace import policy
from cloche.artifact import read_contract
from cloche.config import from_environment
from cloche.deploy import wheel
from cloche.deploy.context import INDEX
from cloche.deploy.installation import installation
from cloche.deploy.trusted import trusted
from cloche.deploy.writing import write
from cloche.errors import UsageError
from cloche.registry import Registry
from cloche.store import Store
from cloche.trust import TrustPolicy
from servers import cloche_here

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`boxes@2`, which has a twin, and `boxes@1`, a forest that was saved without one."""
    folder = tmp_path_factory.mktemp("images")
    registry = Registry(Store.open(str(folder / "store"), folder))
    for version, make in enumerate((artifacts.write, artifacts.write_twin)):
        made = make(folder / f"artifact-{version}")
        registry.publish(made, name="boxes", contract=read_contract(made), contract_number=1, by="ada")
    return folder / "store"


def build(store: Path, folder: Path, *flags: str, reference: str = "boxes@2") -> dict[str, bytes]:
    """The files of a context, by path."""
    done = cloche_here("build", reference, "-o", str(folder), *flags, store=store)
    assert done.returncode == 0, done.stderr
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_version_gives_the_same_bytes(store: Path, tmp_path: Path) -> None:
    first = build(store, tmp_path / "one")
    before = os.umask(0o077)
    try:
        again = build(store, tmp_path / "two")
    finally:
        os.umask(before)
    assert first == again
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "two").rglob("*")}
    assert modes == {0o644, 0o755}, "another user reads them in the image"


def test_a_twin_takes_nothing_of_the_models_library_along(store: Path, tmp_path: Path) -> None:
    files = build(store, tmp_path)
    (own,) = (name for name in files if name.startswith("wheels/"))
    assert files["requirements.txt"].decode() == f"./{own}\n"
    assert not {"scikit-learn", "pandas", "scipy", "skops"} & set(files["constraints.txt"].decode().split("=="))
    assert files[".dockerignore"].decode().splitlines()[0] == "*"


def test_a_native_model_is_pinned_to_what_it_was_saved_with(store: Path, tmp_path: Path) -> None:
    files = build(store, tmp_path, reference="boxes@1")
    assert "[pandas,sklearn]" in files["requirements.txt"].decode()
    assert "scikit-learn==" in files["constraints.txt"].decode()
    assert b'CLOCHE_SERVER_ENGINE="native"' in files["Dockerfile"]


def test_the_store_inside_holds_that_version_and_verifies(store: Path, tmp_path: Path) -> None:
    build(store, tmp_path)
    inside = Registry(Store.open(str(tmp_path / "store"), tmp_path))
    here = Registry(Store.open(str(store), tmp_path))
    assert inside.models() == ["boxes"]
    assert inside.versions("boxes") == [here.version("boxes", 2)]
    assert inside.resolve("boxes").version.version == 2
    assert inside.contract("boxes", 1) == here.contract("boxes", 1)
    assert not inside.verify_version(inside.version("boxes", 2)).findings
    row = '{"length": 1.0, "width": 0.5}'
    answers = [
        cloche_here("predict", "boxes@2", row, "--json", "--store", str(where)) for where in (store, tmp_path / "store")
    ]
    assert answers[0].stdout == answers[1].stdout != ""


def test_an_image_that_fetches_holds_no_model(store: Path, tmp_path: Path, s3_url: str) -> None:
    assert cloche_here("copy", "boxes@2", "--to", s3_url, store=store).returncode == 0
    done = cloche_here("build", "boxes", "-o", str(tmp_path), "--fetch", "--store", s3_url)
    assert done.returncode == 0, done.stderr
    assert "a version of boxes that has no engine 'twin' is refused by this image" in done.stdout
    assert not (tmp_path / "store").exists()
    assert f'CLOCHE_STORE="{s3_url}"' in (tmp_path / "Dockerfile").read_text()


def test_the_index_names_every_file(store: Path, tmp_path: Path) -> None:
    files = build(store, tmp_path)
    listed = json.loads(files.pop(INDEX))
    assert listed["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    assert listed["artifact"].removeprefix("sha256:") in files["Dockerfile"].decode()


# -- the folder ------------------------------------------------------------------------------------


def test_an_earlier_build_is_replaced_and_nothing_else(store: Path, tmp_path: Path) -> None:
    build(store, tmp_path, reference="boxes@1")
    (tmp_path / "keys.jsonl").write_text("mine")
    files = build(store, tmp_path)
    assert files.pop("keys.jsonl") == b"mine"
    assert files == build(store, tmp_path / "new")


def test_a_folder_with_something_else_is_left_alone(store: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = cloche_here("build", "boxes", "-o", str(tmp_path), store=store)
    assert done.returncode == 2
    assert f"{tmp_path}: expected a new or empty folder, or one that cloche build wrote" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_index_that_names_what_lies_outside_takes_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / INDEX).write_text('{"schema": "cloche-image/1", "files": {"../outside": ""}}')
    with pytest.raises(UsageError, match="expected a new or empty folder"):
        write({"Dockerfile": b""}, inside)
    assert (tmp_path / "outside").read_text() == "mine"


# -- wheels ----------------------------------------------------------------------------------------


def test_the_wheel_of_cloche_installs_and_asks_for_what_the_project_says(tmp_path: Path) -> None:
    name, content = wheel.of_cloche(installation())
    assert (name, content) == wheel.of_cloche(installation())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = next(one for one in archive.namelist() if one.endswith("METADATA")).rpartition("/")[0]
        about = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        for line in archive.read(f"{info}/RECORD").decode().splitlines()[:-1]:
            path, digest, size = line.rsplit(",", 2)
            raw = archive.read(path)
            expected = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={expected}", len(raw))
    assert {"safetensors>=0.5", "scikit-learn>=1.9; extra == 'sklearn'"} <= set(about.get_all("Requires-Dist", []))
    (tmp_path / name).write_bytes(content)
    target = str(tmp_path / "site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--no-index", "--target", target]
    subprocess.run([*pip, str(tmp_path / name)], check=True)
    assert (tmp_path / "site" / "cloche" / "deploy" / "health.py").is_file()


@pytest.mark.parametrize("kind", ["folder", "module", "wheel", "project"])
def test_a_package_of_the_operators_own_goes_in(kind: str, store: Path, tmp_path: Path) -> None:
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_bytes(b"")
    given, line = package, "./wheels/acme-0+"
    if kind == "module":
        given = tmp_path / "acme.py"
        given.write_text("x = 1\n")
    if kind == "wheel":
        name, content = wheel.of_package(package)
        given = tmp_path / name
        given.write_bytes(content)
    if kind == "project":
        (package / "pyproject.toml").write_text('[project]\nname = "acme"\nversion = "1"\n')
        line = "./projects/acme"
    files = build(store, tmp_path / "out", "--with", str(given))
    assert files["requirements.txt"].decode().splitlines()[-1].startswith(line)
    assert not any("pycache" in name for name in files)
    if kind == "project":
        assert b"COPY projects/ projects/" in files["Dockerfile"]
        assert "projects/acme/__init__.py" in files
    else:
        (made,) = (content for name, content in files.items() if name.startswith("wheels/acme"))
        assert wheel.top_modules("acme", made) == {"acme"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("gone", None, "there is no such file or folder", id="missing"),
        pytest.param("empty", {}, "expected a wheel, a module", id="no-package"),
        pytest.param("notes.txt", b"?", "expected a wheel, a module", id="no-module"),
        pytest.param("acme-1-py3-none-any.whl", b"?", "expected a wheel, got something else", id="no-wheel"),
        pytest.param("acme-2-py3-none-any.whl", {}, "expected a wheel, a module", id="a-folder-called-wheel"),
        pytest.param("linked", {"__init__.py": b"", "secret": "/etc/hostname"}, "secret: a link", id="link"),
        pytest.param("my project", {"pyproject.toml": b""}, "a name without spaces", id="a-name-with-a-space"),
    ],
)
def test_what_cannot_be_installed_is_refused(
    name: str, content: bytes | dict[str, bytes | str] | None, message: str, store: Path, tmp_path: Path
) -> None:
    given = tmp_path / name
    if isinstance(content, bytes):
        given.write_bytes(content)
    elif content is not None:
        given.mkdir()
        for inner, raw in content.items():
            if isinstance(raw, bytes):
                (given / inner).write_bytes(raw)
            else:
                (given / inner).symlink_to(raw)
    done = cloche_here("build", "boxes", "-o", str(tmp_path / "out"), "--with", str(given), store=store)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


# -- trust -----------------------------------------------------------------------------------------


def test_what_the_operator_trusts_gets_in_only_when_said(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    digest = Registry(Store.open(str(store), tmp_path)).version("boxes", 2).manifest
    assert cloche_here("sign", "--generate", str(tmp_path / "key"), store=store).returncode == 0
    for words in (["boxes@1"], ["boxes@2"], ["--type", "acme.steps.Half"], ["--key", str(tmp_path / "key.pub")]):
        done = cloche_here("trust", *words, store=store)
        assert done.returncode == 0, done.stderr
    assert not any(name.startswith("config/") for name in build(store, tmp_path / "plain"))
    files = build(store, tmp_path / "trusting", "--trust")
    assert b"COPY config/ /etc/cloche/" in files["Dockerfile"]
    folder = tmp_path / "trusting" / "config"
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace("/etc/cloche", str(folder)))
    read = policy(from_environment({"XDG_CONFIG_HOME": str(tmp_path / "none")}, system_folder=folder))
    assert read.trusted_digests == {digest}, "the other artifact is none of this image's business"
    assert read.allowed_types == {"acme.steps.Half"}
    assert len(read.signing_keys) == 1
    assert not read.require_signature


def test_of_the_operators_own_flavors_only_the_models_gets_in() -> None:
    policy = TrustPolicy(flavors=(("gam", "acme.flavor:GamFlavor"), ("other", "acme.flavor:Other")))
    document = tomllib.loads(trusted(policy, "ab" * 32, "gam")["config.toml"].decode())
    assert document["flavors"] == {"gam": "acme.flavor:GamFlavor"}
    assert "flavors" not in tomllib.loads(trusted(policy, "ab" * 32, "sklearn")["config.toml"].decode())


def test_a_signature_that_is_required_is_asked_for_before_anything_is_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "cloche").mkdir()
    (tmp_path / "cloche" / "config.toml").write_text("[trust]\nrequire_signature = true\n")
    done = cloche_here("build", "boxes", "-o", str(tmp_path / "out"), store=store)
    assert done.returncode == 1
    assert "a signature is required" in done.stderr
    assert not (tmp_path / "out").exists()


# -- the command -----------------------------------------------------------------------------------


def test_json_says_what_was_made(store: Path, tmp_path: Path) -> None:
    done = cloche_here("build", "boxes@2", "-o", str(tmp_path), "--json", "--insecure", store=store)
    document = json.loads(done.stdout)
    assert (document["model"], document["version"], document["engine"], document["fetch"]) == (
        "boxes",
        2,
        "twin",
        False,
    )
    assert document["base"].endswith("-slim")
    assert document["tag"] == "boxes:2"
    assert document["pins"]["numpy"]
    assert document["files"]["Dockerfile"] == (tmp_path / "Dockerfile").stat().st_size
    assert any("asks for no key" in note for note in document["notes"])
    assert len(document["commands"]) == 2


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        pytest.param(["boxes@9"], 3, "no version 9", id="no-such-version"),
        pytest.param(["boxes@1", "--engine", "twin"], 1, "no engine 'twin' in this artifact", id="no-such-engine"),
        pytest.param(["boxes", "--fetch"], 2, "a container cannot reach", id="fetch-from-a-folder"),
        pytest.param(["boxes", "--base", "a b"], 2, "--base: expected the name of an image", id="no-base"),
    ],
)
def test_what_cannot_be_built_is_refused(
    flags: list[str], status: int, message: str, store: Path, tmp_path: Path
) -> None:
    done = cloche_here("build", *flags, "-o", str(tmp_path / "out"), store=store)
    assert (done.returncode, message in done.stderr) == (status, True), done.stderr
    assert not (tmp_path / "out").exists()
