"""
Uptime, minute by minute: what hosts say of themselves, and what `cloche probe` sees from outside.

`monitor/_uptime/MODEL/SOURCE/DAY/000000000042.json` counts by minute of the day (UTC) how often a source looked and how
often the model answered. A source has one writer; "agents" is whoever holds the monitor's lease. What was asked from
outside counts before what hosts say; a minute in which nobody looked is not known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from cloche.monitoring.numbered import Numbered
from cloche.registry import reports
from cloche.registry.reports import AgentReport
from cloche.store import Store

ROOT: Final = "monitor/_uptime"
AGENTS: Final = "agents"
KEPT_DAYS: Final = 92
#: Reports are read at most so often, in seconds.
SAMPLE_EVERY_S: Final = 15.0
_AWAY_S: Final = 90.0
_DAY_S: Final = 86_400
_MINUTE_S: Final = 60
_MINUTES: Final = 1_440
_MOST: Final = 10_000  #: looks a minute of one source; several are added
#: Answers and looks by minute of a day: 92 days of a model are half a megabyte.
Looks = np.ndarray[Any, np.dtype[np.uint16]]


class Day(msgspec.Struct):
    """By minute of the day: how often it answered, and how often it was looked."""

    minutes: dict[int, tuple[int, int]] = {}


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_decoder = msgspec.json.Decoder(Day)


class Uptime:
    """What one source saw of one model; written once a minute."""

    def __init__(self, store: Store, model: str, source: str) -> None:
        self._store = store
        self._folder = f"{ROOT}/{model}/{source}"
        self._date = ""
        self._minute = -1
        self._day = Day()
        self._objects: Numbered | None = None

    def add(self, up: bool, now: float) -> None:
        """
        One look at *now*; what was seen in earlier minutes is in the store then.

        Raises:
            StoreError: the store did not take it; the next look tries again.
        """
        date, minute = _place(now)
        if date != self._date:
            self.write()
            self._begin(date)
        elif minute != self._minute:
            self.write()
        self._minute = minute
        ups, looks = self._day.minutes.get(minute, (0, 0))
        self._day.minutes[minute] = (ups + up, looks + 1)

    def write(self) -> None:
        """
        Put what was seen so far into the store.

        Raises:
            StoreError: the store did not take it.
        """
        if self._objects is not None and self._day.minutes:
            self._objects.put(msgspec.json.encode(self._day))

    def today(self, date: str) -> Day | None:
        """What was seen so far, where *date* is the day that is being written."""
        return self._day if self._date == date else None

    def _begin(self, date: str) -> None:
        objects = Numbered(self._store, f"{self._folder}/{date}")
        self._day, self._date, self._objects = _read(objects), date, objects
        oldest = (dt.date.fromisoformat(date) - dt.timedelta(days=KEPT_DAYS)).isoformat()
        for old in self._store.folders(self._folder):
            if old < oldest:
                for path in self._store.list(f"{self._folder}/{old}"):
                    self._store.delete(path)


class Uptimes:
    """What the observer asks: it samples hosts' reports as it looks, and reads what all sources saw."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writers: dict[str, Uptime] = {}
        self._sampled = 0.0
        self._closed: dict[tuple[str, str, str], Looks] = {}

    def sample(self, models: Iterable[str], now: float) -> None:
        """
        Note which of *models* some host answers for now; one that no host was ever to serve is not noted.

        Raises:
            StoreError: the store did not answer.
        """
        if now - self._sampled < SAMPLE_EVERY_S:
            return
        if now - self._sampled > _AWAY_S:  # another monitor may have written meanwhile
            self._writers = {}
        self._sampled = now
        found = reports.latest(self._store, dt.datetime.fromtimestamp(now, dt.UTC))
        for model in models:
            up = answers(found, model, now)
            if up is not None:
                self._writers.setdefault(model, Uptime(self._store, model, AGENTS)).add(up, now)

    def __call__(self, model: str, start: float, step_s: int, count: int) -> list[float | None]:
        """By step the share of its minutes in which the model answered; None where nobody looked."""
        end = start + step_s * count
        up, known = np.zeros(count), np.zeros(count)
        dates = {_place(at)[0] for at in range(int(start), int(end) + _DAY_S, _DAY_S)}
        for date, (inside, outside) in self._days(model, dates, end).items():
            seen = np.where(outside[1] > 0, outside, inside)  # what was asked from outside counts first
            minutes = np.flatnonzero(seen[1])
            midnight = dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC).timestamp()
            places = ((midnight + minutes * _MINUTE_S - start) // step_s).astype(np.int64)
            there = (places >= 0) & (places < count)
            shares = seen[0, minutes[there]] / seen[1, minutes[there]]
            np.add.at(up, places[there], shares)
            np.add.at(known, places[there], 1.0)
        return [float(ups / n) if n else None for ups, n in zip(up, known, strict=True)]

    def _days(self, model: str, dates: Collection[str], now: float) -> dict[str, tuple[Looks, Looks]]:
        """Of every day, what hosts said of themselves and what was seen from outside."""
        found: dict[str, tuple[Looks, Looks]] = {}
        for source in self._store.folders(f"{ROOT}/{model}"):
            own = source == AGENTS
            writer = self._writers.get(model) if own else None
            there = set(self._store.folders(f"{ROOT}/{model}/{source}"))
            for date in dates:
                mine = None if writer is None else writer.today(date)
                if mine is None and date not in there:
                    continue
                counts = self._day(model, source, date, now) if mine is None else _counts(mine)
                inside, outside = found.setdefault(date, (_counts(Day()), _counts(Day())))
                target = inside if own else outside
                target += counts
        return found

    def _day(self, model: str, source: str, date: str, now: float) -> Looks:
        """A day that is over is read once, and kept as long as it may be asked for."""
        known = self._closed.get((model, source, date))
        if known is None:
            known = _counts(_read(Numbered(self._store, f"{ROOT}/{model}/{source}/{date}")))
            if date < _place(now - 2 * _DAY_S)[0]:
                oldest = _place(now - (KEPT_DAYS + 2) * _DAY_S)[0]
                self._closed = {key: one for key, one in self._closed.items() if key[2] >= oldest}
                self._closed[model, source, date] = known
        return known


def answers(found: Sequence[AgentReport], model: str, now: float) -> bool | None:
    """
    Whether some host answers for *model*: it spoke lately and serves a version. None where no host was to serve it, or
    all that were have been stopped in order.
    """
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    told = [(one, one.model(model)) for one in found if not one.ended]
    those = [(one, of) for one, of in told if of is not None]
    if not those:
        return None
    live = {id(one) for one in reports.current((one for one, _ in those), moment)}
    return any(id(one) in live and bool(of.serving) for one, of in those)


def _read(objects: Numbered) -> Day:
    raw = objects.last()
    try:
        return Day({}) if raw is None else _decoder.decode(raw)
    except msgspec.MsgspecError:
        return Day({})


def _counts(day: Day) -> Looks:
    """As (2, minutes of a day): answers, and looks."""
    found: Looks = np.zeros((2, _MINUTES), dtype=np.uint16)
    for minute, counted in day.minutes.items():
        if 0 <= minute < _MINUTES:
            found[:, minute] = np.minimum(counted, _MOST)
    return found


def _place(at: float) -> tuple[str, int]:
    """The day of a moment, and its minute of the day."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return moment.date().isoformat(), moment.hour * 60 + moment.minute
