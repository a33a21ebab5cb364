"""Episodes of entities that call each other, and the storms that are told of them."""

from typing import Any

from schemas.events import Census, Episode, Event, Measurement, Storm
from schemas.ids import Cause
from streams.loop.processor import Now, Record
from streams.loop.recognise import GraphSettings, Recognise, RecogniseSettings

S = 1_000_000
CALLS = {"shop": ("search", "cart"), "search": ("database",), "cart": ("database",), "mail": ("queue",)}


def recognise(calls: dict[str, tuple[str, ...]] = CALLS, **fields: Any) -> Recognise:
    return Recognise(RecogniseSettings(), loop="t", graph=GraphSettings(calls=calls, **fields))


def phase(entity: str, name: str, *, second: float = 0.0, severity: float = 5.0, number: int = 0) -> Episode:
    return Episode(
        id=f"{entity}-{name}-{number}", time_us=round(second * S), episode=f"{entity}/{number}", entity=entity,
        phase=name,  # type: ignore[arg-type]
        opened_us=round(second * S), windows=4, severity=severity, confidence=1.0,
        closed_us=1 if name == "closed" else None,
    )  # fmt: skip


def measured(entity: str, score: float, *, second: float = 0.0) -> Measurement:
    return Measurement(
        id=f"{entity}-{score}", time_us=0, entity=entity, episode=f"{entity}/0", start_us=round(second * S),
        end_us=round(second * S) + S, samples=1, abnormal=True, score=score, values={},
    )  # fmt: skip


def fold(processor: Recognise, *events: Event, seconds: float = 0.0) -> list[Event]:
    records = [Record(Cause("insights", 0, index), event) for index, event in enumerate(events)]
    return processor.on_batch(records, Now(round(seconds * S), 0))


def storms(events: list[Event]) -> list[Storm]:
    return [event for event in events if isinstance(event, Storm)]


def begin(*entities: str, second: float = 0.0, number: int = 0, severity: float = 5.0) -> list[Episode]:
    phases = ("opened", "onset")
    return [phase(one, name, second=second, number=number, severity=severity) for name in phases for one in entities]


def shares(storm: Storm) -> dict[str, float]:
    return {member.entity: member.share for member in storm.members}


def census(second: float = 0.0) -> Census:
    return Census(id=f"c-{second}", time_us=round(second * S), partition=0, group="", live=9, abnormal=0)
