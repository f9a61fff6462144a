"""What a version's rows are compared with: `reference.json` of its artifact, parsed once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
import numpy as np

from cloche import features
from cloche.evaluation.chances import logit
from cloche.features import Features, Rows

#: So large a share of the rows have to have one of the values of a context that are told apart.
_NEARLY_ALL: Final = 0.95
Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class ReferenceSample:
    """Some rows of the reference as features: `rows` has `features.width` bytes a row."""

    features: Features
    rows: bytes

    def matrix(self) -> Rows:
        """The rows, (n, width)."""
        return np.frombuffer(self.rows, dtype=np.uint8).reshape(-1, self.features.width)


@dataclass(frozen=True, slots=True)
class FieldReference:
    """
    One field in the training table, or one side of the answers on the test set.

    Numbers (dates as seconds since 1970, a text's length in characters, a vector's norm) have `edges`: bin i is from
    `edges[i]` up to, and only for the last including, `edges[i + 1]`. Others have `levels`. `counts` is by bin or
    level, `other` what was of no level. `n` counts the missing ones too.
    """

    name: str
    type: str
    role: str
    n: int
    missing: int = 0
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    other: int = 0
    mean: float | None = None
    variance: float | None = None
    measure: str = "value"  #: what is counted: "value", "characters", "norm"
    groups: tuple[str, ...] = ()  #: of a context of texts, the values that quality is told by
    sample: ReferenceSample | None = None  #: of a text or a vector, what a classifier compares
    importance: float | None = None  #: how much worse the model answers without it, where that was measured

    @property
    def comparable(self) -> bool:
        """Whether a distribution is known."""
        return bool(self.counts)


class Bent(msgspec.Struct, frozen=True, kw_only=True):
    """
    How probabilities come true: bent by `slope` and `intercept` on the logit scale, then `offsets` are added `at` some
    probabilities, between them linearly.
    """

    slope: float = 1.0
    intercept: float = 0.0
    at: tuple[float, ...] = (0.5,)
    offsets: tuple[float, ...] = (0.0,)

    def calibrated(self, shares: Values) -> Values:
        """Probabilities as they came true on the test set."""
        near = 1 / (1 + np.exp(-(self.slope * logit(shares) + self.intercept)))
        found: Values = np.clip(near + np.interp(near, self.at, self.offsets), 0.0, 1.0)
        return found


class Estimation(Bent, frozen=True, kw_only=True):
    """
    What quality is estimated from without labels, learnt on the test set.

    `of` "probability" (of the second of two `classes`) or "confidence" (that the answer is right): bent. Of a few
    classes `each` is the probability of one against all others. `of` "prediction": means of |e|, e² and e⁴ by the bins
    of the answers.
    """

    of: Literal["probability", "confidence", "prediction"]
    n: tuple[int, ...]
    classes: tuple[str, ...] = ()
    each: tuple[Bent, ...] = ()
    a: tuple[float, ...] = ()
    e2: tuple[float, ...] = ()
    e4: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """
    A version's reference. `classes`, `number` and `confidence` are of its answers on rows it was not fitted on; None
    where there was no test set: then there is no verdict on predictions.
    """

    fields: Mapping[str, FieldReference] = field(default_factory=dict)
    classes: FieldReference | None = None
    number: FieldReference | None = None
    confidence: FieldReference | None = None
    calibration: tuple[Mapping[str, float], ...] = ()
    quality: tuple[Mapping[str, Any], ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    correlations: tuple[float, ...] = ()
    estimation: Estimation | None = None

    @property
    def sampled(self) -> bool:
        """Whether rows of any field are sampled."""
        return any(one.sample is not None for one in self.fields.values())

    @classmethod
    def of(cls, raw: bytes | None) -> Reference:
        """
        Parse the bytes of `reference.json`; keys that are not known yet are passed over.

        Raises:
            ValueError: a sample is none that this cloche can read.
        """
        if raw is None:
            return cls()
        document = msgspec.json.decode(raw)
        inputs = {name: _field(name, given) for name, given in (document.get("inputs") or {}).items()}
        answers = document.get("predictions") or {}
        pairs = document.get("pairs") or []
        return cls(
            fields=inputs,
            classes=_classes(answers),
            number=_answer("prediction", answers) if "bins" in answers else None,
            confidence=_answer("confidence", answers.get("confidence") or answers.get("score") or {}),
            calibration=tuple(document.get("calibration") or ()),
            quality=tuple(document.get("quality") or ()),
            pairs=tuple((one["fields"][0], one["fields"][1]) for one in pairs),
            correlations=tuple(one["correlation"] for one in pairs),
            estimation=msgspec.convert(document.get("estimation"), Estimation | None),
        )


def _field(name: str, given: Mapping[str, Any]) -> FieldReference:
    groups = _watched_as_levels(given)
    measured = next((one for one in ("norm", "characters") if one in given and not groups), None)
    numbers = {} if groups else given if measured is None else given[measured]
    bins, levels = numbers.get("bins") or {}, groups or given.get("levels") or {}
    return FieldReference(
        name=name,
        type=given["type"],
        role=given["role"],
        n=given["n"],
        missing=given["missing"],
        edges=tuple(bins.get("edges") or ()),
        levels=tuple(levels),
        counts=tuple(levels.values()) if levels else tuple(bins.get("counts") or ()),
        other=given["n"] - given["missing"] - sum(groups.values()) if groups else given.get("other", 0),
        mean=numbers.get("mean"),
        variance=numbers.get("variance"),
        measure=measured or "value",
        groups=tuple(given.get("groups") or ()),
        sample=_sample(given.get("sample")),
        importance=given.get("importance"),
    )


def _sample(given: Mapping[str, Any] | None) -> ReferenceSample | None:
    if given is None:
        return None
    known, rows = features.of(given["features"]), base64.b64decode(given["rows"], validate=True)
    if len(rows) % known.width:
        raise ValueError(f"sample: expected rows of {known.width} bytes, got {len(rows)} bytes")
    return ReferenceSample(known, rows)


def _watched_as_levels(given: Mapping[str, Any]) -> dict[str, int]:
    """
    The values of a context of texts where hardly a row has another: who asks is seen by that, not by how long it is.
    """
    groups: dict[str, int] = given.get("groups") or {}
    return groups if sum(groups.values()) >= _NEARLY_ALL * (given["n"] - given["missing"]) else {}


def _classes(answers: Mapping[str, Any]) -> FieldReference | None:
    found = answers.get("classes")
    if not found:
        return None
    levels = tuple(str(one["class"]) for one in found)
    return FieldReference(
        "prediction", "category", "output", answers["n"], levels=levels, counts=tuple(one["n"] for one in found)
    )


def _answer(name: str, given: Mapping[str, Any]) -> FieldReference | None:
    bins = given.get("bins")
    if not bins:
        return None
    return FieldReference(
        name,
        "number",
        "output",
        given["finite"],
        edges=tuple(bins["edges"]),
        counts=tuple(bins["counts"]),
        mean=given.get("mean"),
        variance=given.get("variance"),
    )
