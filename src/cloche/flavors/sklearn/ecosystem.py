"""
What people put into pipelines besides scikit-learn: imbalanced-learn, skrub, category_encoders, feature-engine.

The types are listed one by one, never a module as a whole: each was fitted, stored, opened and compared
(docs/ecosystem.py), is plain data once it is fitted, and answers a row by that row alone. What is missing on purpose
drops rows, draws at random, looks at other rows, starts processes or fetches models when it answers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from cloche.errors import MissingExtraError, TamperedModelError

_IMBLEARN = """
pipeline.Pipeline ensemble._forest.BalancedRandomForestClassifier ensemble._bagging.BalancedBaggingClassifier
ensemble._easy_ensemble.EasyEnsembleClassifier ensemble._weight_boosting.RUSBoostClassifier
under_sampling._prototype_selection._random_under_sampler.RandomUnderSampler
over_sampling._random_over_sampler.RandomOverSampler
"""
_SKRUB = """
_apply_to_cols.ApplyToCols _apply_to_each_col.ApplyToEachCol _apply_to_sub_frame.ApplyToSubFrame
_check_input.CheckInputDataFrame _clean_categories.CleanCategories _clean_null_strings.CleanNullStrings
_datetime_encoder.DatetimeEncoder _drop_uninformative.DropUninformative _duration_to_float.DurationToFloat
_gap_encoder.GapEncoder _select_cols.Drop _select_cols.DropCols
_select_cols.SelectCols _similarity_encoder.SimilarityEncoder _squashing_scaler.SquashingScaler
_string_encoder.StringEncoder _table_vectorizer.Cleaner _table_vectorizer.PassThrough
_table_vectorizer.ShortReprDict _table_vectorizer.TableVectorizer _table_vectorizer._created_by_predicate
_to_categorical.ToCategorical _to_datetime.ToDatetime _to_float.ToFloat _to_str.ToStr _utils.PassThrough
_dataframe._common.is_any_date _dataframe._common.is_categorical _dataframe._common.is_numeric
_dataframe._common.is_string selectors._base.All selectors._base.And selectors._base.Cols selectors._base.Filter
selectors._base.Inv selectors._base.NameFilter selectors._base.Or selectors._base.Sub
selectors._selectors._cardinality_below
"""
_CATEGORY_ENCODERS = """
backward_difference.BackwardDifferenceEncoder basen.BaseNEncoder
binary.BinaryEncoder cat_boost.CatBoostEncoder count.CountEncoder count_target.CountTargetEncoder
glmm.GLMMEncoder gray.GrayEncoder helmert.HelmertEncoder james_stein.JamesSteinEncoder
leave_one_out.LeaveOneOutEncoder m_estimate.MEstimateEncoder multi_hot.MultiHotEncoder one_hot.OneHotEncoder
ordinal.OrdinalEncoder polynomial.PolynomialEncoder quantile_encoder.QuantileEncoder
quantile_encoder.SummaryEncoder rankhot.RankHotEncoder sum_coding.SumEncoder target_encoder.TargetEncoder
woe.WOEEncoder
"""
_FEATURE_ENGINE = """
_prediction.target_mean_classifier.TargetMeanClassifier _prediction.target_mean_regressor.TargetMeanRegressor
creation.cyclical_features.CyclicalFeatures creation.decision_tree_features.DecisionTreeFeatures
creation.geo_features.GeoDistanceFeatures creation.math_features.MathFeatures
creation.relative_features.RelativeFeatures datetime.datetime.DatetimeFeatures
datetime.datetime_ordinal.DatetimeOrdinal datetime.datetime_subtraction.DatetimeSubtraction
discretisation.arbitrary.ArbitraryDiscretiser discretisation.decision_tree.DecisionTreeDiscretiser
discretisation.equal_frequency.EqualFrequencyDiscretiser discretisation.equal_width.EqualWidthDiscretiser
discretisation.geometric_width.GeometricWidthDiscretiser encoding.count_frequency.CountFrequencyEncoder
encoding.decision_tree.DecisionTreeEncoder encoding.mean_encoding.MeanEncoder encoding.one_hot.OneHotEncoder
encoding.ordinal.OrdinalEncoder encoding.rare_label.RareLabelEncoder
encoding.similarity_encoder.StringSimilarityEncoder encoding.woe.WoEEncoder
imputation.arbitrary_number.ArbitraryNumberImputer imputation.categorical.CategoricalImputer
imputation.end_tail.EndTailImputer imputation.mean_median.MeanMedianImputer
imputation.missing_indicator.AddMissingIndicator outliers.artbitrary.ArbitraryOutlierCapper
outliers.winsorizer.Winsorizer pipeline.pipeline.Pipeline preprocessing.match_categories.MatchCategories
preprocessing.match_columns.MatchVariables scaling.mean_normalization.MeanNormalizationScaler
selection.drop_constant_features.DropConstantFeatures selection.drop_correlated_features.DropCorrelatedFeatures
selection.drop_duplicate_features.DropDuplicateFeatures selection.drop_features.DropFeatures
selection.drop_psi_features.DropHighPSIFeatures
selection.mrmr.MRMR selection.probe_feature_selection.ProbeFeatureSelection
selection.recursive_feature_addition.RecursiveFeatureAddition
selection.recursive_feature_elimination.RecursiveFeatureElimination selection.shuffle_features.SelectByShuffling
selection.single_feature_performance.SelectBySingleFeaturePerformance
selection.smart_correlation_selection.SmartCorrelatedSelection
selection.target_mean_selection.SelectByTargetMeanPerformance text.text_features.TextFeatures
transformation.arcsin.ArcsinTransformer transformation.arcsinh.ArcSinhTransformer
transformation.boxcox.BoxCoxTransformer transformation.log.LogCpTransformer transformation.log.LogTransformer
transformation.power.PowerTransformer transformation.reciprocal.ReciprocalTransformer
transformation.yeojohnson.YeoJohnsonTransformer wrappers.wrappers.SklearnTransformerWrapper
"""
#: What MathFeatures may call by a name: pandas would call any method of a table.
_AGGREGATES = frozenset({"count", "max", "mean", "median", "min", "nunique", "prod", "std", "sum", "var"})


@dataclass(frozen=True, slots=True)
class Package:
    """A package by the name it is installed and imported by, and the extra that installs it."""

    module: str
    distribution: str
    extra: str
    names: str

    def types(self) -> Iterator[str]:
        """Its types, fully qualified."""
        return (f"{self.module}.{one}" for one in self.names.split())


PACKAGES = (
    Package("category_encoders", "category_encoders", "category-encoders", _CATEGORY_ENCODERS),
    Package("feature_engine", "feature-engine", "feature-engine", _FEATURE_ENGINE),
    Package("imblearn", "imbalanced-learn", "imblearn", _IMBLEARN),
    Package("skrub", "skrub", "skrub", _SKRUB),
)
TYPES: frozenset[str] = frozenset(one for package in PACKAGES for one in package.types()) | {"pandas.StringDtype"}


def used(names: Iterable[str]) -> list[Package]:
    """The packages that types called *names* come from."""
    roots = {name.partition(".")[0] for name in names}
    return [one for one in PACKAGES if one.module in roots]


def versions(names: Iterable[str]) -> dict[str, str]:
    """The installed version of each package that types called *names* come from."""
    return {one.distribution: metadata.version(one.distribution) for one in used(names)}


def require(names: Iterable[str]) -> None:
    """
    Raises:
        MissingExtraError: a type comes from a package that is not installed.
    """
    for one in used(names):
        if importlib.util.find_spec(one.module) is None:
            raise MissingExtraError(f"this model (it has a step of {one.distribution})", one.module, one.extra)


def changes(saved: Mapping[str, Any]) -> tuple[str, ...]:
    """Each package whose major.minor is another than it was in *saved* (distribution → version)."""
    return tuple(
        f"{name} {version} when saved, {here or 'not installed'} here"
        for name, version in saved.items()
        if _minor(here := _installed(str(name))) != _minor(str(version))
    )


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _minor(version: str | None) -> list[str]:
    return (version or "").split(".")[:2]


def check(part: Any) -> None:
    """
    A step of these packages that would call what it names.

    Raises:
        TamperedModelError: MathFeatures with a function that is none of the listed aggregates.
    """
    if f"{type(part).__module__}.{type(part).__name__}" != "feature_engine.creation.math_features.MathFeatures":
        return
    functions = part.func if isinstance(part.func, list) else [part.func]
    for one in functions:
        if not isinstance(one, str) or one not in _AGGREGATES:
            raise TamperedModelError(
                f"MathFeatures: func: expected one of {', '.join(sorted(_AGGREGATES))}, got {one!r}"
            )
