"""
Everything about Keras that needs Keras, in one process: TensorFlow takes ten seconds to import.

    python keras_cases.py EMPTY_FOLDER

Prints one JSON object: what came of each named case. `test_keras.py` says what has to come.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import sys
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

from cloche.contract.infer import output_of
from cloche.contract.model import Contract, Field
from cloche.errors import ClocheError
from cloche.flavors.keras import KerasFlavor
from cloche.flavors.keras.archive import CONFIG, WEIGHTS
from cloche.flavors.keras.storing import open_bytes, open_file
from cloche.flavors.onnx.building import OPSET
from cloche.onnx.runner import Runner, open_session
from cloche.records import FrameColumn, FrameSpec
from cloche.trust import DEFAULT, TrustPolicy
from keras_layers import Doubled

FLAVOR = KerasFlavor()
RNG = np.random.default_rng(3)
TABLE = {name: RNG.normal(size=40).tolist() for name in ("a", "b", "c", "d")}
MATRIX = np.array(list(TABLE.values())).T
ALLOWED = TrustPolicy(
    allowed_types=frozenset({"keras_layers.Doubled", "collections.OrderedDict", "keras.layers.Lambda"})
)


def net(*inside: Any, end: str = "softmax", units: int = 3) -> Any:
    return keras.Sequential([keras.Input((4,)), *inside, layers.Dense(units, activation=end)])


def file_of(model: Any, suffix: str = "keras") -> bytes:
    path = Path(f"written.{suffix}")
    model.save(path)
    raw = path.read_bytes()
    path.unlink()
    return raw


def repacked(raw: bytes, **members: Any) -> bytes:
    """The archive with other members: a function of the old bytes, or bytes under a new name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(packed, "w") as target:
        names = {"config": CONFIG, "weights": WEIGHTS}
        for name in source.namelist():
            change = next((one for key, one in members.items() if names.get(key) == name), None)
            target.writestr(name, source.read(name) if change is None else change(source.read(name)))
        for name, content in members.get("more", {}).items():
            target.writestr(name, content)
    return packed.getvalue()


def with_layer(**layer: Any) -> bytes:
    """A good file in whose config the last layer is another one."""

    def change(raw: bytes) -> bytes:
        config = json.loads(raw)
        config["config"]["layers"][-1] = {"registered_name": None, "module": "keras.layers", **layer}
        return json.dumps(config).encode()

    return repacked(file_of(net()), config=change)


def with_setting(key: str, value: Any) -> bytes:
    def change(raw: bytes) -> bytes:
        config = json.loads(raw)
        config["config"]["layers"][-1]["config"][key] = value
        return json.dumps(config).encode()

    return repacked(file_of(net()), config=change)


def with_weights(change: Callable[[Any], None]) -> bytes:
    def changed(raw: bytes) -> bytes:
        held = io.BytesIO(raw)
        with h5py.File(held, "r+") as file:
            change(file)
        return held.getvalue()

    return repacked(file_of(net()), weights=changed)


def lambda_model() -> Any:
    return net(layers.Lambda(lambda x: x))


class Gadget:
    def __reduce__(self) -> Any:
        return os.system, ("touch canary",)


