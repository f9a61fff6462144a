"""Nets: what is found by asking them, what is written down, what comes back, what is refused and in which words."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloche.contract.infer import output_of
from cloche.errors import (
    DeviceMissingError,
    MissingFileError,
    SaveRefusedError,
    TamperedModelError,
    UntrustedTypeError,
    UsageError,
)
from cloche.flavors import flavor_of, get_flavor
from cloche.trust import TrustPolicy
from conftest import needs

X = np.random.default_rng(0).normal(size=(60, 4))
CODES = np.arange(60) % 3


@pytest.fixture(scope="module")
def torch() -> Any:
    needs(importlib.util.find_spec("torch"), "needs torch")
    return importlib.import_module("torch")


@pytest.fixture(scope="module")
def nets(torch: Any) -> Any:
    return importlib.import_module("torch_nets")


@pytest.fixture(scope="module")
def trust(nets: Any) -> TrustPolicy:
    return TrustPolicy(allowed_types=frozenset(nets.OWN))


def bundled(net: Any, inputs: Any = X, **given: Any) -> Any:
    told = {name: given.pop(name) for name in ("targets", "classes", "aside") if name in given}
    return flavor_of(net).bundle(net, given, inputs, **told)


def reopened(draft: Any, directory: Path, trust: TrustPolicy) -> Any:
    flavor = get_flavor("torch")
    options = flavor.dump(draft, directory, trust=trust)
    return flavor.load(directory, options, trust)


# -- what the numbers are -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "told", "task", "answers"),
    [
        pytest.param("Linear(4, 3)", {"targets": CODES}, "classification", "logits", id="softmax"),
        pytest.param("Linear(4, 3) Softmax(1)", {"targets": CODES}, "classification", "probabilities", id="softmaxed"),
        pytest.param("Linear(4, 3) LogSoftmax(1)", {"targets": CODES}, "classification", "logits", id="log-softmax"),
        pytest.param("Linear(4, 3)", {"classes": ["a", "b", "c"]}, "classification", "logits", id="by-classes"),
        pytest.param("Linear(4, 1)", {"targets": CODES == 1}, "classification", "logits", id="one-logit"),
        pytest.param("Linear(4, 1) Sigmoid()", {"targets": CODES % 2}, "classification", "probabilities", id="sigmoid"),
        pytest.param("Linear(4, 1)", {"targets": CODES % 2 * 1.0}, "classification", "logits", id="fractions-0-1"),
        pytest.param("Linear(4, 1)", {"targets": X[:, 0]}, "regression", "values", id="regression"),
        pytest.param("Linear(4, 1)", {}, "regression", "values", id="one-number"),
        pytest.param("Linear(4, 2)", {"targets": X[:, :2]}, "multioutput_regression", "values", id="several"),
        pytest.param("Linear(4, 2)", {"targets": (X[:, :2] > 0) * 1}, "multilabel", "logits", id="labels"),
        pytest.param("Linear(4, 2) Sigmoid()", {"targets": X[:, :2] > 0}, "multilabel", "probabilities", id="sigmoids"),
        pytest.param("Linear(4, 5)", {}, "embedding", "values", id="vectors"),
    ],
)
def test_what_a_net_is_for(torch: Any, last: str, told: Any, task: str, answers: str) -> None:
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        *(eval(f"torch.nn.{one}", {"torch": torch}) for one in last.replace(") ", ")|").split("|"))
    )
    draft = bundled(net, **told)
    facts = get_flavor("torch").facts(draft)
    assert (facts.task, draft.task.answers) == (task, answers)
    assert facts.notes[0].startswith("the net")


def test_one_number_that_lies_between_0_and_1_by_chance_is_a_logit(torch: Any) -> None:
    net = torch.nn.Linear(4, 1)
    with torch.no_grad():
        net.weight.mul_(0.01)
        net.bias.fill_(0.5)
    assert bundled(net, targets=CODES % 2).task.answers == "logits"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        pytest.param({"targets": np.array(list("abc"))[CODES]}, r"pass classes=\[…\], one label", id="labels"),
        pytest.param({"classes": ["a", "b"]}, "got 2, and the net answers 3 numbers", id="too-few-classes"),
        pytest.param({"targets": X[:, 0]}, "no class from 0 to 2", id="fractions"),
        pytest.param({"targets": X[:, :2]}, "2 columns, and the net answers 3 numbers", id="other-width"),
    ],
)
def test_targets_that_do_not_fit_are_refused(nets: Any, told: Any, words: str) -> None:
    with pytest.raises(SaveRefusedError, match=words):
        bundled(nets.classifier(), **told)


@pytest.mark.parametrize(
    ("make", "inputs", "given", "error", "words"),
    [
        pytest.param(lambda n: n.classifier(), X[:, :3], {}, SaveRefusedError, r"\(rows, 3\)", id="width"),
        pytest.param(lambda n: n.classifier(), [{"a": "x"}] * 9, {}, SaveRefusedError, "'a' holds string", id="text"),
        pytest.param(lambda n: n.classifier(), X, {"max_length": 3}, UsageError, "pass tokenizer= too", id="no-tokens"),
        pytest.param(lambda n: n.classifier(), X, {"temperature": 1}, UsageError, "temperature: not an", id="option"),
        pytest.param(
            lambda n: n.bag(), X, {"tokenizer": {"a": 1}}, SaveRefusedError, "one column of texts", id="matrix"
        ),
        pytest.param(
            lambda n: n.bag(),
            ["a"],
            {"tokenizer": {"a": 999}},
            SaveRefusedError,
            "first embedding has",
            id="ids-too-large",
        ),
        pytest.param(
            lambda n: n.bag(), ["a"], {"tokenizer": {"a": 1}, "max_length": 0}, UsageError, "1 to 100000", id="length"
        ),
        pytest.param(lambda n: n.Fixed(n.SIZE, 9), ["I loved it"], {}, SaveRefusedError, "max_length=", id="fixed"),
    ],
)
def test_a_net_that_does_not_fit_its_inputs_is_refused(
    nets: Any, make: Any, inputs: Any, given: Any, error: type[Exception], words: str
) -> None:
    given = {"tokenizer": nets.VOCABULARY} | given if type(make(nets)).__name__ == "Fixed" else given
    with pytest.raises(error, match=words):
        bundled(make(nets), inputs, **given)


def test_columns_that_the_net_is_not_shown_are_left_out(nets: Any) -> None:
    rows = [{"id": f"c{place}", "a": 1.0, "b": place * 0.1, "c": True, "d": 2} for place in range(20)]
    assert bundled(nets.classifier(), rows, aside=("id",)).columns == 4


# -- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "config", "padding", "mask", "names"),
    [
        pytest.param("Masked", {}, "longest", "int64", (), id="mask"),
        pytest.param("Recurrent", {}, "equal", "none", (), id="padding-changes-answers"),
        pytest.param("Lengths", {}, "longest", "lengths", (), id="lengths"),
        pytest.param("Offsets", {}, "longest", "offsets", (), id="offsets"),
        pytest.param("Attention", {}, "longest", "int64", ("input_ids", "attention_mask"), id="keywords"),
        pytest.param("PaddingMask", {}, "longest", "padding", (), id="mask-the-other-way"),
        pytest.param("Fixed", {"length": 9}, "fixed", "none", (), id="one-length"),
    ],
)
def test_how_a_net_takes_texts_is_found(
    nets: Any,
    torch: Any,
    trust: TrustPolicy,
    tmp_path: Path,
    name: str,
    config: Any,
    padding: str,
    mask: str,
    names: Any,
) -> None:
    torch.manual_seed(3)
    net = getattr(nets, name)(words=nets.SIZE, **config).train()
    classes = ["a", "b", "c"][: 3 if name in ("Lengths", "Offsets") else 2]
    length = config.get("length", 12)
    draft = bundled(
        net,
        nets.TEXTS,
        classes=classes,
        tokenizer=nets.VOCABULARY,
        max_length=length,
        config={"words": nets.SIZE} | config,
    )
    assert net.training, "the owner's net is left in the mode that it was in"
    assert (draft.text.padding, draft.text.mask, draft.text.names) == (padding, mask, names)
    native = reopened(draft, tmp_path, trust)
    output = output_of(get_flavor("torch").facts(draft), classes)
    flavor = get_flavor("torch")
    together = flavor.predict(native, nets.TEXTS, output)
    alone = [flavor.predict(native, [text], output) for text in nets.TEXTS]
    assert together.prediction == [one.prediction[0] for one in alone]
    np.testing.assert_allclose(together.probabilities, [one.probabilities[0] for one in alone], rtol=1e-5, atol=1e-6)
    assert flavor.predict(native, [""], output).prediction[0] in classes, "a text without words is answered too"


def test_a_vocabulary_may_ask_for_padding_to_one_length(nets: Any, torch: Any) -> None:
    torch.manual_seed(3)
    said = {"vocabulary": nets.VOCABULARY, "padding": "fixed"}
    draft = bundled(nets.Recurrent(nets.SIZE), nets.TEXTS, classes=[0, 1], tokenizer=said, max_length=9)
    assert draft.text.padding == "fixed"
    assert "every text is padded to 9 tokens" in draft.notes


# -- what is written down -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "width"),
    [
        pytest.param("Linear(4, 3, bias=False) LayerNorm(3) SiLU()", 4, id="norm"),
        pytest.param(
            "Unflatten(1, (1, 4)) Conv1d(1, 2, 3, padding=1) MaxPool1d(2) Flatten() Linear(4, 2)", 4, id="conv"
        ),
        pytest.param(
            "Linear(4, 4) PReLU(4) LeakyReLU(0.3) Hardtanh(-2.0, 3.0) ELU(0.7) Softplus(2.0) GELU('tanh')", 4, id="act"
        ),
        pytest.param(
            "BatchNorm1d(4, eps=0.1, affine=False) Dropout(0.5) AlphaDropout(0.1) Identity() Tanh()", 4, id="rest"
        ),
        pytest.param("Sequential(nn.Linear(4, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))", 4, id="nested"),
        pytest.param("Linear(4, 2).double()", 4, id="float64"),
        pytest.param("Linear(4, 2).bfloat16()", 4, id="bfloat16"),
    ],
)
def test_layers_of_pytorch_come_back_without_a_class(torch: Any, tmp_path: Path, layers: str, width: int) -> None:
    torch.manual_seed(2)
    parts = [eval(f"nn.{one}", {"nn": torch.nn}) for one in layers.replace(") ", ")|").split("|")]
    net = parts[0] if len(parts) == 1 else torch.nn.Sequential(*parts)
    draft = bundled(net, X[:, :width])
    native = reopened(draft, tmp_path, TrustPolicy())
    with torch.inference_mode():
        own = net.eval()(torch.from_numpy(X[:, :width]).to(next(iter(net.parameters()), torch.zeros(1)).dtype))
    np.testing.assert_allclose(native.numbers(X[:, :width]), own.double().numpy(), rtol=1e-6, atol=1e-7)
    assert native.options.meta


def test_tied_tensors_are_stored_once(nets: Any, trust: TrustPolicy, tmp_path: Path) -> None:
    net = nets.Tied()
    native = reopened(bundled(net, config={}), tmp_path, trust)
    assert native.options.tied == {"second.weight": "first.weight"}
    assert (tmp_path / "model.safetensors").stat().st_size < 300
    assert native.module.first.weight.data_ptr() == native.module.second.weight.data_ptr()


def test_a_buffer_outside_of_the_state_dict_is_built_by_the_class(
    nets: Any, trust: TrustPolicy, tmp_path: Path
) -> None:
    draft = bundled(
        nets.Masked(nets.SIZE), nets.TEXTS, classes=[0, 1], tokenizer=nets.VOCABULARY, config={"words": nets.SIZE}
    )
    native = reopened(draft, tmp_path, trust)
    assert not native.options.meta
    assert native.module.scale.item() == 2.0


def test_what_wraps_a_net_is_taken_off(torch: Any, nets: Any) -> None:
    inner = nets.classifier()
    assert bundled(torch.nn.DataParallel(inner), targets=CODES).module is inner
    compiled = torch.nn.Module()
    compiled._orig_mod = inner  # as torch.compile has it, whose import takes seconds
    assert bundled(compiled, targets=CODES).module is inner


@pytest.mark.parametrize(
    ("make", "config", "words"),
    [
        pytest.param(lambda n: n.Hidden(3.0), None, "answers differently.*Pass config=", id="config-not-given"),
        pytest.param(lambda n: n.Hidden(), {"factor": "x"}, "TypeError|differently", id="config-of-another-type"),
        pytest.param(lambda n: n.Hidden(), {"faktor": 1.0}, "unexpected keyword argument 'faktor'", id="misspelt"),
        pytest.param(lambda n: n.Tied(4), {"width": 5}, "'first.weight': expected shape", id="other-shapes"),
        pytest.param(lambda n: n.local(), None, "local to a function", id="closure"),
    ],
)
def test_a_class_that_cannot_be_built_again_is_refused(
    nets: Any, trust: TrustPolicy, tmp_path: Path, make: Any, config: Any, words: str
) -> None:
    given = {} if config is None else {"config": config}
    with pytest.raises(SaveRefusedError, match=words):
        get_flavor("torch").dump(bundled(make(nets), **given), tmp_path, trust=trust)


def test_a_class_of_main_is_refused_with_the_recipe(nets: Any, trust: TrustPolicy, tmp_path: Path) -> None:
    own = type("Own", (nets.Hidden,), {"__module__": "__main__"})
    with pytest.raises(SaveRefusedError, match=r"defined in __main__.*pip install ./mypackage.*torch\.onnx\.export"):
        get_flavor("torch").dump(bundled(own()), tmp_path, trust=trust)


def test_a_class_that_nobody_allowed_is_refused_at_save_and_at_load(
    nets: Any, trust: TrustPolicy, tmp_path: Path
) -> None:
    flavor, draft = get_flavor("torch"), bundled(nets.Hidden(2.0), config={"factor": 2.0})
    with pytest.raises(SaveRefusedError, match=r'trust\.allowed_types = \["torch_nets\.Hidden"\]'):
        flavor.dump(draft, tmp_path)
    options = flavor.dump(draft, tmp_path, trust=trust)
    with pytest.raises(UntrustedTypeError, match=r'trust\.allowed_types = \["torch_nets\.Hidden"\]'):
        flavor.load(tmp_path, options, TrustPolicy())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param({"factor": object()}, "plain values", id="object"),
        pytest.param({"factor": float("nan")}, "plain values", id="nan"),
        pytest.param([1, 2], "dict", id="list"),
    ],
)
def test_a_config_is_json(nets: Any, trust: TrustPolicy, tmp_path: Path, config: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        get_flavor("torch").dump(bundled(nets.Hidden(), config=config), tmp_path, trust=trust)


# -- answers --------------------------------------------------------------------------------------


def test_a_missing_or_huge_number_is_refused_and_not_answered(nets: Any, tmp_path: Path) -> None:
    draft = bundled(nets.classifier(), targets=CODES)
    native, flavor = reopened(draft, tmp_path, TrustPolicy()), get_flavor("torch")
    output = output_of(flavor.facts(draft))
    for row, words in (([1.0, np.nan, 0.0, 0.0], "missing"), ([1e39, 0.0, 0.0, 0.0], "larger than float32")):
        with pytest.raises(ValueError, match=words):
            flavor.predict(native, np.array([row]), output)


def test_a_device_that_is_not_there_is_said(torch: Any, nets: Any, tmp_path: Path) -> None:
    native, flavor = reopened(bundled(nets.classifier(), targets=CODES), tmp_path, TrustPolicy()), get_flavor("torch")
    assert flavor.place(native, "auto").device.type in ("cpu", "cuda", "mps")
    missing = [name for name, there in (("cuda", torch.cuda), ("mps", torch.backends.mps)) if not there.is_available()]
    for name in missing:
        with pytest.raises(DeviceMissingError, match=f"device '{name}': PyTorch .* finds none here; there is: cpu"):
            flavor.place(native, name)


# -- the training run -----------------------------------------------------------------------------


def test_the_state_of_the_training_run_is_kept_beside(torch: Any, nets: Any, tmp_path: Path) -> None:
    net = nets.classifier()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, betas=(0.8, 0.9))
    net(torch.from_numpy(X).float()).sum().backward()
    optimizer.step()
    kept = {"optimizer": optimizer, "epoch": 3, "best": float("inf"), "names": ("a", None), "score": np.float32(0.5)}
    flavor = get_flavor("torch")
    flavor.dump(bundled(net, targets=CODES, training_state=kept), tmp_path)
    files = {f"training/{one.name}": one.read_bytes() for one in (tmp_path / "training").iterdir()}
    found = flavor.training_state(files)
    assert {name: found[name] for name in ("epoch", "best", "names", "score")} == {
        "epoch": 3,
        "best": float("inf"),
        "names": ("a", None),
        "score": 0.5,
    }
    again = torch.optim.AdamW(net.parameters())
    again.load_state_dict(found["optimizer"])
    state = again.state_dict()
    assert state["param_groups"][0]["betas"] == (0.8, 0.9)
    assert torch.equal(state["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    with pytest.raises(MissingFileError, match="keeps no training state"):
        flavor.training_state({})
    with pytest.raises(UsageError, match="a sklearn model keeps no training state"):
        get_flavor("sklearn").training_state({})


def test_what_cannot_be_kept_of_a_training_run_is_refused(nets: Any, tmp_path: Path) -> None:
    draft = bundled(nets.classifier(), targets=CODES, training_state={"run": {"logger": object()}})
    with pytest.raises(SaveRefusedError, match=r"training_state\.run\.logger: expected tensors and plain values"):
        get_flavor("torch").dump(draft, tmp_path)


# -- a description that lies ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        pytest.param({"layer": "Lambda", "arguments": {}}, id="unknown-layer"),
        pytest.param({"layer": "Module", "arguments": {}}, id="no-layer"),
        pytest.param({"layer": "Linear", "arguments": {"in_features": 4}}, id="argument-left-out"),
        pytest.param({"layer": "Linear", "arguments": {"in_features": -1, "out_features": 2}}, id="negative"),
        pytest.param({"layer": "Linear", "arguments": {"in_features": 10**12, "out_features": 10**12}}, id="huge"),
        pytest.param({"layer": "Linear", "arguments": {"in_features": {"a": 1}, "out_features": 2}}, id="nested"),
        pytest.param({"layer": "Sequential", "children": [1]}, id="children-of-another-type"),
        pytest.param({"class": "os:system", "config": {"command": "true"}}, id="function"),
        pytest.param({"class": "torch_nets:Hidden.__init__", "config": {}}, id="no-name"),
        pytest.param({"class": 7}, id="no-text"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_description_that_lies_is_refused(nets: Any, tmp_path: Path, module: Any) -> None:
    flavor = get_flavor("torch")
    options = flavor.dump(bundled(nets.classifier(), targets=CODES), tmp_path)
    trust = TrustPolicy(allowed_types=frozenset({"os.system"}))
    with pytest.raises((TamperedModelError, UntrustedTypeError)):
        flavor.load(tmp_path, options | {"module": module}, trust)


def test_a_description_deeper_than_any_net_is_refused(nets: Any, tmp_path: Path) -> None:
    flavor = get_flavor("torch")
    options = flavor.dump(bundled(nets.classifier(), targets=CODES), tmp_path)
    module: dict[str, Any] = {"layer": "Identity", "arguments": {}}
    for _ in range(200):
        module = {"layer": "Sequential", "children": {"0": module}}
    with pytest.raises(TamperedModelError, match="deep"):
        flavor.load(tmp_path, options | {"module": module}, TrustPolicy())
