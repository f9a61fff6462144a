"""What every sink is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from cloche.monitoring.alerts.notices import Notice
from cloche.monitoring.alerts.sinks.options import Option


class Sink(ABC):
    """
    One receiver. `options` is what its table in the rules file may hold.

    `resend_s`: a receiver that forgets what is not repeated is sent a firing alert again so often.
    """

    kind: ClassVar[str]
    meaning: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]
    resend_s: ClassVar[float | None] = None

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    @abstractmethod
    def send(self, notice: Notice) -> str:
        """
        Tell it; what it answered in a word or two.

        Raises:
            DeliveryError: it did not take it.
        """
