"""
The rules that hold from the first start, without a file, each with what to do: `docs/alerts/` is made from here.

Written as in `cloche.toml`, so that a rule of the same name there changes single keys of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cloche.monitoring.alerts.rules import Guidance


@dataclass(frozen=True, slots=True)
class Default:
    """A rule as a table of `cloche.toml`, and its page."""

    table: dict[str, Any]
    title: str
    guidance: Guidance

    @property
    def name(self) -> str:
        """The rule's name."""
        return str(self.table["name"])


DEFAULTS: Final = (
    Default(
        {"name": "error-rate", "when": "error_rate > 1%", "over": "5m", "for": "2m", "keep_firing_for": "5m",
         "min_requests": 200, "severity": "critical"},
        "Requests fail",
        Guidance(
            "More than 1 % of the requests of the last five minutes were answered with 5xx: the callers were right, "
            "and got no prediction. At least three requests failed.",
            (
                "The server's log: lines with an `error` name the cause (EngineError, DeadlineExceeded, Overloaded).",
                "Did it begin with a promotion? `cloche history NAME`, and the marks on the model's page.",
                "`cloche_engine_restarts_total`, `cloche_queue_rows`, memory and processor of the host.",
            ),
            "At once, if it began with a promotion: `cloche rollback NAME`. An overload is not mended by it.",
        ),
    ),
    Default(
        {"name": "latency", "when": "latency_p99 > 1s", "over": "15m", "for": "5m", "keep_firing_for": "5m",
         "min_requests": 200},
        "Answers are slow",
        Guidance(
            "Of at least 200 requests of the last quarter of an hour more than one of a hundred took longer than a "
            "second. Of fewer, one slow request would be one too many: give the rule another `over` for them.",
            (
                "Rows a request and requests a second: has a caller begun to send larger batches?",
                "Other work on the host; the number of workers; `cloche_queue_rows`.",
                "The engine of the live version (`cloche show NAME`): was the one before answered by a twin?",
            ),
            "If the live version is slower than the one before it at the same traffic.",
        ),
    ),
    Default(
        {"name": "refused", "when": "refused_share > 20%", "over": "15m", "for": "5m", "keep_firing_for": "15m"},
        "Callers are refused",
        Guidance(
            "More than a fifth of the requests broke the contract, or were not allowed (4xx). The service works; "
            "somebody gets nothing from it.",
            (
                "The top problems on the model's page: the field and the code say what is sent.",
                "Is it one caller? `cloche_caller_requests_total` counts by key.",
                "Did the contract change? `cloche contract NAME`, `cloche history NAME`.",
            ),
            "If a new contract number became the default and its callers were not ready: make the old one that again.",
        ),
    ),
    Default(
        {"name": "no-traffic", "when": "no_traffic", "over": "1d", "severity": "info"},
        "Nobody asks any more",
        Guidance(
            "A model that was asked in the last week had no request for a day.",
            (
                "Is it expected (a weekend, a batch each month)? Then give the rule another `over`, or silence it.",
                "`cloche status`: is there a server, and does it serve the model?",
                "The callers, and the proxy in front.",
            ),
            "Not for this.",
        ),
    ),
    Default(
        {"name": "not-ready", "when": "not ready", "for": "2m", "severity": "critical"},
        "No host serves the model",
        Guidance(
            "Hosts that served the model are silent for more than 90 seconds, or serve no version of it.",
            (
                "`cloche status NAME`: which hosts, since when silent, and which version was refused why.",
                "The host: is the server's process there, can it reach the store?",
                "`cloche serve NAME` by hand on one host says what is wrong.",
            ),
            "If the promoted version is refused everywhere: `cloche rollback NAME`.",
        ),
    ),
    Default(
        {"name": "log-waiting", "when": "log_waiting_s > 10m", "for": "5m"},
        "Records wait on a host",
        Guidance(
            "A host could not bring its records into the store for ten minutes. They are safe on its disk, and lost "
            "only with it; monitoring does not see them yet.",
            (
                "Can the host reach the store, and may it write to `log/landing/`? Its log says why not.",
                "Space on the disk of the spool (`CLOCHE_SPOOL`).",
                "`cloche doctor` on that host.",
            ),
            "Not for this.",
        ),
    ),
    Default(
        {"name": "data-drift", "when": "drift(any)", "keep_firing_for": "1h"},
        "Inputs are not those of training",
        Guidance(
            "At least one field differs from its reference by an effect that matters, beyond chance, in two windows "
            "one after the other.",
            (
                "Which field, and how: the drift table of the model's page; missing values and unknown levels first.",
                "Did the sender change (a unit, a format, a new shop), or did the world?",
                "Do the predictions drift too, and do labels say that answers got worse?",
            ),
            "If it began with a promotion: the new version was trained on other data than it is asked with. Else a "
            "rollback changes nothing; mend the sender, or train anew.",
        ),
    ),
    Default(
        {"name": "prediction-drift", "when": "drift(prediction)", "keep_firing_for": "1h"},
        "Answers are distributed differently",
        Guidance(
            "The predictions differ from those on the test set of the version, beyond chance, in two windows one "
            "after the other.",
            (
                "Is there data drift in an important field? Then look there first.",
                "Which classes or which range: the chart of answers on the model's page.",
                "Is there a reason outside (a season, a campaign, an attack)?",
            ),
            "If inputs are as in training and it began with a promotion.",
        ),
    ),
    Default(
        {"name": "worse-answers", "when": "lamp(performance) == alarm", "keep_firing_for": "1h",
         "severity": "critical"},
        "Answers got worse",
        Guidance(
            "Labels say that the model is worse than when it was saved, by more than chance explains.",
            (
                "Are the labels right: the same source, the same delay as before (`cloche labels NAME`)?",
                "In which segment or class: the segments of the model's page.",
                "Is there drift in an important field?",
            ),
            "If the version before was better on the same labels (`cloche evaluate` for both). Else train anew.",
        ),
    ),
    Default(
        {"name": "worse-answers-estimated", "when": "lamp(performance) == warn", "severity": "info",
         "keep_firing_for": "1h"},
        "Answers are probably worse",
        Guidance(
            "Before labels say so for certain: the model's own confidence, the first labels of those that are "
            "expected, or a rise of the loss in the order of labels speak of answers worse than when it was saved.",
            (
                "Drift in the inputs: the estimate follows it.",
                "The calibration of the version (`cloche show NAME`): badly calibrated is badly estimated.",
                "Can labels be had sooner, at least for a sample?",
            ),
            "Not on an estimate alone.",
        ),
    ),
)  # fmt: skip
BY_NAME: Final = {one.name: one for one in DEFAULTS}


def page_of(name: str) -> str | None:
    """Where the documentation has the page of a default rule; None for a rule of one's own."""
    return f"docs/alerts/{name}.md" if name in BY_NAME else None


def page(one: Default) -> str:
    """The page of a default rule, as Markdown."""
    table = "\n".join(f"{key} = {_toml(value)}" for key, value in one.table.items())
    checks = "\n".join(f"{number}. {check}" for number, check in enumerate(one.guidance.checks, 1))
    return f"""# {one.title}: `{one.name}`

{one.guidance.meaning}

```toml
[[alert]]
{table}
```

## First three checks

{checks}

## When to roll back

{one.guidance.roll_back}

To change the rule, write one of this `name` with other keys into `cloche.toml`; `enabled = false` takes it away. See
[get alerts](../how-to/get-alerts.md).
"""


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
