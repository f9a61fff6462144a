"""The home of pyarrow: frames as rows of Arrow tables, and the columns of the log's tables."""

from __future__ import annotations

from cloche.prediction_log.arrow_home.building import ANSWERS, LABELS, REQUESTS, Building, Part
from cloche.prediction_log.arrow_home.files import Shape, answered, writing
from cloche.prediction_log.arrow_home.filtering import (
    between,
    both,
    chosen,
    dates,
    early,
    joined,
    numbers_where,
    of_ids,
    on_day,
    picked,
    reader,
    table_of,
    without,
)
from cloche.prediction_log.arrow_home.plain import (
    codes_of,
    largest_of,
    lengths_of,
    numbers_of,
    texts_of,
    whole_of,
)
from cloche.prediction_log.arrow_home.rollups import ROLLUPS, days, last, mask, rollups_table
from cloche.prediction_log.arrow_home.shaping import (
    common_types,
    in_order,
    logical,
    physical,
    placed,
    types_of,
    unified,
)

__all__ = [
    "ANSWERS",
    "LABELS",
    "REQUESTS",
    "ROLLUPS",
    "Building",
    "Part",
    "Shape",
    "answered",
    "between",
    "both",
    "chosen",
    "codes_of",
    "common_types",
    "dates",
    "days",
    "early",
    "in_order",
    "joined",
    "largest_of",
    "last",
    "lengths_of",
    "logical",
    "mask",
    "numbers_of",
    "numbers_where",
    "of_ids",
    "on_day",
    "physical",
    "picked",
    "placed",
    "reader",
    "rollups_table",
    "table_of",
    "texts_of",
    "types_of",
    "unified",
    "whole_of",
    "without",
    "writing",
]
