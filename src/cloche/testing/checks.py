"""The checks, by name: each looks at one promise of a flavor, and says what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from cloche.artifact import open_artifact
from cloche.artifact.golden import GOLDEN
from cloche.contract.model import Task
from cloche.engines import differences
from cloche.errors import (
    ClocheError,
    EnvironmentMismatchError,
    GoldenRowsError,
    UntrustedCodeError,
    UntrustedTypeError,
)
from cloche.flavors import FLAVORS
from cloche.records import ModelFacts, Outputs
from cloche.registry import Registry
from cloche.saving.rehearsal import Rehearsal
from cloche.store import Store
from cloche.testing.attacking import refusals
from cloche.testing.example import CheckError, NotApplicable
from cloche.testing.holding import pickles
from cloche.testing.serving import predict, serving
from cloche.testing.subject import MODEL, Subject
from cloche.testing.tamper import edit, reseal
from cloche.trust import TrustPolicy

_TASKS = get_args(Task)
_OLD = "0.0.1"
#: Fails to import one library in a fresh process, and prints the error that the flavor makes of it.
_WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from cloche.errors import MissingExtraError
from cloche.flavors import get_flavor
try:
    get_flavor(sys.argv[1])
except MissingExtraError as exc:
    print(exc)
"""


def recognised(subject: Subject) -> None:
    """`flavor_of` finds the flavor by the model's class, and nobody else's."""
    found = subject.flavor.name
    if found != subject.name:
        raise CheckError(f"the model of the example is taken for one of flavor '{found}'")


def facts_complete(subject: Subject) -> None:
    """The facts name a task and what that task needs; hyperparameters are plain values."""
    facts = subject.flavor.facts(subject.bundled)
    missing = list(_missing_facts(facts))
    if missing:
        raise CheckError(f"facts: {'; '.join(missing)}")
    if not subject.flavor.framework(subject.bundled).strip():
        raise CheckError("framework: expected the library and its version")


def _missing_facts(facts: ModelFacts) -> Iterator[str]:
    if facts.task not in _TASKS:
        yield f"task: expected one of {', '.join(_TASKS)}, got {facts.task!r}"
    if facts.task == "classification" and not facts.classes:
        yield "classes: a classifier names its classes"
    if facts.task == "multioutput_classification" and not facts.output_classes:
        yield "output_classes: one tuple of classes an output"
    if facts.task.startswith("multioutput") and not facts.output_names:
        yield "output_names: a name an output"
    if facts.probabilities and not (facts.classes or facts.output_classes):
        yield "probabilities without classes"
    try:
        json.dumps(dict(facts.hyperparameters), allow_nan=False, default=repr)
    except (TypeError, ValueError) as exc:
        yield f"hyperparameters: {exc}"


