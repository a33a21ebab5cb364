"""Samples of JSON telemetry as columns, and the limits of the contract over many of them at once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

import msgspec
import numpy as np

from schemas.errors import ContractError
from schemas.telemetry import (
    ATTRIBUTES_LIMIT,
    METRIC_LIMIT,
    METRICS_LIMIT,
    TEXT_LIMIT,
    check_attributes,
    check_entity,
    check_metric,
)
from streams.loop.decode.columns import Block, Floats, Integers

_NAN = float("nan")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAMES_LIMIT = 200_000


class Sample(msgspec.Struct, gc=False):
    """`Telemetry` as it is read: `None` where a member was not there."""

    entity: str
    time: int | datetime
    values: dict[str, float] | None = None
    event: str | None = None
    attributes: dict[str, str] | None = None

    def strings(self) -> int:
        """Return what `Columns.strings` would, for this sample alone."""
        total = 3 if self.values is None else 4 + len(self.values)
        total += (self.event is not None) * 2 + (not isinstance(self.time, int))
        return total if self.attributes is None else total + 1 + 2 * len(self.attributes)


class Columns:
    """The members of n samples, list by list; `maps` are the values of those samples that have any."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.entities = [sample.entity for sample in samples]
        self.times = [sample.time for sample in samples]
        self.values = [sample.values for sample in samples]
        self.events = [sample.event for sample in samples]
        self.attributes = [sample.attributes for sample in samples]
        self.maps = [values for values in self.values if values is not None]
        self.names = list(self.maps[0]) if self.maps else []
        self.alike = list(chain.from_iterable(self.maps)) == self.names * len(self)
        """Whether all samples have the same metrics, `names`, in the same order."""
        if not self.alike:
            self.names = list(set(chain.from_iterable(self.maps)))
        self.has_events = self.events.count(None) < len(self)
        self.has_attributes = self.attributes.count(None) < len(self)

    def __len__(self) -> int:
        return len(self.entities)

    def time_us(self) -> Integers:
        """Return the times in microseconds; raises `ContractError` or `OverflowError` when one is none."""
        times = np.array(self.times)
        if times.dtype == np.int64:
            return times
        return np.array([microseconds(time) for time in self.times], dtype=np.int64)

    def strings(self) -> int:
        """Return how many JSON strings the samples were written with, if no member was unknown, null or came twice."""
        total = 3 * len(self) + len(self.maps) + sum(map(len, self.maps))
        total += len(self) - list(map(type, self.times)).count(int)
        if self.has_events:
            total += 2 * (len(self) - self.events.count(None))
        if self.has_attributes:
            total += sum(1 + 2 * len(each) for each in self.attributes if each is not None)
        return total

    def to_block(self, times: Integers, offsets: Integers) -> Block:
        """Return checked samples as a block."""
        return Block(
            offsets=offsets,
            entities=self.entities,
            time_us=times,
            metrics=self._metrics(),
            tokens=self._tokens() if self.has_events else {},
            groups=self._groups() if self.has_attributes else {},
        )

    def _metrics(self) -> dict[str, Floats]:
        if self.alike:
            numbers = chain.from_iterable(values.values() for values in self.maps)
            shape = (len(self), len(self.names))
            matrix = np.fromiter(numbers, dtype=np.float64, count=shape[0] * shape[1]).reshape(shape)
            return {name: matrix[:, place] for place, name in enumerate(self.names)}
        maps = [values or {} for values in self.values]
        return {name: np.array([values.get(name, _NAN) for values in maps], dtype=np.float64) for name in self.names}

    def _tokens(self) -> dict[int, str]:
        return {row: event for row, event in enumerate(self.events) if event is not None}

    def _groups(self) -> dict[int, str]:
        return {
            row: attributes["group"]
            for row, attributes in enumerate(self.attributes)
            if attributes is not None and "group" in attributes
        }