def outside(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("elsewhere.h5", "/secret")


def external(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (4, 3), dtype="f4", external=[("/etc/passwd", 0, 48)])


def virtual(file: Any) -> None:
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((4, 3), dtype="f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "/secret", (4, 3))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def softly(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")


def objects(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = "text"


def other_shape(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((7, 7), np.float32)


TYPESPEC = {
    "class_name": "__typespec__",
    "spec_name": "TensorSpec",
    "module": "tensorflow",
    "registered_name": None,
    "config": [],
}
SYSTEM = {"class_name": "function", "config": "system", "module": "os", "registered_name": "system"}
ATTACKS: dict[str, Callable[[], bytes]] = {
    "lambda": lambda: file_of(lambda_model()),
    "lambda-as-a-value": lambda: with_setting("activation", {"class_name": "__lambda__", "config": {"value": "eA=="}}),
    "function-of-os": lambda: with_setting("activation", SYSTEM),
    "activation-by-a-strange-name": lambda: with_setting("activation", "system"),
    "typespec": lambda: with_setting("dtype", TYPESPEC),
    "saved-model-layer": lambda: with_layer(class_name="TFSMLayer", config={"filepath": "/tmp/evil"}),
    "torch-layer": lambda: with_layer(class_name="TorchModuleWrapper", config={"module": "x"}),
    "registered-name": lambda: with_layer(class_name="Dense", registered_name="evil>Dense", config={}),
    "class-of-a-module": lambda: with_layer(class_name="Popen", module="subprocess", config={"args": "touch canary"}),
    "keras-utility": lambda: with_layer(class_name="get_file", module="keras.utils", config={"origin": "file:///x"}),
    "vocabulary-from-a-file": lambda: with_layer(class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
    "custom-layer": lambda: file_of(net(Doubled())),
    "class-that-is-no-layer": lambda: with_layer(class_name="OrderedDict", module="collections", config={}),
    "path-outside": lambda: repacked(file_of(net()), more={"../evil.txt": b"x"}),
    "member-nobody-knows": lambda: repacked(file_of(net()), more={"evil.py": b"x"}),
    "bomb": lambda: bomb(),
    "truncated": lambda: file_of(net())[:-200],
    "pickle": lambda: pickle.dumps(Gadget()),
    "external-link": lambda: with_weights(outside),
    "external-storage": lambda: with_weights(external),
    "virtual-tensor": lambda: with_weights(virtual),
    "soft-link": lambda: with_weights(softly),
    "weights-of-text": lambda: with_weights(objects),
    "weights-of-another-shape": lambda: with_weights(other_shape),
    "too-wide": lambda: with_setting("units", 10**9),
    "config-that-is-no-json": lambda: repacked(file_of(net()), config=lambda _: b"{"),
    "config-too-deep": lambda: repacked(
        file_of(net()), config=lambda _: b'{"config": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}"
    ),
}


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONFIG, b"{}")
        archive.writestr(WEIGHTS, b"\0" * (200 << 20))
    return packed.getvalue()


H5_ATTACKS: dict[str, Callable[[], bytes]] = {
    "h5-lambda": lambda: file_of(lambda_model(), "h5"),
    "h5-pickle": lambda: pickle.dumps(Gadget()),
    "h5-weights-alone": lambda: weights_alone(),
    "h5-truncated": lambda: file_of(net(), "h5")[:1500],
}


def weights_alone() -> bytes:
    net().save_weights("w.weights.h5")
    return Path("w.weights.h5").read_bytes()


def outcome(work: Callable[[], Any]) -> str:
    try:
        return f"opened {type(work()).__name__}"
    except ClocheError as exc:
        return f"{type(exc).__name__}: {exc}"


def from_path(raw: bytes, name: str, trust: TrustPolicy = DEFAULT) -> Any:
    Path(name).write_bytes(raw)
    return open_file(Path(name), trust)


# -- layers -------------------------------------------------------------------------------------


def normalized() -> Any:
    layer = layers.Normalization()
    layer.adapt(MATRIX.astype("float32"))
    return layer


def trained(layer: Any) -> Any:
    """A BatchNormalization that has seen something."""
    model = net(layer)
    layer.set_weights([RNG.uniform(0.5, 2.0, size=one.shape).astype("float32") for one in layer.get_weights()])
    return model


def branched(join: Any) -> Any:
    x = keras.Input((4,), name="x")
    left, right = layers.Dense(5, activation="tanh")(x), layers.Dense(5)(x)
    return keras.Model(x, layers.Dense(2)(join([left, right])))


def nested() -> Any:
    x = keras.Input((4,), name="x")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="relu")])
    return keras.Model(x, layers.Dense(2)(inner(inner(x))))


def embedded() -> Any:
    """A category by number beside a number."""
    size, colour = keras.Input((1,), name="a"), keras.Input((1,), name="b", dtype="int32")
    flat = layers.Flatten()(layers.Embedding(6, 3)(colour))
    return keras.Model([size, colour], layers.Dense(2)(layers.Concatenate()([size, flat])))


def looked_up() -> Any:
    size, colour, shop = (
        keras.Input((1,), name="a"),
        keras.Input((1,), name="b", dtype="string"),
        keras.Input((1,), name="c", dtype="int64"),
    )
    words = layers.StringLookup(vocabulary=["blue", "red"], output_mode="one_hot")(colour)
    places = layers.IntegerLookup(vocabulary=[7, 9], output_mode="one_hot")(shop)
    return keras.Model([size, colour, shop], layers.Dense(2)(layers.Concatenate()([size, words, places])))


