"""Nets end to end: saved, published, served by processes without the code that trained them; and the attacks."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloche
from cloche.errors import SaveRefusedError, UntrustedTypeError
from conftest import needs
from servers import Server, cloche_here, serving
from servers import cloche as command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
TESTS = Path(__file__).parents[1]
EXAMPLES = TESTS.parent / "examples"
X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
CODES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1).astype(int)
ROWS = [{f"x{place}": float(value) for place, value in enumerate(row)} for row in X[:7]]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]
LABELS = ["negative", "positive"]


@pytest.fixture(scope="module")
def nets() -> Any:
    needs(importlib.util.find_spec("torch"), "needs torch")
    return importlib.import_module("torch_nets")


@pytest.fixture(scope="module")
def trusting(nets: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A machine on which the nets' package is installed and trusted."""
    home = tmp_path_factory.mktemp("config")
    (home / "cloche").mkdir()
    (home / "cloche" / "config.toml").write_text(f"[trust]\nallowed_types = {json.dumps(list(nets.OWN))}\n")
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    return {"XDG_CONFIG_HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture(scope="module")
def store(nets: Any, trusting: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """table@1 and bag@1 need no class, own@1 does."""
    place = str(tmp_path_factory.mktemp("torch") / "store")
    given: dict[str, Any] = {"store": place, "quiet": True}
    texts: dict[str, Any] = {"inputs": nets.TEXTS, "classes": LABELS, "tokenizer": nets.VOCABULARY, "max_length": 20}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in trusting.items():
            patch.setenv(name, value)
        kept = {"epoch": 7, "best": 0.25, "momentum": [nets.torch.ones(3)]}
        cloche.save(nets.classifier(), "table", inputs=X, targets=CODES, classes=SPECIES, training_state=kept, **given)
        cloche.save(nets.bag(), "bag", targets=[1, 1, 1, 0, 0, 0], **texts, **given)
        nets.torch.manual_seed(5)
        cloche.save(nets.Masked(nets.SIZE), "own", config={"words": nets.SIZE}, **texts, **given)
    return place


@pytest.fixture(scope="module", params=["without-the-code", "natively"])
def server(request: pytest.FixtureRequest, store: str, trusting: dict[str, str]) -> Iterator[Server]:
    """What has a device asked for is answered by PyTorch itself, on the processor where there is no other."""
    native = request.param == "natively"
    flags = ["--device", "auto"] if native else []
    with serving(["table", "bag", "own"], store=store, flags=flags, env=trusting if native else {}) as started:
        yield started


def asked(server: Server, path: str, body: Any = None) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", raw, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def shares(nets: Any, name: str) -> Any:
    """What the net itself answers: its softmax over the rows or texts of this file, (rows, classes)."""
    torch = nets.torch
    if name == "table":
        answer = nets.classifier().eval()(torch.from_numpy(X[:7]))
    else:
        torch.manual_seed(5)
        net = nets.bag() if name == "bag" else nets.Masked(nets.SIZE)
        tokens = [torch.tensor([nets.VOCABULARY[word] for word in _words(text)]) for text in nets.TEXTS]
        ids = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        answer = net.eval()(ids) if name == "bag" else net.eval()(ids, (ids != 0).long())
    return torch.softmax(answer.double(), dim=1).detach().numpy()


def _words(text: str) -> list[str]:
    return "".join(one if one.isalnum() else f" {one} " for one in text.lower()).split()


@pytest.mark.parametrize("name", ["table", "bag", "own"])
def test_the_answers_over_http_are_the_nets_own(
    server: Server, nets: Any, name: str, request: pytest.FixtureRequest
) -> None:
    rows = ROWS if name == "table" else [{"text": text} for text in nets.TEXTS]
    classes = SPECIES if name == "table" else LABELS
    own = shares(nets, name)
    engine = asked(server, f"/models/{name}")["guaranteed"]["engine"]
    assert engine == ("native" if "natively" in request.node.name else "onnx")
    together = asked(server, f"/models/{name}/predict", rows)
    for place, row in enumerate(rows):
        alone = asked(server, f"/models/{name}/predict", row)
        assert alone["prediction"] == together["prediction"][place] == classes[int(own[place].argmax())]
        assert alone["confidence"] == pytest.approx(own[place].max(), rel=1e-5, abs=1e-5)
        for number, label in enumerate(classes):
            assert together["probabilities"][label][place] == pytest.approx(own[place][number], rel=1e-5, abs=1e-5)


def test_a_text_that_is_none_is_refused_and_one_without_words_is_not(server: Server) -> None:
    assert asked(server, "/models/bag/predict", {"text": ""})["prediction"] in LABELS
    for body in ({"text": None}, {"text": 7}, {}, {"text": "x" * 20_000}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(server, "/models/bag/predict", body)
        assert refused.value.code == 400


def test_the_form_of_onnx_answers_and_neither_pytorch_nor_the_class_is_imported(store: str) -> None:
    code = (
        "import sys, cloche; m = cloche.load('own', store=sys.argv[1]); m.predict({'text': 'I loved it'});"
        "print(m.engine, [one for one in ('torch', 'torch_nets', 'onnx', 'pandas') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, store], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "onnx []", done.stderr


def test_the_net_itself_is_opened_only_where_its_class_is_allowed(store: str) -> None:
    with pytest.raises(UntrustedTypeError, match=r'trust\.allowed_types = \["torch_nets\.Masked"\]'):
        cloche.load("own", engine="native", store=store)


def test_a_device_that_is_not_there_is_said_at_the_start(store: str, nets: Any) -> None:
    needs(not nets.torch.backends.mps.is_available(), "needs a machine without mps")
    done = command("serve", "table", "--device", "mps", "--port", "0", store=store)
    assert done.returncode == 1
    assert "device 'mps': PyTorch" in done.stderr
    assert "there is: cpu" in done.stderr


def test_the_training_state_is_read_back_and_lies_beside_what_answers(store: str, nets: Any) -> None:
    found = cloche.training_state("table", store=store)
    assert (found["epoch"], found["best"], found["momentum"][0].tolist()) == (7, 0.25, [1.0, 1.0, 1.0])


@pytest.mark.parametrize("verb", ["save", "import"])
def test_a_file_of_tensors_comes_in_from_the_command_line(
    verb: str, store: str, nets: Any, trusting: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in trusting.items():
        monkeypatch.setenv(name, value)
    net = nets.Recurrent(nets.SIZE)
    nets.torch.save({"model_state_dict": net.state_dict(), "epoch": 4}, tmp_path / "net.pt")
    (tmp_path / "config.json").write_text(json.dumps({"words": nets.SIZE}))
    (tmp_path / "words.json").write_text(json.dumps(nets.VOCABULARY))
    (tmp_path / "texts.csv").write_text("text\n" + "\n".join(f'"{text}"' for text in nets.TEXTS) + "\n")
    said = [str(tmp_path / "net.pt"), "--inputs", str(tmp_path / "texts.csv"), "--class", "no", "--class", "yes"]
    said += ["--tokenizer", str(tmp_path / "words.json"), "--config", str(tmp_path / "config.json")]
    without = cloche_here(verb, *said[:1], "--name", f"recurrent-{verb}", store=store)
    assert without.returncode == 2
    assert "--module package.module:Class" in without.stderr
    done = cloche_here(verb, *said, "--module", "torch_nets:Recurrent", "--name", f"recurrent-{verb}", store=store)
    assert done.returncode == 0, done.stderr
    assert "padding changes this net's answers" in done.stdout
    answer = cloche.load(f"recurrent-{verb}", store=store).predict({"text": nets.TEXTS[0]})
    own = nets.torch.sigmoid(net(nets.torch.tensor([[nets.VOCABULARY[word] for word in _words(nets.TEXTS[0])]])))
    assert answer.probabilities["yes"] == pytest.approx(own.item(), rel=1e-5, abs=1e-5)
    assert cloche.training_state(f"recurrent-{verb}", store=store) == {"epoch": 4}


def test_a_net_of_a_notebook_is_refused_with_the_recipe(nets: Any, store: str) -> None:
    own = type("Own", (nets.Hidden,), {"__module__": "__main__"})
    with pytest.raises(SaveRefusedError, match=r"'Own' is defined in __main__ .*pip install ./mypackage"):
        cloche.save(own(), "own-of-main", inputs=X, store=store, quiet=True)


# -- examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "name", "row", "prediction"),
    [
        pytest.param("torch_reviews.py", "reviews", {"text": "I loved this movie!"}, "positive", id="texts"),
        pytest.param(
            "torch_penguins.py",
            "penguins-net",
            {"bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181, "body_mass_g": 3750},
            "Adelie",
            id="table",
        ),
    ],
)
def test_the_examples(nets: Any, tmp_path: Path, example: str, name: str, row: Any, prediction: str) -> None:
    store = str(tmp_path / "store")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example)],
        env={**os.environ, "CLOCHE_STORE": store},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    model = cloche.load(name, store=store)
    assert model.predict(row).prediction == prediction
    assert model.engine == "onnx"
    accuracy = next(one.value for one in model.manifest.metrics if one.name == "accuracy")
    assert accuracy >= 0.85, "on rows that it was not fitted on"


# -- attacks --------------------------------------------------------------------------------------

REFUSED = (
    "WrongFormatError",
    "ArchiveLimitError",
    "SaveRefusedError",
    "TamperedModelError",
    "ManifestError",
    "UntrustedTypeError",
)
OPENED = {"artifact-as-it-was", "artifact-training-as-pickle"}


def test_no_attack_runs_its_payload_or_ends_the_process(nets: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(TESTS / "torch_attacks.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "canary").exists()
    found: dict[str, str] = json.loads(done.stdout)
    assert len(found) > 40
    for name, outcome in found.items():
        if name.endswith("-flipped"):
            assert set(outcome.split()) <= {*REFUSED, "opened"}, (name, outcome)
        elif name in OPENED:
            assert outcome == "opened", (name, outcome)
        else:
            assert outcome.startswith(REFUSED), (name, outcome)
    for name, words in (
        ("pt-whole-module", "a pickle of a whole module"),
        ("pt2-gadget", "an exported program runs code when it is opened"),
        ("pt-script", "brings its own code along"),
        ("pt-bomb", "would unpack to"),
        ("artifact-other-shape", "expected shape [2] as the net has, got shape [3]"),
    ):
        assert words in found[name], (name, found[name])
