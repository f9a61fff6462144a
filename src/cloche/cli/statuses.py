"""Which error ends a command with which status: 0 done · 1 refused · 2 called wrongly · 3 not found · 4 unreachable."""

from __future__ import annotations

from collections.abc import Iterator

from cloche import errors

#: The nearest ancestor decides; anything else that is ours is 1. The reference page is made from this table.
EXIT_STATUS: dict[type[Exception], int] = {
    errors.UsageError: 2,
    errors.NotFoundError: 3,
    errors.StoreError: 4,
    errors.ServerUnreachableError: 4,
    errors.DeliveryError: 4,
    errors.ClocheError: 1,
}


def exit_status_of(exc: Exception) -> int:
    """The exit status of the nearest ancestor of *exc* in `EXIT_STATUS`."""
    return _status_of(type(exc))


def exit_statuses() -> dict[str, int]:
    """The status of every error, by the name of its class: for a process that knows no class of ours."""
    return {kind.__name__: _status_of(kind) for kind in _below(errors.ClocheError)}


def _status_of(kind: type[Exception]) -> int:
    return next((EXIT_STATUS[one] for one in kind.__mro__ if one in EXIT_STATUS), 1)


def _below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _below(one)
