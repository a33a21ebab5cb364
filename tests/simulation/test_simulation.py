import pytest

from tests.simulation.judged import judge
from tests.simulation.run import judge_all

SEEDS = 300
CHUNK = 25
"""Seeds of one test: tests run side by side."""
SOAK_SEEDS = 5_000
WITNESSES = range(40)
"""Seeds among which at least one must notice a missing safeguard."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_holds_under_every_seed(first: int) -> None:
    broken = [str(judged) for seed in range(first, first + CHUNK) if not (judged := judge(seed)).ok]
    assert not broken, "\n".join(broken)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_every_promise_holds_under_thousands_of_seeds() -> None:
    broken = [str(judged) for judged in judge_all(range(SEEDS, SEEDS + SOAK_SEEDS)) if not judged.ok]
    assert not broken, "\n".join(broken)


def test_without_the_fence_some_seed_breaks_a_promise() -> None:
    assert any(not judge(seed, fencing=False).ok for seed in WITNESSES)


def test_without_the_duplicate_filter_some_seed_breaks_a_promise() -> None:
    assert any(not judge(seed, filter_duplicates=False).ok for seed in WITNESSES)


def test_a_seed_that_breaks_a_promise_says_how_to_run_it_again() -> None:
    broken = next(judged for seed in WITNESSES if not (judged := judge(seed, fencing=False)).ok)
    assert f"python -m tests.simulation.run --seed {broken.seed}" in str(broken)