class Checks:
    """The limits of the contract. Names found good once are remembered (bounded); that changes speed only."""

    def __init__(self, *, past_us: int, future_us: int) -> None:
        self._past_us = past_us
        self._future_us = future_us
        self._entities: set[str] = set()
        self._metrics: set[str] = set()

    def unknown(self, names: Sequence[str | None]) -> list[str | None]:
        """Return the names, of different ones, that have not been found to be good entities before."""
        good = self._entities
        return [] if good.issuperset(names) else [name for name in names if name not in good]

    def entity(self, name: str) -> None:
        """Raise `ContractError` when a name is no entity."""
        if name not in self._entities:
            check_entity(name)
            _remember(self._entities, name)

    def metric(self, name: str) -> None:
        """Raise `ContractError` when a name is no metric."""
        if name not in self._metrics:
            check_metric(name)
            _remember(self._metrics, name)

    def time(self, time_us: int, now_us: int) -> None:
        """Raise `ContractError` when a time is too far from now."""
        if time_us < now_us - self._past_us:
            raise ContractError("time-too-old", f"expected a time within {self._past_us} us of now, got {time_us}")
        if time_us > now_us + self._future_us:
            raise ContractError("time-in-future", f"expected at most {self._future_us} us ahead of now, got {time_us}")

    def times_fit(self, times: Integers, now_us: int) -> bool:
        """Whether all of at least one time are near enough to now."""
        return bool(times.min() >= now_us - self._past_us and times.max() <= now_us + self._future_us)

    def sample(self, sample: Sample, now_us: int) -> None:
        """Raise `ContractError` when a sample breaks a limit."""
        self.entity(sample.entity)
        self.time(microseconds(sample.time), now_us)
        values = sample.values or {}
        if len(values) > METRICS_LIMIT:
            raise ContractError("too-many-metrics", f"expected at most {METRICS_LIMIT}, got {len(values)}")
        for name in values:
            self.metric(name)
        if sample.event is not None and not 0 < len(sample.event) <= TEXT_LIMIT:
            raise ContractError("bad-event", f"expected 1 to {TEXT_LIMIT} characters, got {len(sample.event)}")
        if not values and sample.event is None:
            raise ContractError("empty-sample", "expected at least one value or an event")
        check_attributes(sample.attributes or {})

    def all_fit(self, columns: Columns, times: Integers, now_us: int) -> bool:
        """Whether every sample would pass `sample`: the same checks, over columns."""
        return (
            self.times_fit(times, now_us)
            and _pass(self.entity, set(columns.entities) - self._entities)
            and _pass(self.metric, set(columns.names) - self._metrics)
            and max(map(len, columns.maps), default=0) <= METRICS_LIMIT
            and _hold_something(columns)
            and (not columns.has_events or all(0 < len(e) <= TEXT_LIMIT for e in columns.events if e is not None))
            and (not columns.has_attributes or _attributes_fit([each for each in columns.attributes if each]))
        )


def microseconds(time: int | datetime) -> int:
    """Return a time in microseconds since the epoch; raises `ContractError` for one without an offset."""
    if isinstance(time, int):
        return time
    if time.tzinfo is None:
        raise ContractError("bad-time", "expected RFC 3339 with an offset, got a time without one")
    return (time - _EPOCH) // _MICROSECOND


def _pass(check: Callable[[str], None], names: set[str]) -> bool:
    try:
        for name in names:
            check(name)
    except ContractError:
        return False
    return True


def _hold_something(columns: Columns) -> bool:
    if columns.alike and columns.names:
        return True
    return all(values or event is not None for values, event in zip(columns.values, columns.events, strict=True))


def _attributes_fit(attributes: list[dict[str, str]]) -> bool:
    names = set(chain.from_iterable(attributes))
    texts = set(chain.from_iterable(each.values() for each in attributes))
    return (
        max(map(len, attributes), default=0) <= ATTRIBUTES_LIMIT
        and max(map(len, names), default=0) <= METRIC_LIMIT
        and max(map(len, texts), default=0) <= TEXT_LIMIT
    )


def _remember(names: set[str], name: str) -> None:
    if len(names) >= _NAMES_LIMIT:
        names.clear()
    names.add(name)
