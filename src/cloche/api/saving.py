"""`cloche.save` and `cloche.inspect`: from a fitted model and its training table to a published version."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from cloche.api.files import open_model_file
from cloche.api.publishing import check_will_be_signed, publish
from cloche.api.version import Version
from cloche.api.workplace import Workplace, workplace
from cloche.contract.model import Contract, LogInputs
from cloche.errors import UsageError
from cloche.registry import check_name
from cloche.saving import Inspection, SaveRequest, preview, stage


def save(
    model: Any,
    name: str,
    *,
    inputs: Any = None,
    targets: Any = None,
    test: tuple[Any, Any] | None = None,
    keys: Sequence[str] = (),
    context: Sequence[str] = (),
    private: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    classes: Sequence[Any] | Mapping[Any, Any] | None = None,
    contract: Mapping[str, Mapping[str, Any]] | None = None,
    data_version: str | None = None,
    seed: int | None = None,
    description: str | None = None,
    license_id: str | None = None,
    script: str | Path | bool | None = None,
    golden: str = "synthetic",
    log_inputs: LogInputs | None = None,
    engine: str = "auto",
    tokenizer: Any = None,
    config: Mapping[str, Any] | None = None,
    max_length: int | None = None,
    training_state: Mapping[str, Any] | None = None,
    task: str | None = None,
    output: str | None = None,
    offset: str | None = None,
    exposure: str | None = None,
    takes: str | None = None,
    promote: bool = False,
    new_contract: bool = False,
    sign_with: str | Path | None = None,
    store: str | None = None,
    quiet: bool = False,
) -> Version:
    """
    Freeze a fitted model with the contract learnt from its training table, and publish it as the next version.

    The model is loaded back in a fresh process and answers its golden rows before anything is published; killed
    at any moment, the store holds what it held before. The first version of a name becomes live.

    Args:
        model: A fitted estimator, pipeline or model of a library that cloche knows; the path of a model file of a known
            format (`net.onnx`); or a function of an installed module, itself or by name: `"package.module:function"`.
        name: `[a-z0-9][a-z0-9._-]{0,63}`, not `v<digits>`, `versions`, `models`.
        inputs: The table the model was fitted on, (n, fields): a pandas or polars DataFrame, a numpy array, lists of
            dicts, or the path of a CSV or Parquet file. It may hold key and context columns too. May be left out where
            the fitted model tells its fields; then nothing about ranges and levels can be learnt.
        targets: The targets of the same n rows; never stored, used to refuse a target among the inputs.
        test: `(X, y)` that the model was *not* fitted on: metrics, calibration and the prediction profile come from it.
        keys: Columns that identify the entity: logged, never shown to the model.
        context: Columns for segments, event times, fairness: logged, never shown to the model.
        private: Fields whose values never appear in problems, pages, golden rows or examples.
        metrics: Figures of your own, recorded beside the measured ones.
        classes: Labels for the model's classes, in their order, where it was fitted on codes.
        contract: Overrides of learnt rules, `{"age": {"minimum": 0}}`.
        data_version: Your own name for the training data (a DVC or lakeFS commit).
        seed: The seed of the split or the fit.
        description: One paragraph for the model card: what the model is meant for.
        license_id: Under which license others may use it, as an SPDX identifier (`"Apache-2.0"`), for the card.
        script: The program that trains: without it the one that is running now is recorded by its sha256, its place in
            git and its arguments, so that `cloche reproduce` can run it again. A path records another one, `"copy"`
            keeps the text of the running one in the artifact, False records nothing.
        golden: `"synthetic"` rows drawn from the profile, or `"rows"`: real training rows.
        log_inputs: What the prediction log keeps of the inputs: `"keep"` their values, `"summary"` only which bin of
            the reference each lies in, `"none"` nothing. Without it as the predecessor's, else `"keep"`.
        engine: `"auto"`: the exact twin answers where there is one, or for a neural network its ONNX form, else the
            model's own library. `"twin"`: refuse to save without. `"onnx"`: the ONNX form answers (float32, within 1e-5
            of the model's own answers); refuse to save without. `"native"`: neither.
        tokenizer: How a net for texts reads them: a dict from words to numbers, or `{"vocabulary": {…}, "split":
            "words", "lowercase": True, "pad": 0, "unknown": 1, "padding": "longest"}`; a `tokenizer.json` or a
            sentencepiece model, as a path, bytes or an object of its library.
        config: The keyword arguments of the constructor of a net's class, as plain values.
        max_length: The most tokens of a text that the net is shown; what comes after is cut off.
        training_state: Tensors and plain values to go on training from (`{"optimizer": optimizer.state_dict(), "epoch":
            7}`): kept beside the model, never opened to answer, read by `cloche.training_state`.
        task: What an ONNX or Keras model's numbers mean where it cannot be told: `"classification"`, `"multilabel"`,
            `"regression"`, `"multioutput_regression"`, `"embedding"`, `"clustering"`, `"anomaly"`.
        output: The output that answers, of a model that has several.
        offset: The column that a model of statsmodels adds to its linear predictor, where it was fitted with one.
        exposure: Likewise the column whose logarithm it adds.
        takes: What a function is shown: `"pandas"`, `"polars"` or `"columns"` (a dict of lists); by default what its
            first parameter is annotated with, else the kind of table that *inputs* is.
        promote: Make the new version live at once.
        new_contract: Publish under the next contract number, served beside the old ones: callers of those notice
            nothing, whatever the new version breaks.
        sign_with: File with the Ed25519 private key (PEM) that signs the version, instead of `CLOCHE_SIGNING_KEY`.
        store: A store's URL or path, instead of `CLOCHE_STORE`.
        quiet: Do not print the summary.

    Raises:
        SaveRefusedError: the model or the table cannot be frozen as it is; the message holds the recipe.
        BreakingContractError: callers of the name's contract would break; nothing was published.
        SignatureError: signatures are required here, and it was not signed with a trusted key.
        StoreError: the store could not be read or written.
    """
    here = workplace(store)
    check_name(name)
    check_will_be_signed(here, sign_with)
    request = SaveRequest(
        inputs=inputs,
        targets=targets,
        test=test,
        keys=tuple(keys),
        context=tuple(context),
        private=tuple(private),
        metrics=dict(metrics or {}),
        classes=classes,
        overrides=contract or {},
        data_version=data_version,
        seed=seed,
        description=description,
        license=license_id,
        script=script,
        golden=golden,
        log_inputs=_checked(log_inputs),
        engine=engine,
        model_options=_given(
            tokenizer=tokenizer,
            config=config,
            max_length=max_length,
            training_state=training_state,
            task=task,
            output=output,
            offset=offset,
            exposure=exposure,
            takes=takes,
        ),
    )
    version = save_request(here, model, name, request, promote=promote, new_contract=new_contract, sign_with=sign_with)
    if not quiet and not _in_notebook():
        print(version)
    return version


def inspect(
    model: Any,
    inputs: Any = None,
    *,
    targets: Any = None,
    keys: Sequence[str] = (),
    context: Sequence[str] = (),
    classes: Sequence[Any] | Mapping[Any, Any] | None = None,
    tokenizer: Any = None,
    config: Mapping[str, Any] | None = None,
    max_length: int | None = None,
    task: str | None = None,
    output: str | None = None,
) -> Inspection:
    """
    Show what `save` would learn, and store nothing: each field's rule and what the owner should know.

    Raises:
        SaveRefusedError: as `save` would.
    """
    request = SaveRequest(
        inputs=inputs,
        targets=targets,
        keys=tuple(keys),
        context=tuple(context),
        classes=classes,
        model_options=_given(tokenizer=tokenizer, config=config, max_length=max_length, task=task, output=output),
    )
    here = workplace()
    return preview(_opened(model, here), request, trust=here.trust)


def _opened(model: Any, here: Workplace) -> Any:
    """The model in a file; a text with a colon is no path but the name of a function."""
    is_path = isinstance(model, Path) or (isinstance(model, str) and ":" not in Path(model).name)
    return open_model_file(Path(model), here.trust)[0] if is_path else model


def save_request(
    here: Workplace,
    model: Any,
    name: str,
    request: SaveRequest,
    *,
    promote: bool,
    new_contract: bool,
    sign_with: str | Path | None = None,
) -> Version:
    """
    `save` from its arguments as plain data.

    Raises:
        SaveRefusedError, BreakingContractError, StoreError: as `save`.
    """
    with tempfile.TemporaryDirectory(prefix="cloche-save-") as root:
        staged = stage(
            _opened(model, here),
            name,
            request,
            previous=_previous(here, name),
            root=Path(root),
            trust=here.trust,
            created_by=here.user,
            progress=_progress,
        )
        return publish(here, staged, promote=promote, new_contract=new_contract, sign_with=sign_with)


def _previous(here: Workplace, name: str) -> Contract | None:
    """The contract that the new version inherits: that of the newest version of the name."""
    versions = here.registry.versions(name)
    return here.registry.contract(name, versions[-1].contract) if versions else None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _checked(log_inputs: LogInputs | None) -> LogInputs | None:
    if log_inputs not in (None, *get_args(LogInputs)):
        raise UsageError(f"log_inputs: expected 'keep', 'summary' or 'none', got {log_inputs!r}")
    return log_inputs


def _progress(line: str) -> None:
    print(f"cloche: {line}", file=sys.stderr, flush=True)


def _in_notebook() -> bool:
    """Whether the return value is shown by itself: an IPython kernel is running."""
    return "ipykernel" in sys.modules
