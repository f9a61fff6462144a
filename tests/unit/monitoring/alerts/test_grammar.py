"""Expressions of rules: a closed grammar, and errors that say where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import UsageError
from cloche.monitoring.alerts import grammar, lengths
from cloche.monitoring.alerts.vocabulary import MEASURES, told


@pytest.mark.parametrize(
    ("text", "measure", "argument", "comparison", "threshold", "for_s"),
    [
        pytest.param("error_rate > 1%", "error_rate", None, ">", 0.01, None, id="percent"),
        pytest.param("error_rate>=0.5 % for 5m", "error_rate", None, ">=", 0.005, 300.0, id="percent-apart-and-for"),
        pytest.param("latency_p99 > 250ms", "latency_p99", None, ">", 250.0, None, id="milliseconds"),
        pytest.param("latency_p50 > 2s", "latency_p50", None, ">", 2_000.0, None, id="seconds-as-milliseconds"),
        pytest.param("log_waiting_s > 10m for 1h", "log_waiting_s", None, ">", 600.0, 3_600.0, id="minutes"),
        pytest.param("requests < 10", "requests", None, "<", 10.0, None, id="count"),
        pytest.param("share(prediction='spam') > 80 %", "share", "spam", ">", 0.8, None, id="class-in-quotes"),
        pytest.param("share(prediction=3) > 0.8", "share", "3", ">", 0.8, None, id="class-that-is-a-number"),
        pytest.param("share( prediction = true ) > 0.8", "share", "true", ">", 0.8, None, id="class-that-is-a-word"),
        pytest.param('missing("total bill, €") > 30%', "missing", "total bill, €", ">", 0.3, None, id="odd-field"),
        pytest.param("mean(prediction) < -1.5e3", "mean", "prediction", "<", -1_500.0, None, id="negative"),
        pytest.param("quality(accuracy) < 90%", "quality", "accuracy", "<", 0.9, None, id="percent-of-a-number"),
        pytest.param("drift(any)", "drift", "any", None, None, None, id="yes-or-no"),
        pytest.param("drift(age) for 2h", "drift", "age", None, None, 7_200.0, id="yes-or-no-for"),
        pytest.param("lamp(service) >= warn", "lamp", "service", ">=", 1.0, None, id="lamp"),
    ],
)
def test_what_is_understood(
    text: str, measure: str, argument: str | None, comparison: str | None, threshold: float | None, for_s: float | None
) -> None:
    found = grammar.parse(text)
    assert (found.measure.name, found.argument, found.comparison) == (measure, argument, comparison)
    assert found.threshold == (None if threshold is None else pytest.approx(threshold))
    assert (found.for_s, found.negated) == (for_s, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "column 1: expected a measure, got the end; known: drift, effect, error_rate", id="empty"),
        pytest.param(
            "eror_rate > 1", "column 1: expected a measure, got 'eror_rate'; did you mean 'error_rate'?", id="misspelt"
        ),
        pytest.param("error_rate", "column 11: expected a comparison after 'error_rate': > >= <", id="no-comparison"),
        pytest.param("error_rate = 1%", r"column 12: .*\(two equal signs\), got '='", id="one-equal-sign"),
        pytest.param(
            "error_rate > x", r"column 14: expected a number \(a share from 0 to 1, or 5%\), got 'x'", id="word"
        ),
        pytest.param("error_rate > 5", "column 14: expected a share from 0 to 1, or 5%, got '5'", id="share-above-1"),
        pytest.param("error_rate > 5ms", "column 14: expected a share", id="another-unit"),
        pytest.param("latency_p99 > 5%", "column 15: expected milliseconds, or 250ms, 2s, got '5%'", id="no-share"),
        pytest.param("requests > 5s", "column 12: expected a number, got '5s'", id="no-unit"),
        pytest.param("error_rate(x) > 1%", r"column 11: expected no parentheses after 'error_rate'", id="parentheses"),
        pytest.param("drift > 1", r"column 7: expected '\(' as in drift\(FIELD", id="no-argument"),
        pytest.param("drift(age", r"column 10: expected '\)', got the end", id="open"),
        pytest.param("drift()", r"column 7: expected a name as in drift", id="empty-argument"),
        pytest.param("drift(age) > 1", "column 12: expected no comparison: 'drift' is yes or no", id="compared"),
        pytest.param("share(spam) > 1%", "column 7: expected prediction='CLASS', got 'spam'", id="no-prediction"),
        pytest.param("share(prediction=1%) > 1%", "column 18: expected a class", id="class-with-unit"),
        pytest.param(
            "lamp(servise) == ok", "column 6: expected a lamp, got 'servise'; did you mean 'service'", id="lamp"
        ),
        pytest.param("lamp(data) == on", "expected a state of a lamp, got 'on'", id="lamp-state"),
        pytest.param("not error_rate > 1%", "column 5: expected a measure that is yes or no after 'not'", id="not"),
        pytest.param("drift(age) for 5", r"column 16: expected a length of time \(30s", id="for-without-unit"),
        pytest.param("drift(age) for ever", "column 16: expected a length of time", id="for-ever"),
        pytest.param("drift(age) or ready", "column 12: expected the end, got 'or'", id="more"),
        pytest.param("drift(age); ready", "column 11: expected a name, a number, a comparison", id="sign"),
        pytest.param("__import__('os')", "expected a measure, got '__import__'", id="python"),
        pytest.param("e" * 500, "expected at most 400 characters, got 500", id="long"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        grammar.parse(text, "cloche.toml: rule 'x': when")
    assert str(caught.value).startswith("cloche.toml: rule 'x': when: ")


@given(st.text(max_size=60) | st.lists(st.sampled_from([*MEASURES, "(", ")", "any", ">", "5", "%", "for", "5m", "'"]))
       .map(" ".join))  # fmt: skip
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = grammar.parse(text)
    except UsageError:
        return
    assert grammar.parse(found.text) == found, "what is kept of it means the same"


@given(st.integers(0, 10**6))
def test_lengths_are_read_as_they_are_shown(seconds: int) -> None:
    assert lengths.seconds(lengths.shown(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "1.5h", "٣m", "99999999m", "5M"])
def test_what_is_no_length(text: str) -> None:
    assert lengths.seconds(text) is None


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        pytest.param("error_rate > 1%", 0.01, False, id="equal-is-not-above"),
        pytest.param("error_rate >= 1%", 0.01, True, id="equal-is-at-least"),
        pytest.param("requests < 5", 4, True, id="below"),
        pytest.param("lamp(data) == alarm", 2, True, id="equal"),
        pytest.param("lamp(data) != ok", 0, False, id="unequal"),
        pytest.param("ready", 1, True, id="yes"),
        pytest.param("not ready", 1, False, id="not"),
        pytest.param("not ready", 0, True, id="not-no"),
    ],
)
def test_when_an_expression_holds(text: str, value: float, holds: bool) -> None:
    assert grammar.parse(text).holds(value) is holds


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        pytest.param(0.0345, "share", "3.45 %", id="share"),
        pytest.param(250.0, "ms", "250 ms", id="ms"),
        pytest.param(1.0, "yes", "yes", id="yes"),
        pytest.param(2.0, "lamp", "alarm", id="lamp"),
        pytest.param(None, "number", "no data", id="none"),
    ],
)
def test_values_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert told(value, unit) == text  # type: ignore[arg-type]
