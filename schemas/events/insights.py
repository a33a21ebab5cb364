"""What was seen: episodes, measurements, patterns, recurrences, storms, sequences, drifts, overflows."""

from typing import ClassVar, Literal

import msgspec

from .base import Event


class MetricSignature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one metric left its normal, in robust standard deviations: over the onset, or over a closed episode as a
    whole.

    `series` has one value per window of an onset, and per part of a whole: it tells in which order metrics moved.
    """

    mean: float
    peak: float
    trend: float
    series: tuple[float, ...] = ()


class Episode(Event, frozen=True, kw_only=True):
    """One entity left its normal: `opened`, `onset` (the first windows are complete: recognise now), `closed`.

    `shares` name the metrics that made it and add up to 1; `signature` holds the onset, per metric; of a closed
    episode the whole, from the window before the one that opened it (as in its onset) to its last abnormal one, in at
    most 16 parts of equal length, which may begin within a window.
    """

    TYPE: ClassVar[str] = "flyball.episode.v1"
    TOPIC: ClassVar[str] = "insights"

    episode: str
    entity: str
    phase: Literal["opened", "onset", "closed"]
    opened_us: int
    windows: int
    severity: float
    confidence: float
    group: str = ""
    shares: dict[str, float] = {}
    signature: dict[str, MetricSignature] = {}
    tokens: tuple[str, ...] = ()
    state: dict[str, float] = {}
    closed_us: int | None = None

    def key(self) -> str:
        return self.entity


class Measurement(Event, frozen=True, kw_only=True):
    """The summary of one window of an entity in, or just after, an episode: what outcomes are computed from. Where
    whole lives are followed, every window has one, and says the `group`; outside of episodes its `episode` is empty.

    A window that a silence closed may have a second summary, of the samples that came afterwards: with the same start
    and end, and other samples. Readers count the first one.
    """

    TYPE: ClassVar[str] = "flyball.measurement.v1"
    TOPIC: ClassVar[str] = "insights"
    PATIENT: ClassVar[bool] = True

    entity: str
    episode: str
    start_us: int
    end_us: int
    samples: int
    abnormal: bool
    score: float
    values: dict[str, float]
    group: str = ""

    def key(self) -> str:
        return self.entity


class Census(Event, frozen=True, kw_only=True):
    """How many entities of one partition and group are live, and which of them are abnormal."""

    TYPE: ClassVar[str] = "flyball.census.v1"
    TOPIC: ClassVar[str] = "insights"
    PATIENT: ClassVar[bool] = True

    partition: int
    group: str
    live: int
    abnormal: int

    def key(self) -> str:
        return f"{self.group}/{self.partition}"


class Drift(Event, frozen=True, kw_only=True):
    """A stream of values changed its level for good: means before and after.

    `subject`: `inputs/METRIC` (over the calm windows of a partition), `scores` (over those of warm entities), or of the
    occurrences of a pattern `patterns/PATTERN/distance` (to its template), `patterns/PATTERN/gap_s` (since the last).
    Or `outcomes/early/error`: how much higher outcomes are than their early signal foretold, `outcomes/early/miss`: how
    far off in either direction.
    """

    TYPE: ClassVar[str] = "flyball.drift.v1"
    TOPIC: ClassVar[str] = "insights"

    subject: str
    before: float
    after: float
    partition: int | None = None

    def key(self) -> str:
        return self.subject


class Overflow(Event, frozen=True, kw_only=True):
    """What a partition left out since its last word, a minute ago or more, since a `limit` of detect was reached.

    `rows` samples of `names` entities beyond `entity_limit`, or values of `names` metrics beyond `metric_limit` (1,000
    names are told apart at most); or samples beyond `window_rows_limit`, without names. Beyond `letter_limit` and
    `letter_bytes` are late samples of `names` entities that are in no dead letter. With the whole name of another
    setting, `policy.renewal.entity_limit`: windows of `names` entities whose lives are not followed;
    `outcome.late_limit`: defaults, on `names` entities, that a late end can no longer correct; `outcome.windows_limit`:
    windows of `names` entities beyond those kept of a horizon: what had not recovered before is unobservable;
    `gate.tracked`: proposals to do nothing about `names` entities, of whose outcomes the gate learns nothing;
    `policy.open_limit`: episodes of `names` entities that waited to be decided, and never are.
    """

    TYPE: ClassVar[str] = "flyball.overflow.v1"
    TOPIC: ClassVar[str] = "insights"
    PATIENT: ClassVar[bool] = True

    partition: int
    limit: str
    rows: int
    names: int
    examples: tuple[str, ...] = ()

    def key(self) -> str:
        return f"{self.limit}/{self.partition}"


class Loss(Event, frozen=True, kw_only=True):
    """Inputs that retention removed before they were folded: offsets `start` (included) to `stop` (excluded)."""

    TYPE: ClassVar[str] = "flyball.loss.v1"
    TOPIC: ClassVar[str] = "insights"

    source: str
    partition: int
    start: int
    stop: int

    def key(self) -> str:
        return f"{self.source}/{self.partition}"


class Pattern(Event, frozen=True, kw_only=True):
    """A cluster of onset signatures: `candidate` until support 3, then `recurring`, then perhaps `faded`.

    What recurred stays `recurring`, though occurrences that are counted elsewhere in the end may leave it less support.
    Its `episodes` are the latest; those of a pattern that was `split_from` another were counted there until then. An
    episode whose whole shape is that of another pattern splits off, as one of its own that is `merged` into that.
    """

    TYPE: ClassVar[str] = "flyball.pattern.v1"
    TOPIC: ClassVar[str] = "patterns"

    pattern: str
    name: str
    status: Literal["candidate", "recurring", "faded", "merged"]
    support: int
    signature: dict[str, MetricSignature]
    first_us: int
    last_us: int
    episodes: tuple[str, ...] = ()
    alias_of: str | None = None
    period_us: int | None = None
    next_us: int | None = None
    duration_us: int | None = None
    split_from: str | None = None

    def key(self) -> str:
        return self.pattern


class Recurrence(Event, frozen=True, kw_only=True):
    """This episode is pattern P again (or `novel`), decided at its onset.

    `novelty` is the probability that it belongs to no pattern known before, whether recurring yet or not.
    """

    TYPE: ClassVar[str] = "flyball.recurrence.v1"
    TOPIC: ClassVar[str] = "patterns"

    entity: str
    episode: str
    pattern: str
    candidate: str
    support: int
    distance: float
    novelty: float
    severity: float
    group: str = ""
    opened_us: int = 0
    signature: dict[str, MetricSignature] = {}
    state: dict[str, float] = {}

    def key(self) -> str:
        return self.pattern


class StormMember(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entity of a storm: the share of all trouble that began there, and the entity that its own likely began at."""

    entity: str
    episode: str
    share: float
    behind: str
    opened_us: int
    severity: float
    actionable: bool = True


