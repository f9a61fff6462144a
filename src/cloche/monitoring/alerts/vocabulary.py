"""
What a rule may ask about: a closed table. `readings.py` says how each is measured, `export/promql.py` how Prometheus
is asked the same; `docs/reference/alerts.md` is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Takes = Literal["nothing", "field", "answer", "class", "metric", "lamp", "drift"]
Unit = Literal["yes", "share", "ms", "s", "count", "number", "lamp"]
LAMPS: Final = ("service", "data", "predictions", "performance")
#: The states of a lamp in the order in which they get worse; `unknown` is no data.
LAMP_STATES: Final = ("ok", "warn", "alarm")
ANSWERS: Final = ("prediction", "confidence")
#: In the place of a field: whichever it is.
ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class Measure:
    """
    A word of the grammar.

    `takes` is what stands in parentheses. A measure of the unit `yes` is compared with nothing. `counted` says what has
    to be there in the window before it says anything, at least `min_requests` of it. `windowed` ones are measured over
    the rule's `over`. `of_store` ones are the same for all models, and are told once.
    """

    name: str
    unit: Unit
    meaning: str
    takes: Takes = "nothing"
    counted: Literal["", "requests", "rows"] = ""
    windowed: bool = False
    of_store: bool = False

    @property
    def spelt(self) -> str:
        """How it is written: `missing(FIELD)`."""
        return self.name + _PARENTHESES[self.takes]


_PARENTHESES: Final[dict[Takes, str]] = {
    "nothing": "",
    "field": "(FIELD)",
    "answer": "(prediction | confidence | FIELD)",
    "class": "(prediction='CLASS')",
    "metric": "(METRIC)",
    "lamp": f"({' | '.join(LAMPS)})",
    "drift": "(FIELD | any | prediction | confidence)",
}


def _latency(share: int) -> Measure:
    meaning = f"what {share} of 100 requests were answered within, to 1 %"
    return Measure(f"latency_p{share}", "ms", meaning, counted="requests", windowed=True)


ALL: Final = (
    Measure("error_rate", "share", "share of requests that failed on our side (5xx)",
            counted="requests", windowed=True),
    Measure("refused_share", "share", "share of requests that were refused as wrong (4xx)",
            counted="requests", windowed=True),
    *map(_latency, (50, 90, 95, 99)),
    Measure("requests", "count", "requests in the window", windowed=True),
    Measure("request_rate", "number", "requests a second", windowed=True),
    Measure("no_traffic", "yes", "no request in the window, although there was one in the last week",
            windowed=True),
    Measure("ready", "yes", "some host serves the model; nothing is known before one did"),
    Measure("log_waiting_s", "s", "how long the oldest record of a host waits for the store", of_store=True),
    Measure("share", "share", "share of answers that are of the class", "class", counted="rows", windowed=True),
    Measure("mean", "number", "mean of the answers, of their confidence, or of a number field", "answer",
            counted="rows", windowed=True),
    Measure("missing", "share", "share of rows without a value", "field", counted="rows", windowed=True),
    Measure("unseen", "share", "share of rows with a level that training did not see", "field",
            counted="rows", windowed=True),
    Measure("outside", "share", "share of rows below or above the range of training", "field",
            counted="rows", windowed=True),
    Measure("drift", "yes", "the verdict says drift; `any`: of some input field", "drift"),
    Measure("effect", "number", "how far the last window is from the reference, without chance (PSI); `any`: the most "
            "of all input fields", "drift"),
    Measure("quality", "number", "the metric from labels, of the last step that is not provisional", "metric"),
    Measure("estimated", "number", "the metric estimated without labels, of the last step", "metric"),
    Measure("lamp", "lamp", "a lamp of the model: `ok`, `warn` or `alarm`", "lamp"),
)  # fmt: skip
MEASURES: Final = {one.name: one for one in ALL}
#: The shares of requests by the first digit of their status.
OF_STATUS: Final = {"error_rate": "5", "refused_share": "4"}


def measured(expression: str) -> Measure | None:
    """What the text of a rule measures; None where a later cloche wrote it."""
    return MEASURES.get(expression.removeprefix("not ").split("(")[0].split(" ")[0])


def told(value: float | None, unit: Unit) -> str:
    """A value as people read it."""
    if value is None:
        return "no data"
    if unit == "yes":
        return "yes" if value else "no"
    if unit == "lamp":
        return LAMP_STATES[min(int(value), len(LAMP_STATES) - 1)]
    if unit == "share":
        return f"{100 * value:.3g} %"
    return f"{value:.4g}" + (f" {unit}" if unit in ("ms", "s") else "")


def reference() -> str:
    """The table as Markdown."""
    lines = ["| expression | unit | over a window | meaning |", "|---|---|---|---|"]
    for one in ALL:
        spelt = one.spelt.replace("|", "\\|")
        counted = f"yes, of at least `min_requests` {one.counted}" if one.counted else "yes" if one.windowed else "no"
        meaning = one.meaning.replace("|", "\\|") + (" (one alert for the store)" if one.of_store else "")
        lines.append(f"| `{spelt}` | {_UNITS[one.unit]} | {counted} | {meaning} |")
    return "\n".join(lines) + "\n"


_UNITS: Final[dict[Unit, str]] = {
    "yes": "yes or no",
    "share": "share: `0.01` or `1%`",
    "ms": "`250ms`, `2s`",
    "s": "`90s`, `10m`, `2h`",
    "count": "number",
    "number": "number",
    "lamp": "`ok`, `warn`, `alarm`",
}
