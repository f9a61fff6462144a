"""
Attacks on the files of a net, each tried in this process: `python torch_attacks.py FOLDER`.

Prints one JSON object: what became of each by name (`ErrorClass: message`, or "opened"). A payload that runs would
leave `FOLDER/canary`.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from cloche.errors import ClocheError
from cloche.flavors import get_flavor
from cloche.flavors.torch import foreign
from cloche.trust import TrustPolicy

FOLDER = Path(sys.argv[1])
CANARY = FOLDER / "canary"
NET = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
RNG = random.Random(0)


class Gadget:
    """Unpickled, it leaves the canary."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {CANARY}",)


def saved(thing: Any) -> bytes:
    written = io.BytesIO()
    torch.save(thing, written)
    return written.getvalue()


def scripted() -> bytes:
    written = io.BytesIO()
    torch.jit.save(torch.jit.trace(NET, torch.zeros(1, 4)), written)
    return written.getvalue()


def members(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def with_pickle(raw: bytes, pickled: bytes) -> bytes:
    return zipped({name: pickled if name.endswith("data.pkl") else one for name, one in members(raw).items()})


def tensors(header: Any, data: bytes = b"\0" * 48, length: int | None = None) -> bytes:
    raw = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


STATE = saved(NET.state_dict())
PICKLED = members(STATE)["archive/data.pkl"]
GADGET = pickle.dumps(Gadget())
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "pt-gadget-alone": (".pt", lambda: GADGET),
    "pt-gadget-saved": (".pt", lambda: saved(Gadget())),
    "pt-gadget-beside-tensors": (".pt", lambda: saved({"state_dict": NET.state_dict(), "hook": Gadget()})),
    "pt-gadget-in-place-of-the-pickle": (".pt", lambda: with_pickle(STATE, GADGET)),
    "pt-whole-module": (".pt", lambda: saved(NET)),
    "pt-script": (".pt", scripted),
    "pt-exported-program": (".pt", lambda: zipped({"x/archive_format": b"pt2", "x/models/model.json": b"{}"})),
    "pt-no-state": (".pt", lambda: saved([1, 2, 3])),
    "pt-empty": (".pt", lambda: b""),
    "pt-cut-off": (".pt", lambda: STATE[: len(STATE) // 2]),
    "pt-bomb": (".pt", lambda: zipped(members(STATE) | {"archive/data/9": b"\0" * (64 << 20)}, zipfile.ZIP_DEFLATED)),
    "pt-traversal": (".pt", lambda: zipped(members(STATE) | {"../../evil": b"x"})),
    "pt-lying-size": (".pt", lambda: with_pickle(STATE, PICKLED.replace(b"K\x20", b"K\xf0"))),
    "pt-of-before-1.6": (".pt", lambda: b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + GADGET),
    "pt-legacy-tar": (".pt", lambda: b"././@PaxHeader" + bytes(500)),
    "pt2-gadget": (".pt2", lambda: zipped({"x/data.pkl": GADGET})),
    "pth-gadget": (".pth", lambda: GADGET),
    "safetensors-pickle": (".safetensors", lambda: GADGET),
    "safetensors-zip": (".safetensors", lambda: STATE),
    "safetensors-empty": (".safetensors", lambda: b""),
    "safetensors-header-longer-than-the-file": (".safetensors", lambda: tensors({}, length=1 << 40)),
    "safetensors-header-of-all-ones": (".safetensors", lambda: tensors({}, length=(1 << 64) - 1)),
    "safetensors-header-no-json": (".safetensors", lambda: tensors(b"{" * 64)),
    "safetensors-header-deep": (".safetensors", lambda: tensors(b'{"a":' * 50_000)),
    "safetensors-overlap": (
        ".safetensors", lambda: tensors({"a": entry(0, 32, [8]), "b": entry(16, 48, [8])})
    ),
    "safetensors-hole": (".safetensors", lambda: tensors({"a": entry(0, 16, [4]), "b": entry(32, 48, [4])})),
    "safetensors-beyond": (".safetensors", lambda: tensors({"a": entry(0, 1 << 40, [1 << 38])})),
    "safetensors-shape-larger": (".safetensors", lambda: tensors({"a": entry(0, 48, [1 << 20, 1 << 20])})),
    "safetensors-shape-overflows": (".safetensors", lambda: tensors({"a": entry(0, 48, [1 << 62, 1 << 62])})),
    "safetensors-shape-negative": (".safetensors", lambda: tensors({"a": entry(0, 48, [-12])})),
    "safetensors-unknown-type": (".safetensors", lambda: tensors({"a": entry(0, 48, [12], "X9")})),
    "safetensors-backwards": (".safetensors", lambda: tensors({"a": entry(48, 0, [12])})),
}  # fmt: skip


def outcome(do: Callable[[], Any]) -> str:
    try:
        do()
    except ClocheError as exc:
        return f"{type(exc).__name__}: {exc}"
    return "opened"


def read(raw: bytes, suffix: str) -> str:
    path = FOLDER / f"net{suffix}"
    path.write_bytes(raw)
    return outcome(lambda: foreign.read(path))


def flips(raw: bytes, suffix: str, times: int) -> Iterator[str]:
    for _ in range(times):
        changed = bytearray(raw)
        for _ in range(RNG.choice((1, 1, 4, 40))):
            changed[RNG.randrange(len(changed))] ^= 1 << RNG.randrange(8)
        yield read(bytes(changed), suffix)


def artifact() -> Iterator[tuple[str, str]]:
    """What stands in an artifact of a net, changed by somebody who can seal it again."""
    flavor, folder = get_flavor("torch"), FOLDER / "artifact"
    folder.mkdir()
    bag = nn.Sequential(nn.EmbeddingBag(3, 4), nn.Linear(4, 2))
    draft = flavor.bundle(bag, {"tokenizer": {"a": 1, "b": 2}}, ["a", "a b", "b b b"], classes=["x", "y"])
    options = flavor.dump(draft, folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    words = json.loads(files["vocabulary.json"])
    header = {"0.weight": entry(0, 48, [3, 4]), "1.weight": entry(48, 80, [2, 4]), "1.bias": entry(80, 88, [2])}

    def opened(said: dict[str, Any], held: dict[str, bytes]) -> str:
        return outcome(lambda: flavor.load(folder, options | said, TrustPolicy(), files=files | held))

    def text(**said: Any) -> dict[str, Any]:
        return {"text": options["text"] | said}

    yield "artifact-as-it-was", opened({}, {})
    yield "artifact-tensors-as-pickle", opened({}, {"model.safetensors": GADGET})
    wider = header | {"1.bias": entry(80, 92, [3])}
    yield "artifact-other-shape", opened({}, {"model.safetensors": tensors(wider, bytes(92))})
    fewer = {"0.weight": entry(0, 48, [3, 4])}
    yield "artifact-fewer-tensors", opened({}, {"model.safetensors": tensors(fewer)})
    yield "artifact-tied-to-nothing", opened({"tied": {"1.bias": "nothing"}}, {})
    yield "artifact-class-of-somebody", opened({"module": {"class": "os:system", "config": {}}}, {})
    yield "artifact-unknown-option", opened({"code": "import os"}, {})
    yield "artifact-endless-texts", opened(text(max_length=10**12), {})
    yield "artifact-unknown-tokenizer", opened(text(tokenizer="pickle"), {})
    long = json.dumps(words | {"vocabulary": {"a": 1, "b": 10**6}}).encode()
    yield "artifact-ids-beyond-the-net", opened({}, {"vocabulary.json": long})
    yield "artifact-tokenizer-as-pickle", opened({}, {"vocabulary.json": GADGET})
    kept = {"training/state.json": GADGET, "training/state.safetensors": GADGET}
    yield "artifact-training-as-pickle", opened({}, kept)  # never opened to answer
    yield "training-as-pickle", outcome(lambda: flavor.training_state(kept))
    lying = {"training/state.json": b'{"a": {"$tensor": "7"}}', "training/state.safetensors": tensors({}, b"")}
    yield "training-tensor-that-is-not-there", outcome(lambda: flavor.training_state(lying))


def main() -> None:
    found = {name: read(make(), suffix) for name, (suffix, make) in FILES.items()}
    found |= dict(artifact())
    good = NET.state_dict()
    path = FOLDER / "good.safetensors"
    path.write_bytes(save(good))
    for name, raw, suffix in (("safetensors", path.read_bytes(), ".safetensors"), ("pt", STATE, ".pt")):
        kinds = {one.partition(":")[0] for one in flips(raw, suffix, 150)}
        found[f"{name}-flipped"] = " ".join(sorted(kinds))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
