"""
A tariff as a model: a function of a module, saved by its name and served with a contract like any other.

The operator has to allow it first (`trust.allowed_functions = ["price_function.quote"]`), and the module has to be
installed where it runs; from this folder:

    PYTHONPATH=. python price_function.py
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import cloche

ZONES = {"city": 0.0, "country": 2.5, "island": 9.0}


def quote(rows: Mapping[str, list[Any]]) -> list[float]:
    """The price of each parcel in euro: a base, its weight in kg, its zone, half again for a fragile one."""
    columns = zip(rows["weight_kg"], rows["zone"], rows["fragile"], strict=True)
    return [
        round((3.9 + 0.8 * weight + ZONES[zone]) * (1.5 if fragile else 1.0), 2) for weight, zone, fragile in columns
    ]


def parcels(count: int = 500) -> list[dict[str, Any]]:
    """What parcels look like."""
    draw = random.Random(7)
    return [
        {"weight_kg": round(draw.uniform(0.1, 30.0), 2), "zone": draw.choice([*ZONES]), "fragile": draw.random() < 0.2}
        for _ in range(count)
    ]


def main() -> None:
    """Save it and ask it."""
    version = cloche.save("price_function:quote", "parcels", inputs=parcels())
    answer = cloche.load("parcels").predict({"weight_kg": 2.0, "zone": "island", "fragile": True})
    print(f"version {version.version}: {answer.prediction} euro")


if __name__ == "__main__":
    main()