ACTIVATIONS = (
    "linear relu sigmoid tanh softmax log_softmax elu selu softplus softsign exponential hard_sigmoid leaky_relu gelu "
    "mish silu relu6"
).split()
NETS: dict[str, Callable[[], Any]] = {
    **{
        f"activation-{name}": lambda name=name: net(layers.Dense(4, activation=name), end="linear")
        for name in ACTIVATIONS
    },
    "batch-normalization": lambda: trained(layers.BatchNormalization()),
    "batch-normalization-plain": lambda: trained(layers.BatchNormalization(center=False, scale=False)),
    "layer-normalization": lambda: net(layers.LayerNormalization()),
    "normalization": lambda: net(normalized()),
    "rescaling": lambda: net(layers.Rescaling(0.5, offset=-1.0)),
    "dropouts": lambda: net(layers.Dropout(0.5), layers.GaussianNoise(1.0), layers.AlphaDropout(0.3)),
    "relu-leaky-capped": lambda: net(layers.ReLU(max_value=1.0, negative_slope=0.1)),
    "leaky-relu": lambda: net(layers.LeakyReLU(0.3), layers.ELU(0.7), layers.PReLU()),
    "softmax-layer": lambda: net(layers.Softmax(), layers.Activation("tanh")),
    "reshape-flatten": lambda: net(layers.Reshape((2, 2)), layers.Flatten()),
    "no-bias": lambda: net(layers.Dense(3, use_bias=False)),
    "add": lambda: branched(layers.Add()),
    "subtract": lambda: branched(layers.Subtract()),
    "multiply": lambda: branched(layers.Multiply()),
    "average": lambda: branched(layers.Average()),
    "maximum-minimum": lambda: branched(lambda both: layers.Minimum()([layers.Maximum()(both), both[0]])),
    "concatenate": lambda: branched(layers.Concatenate()),
    "nested-and-called-twice": nested,
    "embedding": embedded,
    "lookups": looked_up,
}
COLUMNS: dict[str, dict[str, list[Any]]] = {
    "embedding": {"a": TABLE["a"], "b": [place % 6 for place in range(40)]},
    "lookups": {
        "a": TABLE["a"],
        "b": [("red", "blue", "green")[place % 3] for place in range(40)],
        "c": [(7, 9, 11)[place % 3] for place in range(40)],
    },
    "masked-embedding": {name: [float(place % 9) for place in range(40)] for name in TABLE},
}
STAYS: dict[str, Callable[[], Any]] = {
    "lstm": lambda: net(layers.Reshape((4, 1)), layers.LSTM(2)),
    "half-precision": lambda: net(layers.Dense(3, dtype="mixed_bfloat16")),
    "custom": lambda: net(Doubled()),
    "masked-embedding": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Embedding(9, 2, mask_zero=True), layers.Flatten(), layers.Dense(2)]
    ),
}


def converted(name: str, model: Any) -> str:
    """The largest difference between the ONNX form and Keras itself, or why there is none."""
    table = COLUMNS.get(name, TABLE)
    found = FLAVOR.bundle(model, {"task": "embedding"}, table_of(table))
    output = output_of(FLAVOR.facts(found))
    contract = Contract(fields=tuple(Field(name=one, type="number") for one in table), output=output)
    frame = FrameSpec("numpy", tuple(FrameColumn(one, "float64") for one in table))
    try:
        form = FLAVOR.to_onnx(found, frame, contract)
    except ClocheError as exc:
        return f"{type(exc).__name__}: {exc}"
    own = Runner(found.session, form.interface, output).predict(table, 40).prediction
    other = Runner(open_session(form.raw), form.interface, output).predict(table, 40).prediction
    worst = float(np.max(np.abs(np.array(own) - np.array(other)) / (1 + np.abs(np.array(own)))))
    return "equal" if worst <= 1e-5 else f"differs by {worst}"


def table_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


HEADS: dict[str, Callable[[], Any]] = {
    "softmax": lambda: (net(), {}),
    "sigmoid": lambda: (net(end="sigmoid", units=1), {}),
    "sigmoids": lambda: (net(end="sigmoid"), {}),
    "softmax-layer": lambda: (keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Softmax()]), {}),
    "logits-by-classes": lambda: (net(end="linear"), {"classes": ["r", "g", "b"]}),
    "logits-by-targets": lambda: (net(end="linear"), {"targets": [place % 3 for place in range(40)]}),
    "number": lambda: (net(end="linear", units=1), {}),
    "numbers-by-targets": lambda: (net(end="linear"), {"targets": MATRIX[:, :3]}),
    "own-class": lambda: (own_class(), {"classes": ["n", "y"]}),
}


