"""What somebody who can write to an artifact does to it, and seals it again with the right digests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche.integrity import file_entries
from cloche.manifest import MANIFEST, SIGNATURE

FLIPS = 16


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing done to a copy; `may_open`: it may be of no consequence, and then golden rows have to hold."""

    name: str
    do: Callable[[Path], None]
    may_open: bool = False


def edit(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Apply *change* to the manifest's document; files are not looked at."""
    path = directory / MANIFEST
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def reseal(directory: Path) -> None:
    """List the files that lie there now, with their sizes and digests."""
    found = {name: one for name, one in file_entries(directory).items() if name not in (MANIFEST, SIGNATURE)}
    listed = {name: {"sha256": one.sha256, "size": one.size} for name, one in found.items()}
    edit(directory, lambda document: document.update(files=listed))


def attacks(files: list[str], options: dict[str, Any], canary: Path) -> Iterator[Attack]:
    """Every attack on an artifact whose flavor wrote *files*; a payload that runs would make the file *canary*."""
    yield Attack("a path outside in the listing", _listing("../outside"))
    yield Attack("an absolute path in the listing", _listing("/etc/passwd"))
    for key, value in options.items():
        if isinstance(value, str) and value in files:
            yield Attack(
                f"options.{key} names a file outside", _option(key, "../../../../../../etc/passwd"), may_open=True
            )
            yield Attack(f"options.{key} names another file", _option(key, "contract.json"), may_open=True)
    for file in files:
        yield Attack(f"{file}: removed", _removed(file))
        yield Attack(f"{file}: a link in its place", _linked(file))
        yield Attack(f"{file}: truncated, digests as before", _cut(file, 0.5))
        yield Attack(f"{file}: empty", _resealed(_cut(file, 0.0)))
        yield Attack(f"{file}: truncated to a half", _resealed(_cut(file, 0.5)))
        yield Attack(f"{file}: a pickle in its place", _resealed(_written(file, pickle(canary))))
        for place in range(FLIPS):
            yield Attack(f"{file}: bit {place} of {FLIPS} flipped", _resealed(_flipped(file, place)), may_open=True)


def pickle(canary: Path) -> bytes:
    """A pickle that makes the file *canary* when it is opened; written by hand, protocol 2."""
    return b"\x80\x02cbuiltins\nopen\nX" + _text(str(canary)) + b"X" + _text("w") + b"\x86R."


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4, "little") + raw


def _resealed(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        change(directory)
        reseal(directory)

    return do


def _listing(path: str) -> Callable[[Path], None]:
    entry = {"sha256": "0" * 64, "size": 1}
    return lambda directory: edit(directory, lambda document: document["files"].update({path: entry}))


def _option(key: str, value: str) -> Callable[[Path], None]:
    return lambda directory: edit(directory, lambda document: document["options"].update({key: value}))


def _removed(file: str) -> Callable[[Path], None]:
    return _resealed(lambda directory: (directory / file).unlink())


def _linked(file: str) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        elsewhere = directory.with_name(f"{directory.name}-elsewhere")
        (directory / file).rename(elsewhere)
        (directory / file).symlink_to(elsewhere)

    return do


def _cut(file: str, share: float) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        raw = (directory / file).read_bytes()
        (directory / file).write_bytes(raw[: int(len(raw) * share)])

    return do


def _written(file: str, raw: bytes) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        (directory / file).write_bytes(raw)

    return do


def _flipped(file: str, place: int) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        raw = bytearray((directory / file).read_bytes())
        if raw:
            raw[min(len(raw) - 1, (2 * place + 1) * len(raw) // (2 * FLIPS))] ^= 1 << (place % 8)
        (directory / file).write_bytes(raw)

    return do
