"""A graph is checked before it is evaluated: each thing that could be wrong in its two files is a refusal."""

from __future__ import annotations

import json
import typing

import numpy as np
import pytest

from cloche.engines.twin.table import EVALUATORS
from cloche.errors import ManifestError, TamperedModelError, WrongFormatError
from cloche.graph import Answers, Builder, Graph, Input
from cloche.graph.operators.columns import Concat, Fill, Select
from cloche.graph.operators.encode import Encode, Expand, Levels
from cloche.graph.operators.heads import Above, Complement, Linear
from cloche.graph.operators.inputs import Numbers, Objects
from cloche.graph.operators.numeric import Bin, Function, Polynomial, Scale
from cloche.graph.table import AnyOperator
from cloche.graph.weights import from_bytes, open_graph, to_bytes


def good():
    """A graph with most kinds of parameters: its JSON as a document, and its arrays."""
    b = Builder([Input(name="a"), Input(name="b"), Input(name="city", levels=("x", "y"))])
    numbers = b.add(Numbers(fields=(0, 1)))
    filled = b.add(Fill(of=(numbers.node,), values_array=b.floats([1.0, 2.0])))
    scaled = b.add(
        Scale(of=(filled.node,), subtract_array=b.floats([0.5, 0.5]), divide_array=b.floats([2.0, 3.0]), high=9.0)
    )
    binned = b.add(Bin(of=(scaled.node,), edges_arrays=(b.floats([0.0, 1.0]), b.floats([0.0]))))
    powers = b.add(Polynomial(of=(binned.node,), pairs_array=b.ints([[0, 1]]), columns_array=b.ints([-1, 0, 1, 2])))
    picked = b.add(Select(of=(powers.node,), columns_array=b.ints([0, 3])))
    bent = b.add(Function(of=(picked.node,), name="tanh"))
    city = b.add(Objects(fields=(2,)))
    levels = Levels(levels=("x", "y"), values_array=b.floats([0.0, 1.0]), unknown=-1.0, missing=-1.0)
    coded = b.add(Encode(of=(city.node,), columns=(levels,)))
    spread = b.add(Expand(of=(coded.node,), widths=(2,)))
    beside = b.add(Concat(of=(bent.node, spread.node)))
    coef, start = b.floats(np.ones((4, 1))), b.floats([0.1])
    decision = b.add(Linear(of=(beside.node,), coef_array=coef, intercept_array=start))
    share = b.add(Function(of=(decision.node,), name="sigmoid"))
    shares = b.add(Complement(of=(share.node,)))
    index = b.add(Above(of=(decision.node,)))
    answers = Answers(
        task="classification", prediction=(index.node,), probabilities=(shares.node,), classes=(("no", "yes"),)
    )
    valid = b.finish(answers)
    return json.loads(valid.graph.to_json()), {k: v.copy() for k, v in valid.weights.to_dict().items()}


def opened(document, arrays):
    return open_graph(json.dumps(document).encode(), to_bytes(arrays))


def node(document, op):
    return next(one for one in document["nodes"] if one["op"] == op)


