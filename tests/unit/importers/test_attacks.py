"""Attacks on the import, class × layout: each is refused or contained with a clear error, and the canary stays away."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import foreign
from cloche import importers
from cloche.errors import (
    ArchiveLimitError,
    ArtifactError,
    ClocheError,
    ImportRefusedError,
    NotAFileError,
    PathEscapeError,
    RefusedError,
    UntrustedCodeError,
    UsageError,
    WrongFormatError,
)
from cloche.importers import unpacking
from cloche.importers.contents import TAR, ZIP
from cloche.integrity.archive import ArchiveLimits
from cloche.trust import DEFAULT

_OUT = "../../outside.pkl"


def _linked(folder: Path, target: str) -> Path:
    folder = foreign.mlflow(folder, b"x")
    (folder / "model.pkl").unlink()
    (folder / "model.pkl").symlink_to(target)
    return folder


def _with(folder: Path, make: Callable[[Path], Any]) -> Path:
    folder = foreign.mlflow(folder, b"x")
    make(folder / "extra")
    return folder


def _yaml(folder: Path, text: str, name: str = "MLmodel") -> Path:
    folder.mkdir()
    (folder / name).write_text(text)
    return folder


_LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

#: How, what is made, which error, what it says.
_FOLDERS: dict[str, tuple[Callable[[Path], Path], type[ClocheError], str]] = {
    "mlflow-path-up": (lambda p: foreign.mlflow(p, b"x", told=_OUT), PathEscapeError, "relative path inside"),
    "mlflow-path-absolute": (lambda p: foreign.mlflow(p, b"x", told="/etc/passwd"), PathEscapeError, "relative path"),
    "mlflow-path-backslash": (lambda p: foreign.mlflow(p, b"x", told="..\\up.pkl"), PathEscapeError, "relative path"),
    "mlflow-path-nul": (lambda p: foreign.mlflow(p, b"x", told="a\0b"), PathEscapeError, "relative path"),
    "mlflow-path-no-text": (lambda p: foreign.mlflow(p, b"x", told=["model.pkl"]), PathEscapeError, "relative path"),
    "mlflow-example-outside": (
        lambda p: foreign.mlflow(
            p, b"x", signature=None, saved_input_example_info={"type": "dataframe", "artifact_path": "/etc/passwd"}
        ),
        PathEscapeError,
        "saved_input_example_info",
    ),
    "link-to-a-file-outside": (lambda p: _linked(p, "/etc/passwd"), NotAFileError, "got a link"),
    "link-that-leads-nowhere": (lambda p: _linked(p, "gone"), NotAFileError, "got a link"),
    "link-to-a-folder": (lambda p: _with(p, lambda q: q.symlink_to("/etc")), NotAFileError, "got a link"),
    "a-pipe": (lambda p: _with(p, os.mkfifo), NotAFileError, "special file"),
    "pin-path-up": (lambda p: foreign.pin(p, b"x", file=_OUT), PathEscapeError, "relative path inside"),
    "pin-of-many-files": (lambda p: foreign.pin(p, b"x", file=["a", "b"]), PathEscapeError, "relative path"),
    "hub-path-up": (lambda p: foreign.hub(p, b"x", file=_OUT), PathEscapeError, "relative path inside"),
    "bento-latest-up": (
        lambda p: _yaml(p, "../../outside", "latest"),
        PathEscapeError,
        "latest: expected a relative path",
    ),
    "yaml-python-object": (
        lambda p: _yaml(p, "flavors: !!python/object/apply:os.system ['touch canary']\n"),
        ImportRefusedError,
        "not plain YAML",
    ),
    "yaml-python-name": (lambda p: _yaml(p, "a: !!python/name:os.system\n"), ImportRefusedError, "not plain YAML"),
    "yaml-python-module": (lambda p: _yaml(p, "a: !!python/module:os\n"), ImportRefusedError, "not plain YAML"),
    "yaml-of-anchors": (lambda p: _yaml(p, _LAUGHS), ImportRefusedError, "an anchor or alias"),
    "yaml-of-many-keys": (
        lambda p: _yaml(p, "flavors: {" + ", ".join(f"k{number}: 1" for number in range(10_000)) + "}"),
        ImportRefusedError,
        r"it has: (k\d+, ){9}k\d+$",
    ),
    "yaml-nested": (lambda p: _yaml(p, "[" * 20_000), ImportRefusedError, "not plain YAML"),
    "yaml-twice": (lambda p: _yaml(p, "flavors: {}\nflavors: {}\n"), ImportRefusedError, "stands twice"),
    "yaml-large": (lambda p: _yaml(p, "a: " + "x" * (1 << 20)), ImportRefusedError, "expected at most"),
    "yaml-binary": (lambda p: _yaml(p, "\x00\x01"), ImportRefusedError, "not plain YAML"),
    "yaml-no-mapping": (lambda p: _yaml(p, "- a\n"), ImportRefusedError, "expected a YAML mapping"),
    "pin-yaml-tag": (
        lambda p: _yaml(p, "!!python/object/new:os.system [true]\n", "data.txt"),
        ImportRefusedError,
        "not plain YAML",
    ),
    "bento-yaml-tag": (
        lambda p: _yaml(p, "a: !!python/object/apply:os.system [true]\n", "model.yaml"),
        ImportRefusedError,
        "not plain YAML",
    ),
    "config-no-json": (lambda p: _yaml(p, "{", "config.json"), ImportRefusedError, "expected a JSON object"),
}


@pytest.mark.parametrize("attack", _FOLDERS)
def test_folders(attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, error, says = _FOLDERS[attack]
    (tmp_path / "outside.pkl").write_bytes(foreign.gadget(tmp_path / "canary"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    with pytest.raises(error, match=says):
        importers.find(make(tmp_path / "model"), tmp_path / "work")
    assert not (tmp_path / "canary").exists()


_DEVICE, _BLOCK, _FIFO = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE
_ARCHIVES: dict[str, tuple[dict[str, Any], type[ClocheError], str]] = {
    "path-up": ({"../canary": b"x"}, PathEscapeError, "plain relative paths"),
    "path-up-inside": ({"a/../../canary": b"x"}, PathEscapeError, "plain relative paths"),
    "path-absolute": ({"/tmp/canary": b"x"}, PathEscapeError, "plain relative paths"),
    "path-backslash": ({"..\\canary": b"x"}, PathEscapeError, "plain relative paths"),
    "path-drive": ({"C:canary": b"x"}, PathEscapeError, "plain relative paths"),
    "link": ({"l": foreign.special("l", tarfile.SYMTYPE, "/etc/passwd")}, NotAFileError, "no plain file"),
    "link-then-through-it": (
        {"l": foreign.special("l", tarfile.SYMTYPE, ".."), "l/canary": b"x"},
        NotAFileError,
        "no plain file",
    ),
    "hard-link": ({"l": foreign.special("l", tarfile.LNKTYPE, "/etc/passwd")}, NotAFileError, "no plain file"),
    "device": ({"d": foreign.special("d", _DEVICE)}, NotAFileError, "no plain file"),
    "block-device": ({"d": foreign.special("d", _BLOCK)}, NotAFileError, "no plain file"),
    "pipe": ({"d": foreign.special("d", _FIFO)}, NotAFileError, "no plain file"),
    "file-as-folder": ({"a": b"x", "a/b": b"x"}, WrongFormatError, "the archive is broken"),
}


@pytest.mark.parametrize("attack", _ARCHIVES)
def test_tar_archives(attack: str, tmp_path: Path) -> None:
    members, error, says = _ARCHIVES[attack]
    (tmp_path / "in" / "deep").mkdir(parents=True)
    path = foreign.tar(tmp_path / "m.bentomodel", members)
    with pytest.raises(error, match=says):
        unpacking.unpack(path, TAR, tmp_path / "in" / "deep")
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("../canary", PathEscapeError, id="up"),
        pytest.param("/tmp/canary", PathEscapeError, id="absolute"),
        pytest.param("a/../../canary", PathEscapeError, id="up-inside"),
    ],
)
def test_zip_archives(name: str, error: type[ClocheError], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(error, match="plain relative paths"):
        unpacking.unpack(foreign.zipped(tmp_path / "m.zip", {name: b"x"}), ZIP, tmp_path / "in")
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        pytest.param(ArchiveLimits(total_bytes=1 << 20), "unpacks to more than", id="total"),
        pytest.param(ArchiveLimits(free_bytes=1 << 10), "unpacks to more than", id="ratio"),
    ],
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_bombs(limits: ArchiveLimits, says: str, kind: str, tmp_path: Path) -> None:
    members = {f"m/{number}": bytes(1 << 20) for number in range(4)}
    (tmp_path / "in").mkdir()
    make = foreign.tar if kind == "tar" else foreign.zipped
    path = make(tmp_path / "bomb", members)
    with pytest.raises(ArchiveLimitError, match=says):
        unpacking.unpack(path, TAR if kind == "tar" else ZIP, tmp_path / "in", limits)
    assert sum(one.stat().st_size for one in (tmp_path / "in").rglob("*") if one.is_file()) <= 2 << 20


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_the_header_of_a_member_is_no_bomb(kind: bytes, mode: str, tmp_path: Path) -> None:
    """tarfile takes it into memory as one; here it says that it is 8 GB, of which 2 MB are there."""
    header = tarfile.TarInfo("m")
    header.type, header.size = kind, 8 << 30
    with tarfile.open(tmp_path / "bomb", mode) as archive:
        archive.fileobj.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(2 << 20))  # type: ignore[union-attr]
    (tmp_path / "in").mkdir()
    with pytest.raises(ArchiveLimitError, match="headers of at most"):
        unpacking.unpack(tmp_path / "bomb", TAR, tmp_path / "in")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_unpacked_however_it_is_compressed(mode: str, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    path = foreign.tar(tmp_path / "m", {"a/b": content, "a/" + "long" * 40: b"x"}, mode)
    (tmp_path / "in").mkdir()
    unpacking.unpack(path, TAR, tmp_path / "in")
    assert (tmp_path / "in" / "a" / "b").read_bytes() == content
    assert len(list((tmp_path / "in" / "a").iterdir())) == 2


def test_a_truncated_archive_is_told(tmp_path: Path) -> None:
    path = foreign.tar(tmp_path / "m", {"a/b": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:2500])
    (tmp_path / "in").mkdir()
    with pytest.raises(WrongFormatError, match="the archive is broken"):
        unpacking.unpack(path, TAR, tmp_path / "in")


@pytest.mark.parametrize("place", [pytest.param("/dev/zero", id="device"), pytest.param("pipe", id="pipe")])
def test_a_special_file_is_not_opened(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAFileError, match="special file"):
        importers.find(tmp_path / place, tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda p, raw: foreign.mlflow(p / "m", raw), id="mlflow"),
        pytest.param(lambda p, raw: foreign.pin(p / "b", raw), id="vetiver"),
        pytest.param(lambda p, raw: foreign.bento(p / "b", raw), id="bentoml"),
        pytest.param(lambda p, raw: foreign.hub(p / "h", raw), id="a-pickle-called-skops"),
        pytest.param(lambda p, raw: (p / "m.skops").write_bytes(raw) and p / "m.skops", id="bare"),
    ],
)
def test_a_pickle_is_not_opened_without_trust(make: Callable[[Path, bytes], Path], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    found = importers.find(make(tmp_path, foreign.gadget(tmp_path / "canary")), work)
    with pytest.raises(UntrustedCodeError, match="--trust"):
        importers.open_found(found, work, DEFAULT, trusted=False, isolate=True)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"tree\nversion=v4\n", RefusedError, id="a-truncated-lightgbm"),
        pytest.param(b"PK\x05\x06" + bytes(18), RefusedError, id="an-empty-zip"),
        pytest.param(b"", ImportRefusedError, id="empty"),
    ],
)
def test_what_is_no_model_is_no_model_however_it_is_called(
    content: bytes, error: type[ClocheError], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "m.skops").write_bytes(content)
    with pytest.raises(error):
        importers.open_found(importers.find(tmp_path / "m.skops", work), work, DEFAULT, trusted=False, isolate=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"a,b\n1,2\n", "train.csv: not a model file", id="a-table"),
        pytest.param(b'{"learner":{"attributes":{}}}', r"train.csv: .*save_model\('m.ubj'\)", id="xgboost-json"),
        pytest.param(b"", "train.csv: the file is empty", id="empty"),
    ],
)
def test_what_is_not_read_is_called_by_its_own_name(content: bytes, says: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(ImportRefusedError, match=says):
        importers.open_found(importers.find(tmp_path / "train.csv", work), work, DEFAULT, trusted=True, isolate=True)


@pytest.mark.parametrize("make", [lambda p: p, lambda p: foreign.mlflow(p.parent, b"x", told=p.name).parent / "m"])
def test_a_program_of_tensorflow_is_not_run(make: Callable[[Path], Path], tmp_path: Path) -> None:
    place = tmp_path / "m" / "saved"
    place.mkdir(parents=True)
    (place / "saved_model.pb").write_bytes(b"\x08\x01\x12\x02ab")
    with pytest.raises(ImportRefusedError, match="saved: a SavedModel of TensorFlow is a program"):
        importers.find(make(place), tmp_path)


def test_a_pickle_needs_no_class(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "m.pkl").write_bytes(foreign.pickled())
    with pytest.raises(UsageError, match="leave out --module"):
        importers.open_found(
            importers.find(tmp_path / "m.pkl", work),
            work,
            DEFAULT,
            trusted=True,
            isolate=True,
            structure=importers.Structure("acme:Net"),
        )


def test_a_skops_file_with_a_gadget_is_refused_by_the_flavor(tmp_path: Path) -> None:
    schema = b'{"__class__":"system","__module__":"os","__loader__":"FunctionNode","content":{},"protocol":2}'
    work = tmp_path / "work"
    work.mkdir()
    path = foreign.zipped(tmp_path / "m.pkl", {"schema.json": schema})
    with pytest.raises(ArtifactError, match=r"m\.pkl"):
        importers.open_found(importers.find(path, work), work, DEFAULT, trusted=True, isolate=True)


def test_an_r_object_is_not_opened_without_trust_and_nothing_is_promised_of_it(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "fit.txt").write_bytes(b"X\n\x00\x00\x00\x03" + bytes(16))
    with pytest.raises(UntrustedCodeError, match="an R object.*not shut in"):
        importers.open_found(importers.find(tmp_path / "fit.txt", work), work, DEFAULT, trusted=False, isolate=True)
