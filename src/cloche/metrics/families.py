"""The closed table of what is measured. `docs/reference/metrics.md` is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Upper bounds in seconds, about two and a half apart: from a small model on loopback to the default deadline.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Family:
    """
    A metric. *combine* says how the gauges of several workers become one; counters and histograms are summed.

    An entry of a histogram holds the count of each bucket, the last one above all bounds, then the sum.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    combine: Literal["sum", "max"] = "sum"

    @property
    def width(self) -> int:
        """How many numbers one entry holds."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1


_VERSION = ("model", "version")

#: In the order in which they are shown.
ALL = (
    Family(
        "cloche_requests_total",
        "counter",
        "Requests answered; model, version and contract are empty where none was reached.",
        ("route", "model", "version", "contract", "status"),
    ),
    Family(
        "cloche_request_seconds",
        "histogram",
        "Time from the head of a request to the last byte of its answer.",
        ("route", "model", "version"),
        BUCKETS,
    ),
    Family(
        "cloche_rows_total",
        "counter",
        "Rows answered with a prediction, by the engine that answered (`native`, `onnx`, `twin`).",
        (*_VERSION, "engine"),
    ),
    Family(
        "cloche_predictions_refused_total",
        "counter",
        "Predict requests answered with an error, by the name in its body.",
        (*_VERSION, "error"),
    ),
    Family(
        "cloche_caller_requests_total",
        "counter",
        "Predict requests by contract and by the id of the key; the key is empty where none is asked for.",
        ("model", "contract", "key"),
    ),
    Family("cloche_body_bytes_total", "counter", "Bytes of bodies, received and sent.", ("direction",)),
    Family("cloche_in_flight", "gauge", "Predict requests being answered."),
    Family("cloche_queue_rows", "gauge", "Rows that wait for the engine or are in it.", _VERSION),
    Family("cloche_engine_restarts_total", "counter", "Engines replaced after they died or hung.", _VERSION),
    Family("cloche_log_records_total", "counter", "Records of requests and labels that were kept."),
    Family("cloche_log_bytes_total", "counter", "Bytes of those records."),
    Family(
        "cloche_log_given_up_total",
        "counter",
        "Records that were not kept: left out by `sample`, or because of the disk (`full`).",
        ("why",),
    ),
    Family("cloche_log_segments_waiting", "gauge", "Segments of records that wait for the store on this host."),
    Family("cloche_log_oldest_waiting_seconds", "gauge", "How long the oldest of them waits."),
    Family(
        "cloche_last_worker_start_time_seconds",
        "gauge",
        "When the youngest worker started, in seconds since 1970.",
        combine="max",
    ),
    Family("cloche_workers", "gauge", "Worker processes that answer."),
    Family("cloche_ready", "gauge", "1 where every model has a version that answers."),
    Family("cloche_degraded", "gauge", "1 for what does not work although predictions do.", ("what",)),
    Family(
        "cloche_model_info",
        "gauge",
        "1 for each version that is held; use is 'serving' or 'warm'.",
        ("model", "version", "contract", "use"),
    ),
    Family(
        "cloche_model_lamp",
        "gauge",
        "A lamp of the monitor (service, data, predictions, performance): 0 ok, 1 warn, 2 alarm, -1 unknown.",
        ("model", "lamp"),
        combine="max",
    ),
    Family(
        "cloche_drift_state",
        "gauge",
        "The verdict on a field or on the answers: 0 ok, 1 small, 2 drift, -1 not enough data.",
        ("model", "field"),
        combine="max",
    ),
    Family(
        "cloche_drift_effect",
        "gauge",
        "How far the last window is from the reference, without chance (PSI).",
        ("model", "field"),
        combine="max",
    ),
    Family(
        "cloche_drift_classifier_auc",
        "gauge",
        "How well a classifier tells the last window of texts or vectors from the reference: 0.5 not at all, 1 always.",
        ("model", "field"),
        combine="max",
    ),
    Family(
        "cloche_quality",
        "gauge",
        "A metric of the answers: realised from labels, estimated without, or the baseline when it was saved.",
        ("model", "metric", "kind"),
        combine="max",
    ),
    Family(
        "cloche_alert_phase",
        "gauge",
        "An alert of the monitor: 0 ok, 1 pending, 2 firing, 3 resolved, -1 no data.",
        ("model", "rule", "severity"),
        combine="max",
    ),
    Family("cloche_alert_value", "gauge", "What a rule measured last, in its unit.", ("model", "rule"), combine="max"),
    Family(
        "cloche_alert_delivery_failing",
        "gauge",
        "1 where a sink did not take the last notice of a rule.",
        ("model", "rule", "sink"),
        combine="max",
    ),
    Family(
        "cloche_monitor_age_seconds", "gauge", "How long ago a monitor looked at the model.", ("model",), combine="max"
    ),
    Family("cloche_build_info", "gauge", "1, with the versions of cloche and Python.", ("version", "python")),
    Family("process_start_time_seconds", "gauge", "When this server started, in seconds since 1970."),
)
FAMILIES = {family.name: family for family in ALL}


def reference() -> str:
    """The metrics as a Markdown table."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for one in ALL:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"
