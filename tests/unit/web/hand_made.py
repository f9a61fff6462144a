"""Contracts written by hand: a pleasant one, and one whose every text is an attack."""

from __future__ import annotations

from cloche.contract.model import Contract, Field, Output, Policy
from cloche.manifest import Metric
from cloche.protocols.served import ServedModel

SCRIPT = "<script>alert('x')</script>"
ATTRIBUTE = '"><img src=x onerror=alert(1)>'

PENGUINS = Contract(
    fields=(
        Field(name="bill_length_mm", type="number", nullable=True, training_range=(32.1, 59.6), units="mm"),
        Field(name="body_mass_g", type="number", minimum=0, maximum=1e5, training_range=(2700.0, 6300.0), units="g"),
        Field(name="island", type="category", levels=("Biscoe", "Dream", "Torgersen")),
        Field(
            name="sex",
            type="category",
            nullable=True,
            levels=("female", "male"),
            policy=Policy(unknown_level="warn"),
        ),
        Field(name="tagged", type="boolean"),
        Field(name="observed", type="date", role="context", required=False, nullable=True),
    ),
    output=Output(task="classification", type="string", classes=("Adelie", "Chinstrap", "Gentoo"), probabilities=True),
    ignored=("study",),
)

HOSTILE = Contract(
    fields=(
        Field(
            name=f"name {SCRIPT}",
            type="category",
            levels=(SCRIPT, ATTRIBUTE, "it's"),
            units=ATTRIBUTE,
            description=f"text {SCRIPT}",
        ),
        Field(name=ATTRIBUTE, type="number", training_range=(0.0, 1.0), units=SCRIPT),
        Field(name="secret", type="category", levels=("hush-one", "hush-two"), private=True),
        Field(
            name="hidden",
            type="number",
            minimum=0,
            maximum=98765.5,
            training_range=(12345.5, 67890.5),
            private=True,
        ),
        Field(name="when", type="datetime", timezone="Europe/Paris"),
        Field(name="note", type="text", max_length=500),
        Field(name="vector", type="vector", length=3),
    ),
    output=Output(task="classification", type="string", classes=(SCRIPT, ATTRIBUTE), probabilities=True),
    ignored=(SCRIPT,),
)


def penguins(*, name: str = "penguins", version: int = 3, number: int = 1, default: bool = True) -> ServedModel:
    """The pleasant one, served."""
    return ServedModel(
        name=name,
        version=version,
        number=number,
        contract=PENGUINS,
        framework="scikit-learn 1.9.1",
        created="2026-11-21T10:00:00Z",
        description="Which of three species a penguin is.",
        metrics=(
            Metric("accuracy", 0.985, "test", 103, (0.948, 0.998)),
            Metric("log_loss", 0.06, "test", 103),
            Metric("recall[Adelie]", 0.97, "test", 40, (0.9, 0.99)),
        ),
        default=default,
    )


def hostile() -> ServedModel:
    """The attack, served."""
    return ServedModel(
        name="hostile",
        version=1,
        number=1,
        contract=HOSTILE,
        framework=SCRIPT,
        created=ATTRIBUTE,
        description=SCRIPT,
        metrics=(Metric(SCRIPT, 0.5, ATTRIBUTE, 10, (0.4, 0.6)), Metric(f"recall[{SCRIPT}]", 0.5, "test", 10)),
        default=True,
    )
