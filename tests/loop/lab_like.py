"""Telemetry of the lab's shape, drawn from a seed: services that fail in seven recurring ways, amplitudes varying."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.events import Episode, Event, Recurrence
from schemas.ids import Cause
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now, Record
from streams.loop.recognise import Recognise, RecogniseSettings
from streams.loop.telemetry import TelemetryBatch

SECOND = 1_000_000
STEP_US = SECOND // 2
BASE_US = 1_700_000_000 * SECOND
METRICS = (
    "availability", "cpu_percent", "disk_ms", "error_rate", "latency_ms",
    "memory_mb", "open_files", "task_count", "throughput",
)  # fmt: skip
KINDS = ("memory leak", "busy loop", "hang", "descriptor leak", "slow disk", "error burst", "crash")
COLUMN = {name: column for column, name in enumerate(METRICS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    entity: str
    kind: str
    start: int
    stop: int
    """Samples; the fault is over at `stop`."""


def healthy(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Return (samples, metrics): noisy latency and CPU, steady counts, and hardly ever a failed request."""
    requests = np.maximum(rng.poisson(8, samples), 1)
    failed = rng.random(samples) < 0.003
    values = np.zeros((samples, len(METRICS)))
    values[:, COLUMN["error_rate"]] = failed / requests
    values[:, COLUMN["availability"]] = 1 - failed / requests
    values[:, COLUMN["cpu_percent"]] = rng.gamma(4, 0.8, samples)
    values[:, COLUMN["disk_ms"]] = rng.lognormal(0.7, 0.25, samples)
    values[:, COLUMN["latency_ms"]] = rng.lognormal(np.log(rng.uniform(6, 12)), 0.2, samples)
    values[:, COLUMN["memory_mb"]] = rng.uniform(25, 40) + np.cumsum(rng.normal(0, 0.02, samples))
    values[:, COLUMN["open_files"]] = 12 + rng.integers(0, 3, samples)
    values[:, COLUMN["task_count"]] = 3
    values[:, COLUMN["throughput"]] = requests * 2
    return values


def break_down(values: np.ndarray, fault: Fault, rng: np.random.Generator) -> None:
    """Change the samples of a fault in place; its amplitude varies by a factor of 3."""
    part = values[fault.start : fault.stop]
    size = rng.uniform(0.6, 1.8)
    ramp = np.arange(1, len(part) + 1)
    match fault.kind:
        case "memory leak":
            part[:, COLUMN["memory_mb"]] += 6 * size * ramp
            part[:, COLUMN["latency_ms"]] += 0.4 * size * ramp
        case "busy loop":
            part[:, COLUMN["cpu_percent"]] += 15 * size
            part[:, COLUMN["task_count"]] += 1
            part[:, COLUMN["latency_ms"]] *= 1 + 0.3 * size
        case "hang":
            part[:, COLUMN["latency_ms"]] = 1000
            part[:, COLUMN["availability"]] = 0
            part[:, COLUMN["error_rate"]] = 1
            part[:, COLUMN["throughput"]] = 0
            part[:, COLUMN["cpu_percent"]] = 0
        case "descriptor leak":
            part[:, COLUMN["open_files"]] += np.floor(5 * size * ramp)
        case "slow disk":
            part[:, COLUMN["disk_ms"]] += 40 * size
            part[:, COLUMN["latency_ms"]] += 45 * size
        case "error burst":
            part[:, COLUMN["error_rate"]] = np.minimum(0.5 * size * rng.uniform(0.7, 1.3, len(part)), 1)
            part[:, COLUMN["availability"]] = 1 - part[:, COLUMN["error_rate"]]
        case "crash":
            part[:, COLUMN["availability"]] = 0
            part[:, COLUMN["error_rate"]] = 1
            part[:, COLUMN["throughput"]] = 0
            part[:, [COLUMN[name] for name in ("cpu_percent", "disk_ms", "latency_ms", "memory_mb")]] = np.nan
            part[:, [COLUMN[name] for name in ("open_files", "task_count")]] = 0
        case kind:
            raise ValueError(kind)


