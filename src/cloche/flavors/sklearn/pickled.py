"""
The names a pickle of a scikit-learn model may import when it is converted: a closed list, like that of `.skops` files.

A whole package is never on it: `numpy.testing`, `joblib` and `pandas` hold functions that run code. Names are full
ones, and each is a class, or a constructor that builds one from plain content. Steps of other packages are those that
are stored, and besides them what is left out or made plain data when the model is stored: samplers, pandas' tables.
"""

from __future__ import annotations

from collections.abc import Iterable

from skops.io import _trusted_types as skops_types

from cloche.flavors.sklearn import ecosystem
from cloche.flavors.sklearn.allowlist import ALLOWED_TYPES

_BUILTINS = """
bool bytearray bytes complex dict float frozenset int list object range set slice str tuple NoneType
"""

_PLAIN = """
_codecs.encode copyreg._reconstructor collections.OrderedDict collections.defaultdict collections.Counter
datetime.date datetime.datetime datetime.timedelta
"""

_NUMPY = """
ndarray dtype _core.multiarray._reconstruct _core.multiarray.scalar _core.numeric._frombuffer
ma.core._mareconstruct ma.core.MaskedArray
random._pickle.__randomstate_ctor random._pickle.__generator_ctor random._pickle.__bit_generator_ctor
random._mt19937.MT19937 random._pcg64.PCG64 random._philox.Philox random._sfc64.SFC64
random.bit_generator.SeedSequence
random.bit_generator.__pyx_unpickle_SeedSequence random._bit_generator.SeedSequence random._generator.Generator
random.mtrand.RandomState
"""

_SKLEARN = """
tree._tree.Tree
linear_model._sgd_fast.Hinge linear_model._sgd_fast.SquaredHinge linear_model._sgd_fast.Log
linear_model._sgd_fast.ModifiedHuber linear_model._sgd_fast.Huber linear_model._sgd_fast.SquaredLoss
linear_model._sgd_fast.EpsilonInsensitive linear_model._sgd_fast.SquaredEpsilonInsensitive
neighbors._kd_tree.newObj neighbors._kd_tree.KDTree64 neighbors._kd_tree.KDTree32 neighbors._kd_tree.KDTree
neighbors._ball_tree.newObj neighbors._ball_tree.BallTree64 neighbors._ball_tree.BallTree32
neighbors._ball_tree.BallTree
metrics._dist_metrics.newObj
"""

_PYX_LOSSES = """
HalfSquaredError AbsoluteError PinballLoss HuberLoss HalfPoissonLoss HalfGammaLoss HalfTweedieLoss
HalfTweedieLossIdentity HalfBinomialLoss HalfMultinomialLoss ExponentialLoss
"""

_DISTANCES = """
EuclideanDistance SEuclideanDistance ManhattanDistance ChebyshevDistance MinkowskiDistance MahalanobisDistance
HammingDistance CanberraDistance BrayCurtisDistance JaccardDistance MatchingDistance DiceDistance RogersTanimotoDistance
RussellRaoDistance SokalSneathDistance HaversineDistance
"""

#: Models that are scikit-learn's by their interface; their own formats are safer, and preferred where there is one.
_OTHERS = """
xgboost.sklearn.XGBClassifier xgboost.sklearn.XGBRegressor xgboost.sklearn.XGBRanker xgboost.sklearn.XGBRFClassifier
xgboost.sklearn.XGBRFRegressor xgboost.core.Booster
lightgbm.sklearn.LGBMClassifier lightgbm.sklearn.LGBMRegressor lightgbm.sklearn.LGBMRanker lightgbm.basic.Booster
catboost.core.CatBoostClassifier catboost.core.CatBoostRegressor catboost.core.CatBoost
"""

_SAMPLERS = """
combine._smote_enn.SMOTEENN combine._smote_tomek.SMOTETomek over_sampling._adasyn.ADASYN
over_sampling._smote.base.SMOTE over_sampling._smote.base.SMOTEN over_sampling._smote.base.SMOTENC
over_sampling._smote.cluster.KMeansSMOTE over_sampling._smote.filter.BorderlineSMOTE
over_sampling._smote.filter.SVMSMOTE under_sampling._prototype_generation._cluster_centroids.ClusterCentroids
under_sampling._prototype_selection._condensed_nearest_neighbour.CondensedNearestNeighbour
under_sampling._prototype_selection._edited_nearest_neighbours.AllKNN
under_sampling._prototype_selection._edited_nearest_neighbours.EditedNearestNeighbours
under_sampling._prototype_selection._edited_nearest_neighbours.RepeatedEditedNearestNeighbours
under_sampling._prototype_selection._instance_hardness_threshold.InstanceHardnessThreshold
under_sampling._prototype_selection._nearmiss.NearMiss
under_sampling._prototype_selection._neighbourhood_cleaning_rule.NeighbourhoodCleaningRule
under_sampling._prototype_selection._one_sided_selection.OneSidedSelection
under_sampling._prototype_selection._tomek_links.TomekLinks
"""

#: Tables inside category_encoders, under the names of pandas 2 and 3, and the text columns of pyarrow in them.
_TABLES = """
pandas.DataFrame pandas.Series pandas.Index pandas.RangeIndex pandas.StringDtype pandas.arrays.ArrowStringArray
pandas.core.frame.DataFrame pandas.core.series.Series pandas.core.indexes.base.Index
pandas.core.indexes.range.RangeIndex pandas.core.indexes.base._new_Index
pandas.core.internals.managers.BlockManager pandas.core.internals.managers.SingleBlockManager
pandas._libs.internals._unpickle_block pyarrow.lib._restore_array pyarrow.lib.type_for_alias pyarrow.lib.py_buffer
"""


def _below(package: str, names: str) -> list[str]:
    return [f"{package}.{name}" for name in names.split()]


def _of_skops() -> Iterable[str]:
    """What skops trusts by itself, but `map`, which calls what it is given."""
    for name in vars(skops_types):
        if name.endswith("_TYPE_NAMES"):
            yield from (one for one in getattr(skops_types, name) if one != "builtins.map")


def _ufuncs() -> Iterable[str]:
    """A ufunc has no module of its own: a pickle names the first one that was seen to hold it."""
    for name in skops_types.NUMPY_UFUNC_TYPE_NAMES:
        short = name.removeprefix("numpy.")
        yield from (f"{home}.{short}" for home in ("numpy", "numpy._core.umath", "numpy._core._multiarray_umath"))


def allowed_names() -> frozenset[str]:
    """Every full name (`package.module.Name`) on the list; names of numpy are those since numpy 2."""
    return frozenset(
        [
            *_below("builtins", _BUILTINS),
            *_PLAIN.split(),
            *_below("numpy", _NUMPY),
            *_below("sklearn", _SKLEARN),
            *(f"sklearn._loss._loss.{prefix}Cy{one}" for one in _PYX_LOSSES.split() for prefix in ("", _UNPICKLE)),
            *(f"sklearn.metrics._dist_metrics.{one}{bits}" for one in _DISTANCES.split() for bits in ("", "64", "32")),
            *_of_skops(),
            *_ufuncs(),
            *ALLOWED_TYPES,
            *_OTHERS.split(),
            *ecosystem.TYPES,
            *_below("imblearn", _SAMPLERS),
            *_TABLES.split(),
        ]
    )


_UNPICKLE = "__pyx_unpickle_"
