"""
The types a `.skops` file may hold besides those skops trusts itself: the list lives here, never in an artifact.

A type is on it if building it from attacker's content runs nothing, and if what it points at by number
is checked in `validators` before use. Neighbour trees (KDTree, BallTree) are missing on purpose: they
are left out when saving and built again from the stored points.
"""

from __future__ import annotations

_SEARCH = """
sklearn.metrics._scorer._Scorer sklearn.metrics._scorer._CurveScorer sklearn.metrics._scorer._PassthroughScorer
sklearn.metrics._scorer._MultimetricScorer
sklearn.utils._metadata_requests.MetadataRequest sklearn.utils._metadata_requests.MethodMetadataRequest
sklearn.utils._bunch.Bunch sklearn.compose._column_transformer.make_column_selector
sklearn.model_selection._split.KFold sklearn.model_selection._split.StratifiedKFold
sklearn.model_selection._split.GroupKFold sklearn.model_selection._split.StratifiedGroupKFold
sklearn.model_selection._split.ShuffleSplit sklearn.model_selection._split.StratifiedShuffleSplit
sklearn.model_selection._split.RepeatedKFold sklearn.model_selection._split.RepeatedStratifiedKFold
sklearn.model_selection._split.LeaveOneOut sklearn.model_selection._split.TimeSeriesSplit
sklearn.model_selection._split._CVIterableWrapper
"""

_METRICS = """
accuracy_score balanced_accuracy_score f1_score precision_score recall_score log_loss matthews_corrcoef brier_score_loss
jaccard_score cohen_kappa_score fbeta_score
"""

_RANKING = "roc_auc_score average_precision_score top_k_accuracy_score"

_REGRESSION_METRICS = """
r2_score mean_squared_error root_mean_squared_error mean_absolute_error median_absolute_error max_error
explained_variance_score mean_poisson_deviance mean_gamma_deviance mean_absolute_percentage_error
mean_squared_log_error root_mean_squared_log_error d2_absolute_error_score
"""

_KERNELS = """
ConstantKernel WhiteKernel RBF Matern RationalQuadratic ExpSineSquared DotProduct PairwiseKernel Sum Product
Exponentiation CompoundKernel Hyperparameter
"""

_SELECTION = """
sklearn.feature_selection._univariate_selection.f_classif sklearn.feature_selection._univariate_selection.f_regression
sklearn.feature_selection._univariate_selection.chi2 sklearn.feature_selection._univariate_selection.r_regression
sklearn.feature_selection._univariate_selection.f_oneway
sklearn.feature_selection._mutual_info.mutual_info_classif sklearn.feature_selection._mutual_info.mutual_info_regression
"""

_INTERNALS = """
sklearn.tree._tree.Tree
sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor
sklearn._loss.loss.HalfTweedieLoss sklearn._loss.loss.HalfTweedieLossIdentity
sklearn._loss.loss.HalfMultinomialLossArrayAPI
sklearn._loss.loss.HalfBinomialLossArrayAPI
sklearn.calibration._CalibratedClassifier sklearn.calibration._SigmoidCalibration
sklearn.calibration._TemperatureScaling
sklearn.cluster._bisect_k_means._BisectingTree sklearn.cluster._kmeans._kmeans_single_lloyd
sklearn.cluster._kmeans._kmeans_single_elkan
sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace
sklearn.multiclass._ConstantPredictor
sklearn.neural_network._stochastic_optimizers.AdamOptimizer sklearn.neural_network._stochastic_optimizers.SGDOptimizer
sklearn.utils.validation.check_array
sklearn.model_selection._classification_threshold._CurveScorer
sklearn.impute._iterative._ImputerTriplet sklearn.impute._iterative.IterativeImputer
sklearn.model_selection._search_successive_halving.HalvingGridSearchCV
sklearn.model_selection._search_successive_halving.HalvingRandomSearchCV
"""

#: Where a booster stands that lies in a file of its own.
_SLOTS = "cloche.flavors.sklearn.boosters.Slot"

_PLAIN = """
functools.partial numpy.dtype numpy.number numpy.integer numpy.floating numpy.generic builtins.object
numpy.clip numpy.nan_to_num numpy.round numpy.mean numpy.median numpy.max numpy.min numpy.amax numpy.amin numpy.sum
numpy.ma.MaskedArray builtins.bytes builtins.NoneType builtins.tuple datetime.timedelta
scipy.sparse._csr.csr_matrix scipy.sparse._csr.csr_array scipy.sparse._csc.csc_matrix scipy.sparse._csc.csc_array
scipy.interpolate._bsplines.BSpline scipy._lib.array_api_compat.numpy._aliases.asarray
"""


def _qualified(module: str, names: str) -> list[str]:
    return [f"{module}.{name}" for name in names.split()]


#: Fully qualified names, as `get_untrusted_types` spells them.
ALLOWED_TYPES: frozenset[str] = frozenset(
    [
        *_SEARCH.split(),
        *_SELECTION.split(),
        *_INTERNALS.split(),
        *_PLAIN.split(),
        _SLOTS,
        *_qualified("sklearn.metrics._classification", _METRICS),
        *_qualified("sklearn.metrics._ranking", _RANKING),
        *_qualified("sklearn.metrics._regression", _REGRESSION_METRICS),
        *_qualified("sklearn.gaussian_process.kernels", _KERNELS),
    ]
)

_LOADERS = """
    DictNode DefaultDictNode ListNode SetNode TupleNode BytesNode SliceNode FunctionNode TypeNode PartialNode
    ConstructorFromReduceNode ObjectNode JsonNode NdArrayNode MaskedArrayNode DTypeNode LossNode TreeNode
    SparseMatrixNode CachedNode
"""
#: The kinds of node a file may be made of. Bound methods, operators and random states are not among them.
ALLOWED_LOADERS: frozenset[str] = frozenset(_LOADERS.split())