class Own(keras.Model):
    """A class of one's own over one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def own_class() -> Any:
    model = Own()
    model(np.zeros((1, 4), np.float32))
    return model


def headed(make: Callable[[], Any]) -> str:
    model, given = make()
    said = FLAVOR.bundle(model, {}, table_of(TABLE), **given).said
    return f"{said.task} {said.outputs[0].apply} {said.classes}"


# -- files --------------------------------------------------------------------------------------


def same_again(directory: Path) -> str:
    """Saved, opened and asked: as the model itself answers; and the optimizer is gone."""
    model = net(normalized(), layers.Dense(4, activation="relu"))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(MATRIX, np.arange(40) % 3, epochs=1, verbose=0)
    found = FLAVOR.bundle(model, {}, table_of(TABLE))
    options = FLAVOR.dump(found, directory)
    output = output_of(FLAVOR.facts(found))
    opened = FLAVOR.load(directory, options, DEFAULT)
    same = FLAVOR.predict(opened, MATRIX, output) == FLAVOR.predict(found, MATRIX, output)
    with zipfile.ZipFile(directory / "model.keras") as archive, h5py.File(io.BytesIO(archive.read(WEIGHTS))) as file:
        config = json.loads(archive.read(CONFIG))
        return f"{same} {'compile_config' in config} {'optimizer' in file}"


def flips() -> str:
    """Bits flipped anywhere: an answer or one of our errors, and the process lives."""
    raw = file_of(net())
    rng, seen = random.Random(0), set()
    for _ in range(80):
        bad = bytearray(raw)
        for _ in range(rng.choice((1, 1, 4))):
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            opened = open_bytes(bytes(bad), DEFAULT, "bad.keras")
            seen.add("opened")
            with contextlib.suppress(Exception):  # a bit of its input's shape may have been flipped
                opened(np.zeros((1, 4), np.float32))
        except ClocheError:
            seen.add("refused")
    return " ".join(sorted(seen))


def from_h5() -> str:
    model = net(layers.Dense(4, activation="relu"))
    opened = from_path(file_of(model, "h5"), "good.h5")
    return str(np.allclose(model(MATRIX), opened(MATRIX)))


def saved_model(directory: Path) -> str:
    """Kept as it is, answers by its signature, and is a program."""
    import tensorflow as tf

    model = net()
    model.export("exported", verbose=False)
    found = FLAVOR.bundle(tf.saved_model.load("exported"), {"task": "classification"}, table_of(TABLE))
    options = FLAVOR.dump(found, directory)
    files = {str(one.relative_to(directory)): one.read_bytes() for one in directory.rglob("*") if one.is_file()}
    output = output_of(FLAVOR.facts(found))
    opened = FLAVOR.load(Path("nowhere"), options, DEFAULT, files=files)
    answered = FLAVOR.predict(opened, MATRIX, output).probabilities
    assert answered is not None
    empty = [one for one in directory.rglob("*") if one.is_dir() and not any(one.iterdir())]
    return f"{np.allclose(answered, model(MATRIX), atol=1e-6)} {FLAVOR.code(options) is not None} {len(empty)}"


def main(folder: str) -> None:
    os.chdir(folder)
    found: dict[str, str] = {"opset": str(OPSET)}
    work: dict[str, Callable[[], Any]] = {
        **{
            name: lambda make=make: outcome(lambda: open_bytes(make(), DEFAULT, "m.keras"))
            for name, make in ATTACKS.items()
        },
        **{name: lambda make=make: outcome(lambda: from_path(make(), "m.h5")) for name, make in H5_ATTACKS.items()},
        "saved-model-by-its-path": lambda: outcome(lambda: open_file(Path(folder), DEFAULT)),
        **{
            f"allowed-{name}": lambda name=name: outcome(lambda: open_bytes(ATTACKS[name](), ALLOWED, "m.keras"))
            for name in ("custom-layer", "class-that-is-no-layer", "lambda")
        },
        "save-lambda": lambda: outcome(lambda: FLAVOR.dump(FLAVOR.bundle(lambda_model(), {}, table_of(TABLE)), Path())),
        "save-unbuilt": lambda: outcome(
            lambda: FLAVOR.bundle(keras.Sequential([layers.Dense(2)]), {}, table_of(TABLE))
        ),
        "save-strange-option": lambda: outcome(lambda: FLAVOR.bundle(net(), {"depth": 1}, table_of(TABLE))),
        **{f"net-{name}": lambda name=name, make=make: converted(name, make()) for name, make in NETS.items()},
        **{f"stays-{name}": lambda name=name, make=make: converted(name, make()) for name, make in STAYS.items()},
        **{f"head-{name}": lambda make=make: headed(make) for name, make in HEADS.items()},
        "same-again": lambda: same_again(made("again")),
        "from-h5": from_h5,
        "saved-model": lambda: saved_model(made("program")),
        "flips": flips,
    }
    for name, case in work.items():
        try:
            found[name] = case()
        except Exception:
            found[name] = traceback.format_exc()[-1500:]
    found["canary"] = str(Path("canary").exists())
    print(json.dumps(found))


def made(name: str) -> Path:
    Path(name).mkdir()
    return Path(name)


if __name__ == "__main__":
    main(sys.argv[1])
