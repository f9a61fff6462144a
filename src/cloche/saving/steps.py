"""What save is doing, told once it takes longer than a second, and then no more often than every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

PATIENCE_S = 1.0
EVERY_S = 4.0


class Steps:
    """
    `step("probing the model")` as each begins.

    After `PATIENCE_S` the current one is told, then every `EVERY_S` the one that is current by then, if it is another:
    a save of six seconds prints two lines, not one for each step. Without patience (0) each is told as it begins.
    """

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell
        self._current = self._told = ""
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._at_once = PATIENCE_S <= 0
        self._watch = threading.Thread(target=self._tell_now_and_then, daemon=True)

    def __enter__(self) -> Steps:
        if self._tell is not None and not self._at_once:
            self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._current = ""
        self._done.set()

    def __call__(self, what: str) -> None:
        with self._lock:
            self._current = what
        if self._at_once:
            self._say()

    def _tell_now_and_then(self) -> None:
        wait = PATIENCE_S
        while not self._done.wait(wait):
            self._say()
            wait = EVERY_S

    def _say(self) -> None:
        with self._lock:
            if self._tell is not None and self._current not in ("", self._told):
                self._told = self._current
                self._tell(f"{self._current}…")
