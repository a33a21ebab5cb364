"""State is bounded: the same life lived again and again by other entities, episodes and patterns needs no more room.
The policy also learns of other actions each time, from what people proposed.
"""

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.events import Experience
from schemas.ids import Cause
from streams.loop.account import Account, AccountSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.settings import EarlySettings
from streams.loop.detect import Detect, DetectSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.ingest import Ingest, IngestSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Input, Now, Processor, Record
from streams.loop.recognise import GraphSettings, Recognise, RecogniseSettings
from streams.loop.telemetry import TelemetryBatch
from tests.laws.recorded import LIVES, PROCESSORS, Call, calls_of, give
from tests.simulation.loop import ACTIONS, LOOP, SETTINGS_HASH

EARLY = EarlySettings(after_us=2_000_000, remembered=20)
SEATS = DetectSettings(entity_limit=20, aside_limit=20, aside_us=0, gone_us=15_000_000, warmup_windows=5)
GENERATION_US = 400_000_000
FULL, LATER = 6, 12
"""Generations after which every limit is reached (a life may leave but one thing), and how many are lived in all."""
FULL_OF_OUTCOMES, LATER_OF_OUTCOMES = 20, 30
"""The same where a few outcomes a life fill what remembers them."""
_NAME = re.compile(r"[0-9a-f]{32}|node-[0-9.]+|p-[0-9]+")


def tight(name: str) -> Processor:
    """Return a processor whose limits are small."""
    made: dict[str, Processor] = {
        "ingest": Ingest(IngestSettings(), loop=LOOP, partitions=2),
        "detect": Detect(SEATS, loop=LOOP, partition=0, seed=1),
        "recognise": Recognise(
            RecogniseSettings(pattern_limit=4, remembered_limit=10, episode_limit=20),
            loop=LOOP,
            graph=GraphSettings(member_limit=6, storm_limit=3, open_limit=20, order_limit=20),
        ),
        "attribute": Attribute(
            AttributeSettings(
                horizon_us=6_000_000, late_limit=5, open_limit=5, remembered=20, windows_limit=20, early=EARLY
            ),
            loop=LOOP,
            actions=ACTIONS,
        ),
        "policy": Policy(PolicySettings(open_limit=10, remembered=20), loop=LOOP, seed=1, actions=ACTIONS),
        "gate": Gate(
            GateSettings(remembered=20, tracked=30),
            loop=LOOP,
            settings_hash=SETTINGS_HASH,
            actions=ACTIONS,
            levels=LevelSettings(default="act", novel="act", pairs=5),
            baseline="restart",
        ),
        "account": Account(AccountSettings(remembered=5), loop=LOOP),
        "detect-lives": Detect(SEATS, loop=LOOP, partition=0, seed=1, measures_all=True),
        "policy-lives": Policy(
            msgspec.structs.replace(LIVES, open_limit=10, remembered=20), loop=LOOP, seed=1, actions=ACTIONS
        ),
    }
    return made[name]


@pytest.mark.parametrize("name", sorted(PROCESSORS))
def test_the_state_stops_growing(name: str) -> None:
    processor = tight(name)
    full, later = (FULL_OF_OUTCOMES, LATER_OF_OUTCOMES) if name == "attribute" else (FULL, LATER)
    sizes: list[int] = []
    for generation in range(later):
        for call in calls_of(name):
            one = reborn(call, generation)
            give(processor, with_others(one, generation) if name == "policy" else one)
        sizes.append(len(processor.snapshot()))
    assert max(sizes[full:]) <= 1.15 * max(sizes[:full])


def reborn(call: Call, generation: int) -> Call:
    """Return a call of another generation: later, about others, from further down the topics."""
    shift_us = generation * GENERATION_US
    now = Now(call.now.us + shift_us, call.now.control_heard_us + shift_us)
    return Call(now, tuple(_reborn(one, generation, shift_us) for one in call.inputs))


def with_others(call: Call, generation: int) -> Call:
    """Return a call whose experience is of what people proposed, and of actions of this generation alone."""
    return Call(call.now, tuple(_by_another(one, generation) for one in call.inputs))


def _by_another(one: Input, generation: int) -> Input:
    if isinstance(one, TelemetryBatch) or not isinstance(one.event, Experience):
        return one
    effective = f"{one.event.effective}~{generation}"
    return Record(one.cause, msgspec.structs.replace(one.event, by="ana", effective=effective))


def _reborn(one: Input, generation: int, shift_us: int) -> Input:
    if isinstance(one, TelemetryBatch):
        return TelemetryBatch(
            topic=one.topic,
            partition=one.partition,
            offsets=one.offsets + generation * 1_000_000,
            entities=[f"{entity}~{generation}" for entity in one.entities],
            time_us=one.time_us + np.int64(shift_us),
            metrics=one.metrics,
            values=one.values,
            tokens=one.tokens,
            groups=one.groups,
        )
    cause = Cause(one.cause.topic, one.cause.partition, one.cause.offset + generation * 1_000_000)
    plain = _renamed(msgspec.to_builtins(one.event), generation, shift_us)
    return Record(cause, msgspec.convert(plain, type(one.event)))


def _renamed(value: Any, generation: int, shift_us: int) -> Any:  # plain data of any event
    """Rename ids and entities, and move every time that is not a span."""
    if isinstance(value, dict):
        return {
            name: inner + shift_us
            if name.endswith("_us") and isinstance(inner, int)
            else _renamed(inner, generation, shift_us)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_renamed(inner, generation, shift_us) for inner in value]
    return f"{value}~{generation}" if isinstance(value, str) and _NAME.fullmatch(value) else value