def schedule(rng: np.random.Generator, entities: list[str], seconds: int) -> list[Fault]:
    """Return six faults of each kind (as far as they find room), one at a time per entity, none in the first 15 s."""
    free = dict.fromkeys(entities, 30)
    faults = []
    for kind in rng.permutation(np.repeat(KINDS, 6)).tolist():
        entity = min(entities, key=lambda name: (free[name], name))
        start = free[entity] + int(rng.integers(10, 40))
        stop = start + int(rng.integers(14, 40))
        if stop < 2 * seconds:
            faults.append(Fault(entity=entity, kind=kind, start=start, stop=stop))
            free[entity] = stop
    return faults


def telemetry(values: dict[str, np.ndarray], samples: int) -> Iterator[TelemetryBatch]:
    """Yield what a detect worker would be handed: batches of two seconds, all entities in them, by time."""
    entities = sorted(values)
    for start in range(0, samples, 4):
        window = range(start, min(start + 4, samples))
        rows = len(window) * len(entities)
        yield TelemetryBatch(
            topic="telemetry",
            partition=0,
            offsets=np.arange(rows) + start * len(entities),
            entities=entities * len(window),
            time_us=np.repeat(BASE_US + np.array(window) * STEP_US, len(entities)),
            metrics=METRICS,
            values=np.array([values[name][sample] for sample in window for name in entities]),
        )


def run(seed: int, *, seconds: int = 165, window_us: int = STEP_US) -> tuple[list[Fault], list[Event]]:
    """Return the faults injected, and all that detect and recognise wrote."""
    rng = np.random.default_rng(seed)
    entities = [f"service-{number:02d}" for number in range(12)]
    faults = schedule(rng, entities, seconds)
    values = {name: healthy(rng, 2 * seconds) for name in entities}
    for fault in faults:
        break_down(values[fault.entity], fault, rng)
    detect = Detect(DetectSettings(window_us=window_us), loop="lab", partition=0, seed=seed)
    recognise = Recognise(RecogniseSettings(), loop="lab")
    events: list[Event] = []
    for batch in telemetry(values, 2 * seconds):
        now = Now(int(batch.time_us[-1]), BASE_US)
        insights = detect.on_batch([batch], now) + detect.on_time(now)
        records = [Record(Cause("insights", 0, len(events) + n), event) for n, event in enumerate(insights)]
        events += insights + recognise.on_batch(records, now)
    return faults, events


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a run told faults apart. `pure` counts recurring patterns of purity >= 0.8."""

    faults: int
    found: int
    false: int
    pure: int
    held: float
    """Share of the fault episodes that pure recurring patterns hold."""
    purity: float


def score(faults: list[Fault], events: list[Event]) -> Score:
    """Match each episode to the fault of its entity that runs when it opens."""
    onsets = {e.episode: e for e in events if isinstance(e, Episode) and e.phase == "onset"}
    patterns: dict[str, list[str]] = defaultdict(list)
    found: Counter[tuple[str, int]] = Counter()
    false = 0
    for recurrence in (e for e in events if isinstance(e, Recurrence)):
        sample = (onsets[recurrence.episode].opened_us - BASE_US) // STEP_US
        hits = [f for f in faults if f.entity == recurrence.entity and f.start - 2 <= sample < f.stop + 2]
        patterns[recurrence.candidate].append(hits[0].kind if hits else "nothing")
        false += not hits
        if hits:
            found[recurrence.entity, hits[0].start] += 1
    recurring = [kinds for kinds in patterns.values() if len(kinds) >= 3]
    tops = [(Counter(kinds).most_common(1)[0], len(kinds)) for kinds in recurring]
    pure = [(kind, top, size) for (kind, top), size in tops if top / size >= 0.8 and kind != "nothing"]
    return Score(
        faults=len(faults),
        found=len(found),
        false=false,
        pure=len(pure),
        held=sum(top for _, top, _ in pure) / max(1, sum(found.values())),
        purity=sum(top for _, top, _ in pure) / max(1, sum(size for _, _, size in pure)),
    )
