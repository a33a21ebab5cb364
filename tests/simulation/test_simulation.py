import pytest

from schemas.events import Episode, Proposal, Recurrence, Verdict
from tests.simulation.judged import TELEMETRY_EVENTS, driver_of, evidence_of, judge
from tests.simulation.run import judge_all

SEEDS = 300
CHUNK = 25
"""Seeds of one test: tests run side by side."""
SOAK_SEEDS = 5_000
OPPOSITE_CLOCKS = 300_049
"""`decide` and the gate start 6.5 s apart, each within what is tolerated: the gate denies everything while they are."""
PAUSED_SEEDS = 3
HEARD_US = 1_000_000
"""By then the policy has heard of a pause, however late roles hear of each other."""
WITNESSES = range(40)
"""Seeds among which at least one must notice a missing safeguard."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_holds_under_every_seed(first: int) -> None:
    broken = [str(judged) for seed in range(first, first + CHUNK) if not (judged := judge(seed)).ok]
    assert not broken, "\n".join(broken)


def test_processes_started_under_clocks_that_differ_agree_once_those_are_set_right() -> None:
    judged = judge(OPPOSITE_CLOCKS)
    assert judged.ok, str(judged)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_every_promise_holds_under_thousands_of_seeds() -> None:
    broken = [str(judged) for judged in judge_all(range(SEEDS, SEEDS + SOAK_SEEDS)) if not judged.ok]
    assert not broken, "\n".join(broken)


def test_what_comes_while_a_person_has_paused_the_loop_is_acted_on_after_that_unless_it_is_over() -> None:
    acted, over = 0, 0
    for seed in [seed for seed in WITNESSES if driver_of(seed).plan.pauses][:PAUSED_SEEDS]:
        driver = driver_of(seed)
        paused_us, resumed_us = (driver.settings.start_us + us for us in driver.plan.pauses[0])
        driver.run(telemetry_events=TELEMETRY_EVENTS)
        evidence = evidence_of(driver, seed)
        came = {one.episode for one in evidence.events(Recurrence) if paused_us + HEARD_US < one.time_us < resumed_us}
        proposals = [one for one in evidence.events(Proposal) if one.episode in came]
        assert all(one.time_us > resumed_us - HEARD_US for one in proposals)
        closed = {one.episode for one in evidence.events(Episode) if one.phase == "closed"}
        assert came - {one.episode for one in proposals} <= closed
        acted += len(came & {one.proposal.episode for one in evidence.events(Verdict) if one.action})
        over += len(came - {one.episode for one in proposals})
    assert acted > 0
    assert over > 0


def test_without_the_fence_some_seed_breaks_a_promise() -> None:
    assert any(not judge(seed, fencing=False).ok for seed in WITNESSES)


def test_without_the_duplicate_filter_some_seed_breaks_a_promise() -> None:
    assert any(not judge(seed, filter_duplicates=False).ok for seed in WITNESSES)


def test_a_seed_that_breaks_a_promise_says_how_to_run_it_again() -> None:
    broken = next(judged for seed in WITNESSES if not (judged := judge(seed, fencing=False)).ok)
    assert f"python -m tests.simulation.run --seed {broken.seed}" in str(broken)
