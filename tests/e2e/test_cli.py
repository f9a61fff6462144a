"""Every command as a user types it: what it prints, what `--json` holds, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers import cloche as as_a_process
from servers import cloche_here as cloche

ROW = json.dumps(
    {
        "island": "Dream",
        "bill_length_mm": 39.1,
        "bill_depth_mm": 18.7,
        "flipper_length_mm": 181,
        "body_mass_g": 3750,
        "sex": None,
    }
)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["list"], 0, "penguins", id="list"),
        pytest.param(["list", "penguins"], 0, "1", id="list-versions"),
        pytest.param(["show", "penguins"], 0, "scikit-learn", id="show"),
        pytest.param(["show", "penguins@1"], 0, "scikit-learn", id="show-a-version"),
        pytest.param(["show", "pengiuns"], 3, "penguins", id="show-a-near-name"),
        pytest.param(["show", "penguins@9"], 3, "9", id="show-no-such-version"),
        pytest.param(["history", "penguins"], 0, "live", id="history"),
        pytest.param(["verify"], 0, "0 findings", id="verify"),
        pytest.param(["contract", "penguins"], 0, "island", id="contract"),
        pytest.param(["contract", "penguins", "--set", "bill.minimum=0"], 2, "bill", id="contract-set-unknown-field"),
        pytest.param(["contract", "penguins", "--set", "sex.nullable=false"], 1, "sex", id="contract-set-breaking"),
        pytest.param(["promote", "penguins", "7"], 3, "7", id="promote-no-such-version"),
        pytest.param(["promote", "penguins", "1"], 0, "nothing to change; live: version 1", id="promote-what-is-live"),
        pytest.param(["rollback", "penguins"], 1, "penguins", id="rollback-nothing-to-undo"),
        pytest.param(["predict", "penguins", ROW], 0, "Adelie", id="predict"),
        pytest.param(["predict", "penguins", "{}"], 1, "island", id="predict-refused"),
        pytest.param(["predict", "penguins", "nonsense"], 2, "nonsense", id="predict-no-such-file"),
        pytest.param(["predict", "http://127.0.0.1:9", ROW], 4, "127.0.0.1:9", id="predict-nobody-there"),
        pytest.param(["keys", "list"], 0, "", id="keys"),
        pytest.param(["keys", "revoke", "nobody"], 3, "nobody", id="keys-revoke-unknown"),
        pytest.param(["keys", "create", "--scope", "predict", "--expires", "soon"], 2, "soon", id="keys-bad-age"),
        pytest.param(["shwo", "penguins"], 2, "did you mean 'show'?", id="a-near-command"),
        pytest.param(["nonsense"], 2, "nonsense", id="no-such-command"),
    ],
)
def test_commands(penguins_store: str, arguments: list[str], status: int, said: str) -> None:
    done = cloche(*arguments, store=penguins_store)
    assert done.returncode == status, done.stderr + done.stdout
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["list"], id="list"),
        pytest.param(["list", "penguins"], id="list-versions"),
        pytest.param(["show", "penguins"], id="show"),
        pytest.param(["history", "penguins"], id="history"),
        pytest.param(["verify"], id="verify"),
        pytest.param(["contract", "penguins"], id="contract"),
        pytest.param(["predict", "penguins", ROW], id="predict"),
        pytest.param(["keys", "list"], id="keys-list"),
    ],
)
def test_json_is_one_document(penguins_store: str, arguments: list[str]) -> None:
    done = cloche(*arguments, "--json", store=penguins_store)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


def test_an_error_is_json_too(penguins_store: str) -> None:
    done = cloche("predict", "penguins", "{}", "--json", store=penguins_store)
    error = json.loads(done.stderr)
    assert error["error"] == "InvalidInput"
    assert error["problems"][0]["code"] == "missing_field"


@pytest.mark.parametrize("arguments", [["keys", "create"], ["list", "--nonsense"], ["shwo", "penguins"]])
def test_a_wrong_call_is_json_too(arguments: list[str]) -> None:
    done = cloche(*arguments, "--json")
    assert done.returncode == 2
    assert json.loads(done.stderr).keys() == {"error", "message"}
    assert not done.stdout


def test_as_a_process_the_same(penguins_store: str) -> None:
    for arguments in (["list", "--json"], ["show", "pengiuns"]):
        done, here = as_a_process(*arguments, store=penguins_store), cloche(*arguments, store=penguins_store)
        assert (done.returncode, done.stdout, done.stderr) == (here.returncode, here.stdout, here.stderr)


def test_every_command_names_its_store(penguins_store: str) -> None:
    assert penguins_store in cloche("list", store=penguins_store).stderr


def test_a_store_that_cannot_be_reached(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = cloche("list", store=blocked / "store")
    assert done.returncode == 4, done.stderr


def test_the_key_alone_on_standard_output(tmp_path: Path) -> None:
    done = cloche("keys", "create", "--scope", "predict", store=tmp_path / "store")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 1
    listed = cloche("keys", "list", store=tmp_path / "store")
    assert done.stdout.strip() not in listed.stdout + listed.stderr


def test_a_key_for_a_misspelt_model_is_made_with_a_note(penguins_store_2: str) -> None:
    done = cloche("keys", "create", "--scope", "predict", "--model", "pengins", store=penguins_store_2)
    assert done.returncode == 0
    assert "did you mean 'penguins'?" in done.stderr
    assert len(done.stdout.split()) == 1


def test_a_break_is_listed_once(penguins_store: str) -> None:
    done = cloche("contract", "penguins", "--set", "body_mass_g.minimum=1000", store=penguins_store)
    assert done.stderr.count("minimum rose") == 1


def test_promote_rollback_diff_and_contract_set(penguins_store_2: str) -> None:
    store = penguins_store_2
    assert "live: version 2" in cloche("promote", "penguins", "2", "--reason", "better", store=store).stdout
    assert json.loads(cloche("history", "penguins", "--json", store=store).stdout)["events"][-1]["why"] == "better"
    assert "live: version 1" in cloche("rollback", "penguins", store=store).stdout
    assert cloche("diff", "penguins", "1", "2", store=store).returncode == 0
    changed = cloche("contract", "penguins", "--set", "body_mass_g.units=g", "--json", store=store)
    assert json.loads(changed.stdout)["version"] == 3
    assert "g" in cloche("contract", "penguins@3", store=store).stdout


def test_show_and_diff_are_for_readers(penguins_store_2: str) -> None:
    shown = cloche("show", "penguins@1", store=penguins_store_2).stdout
    assert len(shown.splitlines()) <= 30
    for told in ("penguins version 1 (contract 1, live)", "trained on", "island", "answers: classification: Adelie"):
        assert told in shown
    assert "fingerprint" not in shown
    assert "fingerprint" in cloche("show", "penguins@1", "--json", store=penguins_store_2).stdout
    assert cloche("diff", "penguins", "1", "1", store=penguins_store_2).stdout.splitlines()[1:] == ["the same artifact"]
    differing = cloche("diff", "penguins", "1", "2", store=penguins_store_2).stdout.splitlines()
    assert differing[0] == "penguins: version 1 → 2"
    assert "{" not in "".join(differing)


def test_contract_check_says_which_rows(penguins_store: str, tmp_path: Path) -> None:
    table = tmp_path / "recent.csv"
    table.write_text(
        "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
        "Dream,39.1,18.7,181,3750,male\nDreem,39.1,18.7,181,3750,NA\n"
    )
    done = cloche("contract", "check", "penguins", str(table), "--json", store=penguins_store)
    assert done.returncode == 1
    replay = json.loads(done.stdout)["replay"]
    assert (replay["rows"], replay["refused"]) == (2, 1)
    assert replay["problems"][0]["row"] == 1


def test_contract_check_tells_a_reason_once_however_many_rows_it_hits(penguins_store: str, tmp_path: Path) -> None:
    table = tmp_path / "recent.csv"
    head = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
    table.write_text(head + "Dream,39.1,18.7,181,3750,male\n" + "Dreem,39.1,18.7,181,99000,NA\n" * 300)
    done = cloche("contract", "check", "penguins", str(table), store=penguins_store)
    assert done.stdout.splitlines() == [
        "refused: 300 rows, first row 1: island: unknown level 'Dreem'; did you mean 'Dream'?",
        "301 rows: 300 refused, 0 answered with a warning",
    ]


@pytest.mark.parametrize(
    "command",
    [
        "contract",
        "demo",
        "diff",
        "history",
        "inspect",
        "keys",
        "list",
        "predict",
        "promote",
        "rollback",
        "save",
        "serve",
        "show",
        "verify",
    ],
)
def test_help(command: str) -> None:
    done = cloche(command, "--help")
    assert done.returncode == 0
    assert "Usage: cloche" in done.stdout
