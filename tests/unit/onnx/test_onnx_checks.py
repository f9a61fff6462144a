"""Every attack on an ONNX file, and every accident, by name: refused before onnxruntime sees a byte of it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as Types
from onnx import helper as make

import onnx_models as made
from cloche import errors
from cloche.onnx.checks import MAX_TENSOR, check_model


def test_good_ones_are_let_through() -> None:
    for good in (made.net(), made.tree(), made.mixed()):
        check_model(good.SerializeToString())


def node(op: str, *inputs: str, domain: str = "", **attributes: Any) -> bytes:
    """A net with one more node."""
    proto = made.net()
    proto.graph.node.append(make.make_node(op, list(inputs), ["more"], domain=domain, **attributes))
    return bytes(proto.SerializeToString())


def kernel(change: Callable[[Any], object]) -> bytes:
    """A net whose kernel is another one."""
    proto = made.net()
    change(proto.graph.initializer[0])
    return bytes(proto.SerializeToString())


def outside(tensor: Any) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = Types.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def outside_unsaid(tensor: Any) -> None:
    tensor.external_data.add(key="location", value="/etc/passwd")


def inside_a_node() -> bytes:
    proto = made.net()
    constant = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "c")
    outside(constant)
    proto.graph.node.append(make.make_node("Constant", [], ["c"], value=constant))
    return bytes(proto.SerializeToString())


def inside_a_branch() -> bytes:
    """A custom operator in the body of an If."""
    body = make.make_graph(
        [make.make_node("Shell", [], ["y"], domain="evil")], "b", [], [make.make_tensor_value_info("y", 1, [1])]
    )
    return node("If", "cond", then_branch=body, else_branch=body)


def nested(depth: int) -> bytes:
    body = make.make_graph([], "b", [], [make.make_tensor_value_info("y", 1, [1])])
    for _ in range(depth):
        inner = make.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
        body = make.make_graph([inner], "b", [], [make.make_tensor_value_info("y", 1, [1])])
    return node("If", "c", then_branch=body, else_branch=body)


def function() -> bytes:
    proto = made.net()
    proto.functions.append(
        make.make_function("mine", "F", ["a"], ["b"], [make.make_node("Identity", ["a"], ["b"])], [])
    )
    return bytes(proto.SerializeToString())


def two_graphs() -> bytes:
    """Protobuf merges what comes twice; a reader that takes the last one checks another graph than is run."""
    raw = made.net().SerializeToString()
    return bytes(raw + raw)


def huge_fill() -> bytes:
    proto = made.net()
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1 << 40], np.int64), "shape"))
    proto.graph.node.append(make.make_node("ConstantOfShape", ["shape"], ["more"]))
    return bytes(proto.SerializeToString())


def zipped() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../model.onnx", b"x")
    return packed.getvalue()


class Gadget:
    def __reduce__(self) -> Any:
        return os.system, ("touch canary",)


def bits_as(dims: list[int]) -> Callable[[Any], None]:
    def change(tensor: Any) -> None:
        tensor.ClearField("dims")
        tensor.dims.extend(dims)

    return change


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        pytest.param(lambda: pickle.dumps(Gadget()), errors.WrongFormatError, "a pickle", id="pickle-under-the-suffix"),
        pytest.param(zipped, errors.WrongFormatError, "a zip archive", id="zip-with-a-path-outside"),
        pytest.param(
            lambda: b"\0\0\0\0ORTM" + b"\0" * 99, errors.WrongFormatError, "onnxruntime alone", id="ort-format"
        ),
        pytest.param(lambda: b"", errors.TamperedModelError, "no graph", id="empty"),
        pytest.param(
            lambda: made.net().SerializeToString()[:-20], errors.TamperedModelError, "cut off", id="truncated"
        ),
        pytest.param(lambda: kernel(outside), errors.UntrustedTypeError, "another file", id="external-data"),
        pytest.param(lambda: kernel(outside_unsaid), errors.UntrustedTypeError, "another file", id="external-unsaid"),
        pytest.param(inside_a_node, errors.UntrustedTypeError, "another file", id="external-data-in-an-attribute"),
        pytest.param(
            lambda: node("Shell", "x", domain="evil"), errors.UntrustedTypeError, "evil::Shell", id="custom-op"
        ),
        pytest.param(inside_a_branch, errors.UntrustedTypeError, "evil::Shell", id="custom-op-in-a-branch"),
        pytest.param(
            lambda: node("FusedGemm", "x", domain="com.microsoft"), errors.UntrustedTypeError, "FusedGemm", id="contrib"
        ),
        pytest.param(lambda: node("Loop", "n", "c"), errors.UntrustedTypeError, "run for ever", id="endless-loop"),
        pytest.param(
            lambda: node("RandomNormal", shape=[1]), errors.UntrustedTypeError, "differently each time", id="random"
        ),
        pytest.param(function, errors.UntrustedTypeError, "functions of its own", id="function"),
        pytest.param(two_graphs, errors.TamperedModelError, "is there 2 times", id="two-graphs"),
        pytest.param(lambda: nested(12), errors.ArchiveLimitError, "inside each other", id="graphs-in-graphs"),
        pytest.param(lambda: kernel(bits_as([3, 400])), errors.TamperedModelError, "holds 9", id="lying-shape"),
        pytest.param(lambda: kernel(bits_as([-3, -3])), errors.TamperedModelError, "shape", id="negative-shape"),
        pytest.param(
            lambda: kernel(bits_as([1 << 40, 1 << 20])), errors.ArchiveLimitError, "more than", id="bomb-by-shape"
        ),
        pytest.param(huge_fill, errors.ArchiveLimitError, "would make", id="bomb-by-fill"),
        pytest.param(
            lambda: made.model([], [], [("o", 1, [1])], opset=99).SerializeToString(),
            errors.UntrustedTypeError,
            "version 7 to",
            id="opset-of-the-future",
        ),
        pytest.param(
            lambda: made.tree(nodes_truenodeids=[0, 0, 0]).SerializeToString(),
            errors.TamperedModelError,
            "circles|two roots|two parents",
            id="tree-that-goes-in-circles",
        ),
        pytest.param(
            lambda: made.tree(nodes_truenodeids=[77, 0, 0]).SerializeToString(),
            errors.TamperedModelError,
            "is not there",
            id="tree-that-points-outside",
        ),
        pytest.param(
            lambda: made.tree(class_ids=[0, 9]).SerializeToString(),
            errors.TamperedModelError,
            "output 9 of 2",
            id="leaf-for-a-class-that-is-not-there",
        ),
        pytest.param(
            lambda: made.tree(nodes_featureids=[-4, 0, 0]).SerializeToString(),
            errors.TamperedModelError,
            "feature -4",
            id="feature-below-zero",
        ),
        pytest.param(
            lambda: made.tree(nodes_values=[0.5], nodes_nodeids=[0, 1]).SerializeToString(),
            errors.TamperedModelError,
            "differ in length",
            id="tree-of-arrays-that-do-not-fit",
        ),
    ],
)
def test_refused(raw: Callable[[], bytes], error: type[Exception], told: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=told):
        check_model(raw())


def test_a_long_run_of_numbers_is_read_as_numbers() -> None:
    """Trees are long: what is read by pattern and array has to be what is read one by one."""
    many = 3_000
    deep = {
        "nodes_treeids": list(range(many)),
        "nodes_nodeids": [0] * many,
        "nodes_featureids": [2] * many,
        "nodes_modes": ["LEAF"] * many,
        "nodes_values": [0.0] * many,
        "nodes_truenodeids": [0] * many,
        "nodes_falsenodeids": [0] * many,
        "class_treeids": list(range(many)),
        "class_nodeids": [0] * many,
        "class_ids": [1] * many,
        "class_weights": [float(one) for one in range(many)],
    }
    check_model(made.tree(**deep).SerializeToString())
    with pytest.raises(errors.TamperedModelError, match="a node is there twice"):
        check_model(made.tree(**deep | {"nodes_treeids": [0, *range(many - 1)]}).SerializeToString())


FLIPS = """
import random, sys
from pathlib import Path
from cloche.errors import ArtifactError
from cloche.onnx.runner import open_session
import numpy as np
opened = refused = 0
for path in sys.argv[2:]:
    raw = Path(path).read_bytes()
    rng = random.Random(path)
    for _ in range(int(sys.argv[1])):
        bad = bytearray(raw)
        for _ in range(rng.choice((1, 1, 1, 4))):
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            session = open_session(bytes(bad))
            fed = {}
            for name, (kind, shape) in session.inputs.items():
                dims = [2 if not isinstance(one, int) else min(one, 4) for one in shape]
                fed[name] = np.zeros(dims, np.float32) if "float" in kind else np.full(dims, "red", dtype=object)
            session.run(list(session.outputs), fed)
            opened += 1
        except (ArtifactError, ValueError):
            refused += 1
print(opened > 0, refused > 0)
"""


def test_flipped_bits_end_in_an_answer_or_an_error_and_never_in_a_signal(tmp_path: Path) -> None:
    """In a child process: a file that is not what its digest says is refused before; this is for who signs bad ones."""
    paths = []
    for name, proto in (("net", made.net()), ("tree", made.tree()), ("mixed", made.mixed())):
        path = tmp_path / name
        path.write_bytes(proto.SerializeToString())
        paths.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", FLIPS, "400", *paths], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert done.stdout.split() == ["True", "True"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mixed", "net", "tree"]


def test_the_limit_leaves_room_for_real_models() -> None:
    assert MAX_TENSOR >= 1 << 31
