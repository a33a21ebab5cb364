"""A recorded gate under its own settings, and under tighter ones, over runs with crashes, zombies and clock steps."""

from collections import Counter

import pytest
from msgspec.structs import replace

from schemas.events import JournalEntry, Verdict
from streams.loop.gate import Gate, GateSettings
from streams.loop.role import Decode, Role
from streams.replay import Driver
from streams.replay.decisions import Decisions, decision_of, difference
from streams.replay.following import follow
from streams.replay.reading import read_events
from streams.replay.what_if import OtherGate, Recorded
from tests.simulation.judged import TELEMETRY_EVENTS, driver_of
from tests.simulation.loop import ACTIONS, GATE, LEVELS, LOOP, DecodedOnce

MINUTE_US = 60_000_000


def recorded_in(driver: Driver) -> Decisions:
    said = (event for _, event in read_events(driver.log, "verdicts", 0, 0) if isinstance(event, Verdict))
    return Decisions(map(decision_of, said))


def followed(driver: Driver, recorded: Decisions, settings: GateSettings) -> OtherGate:
    def make(settings_hash: str, decode: Decode) -> Role:
        gate = Gate(settings, loop=LOOP, settings_hash=settings_hash, actions=ACTIONS, levels=LEVELS)
        return Role(name="gate", loop=LOOP, processors=[gate], decode=decode)

    actions = frozenset(one.issued for one in recorded.of.values() if one.issued is not None)
    other = OtherGate(make, DecodedOnce(), Recorded(actions=actions), loop=LOOP)
    entries = (event for _, event in read_events(driver.log, "journal-gate", 0, 0) if isinstance(event, JournalEntry))
    assert follow([other], entries, driver.log.read_range).missing == ""
    return other


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_the_same_settings_decide_the_same_and_tighter_ones_hold_their_own_limit(seed: int) -> None:
    driver = driver_of(seed)
    driver.run(telemetry_events=TELEMETRY_EVENTS)
    assert driver.tally.kills
    recorded = recorded_in(driver)
    same = followed(driver, recorded, GATE)
    found = difference(recorded.of, same.decisions.of, moot=same.moot)
    assert found.changes == ()
    assert (found.proposals, found.actions_after) == (len(recorded.of), found.actions_before)
    assert same.assumed == 0

    tight = followed(driver, recorded, replace(GATE, loop_limit="4/minute"))
    found = difference(recorded.of, tight.decisions.of, moot=tight.moot)
    assert found.removed
    assert found.actions_after == found.actions_before + len(found.added) - len(found.removed)
    times_us = sorted(one.decided_us for one in tight.decisions.of.values() if one.issued is not None)
    within = Counter(sum(start <= other < start + MINUTE_US for other in times_us) for start in times_us)
    assert max(within) == 4