def only_plain_files(subject: Subject) -> None:
    """`dump` writes regular files, none of them executable, none holding a pickle."""
    with tempfile.TemporaryDirectory(dir=subject.folder) as folder:
        options = subject.flavor.dump(subject.bundled, Path(folder), trust=subject.trust)
        json.dumps(options, allow_nan=False)
        for path in sorted(Path(folder).rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise CheckError(f"{name}: expected a regular file")
            if path.is_file() and subject.flavor.code(options) is None:
                found = next(pickles(name, path.read_bytes()), None)
                if found is not None:
                    raise CheckError(f"{found}: holds a pickle, which is code; say so in Flavor.code, or store data")


def fresh_process(subject: Subject) -> None:
    """A process that never saw the training code loads it and answers as the library does, together and alone."""
    manifest = subject.staged.manifest
    with Rehearsal(subject.staged.directory, subject.name, subject.trust) as rehearsal:
        rehearsal.load(dict(manifest.options), manifest.frame)
        output, rows = subject.staged.contract.output, subject.wire_rows
        together = rehearsal.answer(subject.columns(rows), len(rows), output)
        _same(subject, subject.expected, together, "in a fresh process")
        for place, row in enumerate(rows):
            alone = rehearsal.answer(subject.columns([row]), 1, output)
            _same(subject, together.rows(place, place + 1), alone, f"row {place} alone and in a batch")


def _same(subject: Subject, expected: Outputs, got: Outputs, where: str) -> None:
    if expected.probabilities is None:
        got = Outputs(got.prediction, None, got.score if expected.score is not None else None)
    found = differences(expected, got, subject.staged.manifest.tolerance)
    if found:
        raise CheckError(f"{where}: {'; '.join(found[:3])}")


def golden_rows(subject: Subject) -> None:
    """The artifact opens by the whole load order, and its golden rows, of which there are some, hold."""
    opened = subject.open(subject.staged.directory)
    if not (opened.directory / GOLDEN).read_bytes().strip():
        raise CheckError("there are no golden rows")


def served(subject: Subject) -> None:
    """Published, fetched and served over HTTP it gives the same answers, from whichever engine."""
    staged, store = subject.staged, subject.folder / "store"
    registry = Registry(Store.open(str(store), subject.folder))
    registry.publish(staged.directory, name=MODEL, contract=staged.contract, contract_number=1, by="suite")
    with serving(str(store), MODEL, subject.trusting(staged.directory), subject.folder) as url:
        answer = predict(url, subject.wire_rows)
    classes = staged.contract.output.classes
    shares = answer.get("probabilities")
    known = isinstance(shares, dict) and classes is not None and subject.expected.probabilities is not None
    columns = [shares[_key(one)] for one in classes or ()] if known and shares is not None else None
    rows = None if columns is None else [list(row) for row in zip(*columns, strict=True)]
    expected = subject.expected if rows is not None else Outputs(subject.expected.prediction)
    _same(subject, expected, Outputs(answer["prediction"], rows), "over HTTP")


def _key(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def attacked(subject: Subject) -> None:
    """Truncated, flipped, swapped for a pickle or led outside: an ArtifactError; nothing runs, nothing dies."""
    refusals(subject)


def other_version(subject: Subject) -> None:
    """Under another version of its library golden rows decide; without them it is refused."""
    packages = subject.flavor.packages
    if not packages:
        raise NotApplicable("the version of no package decides what a stored model means")
    directory = subject.copy("other-version")
    edit(directory, lambda document: document["environment"]["packages"].update(dict.fromkeys(packages, _OLD)))
    if not subject.open(directory).environment:
        raise CheckError(f"saved under {packages[0]} {_OLD}, and nothing is said of it")
    lines = [json.loads(line) for line in (directory / GOLDEN).read_text("utf-8").splitlines()]
    for line in lines:
        line["answer"] = {"prediction": "another" if isinstance(line["answer"]["prediction"], str) else -1.2345e6}
    (directory / GOLDEN).write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    reseal(directory)
    _refused(subject, directory, GoldenRowsError, "with golden rows of other answers")
    (directory / GOLDEN).write_text("", encoding="utf-8")
    reseal(directory)
    _refused(subject, directory, EnvironmentMismatchError, "without golden rows")


def _refused(subject: Subject, directory: Path, error: type[ClocheError], when: str) -> None:
    try:
        subject.open(directory)
    except error:
        return
    raise CheckError(f"{when} under another version: expected {error.__name__}, and it was opened")


def code_needs_trust(subject: Subject) -> None:
    """What runs code, or names types or functions, is refused where the operator has not allowed it."""
    staged, example = subject.staged, subject.example
    nobody = TrustPolicy(flavors=subject.private)
    is_code = subject.flavor.code(staged.manifest.options) is not None
    expected: tuple[type[ClocheError], ...] = (UntrustedCodeError,) if is_code else (UntrustedTypeError,)
    if not is_code and not (example.allowed_types or example.allowed_functions):
        open_artifact(staged.directory, nobody, engine="native")
        return
    try:
        open_artifact(staged.directory, nobody, engine="native")
    except expected:
        return
    raise CheckError(f"without trust: expected {expected[0].__name__}, and it was opened")


def missing_library(subject: Subject) -> None:
    """Without its library the error says what to install."""
    entry = FLAVORS.get(subject.name)
    if entry is None or not entry.extra:
        raise NotApplicable("no extra of cloche's own belongs to it")
    command = [sys.executable, "-P", "-c", _WITHOUT, subject.name, entry.needs]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if f"cloche[{entry.extra}]" not in said.stdout:
        raise CheckError(
            f"without {entry.needs}: expected an error that says to install cloche[{entry.extra}], "
            f"got {(said.stdout or said.stderr).strip()[-300:] or 'none'}"
        )


def described(subject: Subject) -> None:
    """The class says which files it writes and what it refuses, for the table of the documentation."""
    if not subject.flavor.formats:
        raise CheckError("formats: expected the files it writes, in words")


#: In the order they are tried.
CHECKS: dict[str, Callable[[Subject], None]] = {
    "recognised by its class": recognised,
    "facts complete": facts_complete,
    "described": described,
    "only plain files, no pickle": only_plain_files,
    "the same answers in a fresh process, alone and in a batch": fresh_process,
    "golden rows hold": golden_rows,
    "the same answers over HTTP": served,
    "attacks are refused": attacked,
    "another library version is decided by golden rows": other_version,
    "nothing that runs code opens without trust": code_needs_trust,
    "a missing library says what to install": missing_library,
}


def run(subject: Subject) -> Iterator[tuple[str, str | None, str]]:
    """Each check's name, its verdict ("ok", "missing", or None where it says nothing) and what is missing."""
    for name, check in CHECKS.items():
        try:
            check(subject)
        except NotApplicable as exc:
            yield name, None, str(exc)
        except (CheckError, ClocheError) as exc:
            yield name, "missing", str(exc)
        except Exception as exc:  # noqa: BLE001  a flavor under test may raise anything
            yield name, "missing", f"{type(exc).__name__}: {exc}"
        else:
            yield name, "ok", ""
