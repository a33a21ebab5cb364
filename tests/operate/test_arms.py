"""What the arms of a hold-out are said to be worth."""

import msgspec
import pytest

from schemas.events import Experience, LedgerEntry
from streams.operate.arms import arm_lines


def entry(arm: str, **more: float) -> LedgerEntry:
    return LedgerEntry(
        id=f"l-{arm}-{len(more)}", time_us=0, arm=arm, decisions=4, observed=3, reward_mean=0.4, reward_low=-1.0,
        reward_high=1.0, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def experience(number: int, *, arm: str = "loop", recovery_s: float | None, recovered: bool = True) -> Experience:
    return Experience(
        id=f"x-{number}", time_us=number, proposal=f"p-{number % 10}", entity="pump", episode="e", pattern="novel",
        arm=arm, state="observed" if recovery_s is not None else "unobservable", proposed="restart",
        effective="restart", effective_probability=0.5, verdict="allow",
        reward=None if recovery_s is None else 1 - recovery_s / 20,
        recovery_us=None if recovery_s is None else round(recovery_s * 1e6),
        recovered=None if recovery_s is None else recovered,
        availability=None if recovery_s is None else 0.5,
    )  # type: ignore[arg-type]  # fmt: skip


def test_what_did_not_recover_counts_with_the_whole_window_and_is_told() -> None:
    experiences = [
        experience(1, recovery_s=2.0),
        experience(2, recovery_s=20.0, recovered=False),
        experience(3, recovery_s=None),
        experience(4, arm="none", recovery_s=17.0),
    ]
    lines = arm_lines([entry("loop"), entry("none")], experiences)
    loop = lines["loop"]
    assert (loop.decisions, loop.observed, loop.unrecovered) == (3, 2, 1)
    assert loop.recovery_s is not None
    assert loop.recovery_s.mean == 11.0
    assert loop.recovery_s.low <= 11.0 <= loop.recovery_s.high
    assert lines["none"].unrecovered == 0


def test_what_was_done_for_a_life_as_a_whole_is_no_recovery() -> None:
    life = msgspec.structs.replace(experience(2, recovery_s=1.0), episode="")
    line = arm_lines([entry("loop")], [experience(1, recovery_s=9.0), life])["loop"]
    assert (line.decisions, line.observed) == (1, 1)
    assert line.recovery_s is not None
    assert line.recovery_s.mean == 9.0


def test_a_corrected_outcome_counts_once_and_as_corrected() -> None:
    lines = arm_lines([entry("loop")], [experience(1, recovery_s=20.0), experience(11, recovery_s=4.0)])
    assert lines["loop"].observed == 1
    assert lines["loop"].recovery_s is not None
    assert lines["loop"].recovery_s.mean == 4.0


def test_what_is_foretold_is_no_decision_that_ended() -> None:
    early = msgspec.structs.replace(experience(2, recovery_s=None), state="early", reward=0.9)
    line = arm_lines([entry("loop")], [experience(1, recovery_s=4.0), early])["loop"]
    assert (line.decisions, line.observed) == (1, 1)


def test_the_ledgers_own_intervals_are_handed_on_as_last_written() -> None:
    told = {"recovery_s_mean": 4.0, "recovery_s_low": 1.0, "recovery_s_high": 9.0}
    line = arm_lines([entry("loop"), entry("loop", **told)], [])["loop"]
    assert set(line.anytime) == {"recovery_s", "reward"}
    assert (line.anytime["recovery_s"].mean, line.anytime["recovery_s"].high) == (4.0, 9.0)
    assert line.recovery_s is line.availability is None


@pytest.mark.parametrize("arm", ["loop", "baseline"])
def test_intervals_do_not_depend_on_the_run(arm: str) -> None:
    experiences = [experience(number, arm=arm, recovery_s=float(number)) for number in range(1, 9)]
    assert arm_lines([entry(arm)], experiences) == arm_lines([entry(arm)], experiences)
