"""libsvm reads its arrays by pointer and trusts their lengths; here the lengths are checked against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from cloche.errors import TamperedModelError


def check_svm(part: Any) -> None:
    """
    Check a fitted SVC, NuSVC, SVR, NuSVR or OneClassSVM.

    Raises:
        TamperedModelError: its arrays do not fit each other.
    """
    if not hasattr(part, "_n_support"):
        return
    if part._impl != type(part)._impl:
        _refuse(part, f"_impl is {part._impl!r}")
    classification = part._impl in ("c_svc", "nu_svc")
    counts = np.asarray(part._n_support)
    vectors = int(counts.sum()) if classification else int(counts[0])
    classes = len(counts) if classification else 2
    if classes < 2 or (counts < 0).any() or (classification and len(part.classes_) != classes):
        _refuse(part, f"{len(counts)} counts of support vectors")
    _check_vectors(part, vectors)
    _check_coefficients(part, vectors, classes)
    _check_probability(part, classes, classification)


def _check_vectors(part: Any, vectors: int) -> None:
    if part.support_.shape != (vectors,):
        _refuse(part, f"{vectors} support vectors, and {part.support_.shape} indices")
    precomputed = part.kernel == "precomputed" or callable(part.kernel)
    if precomputed and not part._sparse:
        inside = part.shape_fit_[0] == part.n_features_in_ if part.kernel == "precomputed" else True
        if not inside or (vectors and (part.support_.min() < 0 or part.support_.max() >= part.shape_fit_[0])):
            _refuse(part, "a support index lies outside the rows it was fitted on")
        return
    if part.support_vectors_.shape != (vectors, part.n_features_in_):
        _refuse(part, f"support vectors of shape {part.support_vectors_.shape}")
    if bool(part._sparse) != sparse.issparse(part.support_vectors_):
        _refuse(part, "support vectors of another layout than it declares")


def _check_coefficients(part: Any, vectors: int, classes: int) -> None:
    dual = part._dual_coef_
    shape = (classes - 1, vectors)
    stored = dual.data.size == shape[0] * vectors if sparse.issparse(dual) else True
    if dual.shape != shape or not stored or bool(part._sparse) != sparse.issparse(dual):
        _refuse(part, f"coefficients of shape {dual.shape}, expected {shape}")
    if np.shape(part._intercept_) != (classes * (classes - 1) // 2,):
        _refuse(part, f"{np.shape(part._intercept_)} intercepts for {classes} classes")


def _check_probability(part: Any, classes: int, classification: bool) -> None:
    pairs = classes * (classes - 1) // 2 if classification else None
    for values in (part._probA, part._probB):
        if np.ndim(values) != 1 or (pairs is not None and len(values) not in (0, pairs)):
            _refuse(part, f"{np.shape(values)} probability parameters")
    if len(part._probA) != len(part._probB):
        _refuse(part, "probability parameters of two lengths")


def _refuse(part: Any, why: str) -> None:
    raise TamperedModelError(f"{type(part).__name__}: {why}")
