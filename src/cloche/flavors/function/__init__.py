"""
A Python function as a model: `package.module:function`, a name and no code.

The artifact holds the name alone; the function is the one that is installed where it runs, it has to stand in
`trust.allowed_functions` of the operator's configuration, and a change of its source is decided by golden rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from cloche.contract.model import Output
from cloche.errors import SaveRefusedError, UsageError, WrongFormatError
from cloche.flavors.base import Flavor
from cloche.flavors.function import shown
from cloche.flavors.function.answers import answered, facts_of, outputs_of
from cloche.flavors.function.naming import Function, Named, named, resolve, source_sha256, version_of
from cloche.records import ModelFacts, Outputs
from cloche.trust import DEFAULT, TrustPolicy

_OPTIONS = ("takes",)


class FunctionFlavor(Flavor):
    """Functions of a table, importable by name."""

    name: ClassVar[str] = "function"
    packages: ClassVar[tuple[str, ...]] = ()
    #: What the function's module starts or opens when it is imported is not known.
    fork_safe: ClassVar[bool] = False
    formats: ClassVar[tuple[str, ...]] = ("the name `package.module:function` in the manifest; no file",)
    refuses: ClassVar[tuple[str, ...]] = (
        "functions outside `trust.allowed_functions`",
        "lambdas, closures, methods and what is defined in `__main__`, at save",
    )

    def framework(self, model: Any) -> str:
        """The package the function comes from, and its version where it has one."""
        version = version_of(model.named)
        package = model.named.module.partition(".")[0]
        return package if version is None else f"{package} {version}"

    def bundle(self, model: Any, options: Mapping[str, Any], inputs: Any, **given: Any) -> Function:
        """
        The function, found by its name; `takes` among *options* is "pandas", "polars" or "columns".

        Raises:
            UsageError: another option, or another value of it.
            SaveRefusedError: it cannot be imported by a name, takes another kind of table, or there is no table.
        """
        for name in options:
            if name not in _OPTIONS:
                raise UsageError(f"{name}: expected an option of a function: {', '.join(_OPTIONS)}")
        if isinstance(model, Function):
            return model
        found = named(model)
        if inputs is None:
            raise SaveRefusedError(f"the function {found} does not tell its fields; pass a table of inputs: inputs=X")
        function = resolve(found)
        takes = shown.takes(function, options.get("takes"), inputs)
        answers = answered(function, shown.sample(inputs, takes, given.get("aside") or ()), str(found))
        facts = facts_of(answers, found, takes)
        return Function(found, function, takes, facts.classes, facts)

    def facts(self, model: Any) -> ModelFacts:
        """The task, told by what it answers for the first rows of the table."""
        found: ModelFacts = model.facts
        return found

    def dump(self, model: Any, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """
        Nothing is written: the name, the version and the digest of the source are the manifest's options.

        Raises:
            SaveRefusedError: the function is not allowed here, so no server would run it.
        """
        if model.named.dotted not in trust.allowed_functions:
            raise SaveRefusedError(
                f"the function {model.named} is not allowed here, so no server would run it. Who has read it allows it "
                f'with trust.allowed_functions = ["{model.named.dotted}"] in the configuration of the user or the '
                "system, here and where it is served"
            )
        return {
            "function": str(model.named),
            "takes": model.takes,
            "classes": None if model.classes is None else list(model.classes),
            "version": version_of(model.named),
            "source_sha256": source_sha256(model.named),
        }

    def changes(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Another version of the package, or another source of the module, than when it was saved."""
        found = _named(options)
        if not found.importable():
            return (f"{found.module} is not installed here",)
        pairs = (("version", version_of(found)), ("source_sha256", source_sha256(found)))
        return tuple(
            f"{found.module}: {name.partition('_')[0]} {_short(options.get(name))} when saved, {_short(here)} here"
            for name, here in pairs
            if options.get(name) != here
        )

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Function:
        """
        Import the function, if the operator allows it.

        Raises:
            UntrustedTypeError: the operator does not.
            WrongFormatError: the options name no function.
            TamperedModelError: there is no such function here.
        """
        found = _named(options)
        takes = options.get("takes")
        if takes not in shown.KINDS:
            raise WrongFormatError(f"manifest.json: options: takes: expected one of {', '.join(shown.KINDS)}")
        classes = options.get("classes")
        return Function(found, resolve(found, trust), takes, None if classes is None else tuple(classes), None)

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """A file is no function."""
        raise WrongFormatError(f"{path}: a function is saved by its name: cloche.save('package.module:function', …)")

    def predict(self, native: Any, frame: Any, output: Output) -> Outputs:
        """What the function answers for *frame*."""
        rows = shown.count(frame)
        return outputs_of(native.function(frame), rows, output, str(native.named), native.classes)


def _named(options: Mapping[str, Any]) -> Named:
    text = options.get("function")
    if not isinstance(text, str):
        raise WrongFormatError("manifest.json: options: expected the name of a function")
    return Named.parse(text, WrongFormatError)


def _short(value: Any) -> str:
    return "unknown" if value is None else str(value)[:12]
