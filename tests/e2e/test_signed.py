"""Where a signature is required: saving, serving, and what an answering server has on record."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from tests import artifacts

import cloche
from cloche.errors import SignatureError
from cloche.registry import Registry
from cloche.store import Store
from servers import cloche as command
from servers import cloche_here, serving

pytestmark = pytest.mark.e2e


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trusted key on a machine that asks for signatures."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CLOCHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("CLOCHE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config" / "cloche").mkdir(parents=True)
    (tmp_path / "config" / "cloche" / "config.toml").write_text("[trust]\nrequire_signature = true\n")
    (tmp_path / "config" / "cloche").chmod(0o700)
    assert cloche_here("sign", "--generate", str(tmp_path / "key")).returncode == 0
    assert cloche_here("trust", "--key", str(tmp_path / "key.pub")).returncode == 0
    return tmp_path / "key"


def test_a_server_takes_a_version_once_it_is_signed(key: Path, tmp_path: Path) -> None:
    folder, store = artifacts.write_twin(tmp_path / "artifact"), str(tmp_path / "store")
    Registry(Store.open(store, tmp_path)).publish(
        folder, name="boxes", contract=artifacts.contract(), contract_number=1, by="ada"
    )
    refused = command("serve", "boxes", "--port", "0", store=store)
    assert refused.returncode == 1
    assert "missing, and a signature is required" in refused.stderr
    assert cloche_here("sign", "boxes@1", "--key", str(key)).returncode == 0
    with serving(["boxes"], store=store) as server:
        answer = httpx.post(f"{server.url}/predict", json={"length": 2.0, "width": 0.0}).json()
        assert answer["prediction"] == "big"
        said = server.said()
    lines = [json.loads(line) for line in (tmp_path / "state" / "cloche" / "audit.jsonl").read_text().splitlines()]
    decided = [(line["what"], line["verdict"]) for line in lines]
    assert decided[:3] == [("trust", "trusted"), ("open", "refused"), ("sign", "signed")]
    assert ("signature", "trusted") in decided[3:]
    assert '"event":"signature","verdict":"trusted"' in said  # the server's own line


def test_what_is_saved_is_signed(key: Path, tmp_path: Path) -> None:
    rows = [{"length": float(i), "width": 1.0} for i in range(-60, 60)]
    labels = ["big" if row["length"] > 0 else "small" for row in rows]
    with pytest.raises(SignatureError, match="no private key is named; sign what is saved"):
        cloche.save(artifacts.linear(), "boxes", inputs=rows, targets=labels, quiet=True)
    version = cloche.save(artifacts.linear(), "boxes", inputs=rows, targets=labels, sign_with=key, quiet=True)
    assert cloche.load("boxes").version == version.version == 1
    assert "verdict    trusted: signed by a trusted key" in cloche_here("verify", "boxes@1").stdout
