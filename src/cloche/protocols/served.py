"""
A served model as plain data: what the OpenAPI document and the docs page tell about it.

It holds no engine and no store, so a page can be made from it in a test without a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloche.contract.example import example_row
from cloche.contract.model import Contract, Field
from cloche.errors import UsageError
from cloche.manifest import Manifest, Metric
from cloche.registry import NO_PROMISES, Promises


@dataclass(frozen=True, slots=True)
class ServedModel:
    """
    One version that a server answers with, under one contract number.

    `default` says that paths without a name mean this model; `route` is None for a pinned version; `strict` that
    the server makes refusals of warnings; `promises` what callers are told of the contract numbers.
    """

    name: str
    version: int
    number: int
    contract: Contract
    route: str | None = "live"
    framework: str | None = None
    created: str | None = None
    description: str | None = None
    metrics: tuple[Metric, ...] = ()
    default: bool = False
    strict: bool = False
    promises: Promises = NO_PROMISES

    @classmethod
    def of(
        cls,
        name: str,
        version: int,
        number: int,
        contract: Contract,
        manifest: Manifest,
        *,
        route: str | None = "live",
        default: bool = False,
        strict: bool = False,
        promises: Promises | None = None,
    ) -> ServedModel:
        """The facts of a manifest that may be shown to callers."""
        return cls(
            name=name,
            version=version,
            number=number,
            contract=contract,
            route=route,
            framework=manifest.framework,
            created=manifest.created,
            description=manifest.description,
            metrics=manifest.metrics,
            default=default,
            strict=strict,
            promises=promises or NO_PROMISES,
        )

    def example(self) -> dict[str, Any]:
        """
        A made-up wire row: valid, but that no level of a private field is in it.

        Empty where a pattern is too intricate to make an example of.
        """
        try:
            row = example_row(self.contract)
        except UsageError:
            return {}
        hidden = {one.name: _stand_in(one) for one in self.contract.fields if one.private and one.levels}
        return row | hidden


def _stand_in(field: Field) -> Any:
    if field.nullable:
        return None
    return 0 if all(isinstance(level, int) for level in field.levels or ()) else "…"
