"""Wheels of what lies here as plain files, the same bytes every time: cloche itself, and packages of the operator."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from cloche.deploy.installation import Installation
from cloche.errors import UsageError

#: The first moment that a zip archive can name.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SKIPPED = ("__pycache__", ".pyc", ".pyo")
_WHEEL = "Wheel-Version: 1.0\nGenerator: cloche\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@cache
def of_cloche(here: Installation) -> tuple[str, bytes]:
    """The name and the bytes of a wheel of cloche as it runs here."""
    about = [
        "Metadata-Version: 2.1",
        "Name: cloche",
        f"Version: {here.version}",
        "Summary: From a fitted model to a service that others can rely on.",
        "License: Apache-2.0",
        "Requires-Python: >=3.11",
        *(f"Provides-Extra: {extra}" for extra in _extras(here)),
        *(f"Requires-Dist: {one}" for one in here.requires),
    ]
    files = {f"cloche/{name}": content for name, content in files_of(here.package).items()}
    scripts = {"entry_points.txt": b"[console_scripts]\ncloche = cloche.cli:main\n"}
    return _wheel("cloche", here.version, "\n".join(about) + "\n", files, scripts | _license(here))


def of_package(path: Path) -> tuple[str, bytes]:
    """
    A wheel of a module (`acme.py`) or of a folder that is a package; it requires nothing.

    Raises:
        UsageError: it is neither.
    """
    name = path.stem if path.is_file() else path.name
    if not name.isidentifier() or not (path.suffix == ".py" or (path / "__init__.py").is_file()):
        raise UsageError(f"--with {path}: expected a wheel, a module (.py), a package's folder, or a project's folder")
    if path.is_file():
        files = {path.name: path.read_bytes()}
    else:
        files = {f"{name}/{inner}": content for inner, content in files_of(path).items()}
    version = f"0+{hashlib.sha256(b''.join(k.encode() + v for k, v in files.items())).hexdigest()[:12]}"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return _wheel(name, version, about, files, {})


def files_of(folder: Path) -> dict[str, bytes]:
    """
    Every file below *folder* by its path, sorted; byte code left out.

    Raises:
        UsageError: a link, which might lead anywhere.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if any(part.endswith(_SKIPPED) or part.startswith(".") for part in inner.parts):
            continue
        if path.is_symlink():
            raise UsageError(f"{path}: a link; put the file itself there")
        if path.is_file():
            found[inner.as_posix()] = path.read_bytes()
    return found


def top_modules(name: str, content: bytes) -> frozenset[str]:
    """
    What can be imported once the wheel is installed.

    Raises:
        UsageError: it is no wheel.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            tops = {one.partition("/")[0] for one in archive.namelist()}
    except zipfile.BadZipFile as exc:
        raise UsageError(f"--with {name}: expected a wheel, got something else: {exc}") from exc
    return frozenset(one.partition(".")[0] for one in tops if not one.endswith((".dist-info", ".data")))


def _extras(here: Installation) -> list[str]:
    return sorted(set(re.findall(r"extra\s*==\s*'([^']+)'", " ".join(here.requires))))


def _license(here: Installation) -> dict[str, bytes]:
    for path in (here.package.parents[1] / "LICENSE", _installed_license()):
        if path is not None and path.is_file():
            return {"licenses/LICENSE": path.read_bytes()}
    return {}


def _installed_license() -> Path | None:
    try:
        files = metadata.files("cloche") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(one.locate())) for one in files if one.name == "LICENSE"), None)


def _wheel(
    name: str, version: str, about: str, files: Mapping[str, bytes], besides: Mapping[str, bytes]
) -> tuple[str, bytes]:
    info = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    written = {"METADATA": about.encode(), "WHEEL": _WHEEL.encode(), **besides}
    everything = {**files, **{f"{info}/{inner}": content for inner, content in written.items()}}
    record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in everything.items())
    everything[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in everything.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, content)
    return f"{info.removesuffix('.dist-info')}-py3-none-any.whl", out.getvalue()


def _digest(content: bytes) -> str:
    """As PEP 376 spells it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
