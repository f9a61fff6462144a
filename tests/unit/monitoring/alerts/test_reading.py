"""`cloche.toml`: what it may say, what is wrong in it, and whose file it has to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloche.errors import DeliveryError, UsageError
from cloche.monitoring.alerts.defaults import DEFAULTS
from cloche.monitoring.alerts.reading import defaults, read, read_text
from cloche.monitoring.alerts.rules import RuleBook
from cloche.monitoring.alerts.rules_file import RulesFile, rules_file
from cloche.monitoring.alerts.sinks import sink_of
from cloche.monitoring.alerts.sinks.options import text_of

SINK = '[sinks.hook]\nkind = "webhook"\nurl = "https://example.org/x"\n'


def book(text: str) -> RuleBook:
    return read_text(text, "cloche.toml", Path("/etc"))


def test_the_defaults_hold_without_a_file() -> None:
    found = defaults()
    assert [one.name for one in found.rules] == [one.name for one in DEFAULTS]
    assert all(one.guidance is not None and one.page == f"docs/alerts/{one.name}.md" for one in found.rules)
    assert all(one.sinks is None for one in found.rules), "whoever names a sink is told"


def test_a_rule_with_everything() -> None:
    rule = book(
        SINK
        + """
        [[alert]]
        name = "spam"
        model = "mail-*"
        when = "share(prediction='spam') > 80% for 1h"
        over = "30m"
        keep_firing_for = "10m"
        clear = "60%"
        no_data_after = "2h"
        min_requests = 100
        severity = "critical"
        sinks = ["hook"]
        repeat = "4h"
        silence = 2026-12-24T18:00:00Z
        page = "https://example.org/spam"
        """
    ).rules[-1]
    assert (rule.name, rule.model, rule.over_s, rule.min_requests) == ("spam", "mail-*", 1_800.0, 100)
    assert (rule.timing.for_s, rule.timing.keep_firing_s, rule.timing.no_data_after_s) == (3_600.0, 600.0, 7_200.0)
    assert (rule.clear, rule.severity, rule.sinks, rule.repeat_s) == (0.6, "critical", ("hook",), 14_400.0)
    assert rule.page == "https://example.org/spam"
    assert rule.silenced_until(0.0) == 1_798_135_200.0
    assert [rule.reading(value) for value in (0.9, 0.7, 0.6, 0.1, None)] == [
        "over",
        "near",
        "under",
        "under",
        "missing",
    ]
    assert (rule.about("mail-de"), rule.about("penguins")) == (True, False)


def test_a_default_is_changed_by_its_name_key_by_key() -> None:
    before = {one.name: one for one in defaults().rules}
    found = {
        one.name: one
        for one in book(
            '[[alert]]\nname = "error-rate"\nwhen = "error_rate > 5%"\n[[alert]]\nname = "latency"\nenabled = false\n'
        ).rules
    }
    assert found["error-rate"].when.threshold == 0.05
    assert found["error-rate"].timing == before["error-rate"].timing
    assert before.keys() - found.keys() == {"latency"}


def test_the_defaults_can_be_left_out() -> None:
    assert book("[alerts]\ndefaults = false\n").rules == ()


def test_a_default_that_measures_something_else_keeps_no_window_of_its_own() -> None:
    found = {one.name: one for one in book('[[alert]]\nname = "latency"\nwhen = "drift(age)"\n').rules}
    assert found["latency"].when.text == "drift(age)"


def test_owners_by_name_then_by_pattern() -> None:
    found = book('[models."mail-*"]\nowner = "mail"\n[models.mail-de]\nowner = "de"\ncontact = "#de"\n')
    assert [found.owner_of(name).owner for name in ("mail-de", "mail-fr", "penguins")] == ["de", "mail", None]
    assert found.owner_of("mail-de").contact == "#de"


RULE = '[[alert]]\nname = "x"\nwhen = "error_rate > 1%"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("[[alert]", "cloche.toml: ", id="no-toml"),
        pytest.param("[trust]\nallowed_types = []", "unknown table 'trust'; known: alert, alerts, models", id="trust"),
        pytest.param("[[alerts]]\nname = 'x'", r"\[alerts\]: expected a table", id="list-for-table"),
        pytest.param('[alert]\nname = "x"', r"\[\[alert\]\]: expected a list", id="table-for-list"),
        pytest.param('[[alert]]\nwhen = "ready"', r"\[\[alert\]\] 1: 'name': expected a text", id="no-name"),
        pytest.param('[[alert]]\nname = "a b"\nwhen = "ready"', "expected a name of letters", id="name"),
        pytest.param(RULE + RULE, r"\[\[alert\]\] 2: a second rule 'x'", id="twice"),
        pytest.param('[[alert]]\nname = "x"', "rule 'x': 'when': expected a text", id="no-when"),
        pytest.param(
            '[[alert]]\nname = "x"\nwhen = "eror_rate > 1%"',
            "cloche.toml: rule 'x': when: column 1: expected a measure, got 'eror_rate'; did you mean 'error_rate'",
            id="expression",
        ),
        pytest.param(RULE + 'fro = "5m"', "rule 'x': unknown key 'fro'; did you mean 'for'", id="misspelt-key"),
        pytest.param(RULE + "for = 5", r"rule 'x': 'for': expected a length of time \(30s.*\), got 5", id="length"),
        pytest.param(
            '[[alert]]\nname = "no-trafic"\nenabled = false',
            "no such rule to take away; did you mean 'no-traffic'",
            id="takes-nothing-away",
        ),
        pytest.param(
            '[[alert]]\nname = "x"\nwhen = "drift(any)"\nover = "1h"',
            "'over': expected with a measure over a window, 'drift' is of the moment",
            id="over-of-a-moment",
        ),
        pytest.param(
            '[[alert]]\nname = "data-drift"\nmin_requests = 500',
            "'min_requests': expected with a share, a latency or a mean, got 'drift'",
            id="min-of-a-moment",
        ),
        pytest.param('[[alert]]\nname = "x"\nwhen = "requests > 1e999"', "column 12: expected a number", id="inf"),
        pytest.param(
            '[sinks.a]\nkind = "email"\nhost = "h"\nfrom = "ada"\nto = ["b@c"]',
            "'from': expected an address such as ada@example.org, got 'ada'",
            id="from-nobody",
        ),
        pytest.param(
            '[sinks.a]\nkind = "email"\nhost = "h"\nfrom = "Ada <a@b>"\nto = ["c"]',
            "'to': expected an address such as ada@example.org, got 'c'",
            id="to-nobody",
        ),
        pytest.param(RULE + 'over = "8d"', "'over': expected from 1m to 7d, got '8d'", id="over"),
        pytest.param(RULE + 'severity = "bad"', "'severity': expected one of info, warning, critical", id="severity"),
        pytest.param(RULE + "min_requests = -1", "'min_requests': expected a whole number, got -1", id="whole"),
        pytest.param(RULE + 'sinks = ["hok"]\n' + SINK, "'sinks': no sink 'hok'; did you mean 'hook'", id="sink"),
        pytest.param(RULE + 'silence = "soon"', "'silence': expected true, or a moment", id="silence"),
        pytest.param(RULE + 'clear = "2%"', "'clear': expected a value at which 'error_rate > 1%' is over", id="clear"),
        pytest.param(RULE + "enabled = 1", "'enabled': expected true or false, got 1", id="enabled"),
        pytest.param(
            '[[alert]]\nname = "x"\nwhen = "ready for 5m"\nfor = "5m"',
            "one of 'for' and a 'for' in 'when'",
            id="two-fors",
        ),
        pytest.param(
            '[[alert]]\nname = "x"\nwhen = "ready"\nclear = 1', "'clear': expected with a comparison", id="clear-of-yes"
        ),
        pytest.param("[sinks.a]\nkind = 'fax'", r"\[sinks.a\]: 'kind': expected one of alertmanager, email", id="kind"),
        pytest.param("[sinks.a]\nkind = 'webhook'", r"\[sinks.a\]: expected 'url'", id="no-url"),
        pytest.param(
            "[sinks.a]\nkind = 'webhook'\nurl = 'file:///etc/passwd'", "'url': expected https://", id="no-http"
        ),
        pytest.param(SINK + "ulr = 'x'", r"\[sinks.hook\]: unknown key 'ulr'; did you mean 'url'", id="sink-key"),
        pytest.param(
            SINK + "secret = 'hunter2'",
            r"\[sinks.hook\]: 'secret': a secret does not stand in the file: expected '\$\{VAR\}', or 'secret_file'",
            id="secret-in-the-file",
        ),
        pytest.param(
            SINK + "secret = '${A}'\nsecret_file = 'a'", "expected one of 'secret' and 'secret_file'", id="two-secrets"
        ),
        pytest.param(SINK + "headers = 3", "'headers': expected a table of texts, got 3", id="table"),
        pytest.param(SINK + "timeout_s = 0", "'timeout_s': expected a number above 0, got 0", id="number"),
        pytest.param(
            "[sinks.m]\nkind = 'email'\nhost = 'h'\nfrom = 'a@b'\nto = []",
            "'to': expected a list of addresses",
            id="to",
        ),
        pytest.param(
            "[sinks.m]\nkind = 'email'\nhost = 'h'\nfrom = 'a@b'\nto = ['c@d']\ntls = 'no'",
            "'tls': expected one of starttls, tls, none",
            id="word",
        ),
        pytest.param("[models.a]\nboss = 'x'", r"\[models.a\]: unknown key 'boss'", id="owner-key"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        book(text)
    assert str(caught.value).startswith("cloche.toml: ")
    assert "hunter2" not in str(caught.value)


# -- secrets ------------------------------------------------------------------------------------


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    text = SINK + "secret_file = 'token'\n[sinks.hook.headers]\nAuthorization = 'Bearer ${TOKEN}'\n"
    spec = read_text(text, "cloche.toml", tmp_path).sinks["hook"]
    with pytest.raises(UsageError, match=r"sinks.hook: 'headers'.Authorization: the environment has no TOKEN"):
        sink_of(spec, {})
    given = sink_of(spec, {"TOKEN": "t0p"})._given
    assert text_of(given["headers"]["Authorization"]) == "Bearer t0p"
    assert "t0p" not in repr(given)
    assert text_of(given["secret"]) == "first"
    (tmp_path / "token").write_text("second\n")
    assert text_of(given["secret"]) == "second", "renewed without a restart"
    (tmp_path / "token").unlink()
    with pytest.raises(DeliveryError, match="token: No such file"):
        text_of(given["secret"])


# -- the file -----------------------------------------------------------------------------------


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "cloche.toml")
    assert read(tmp_path / "cloche.toml", found_here=True).rules == defaults().rules


def test_a_file_that_was_only_found_has_to_be_ours(tmp_path: Path) -> None:
    file = tmp_path / "cloche.toml"
    file.write_text(RULE)
    file.chmod(0o666)
    with pytest.raises(UsageError, match="anybody may change it; run: chmod o-w"):
        rules_file(None, tmp_path, {}).read()
    assert rules_file("cloche.toml", tmp_path, {}).read().book.rules[-1].name == "x", "who names it, trusts it"
    file.chmod(0o644)
    assert rules_file(None, tmp_path, {}).read().book.rules[-1].name == "x"


def test_a_change_is_read_and_a_wrong_one_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "cloche.toml"
    file.write_text(RULE)
    rules = RulesFile(file, {})
    assert rules.in_force().book.rules[-1].name == "x"
    file.write_text(RULE.replace('"x"', '"another"'))
    assert rules.in_force().book.rules[-1].name == "another"
    file.write_text("[[alert]")
    assert rules.in_force().book.rules[-1].name == "another"
    assert rules.in_force().book.rules[-1].name == "another"
    assert caplog.text.count("stay as they were") == 1, "said once"
    file.unlink()
    assert rules.in_force().book.rules[-1].name == "another"