def test_a_good_graph_is_the_same_after_writing_and_reading():
    document, arrays = good()
    again = opened(document, arrays)
    assert json.loads(again.graph.to_json()) == document
    assert {name: array.tolist() for name, array in again.weights.to_dict().items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert to_bytes(arrays) == to_bytes(dict(reversed(arrays.items()))), "the same arrays give the same bytes"


def test_every_operator_can_be_evaluated():
    assert set(EVALUATORS) == set(typing.get_args(AnyOperator))


def test_operators_have_names_of_their_own():
    tags = [one.__struct_config__.tag for one in typing.get_args(AnyOperator)]
    assert len(set(tags)) == len(tags)


# -- tampering ----------------------------------------------------------------------------------


def sets(op, /, **values):
    def change(document, arrays):
        node(document, op).update(values)

    return change


def array_of(op, parameter, function):
    def change(document, arrays):
        name = node(document, op)[parameter]
        name = name[0] if isinstance(name, list) else name
        arrays[name] = function(arrays[name])

    return change


def edits(function):
    def change(document, arrays):
        function(document)

    return change


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


TAMPERED = {
    "unknown-operator": sets("function", op="exec"),
    "unknown-parameter": sets("function", command="rm"),
    "unknown-function": sets("function", name="system"),
    "parameter-of-another-type": sets("above", threshold="0"),
    "node-reads-itself": edits(lambda d: d["nodes"][1].update(of=[1])),
    "node-reads-a-later-one": edits(lambda d: d["nodes"][1].update(of=[5])),
    "node-reads-before-the-first": edits(lambda d: d["nodes"][1].update(of=[-1])),
    "too-many-inputs": edits(lambda d: d["nodes"][1].update(of=[0, 0])),
    "no-input": edits(lambda d: d["nodes"][1].pop("of")),
    "field-that-is-not-there": sets("numbers", fields=[0, 7]),
    "field-below-zero": sets("numbers", fields=[0, -1]),
    "two-inputs-of-one-name": edits(lambda d: d["inputs"][1].update(name="a")),
    "numbers-where-objects-are": sets("encode", of=[0]),
    "objects-where-numbers-are": edits(lambda d: node(d, "linear").update(of=[d["nodes"].index(node(d, "objects"))])),
    "missing-array": edits(lambda d: node(d, "fill").update(values_array="nowhere")),
    "unread-array": lambda d, a: a.update(more=np.zeros(3)),
    "array-of-another-length": array_of("fill", "values_array", lambda a: a[:1]),
    "array-of-another-rank": array_of("fill", "values_array", lambda a: a[None, :]),
    "array-of-float32": array_of("fill", "values_array", lambda a: a.astype(np.float32)),
    "integers-where-floats-are": array_of("fill", "values_array", lambda a: a.astype(np.int64)),
    "filler-nan": array_of("fill", "values_array", put(0, np.nan)),
    "infinite-shift": array_of("scale", "subtract_array", put(0, np.inf)),
    "divisor-zero": array_of("scale", "divide_array", put(1, 0.0)),
    "edges-out-of-order": array_of("bin", "edges_arrays", lambda a: a[::-1].copy()),
    "too-few-arrays-of-edges": edits(lambda d: node(d, "bin").update(edges_arrays=node(d, "bin")["edges_arrays"][:1])),
    "column-outside": array_of("select", "columns_array", put(0, 4)),
    "column-below-zero": array_of("select", "columns_array", put(0, -2)),
    "product-of-a-later-column": array_of("polynomial", "pairs_array", put((0, 0), 2)),
    "polynomial-column-outside": array_of("polynomial", "columns_array", put(0, 99)),
    "coefficients-of-another-width": array_of("linear", "coef_array", lambda a: a[:3].copy()),
    "coefficient-nan": array_of("linear", "coef_array", put((0, 0), np.nan)),
    "level-twice": edits(lambda d: node(d, "encode")["columns"][0].update(levels=["x", "x"])),
    "level-no-plain-value": edits(lambda d: node(d, "encode")["columns"][0].update(levels=["x", ["y"]])),
    "levels-for-another-column": edits(lambda d: node(d, "encode").update(columns=[])),
    "values-for-other-levels": edits(lambda d: node(d, "encode")["columns"][0].update(levels=["x"])),
    "unknown-rejection": edits(lambda d: node(d, "encode")["columns"][0].update(rejects=["all"])),
    "width-below-zero": sets("expand", widths=[-1]),
    "width-enormous": sets("expand", widths=[10**9]),
    "widths-for-other-columns": sets("expand", widths=[2, 2]),
    "answer-in-no-node": edits(lambda d: d["answers"].update(prediction=[99])),
    "answer-of-several-columns": edits(lambda d: d["answers"].update(prediction=d["answers"]["probabilities"])),
    "answer-in-objects": edits(lambda d: d["answers"].update(prediction=[d["nodes"].index(node(d, "objects"))])),
    "two-predictions": edits(lambda d: d["answers"].update(prediction=d["answers"]["prediction"] * 2)),
    "classes-of-another-count": edits(lambda d: d["answers"].update(classes=[["no", "yes", "perhaps"]])),
    "no-classes": edits(lambda d: d["answers"].update(classes=[])),
    "class-no-plain-value": edits(lambda d: d["answers"].update(classes=[["no", {"a": 1}]])),
    "unknown-task": edits(lambda d: d["answers"].update(task="anything")),
    "score-nowhere": edits(lambda d: d["answers"].update(score=-1)),
    "input-level-no-plain-value": edits(lambda d: d["inputs"][2].update(levels=[None])),
    "unknown-key": edits(lambda d: d.update(extra=1)),
    "nodes-no-list": edits(lambda d: d.update(nodes={})),
    "too-many-nodes": edits(lambda d: d.update(nodes=d["nodes"] + [{"op": "numbers", "fields": [0]}] * 20_001)),
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
def test_a_tampered_graph_is_refused(name):
    document, arrays = good()
    TAMPERED[name](document, arrays)
    with pytest.raises(TamperedModelError):
        opened(document, arrays)


@pytest.mark.parametrize(
    ("graph", "error"),
    [
        pytest.param(b"", TamperedModelError, id="empty"),
        pytest.param(b"\x80\x04.", TamperedModelError, id="pickle"),
        pytest.param(b'{"schema": "cloche-twin/9"}', ManifestError, id="later-format"),
        pytest.param(b'{"schema": 1}', TamperedModelError, id="schema-no-text"),
        pytest.param(b"[" * 100_000, TamperedModelError, id="nested"),
        pytest.param(b'{"schema": "cloche-twin/1", "inputs": [], "nodes": []', TamperedModelError, id="cut"),
    ],
)
def test_a_graph_of_another_format_is_refused(graph, error):
    with pytest.raises(error):
        Graph.from_json(graph)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04K\x01.", id="pickle"),
        pytest.param(to_bytes({"a": np.zeros(4)})[:-8], id="cut"),
        pytest.param(b"\xff" * 64, id="header-longer-than-the-file"),
    ],
)
def test_weights_of_another_format_are_refused(raw):
    with pytest.raises(WrongFormatError):
        from_bytes(raw)


def test_arrays_of_other_types_are_refused():
    with pytest.raises(TamperedModelError, match="float32"):
        from_bytes(to_bytes({"a": np.zeros(3, dtype=np.float32)}))
