"""
R: a fit that `saveRDS` wrote, answered by R itself in a process of its own.

An `.rds` is a code format: a promise or a closure in it runs when R opens or asks it. This process never looks into
one beyond its first bytes, and R is started for what the operator trusts only.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from cloche.contract.model import Output
from cloche.errors import (
    EnvironmentMismatchError,
    MissingFileError,
    TamperedModelError,
    UsageError,
    WrongFormatError,
)
from cloche.flavors.base import Carried, Flavor
from cloche.flavors.r import model as models
from cloche.flavors.r.model import RFile, RInput, RModel
from cloche.flavors.r.process import RError, RProcess, RProcessDied, RProcessLate
from cloche.integrity import read_plain
from cloche.records import ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

FILE = "model.rds"
MAX_BYTES = 2**31 - 1  # R counts the bytes of a vector so far in a message
#: How `saveRDS` begins: gzip, bzip2, xz, and its three uncompressed forms.
_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"X\n", b"A\n", b"B\n")
_WORKSPACES = (b"RDX", b"RDA", b"RDB")
_HEAD, _PIECE = 8, 1 << 16
_STREAMS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", lambda raw: zlib.decompressobj(31).decompress(raw, _HEAD)),
    (b"BZh", lambda raw: bz2.BZ2Decompressor().decompress(raw, _HEAD)),
    (b"\xfd7zXZ\x00", lambda raw: lzma.LZMADecompressor().decompress(raw, _HEAD)),
)
_SETTINGS = frozenset({"s", "n_trees"})


class RFlavor(Flavor):
    """Fits of lm, glm, randomForest, ranger, glmnet, gbm and e1071 (svm, naiveBayes)."""

    name: ClassVar[str] = "r"
    packages: ClassVar[tuple[str, ...]] = ()
    fork_safe: ClassVar[bool] = False  # each engine has an R process of its own
    formats: ClassVar[tuple[str, ...]] = ("`model.rds`, a code format",)
    refuses: ClassVar[tuple[str, ...]] = (
        "every file whose digest or signer the operator does not trust",
        "workspaces (`.RData`), and fits of other kinds, at save",
    )

    def framework(self, model: RModel) -> str:
        """`R 4.2.2 (randomForest 4.7-1.1)`; for a fit that needs no package, its function: `R 4.2.2 (glm)`."""
        about = model.about
        needs = ", ".join(f"{name} {version}" for name, version in about.packages.items())
        return f"R {about.r} ({needs or about.model})"

    def environment(self, model: RModel) -> dict[str, str]:
        """R and the packages of the fit, by version."""
        about = model.about
        return {"R": about.r} | {f"R package {name}": version for name, version in about.packages.items()}

    def code(self, options: Mapping[str, Any]) -> str | None:
        """Why it takes trust."""
        return "an .rds file can hold code that runs when R opens it or asks it"

    def bundle(self, model: RFile, options: Mapping[str, Any], inputs: Any, **told: Any) -> RModel:
        """
        Have R open the fit, told which of its models answers: `s` of a glmnet path, `n_trees` of a gbm.

        Raises:
            UsageError: another option.
            SaveRefusedError: R cannot read it, or the fit is of a kind that is not known here.
            MissingProgramError: R is not installed.
        """
        unknown = next((name for name in options if name not in _SETTINGS), None)
        if unknown is not None:
            raise UsageError(f"{unknown}: not an option of an R model; there are {', '.join(sorted(_SETTINGS))}")
        return models.described(model, {name.replace("_", "."): value for name, value in options.items()})

    def carried(self, model: RModel) -> Carried:
        """The table that lay in the fit, or that `cloche_save` put beside it."""
        table, target = model.tables.get("table"), model.tables.get("target")
        test, truth = model.tables.get("test"), model.tables.get("truth")
        return Carried(
            inputs=table,
            targets=None if target is None else target.columns["target"],
            test=None if test is None or truth is None else (test, truth.columns["target"]),
        )

    def facts(self, model: RModel) -> ModelFacts:
        """What R says of the fit."""
        return model.about.facts()

    def dump(self, model: RModel, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """Write `model.rds`: the fit without its training rows, and what R knows of it."""
        (directory / FILE).write_bytes(model.content)
        return model.about.to_options()

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> RModel:
        """
        Start R and have it open `model.rds`; who calls this has asked whether it is trusted.

        Raises:
            EnvironmentMismatchError: R or a package is not installed; the message says what to install.
            WrongFormatError, TamperedModelError: R cannot read it.
        """
        content = read_plain(directory / FILE, limit=MAX_BYTES) if files is None else files.get(FILE)
        if content is None:
            raise MissingFileError(f"{FILE}: the manifest does not list it")
        check_magic(content, FILE)
        process = RProcess({"do": "load", "bytes": content})
        try:
            answer = process.start()
        except (RError, RProcessDied, RProcessLate) as exc:
            refusal = EnvironmentMismatchError if "is not installed" in str(exc) else TamperedModelError
            raise refusal(f"{FILE}: {exc}") from exc
        inputs = [RInput(one["name"], one["type"]) for one in options["inputs"]]
        classes = options.get("classes")
        differs = _differences(options, answer)
        return RModel(process, inputs, None if classes is None else tuple(classes), content=content, differs=differs)

    def differs(self, native: RModel) -> tuple[str, ...]:
        """R and packages of another minor version than when it was saved."""
        return native.differs

    def open_file(self, path: Path, trust: TrustPolicy) -> RFile:
        """
        A fit of the owner's own: saving it is trusting it.

        Raises:
            WrongFormatError: it does not begin as `saveRDS` begins.
        """
        content = read_plain(path, limit=MAX_BYTES)
        check_magic(content, path.name)
        return RFile(path.name, content)

    def predict(self, native: RModel, frame: Any, output: Output) -> Outputs:
        """What R answers for the columns of *frame*."""
        return native.predict(frame, output)


def check_magic(content: bytes, where: str) -> None:
    """
    Raises:
        WrongFormatError: *content* does not begin as `saveRDS` begins.
    """
    if len(content) > MAX_BYTES:
        raise WrongFormatError(f"{where}: expected at most {MAX_BYTES} bytes")
    if _first_bytes(content).startswith(_WORKSPACES):
        raise WrongFormatError(f"{where}: a workspace of save(); write the fit alone: saveRDS(fit, 'fit.rds')")
    if not content.startswith(_MAGICS):
        raise WrongFormatError(f"{where}: not a file that saveRDS() writes")


def _first_bytes(content: bytes) -> bytes:
    """What a file begins with once it is unpacked; `save` and `saveRDS` both compress."""
    unpack = next((made for mark, made in _STREAMS if content.startswith(mark)), None)
    try:
        return content[:_HEAD] if unpack is None else unpack(content[:_PIECE])
    except (zlib.error, lzma.LZMAError, OSError):
        return b""


def _differences(options: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[str, ...]:
    here = dict(zip(answer.get("packages", ()), answer.get("versions", ()), strict=True)) | {"R": answer["r"][0]}
    saved = {**options.get("packages", {}), "R": options.get("r")}
    return tuple(
        f"{name} {version} when saved, {here.get(name)} here"
        for name, version in saved.items()
        if _minor(version) != _minor(here.get(name))
    )


def _minor(version: str | None) -> list[str]:
    return (version or "").replace("-", ".").split(".")[:2]