class Storm(Event, frozen=True, kw_only=True):
    """Entities that became abnormal together, as known so far: the likely origin first.

    `members` are at most the first few dozen, their shares add up to 1; `size` counts all. `calls` says where the graph
    that ranked them is from. A storm that turns out to be part of an earlier one is closed with `alias_of` it.
    """

    TYPE: ClassVar[str] = "flyball.storm.v1"
    TOPIC: ClassVar[str] = "patterns"

    storm: str
    phase: Literal["open", "closed"]
    opened_us: int
    size: int
    calls: Literal["declared", "learned"]
    members: tuple[StormMember, ...]
    alias_of: str | None = None

    def key(self) -> str:
        return self.storm


class Sequence(Event, frozen=True, kw_only=True):
    """One pattern, or event token (`event NAME`), follows another within a bounded time more often than by chance.

    `relation`: on the same entity, or on another of its group. `support` times so far, after `lag_us` on average, where
    chance alone would have it `expected` times. A sequence fades with either of its two patterns.
    """

    TYPE: ClassVar[str] = "flyball.sequence.v1"
    TOPIC: ClassVar[str] = "patterns"

    sequence: str
    name: str
    status: Literal["recurring", "faded"]
    first: str
    second: str
    relation: Literal["same", "other"]
    within_us: int = 0
    lag_us: int = 0
    support: int = 0
    expected: float = 0.0

    def key(self) -> str:
        return self.sequence
