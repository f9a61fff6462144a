"""A net into an artifact: only what can be built again, and answers then as it does now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloche.errors import ClocheError, SaveRefusedError
from cloche.flavors.torch import building, classes, layers, probing, training, weights
from cloche.flavors.torch.net import Draft
from cloche.flavors.torch.options import WEIGHTS, NetOptions
from cloche.integrity import files_below
from cloche.trust import TrustPolicy


def dump(model: Draft, directory: Path, trust: TrustPolicy) -> dict[str, Any]:
    """
    Write *model*, and the manifest's `options` for it.

    Raises:
        SaveRefusedError: its class exists only here or is not allowed, or what is built again answers otherwise.
    """
    described = _described(model, trust)
    raw, tied = weights.to_bytes(model.module.state_dict())
    state = weights.untied(weights.from_bytes(raw, WEIGHTS), tied)
    options = NetOptions(
        module=described,
        answers=model.task.answers,
        width=model.task.width,
        dtype=model.dtype,
        meta=_can_be_built_empty(model, described, state, trust),
        tied=tied,
        columns=model.columns,
        text=model.text,
    )
    (directory / WEIGHTS).write_bytes(raw)
    if model.tokenizer is not None:
        (directory / model.tokenizer.file).write_bytes(model.tokenizer.to_bytes())
    if model.training_state is not None:
        training.write(model.training_state, directory)
    return options.to_dict()


def _described(model: Draft, trust: TrustPolicy) -> dict[str, Any]:
    own = layers.description(model.module)
    if own is not None and model.config is None:
        return own
    name = classes.name_of(model.module)
    if name.startswith("torch.nn."):
        inner = next((one for one in model.module.modules() if type(one).__module__.partition(".")[0] != "torch"), None)
        held = "" if inner is None else f" that holds {type(inner).__name__}"
        raise SaveRefusedError(
            f"{type(model.module).__name__}{held} is more than cloche writes down as data; wrap it in a class of your "
            "own whose constructor builds it, in an installed package, and pass config={…}, the constructor's arguments"
        )
    classes.check_allowed(name, trust, SaveRefusedError)
    return {"class": name, "config": classes.checked_config(model.config or {})}


def _can_be_built_empty(model: Draft, described: Mapping[str, Any], state: weights.State, trust: TrustPolicy) -> bool:
    """Whether the net can be built on the meta device; refused where it cannot be built again at all."""
    raised: Exception | None = None
    for meta in (True, False):
        try:
            again = building.build(described, state, trust, meta=meta, name="the net")
            if building.is_whole(again) and probing.close(model.found, model.asked(again), model.dtype):
                return meta
        except Exception as exc:  # noqa: BLE001 - a tensor without memory raises whatever it meets
            raised = exc
    what = f"{raised}" if isinstance(raised, ClocheError) else "what is built again from them answers differently"
    raise SaveRefusedError(
        f"the net cannot be built again from its class and config: {what}. Pass config={{…}}, the keyword arguments "
        f"that {type(model.module).__name__}(…) was called with, as plain values; all else has to be in its state_dict"
    ) from raised


def files_in(directory: Path) -> dict[str, bytes]:
    """The files of a staged model."""
    return {
        name: (directory / name).read_bytes() for name in files_below(directory) if not name.startswith("training/")
    }
