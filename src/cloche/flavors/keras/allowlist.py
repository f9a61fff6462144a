"""
Which layers a Keras file may hold: Keras' own that compute, and those whose types the operator allows.

Keras' `safe_mode` refuses lambdas and has been passed by more than once (CVE-2025-1550, -8747, -9906, -12058), so its
config is walked before Keras sees it: whatever names a class, a function or a file has to be on the list here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cloche.errors import ArchiveLimitError, UntrustedTypeError, WrongFormatError
from cloche.trust import TrustPolicy

_MAX_DEPTH = 100
ACTIVATIONS: Final = frozenset(
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign "
    "sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold".split()
)
_LAYERS: Final = frozenset(
    "Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D "
    "AveragePooling2D BatchNormalization Bidirectional CategoryEncoding Concatenate Conv1D Conv1DTranspose "
    "Conv2D Cropping1D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense "
    "Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization GroupQueryAttention HashedCrossing Hashing "
    "Identity InputLayer IntegerLookup LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxPooling1D "
    "MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RMSNormalization RNN "
    "ReLU RepeatVector Rescaling Reshape SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax "
    "SpatialDropout1D SpatialDropout2D SpectralNormalization StackedRNNCells StringLookup Subtract "
    "TextVectorization TimeDistributed UnitNormalization UpSampling1D ZeroPadding1D".split()
)
_INITIALIZERS: Final = frozenset(
    "Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal "
    "OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros".split()
)
_OPERATIONS: Final = frozenset(
    "Absolute Add Concatenate Cos Divide Exp Expm1 Floor GetItem Log Log1p Maximum Mean Minimum Multiply "
    "Negative Power Reshape Sin Sqrt Square Stack Subtract Sum Transpose TrueDivide".split()
)
#: Classes by module. Old files name no module: theirs are layers and the like all the same.
CLASSES: Final[Mapping[str, frozenset[str]]] = {
    "keras": frozenset({"Sequential", "Functional", "Model", "DTypePolicy"}),
    "keras.models": frozenset({"Sequential", "Functional", "Model"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.dtype_policies": frozenset({"DTypePolicy"}),
    "keras.src.ops.numpy": _OPERATIONS,
}
_UNNAMED: Final = frozenset[str]().union(*CLASSES.values()) - _OPERATIONS
_INSTEAD: Final = (
    "Build the model with Keras' own layers in its place (Rescaling, Normalization), or with a layer class of an "
    "installed package, which the operator allows"
)
#: Values that Keras writes as if they were objects.
_VALUES: Final = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"}
)
#: Keys that a path or a code may stand under, and what else may stand there.
_PATHS: Final = ("filepath", "file_path", "vocabulary_path", "asset_path")
_FUNCTIONS: Final = ("activation", "recurrent_activation", "inner_activation")
_TEXTS: Final[Mapping[str, frozenset[str]]] = {
    "standardize": frozenset({"lower_and_strip_punctuation", "lower", "strip_punctuation"}),
    "split": frozenset({"whitespace", "character"}),
}


def check_config(config: Any, trust: TrustPolicy, name: str) -> frozenset[str]:
    """
    Check the config of a model, which messages call *name*; the types of others that it uses, all of them allowed.

    Raises:
        WrongFormatError: it is no config of a model.
        ArchiveLimitError: it is nested too deep.
        UntrustedTypeError: it names a class, function or file that is not on the list.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise WrongFormatError(f"{name}: expected the config of a Keras model")
    return frozenset(_walked(config, trust, name, 0))


def _walked(value: Any, trust: TrustPolicy, name: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise ArchiveLimitError(f"{name}: expected at most {_MAX_DEPTH} objects inside each other")
    if isinstance(value, list):
        for one in value:
            yield from _walked(one, trust, name, depth + 1)
    elif isinstance(value, dict):
        if "class_name" in value or "module" in value or "registered_name" in value:
            yield from _checked(value, trust, name)
        for key, one in value.items():
            _check_key(key, one, name)
            yield from _walked(one, trust, name, depth + 1)


def _checked(value: dict[str, Any], trust: TrustPolicy, name: str) -> Iterator[str]:
    """The object of a dict that names one; those that are not Keras' own are given on."""
    kind, module, registered = value.get("class_name"), value.get("module"), value.get("registered_name")
    if kind in _VALUES and module is None and registered is None:
        return
    if kind == "function" and value.get("config") in ACTIVATIONS and module in (None, "builtins", "keras.activations"):
        return
    full = f"{module}.{kind}"
    known = CLASSES.get(module or "", _UNNAMED if module is None else frozenset())
    if isinstance(kind, str) and kind in known and registered in (None, kind):
        return
    if _may_be_layer(kind, module) and full in trust.allowed_types:
        yield full
        return
    told = f"{name}: holds {full if module else kind}{f' (registered as {registered})' if registered else ''}"
    if _may_be_layer(kind, module):
        raise UntrustedTypeError(
            f"{told}, which is none of Keras' own layers; who has read it allows it in the configuration: "
            f'trust.allowed_types = ["{full}"]'
        )
    raise UntrustedTypeError(f"{told}, which is not opened here: no layer of Keras that only computes. {_INSTEAD}")


def _may_be_layer(kind: Any, module: Any) -> bool:
    """Whether it may be a layer of somebody's package; what Keras has and is not on the list never is allowed."""
    if not isinstance(kind, str) or not isinstance(module, str) or kind == "function" or kind.startswith("__"):
        return False
    return module.partition(".")[0] not in ("keras", "builtins", "tensorflow", "tf_keras")


def _check_key(key: str, value: Any, name: str) -> None:
    if key in _PATHS and value is not None:
        raise UntrustedTypeError(f"{name}: names a file of its own ({key})")
    if key in ("vocabulary", "idf_weights") and isinstance(value, str):
        raise UntrustedTypeError(f"{name}: reads its {key} from the file '{value}'")
    if key in _FUNCTIONS and isinstance(value, str) and value not in ACTIVATIONS:
        raise UntrustedTypeError(f"{name}: the activation '{value}' is not one of Keras' own")
    if key in _TEXTS and isinstance(value, str) and value not in _TEXTS[key]:
        raise UntrustedTypeError(f"{name}: {key}='{value}' is not one of Keras' own")
