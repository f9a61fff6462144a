"""Vectorizers of text, with scikit-learn's own analyzers only: a function of the owner's could do anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow
from cloche.graph.operators.numeric import Normalize, Scale
from cloche.graph.operators.text import HashedTerms, Sublinear, Terms

_WORDS = {
    r"(?u)\b\w\w+\b": "long",
    r"\b\w\w+\b": "long",
    r"(?u)\b\w{2,}\b": "long",
    r"(?u)\b\w+\b": "short",
    r"\b\w+\b": "short",
}
_ANALYZERS = ("word", "char", "char_wb")


def _analysis(step: Any, flow: Flow) -> dict[str, Any]:
    """The parameters of the analyzer, and the node of the text."""
    name = type(step).__name__
    if step.analyzer not in _ANALYZERS or step.tokenizer is not None or step.preprocessor is not None:
        raise NotLoweredError(f"{name} with a function of its own")
    words = _WORDS.get(step.token_pattern) if step.analyzer == "word" else "long"
    if words is None:
        raise NotLoweredError(f"{name}(token_pattern={step.token_pattern!r})")
    if step.strip_accents not in (None, "ascii", "unicode"):
        raise NotLoweredError(f"{name} with a function of its own")
    stop = step.get_stop_words() if step.analyzer == "word" else None
    low, high = step.ngram_range
    return {
        "of": (flow.objects()[0].node,),
        "analyzer": step.analyzer,
        "words": words,
        "lowercase": bool(step.lowercase),
        "accents": step.strip_accents or "keep",
        "ngrams": (int(low), int(high)),
        "stop_words": tuple(sorted(stop or ())),
        "binary": bool(step.binary),
    }


def _count(step: CountVectorizer, flow: Flow) -> Flow:
    vocabulary = tuple(sorted(step.vocabulary_, key=step.vocabulary_.get))
    return flow.to(Terms(vocabulary=vocabulary, **_analysis(step, flow)))


def _hashing(step: HashingVectorizer, flow: Flow) -> Flow:
    op = HashedTerms(width=int(step.n_features), signed=bool(step.alternate_sign), **_analysis(step, flow))
    return _normed(flow.to(op), step.norm)


def _normed(flow: Flow, norm: str | None) -> Flow:
    return flow if norm is None else flow.to(Normalize(of=(flow.any_numbers().node,), norm=norm))  # type: ignore[arg-type]


def _weigh(step: Any, flow: Flow) -> Flow:
    """Term frequencies by inverse document frequencies; *step* is the transformer or the vectorizer."""
    if step.sublinear_tf:
        if flow.any_numbers().kind != "sparse":
            raise NotLoweredError("TfidfTransformer(sublinear_tf=True) of dense columns")
        flow = flow.to(Sublinear(of=(flow.any_numbers().node,)))
    if step.use_idf:
        idf = flow.builder.floats(np.asarray(step.idf_))
        flow = flow.to(Scale(of=(flow.any_numbers().node,), multiply_array=idf))
    return _normed(flow, step.norm)


def _tfidf(step: TfidfVectorizer, flow: Flow) -> Flow:
    if np.dtype(step.dtype) != np.float64:
        raise NotLoweredError(f"TfidfVectorizer(dtype={np.dtype(step.dtype)})")
    return _weigh(step, _count(step, flow))


TRANSFORMERS: dict[type, Callable[[Any, Flow], Flow]] = {
    CountVectorizer: _count,
    HashingVectorizer: _hashing,
    TfidfTransformer: _weigh,
    TfidfVectorizer: _tfidf,
}
