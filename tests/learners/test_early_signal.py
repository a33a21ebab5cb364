"""What is foretold from an early signal, how valid it is said to be, and when the relation is told to have drifted."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pytest

from schemas.errors import RecoveryError
from streams.learners.early_signal import LEAST, EarlySignal, Validity

Floats = npt.NDArray[np.float64]
Pairs = Iterable[tuple[float, float]]
Relation = Callable[[np.random.Generator, int], tuple[Floats, Floats]]


def told(early: EarlySignal, pairs: Pairs) -> list[int]:
    """Learn pairs, and return at which of them a drift was told."""
    return [number for number, (signal, outcome) in enumerate(pairs) if early.learn(signal, outcome)]


def straight(rng: np.random.Generator, pairs: int) -> tuple[Floats, Floats]:
    signals = rng.normal(size=pairs)
    return signals, 2.0 * signals + 0.5 * rng.normal(size=pairs)


def coins(rng: np.random.Generator, pairs: int) -> tuple[Floats, Floats]:
    """Return 0/1 signals of 0/1 outcomes: kept by 90 % of those with the signal, by 30 % of the others."""
    signals = (rng.random(pairs) < 0.5).astype(float)
    return signals, (rng.random(pairs) < 0.3 + 0.6 * signals).astype(float)


def unrelated(rng: np.random.Generator, pairs: int) -> tuple[Floats, Floats]:
    return rng.normal(size=pairs), rng.lognormal(size=pairs)


def wandering(rng: np.random.Generator, pairs: int) -> tuple[Floats, Floats]:
    """Return signals that lie ever elsewhere, of a relation that stays."""
    signals = np.linspace(0.0, 3.0, pairs) + rng.normal(size=pairs)
    return signals, np.sin(signals) + 0.5 * rng.normal(size=pairs)


RELATIONS: dict[str, Relation] = {
    "straight": straight, "coins": coins, "unrelated": unrelated, "wandering": wandering,
}  # fmt: skip


def pairs_of(relation: Relation, seed: int, pairs: int) -> list[tuple[float, float]]:
    signals, outcomes = relation(np.random.default_rng(seed), pairs)
    return list(zip(signals.tolist(), outcomes.tolist(), strict=True))


def learned(relation: Relation, *, seed: int = 0, pairs: int = 800) -> EarlySignal:
    early = EarlySignal()
    told(early, pairs_of(relation, seed, pairs))
    return early


def test_nothing_is_foretold_before_enough_pairs_are_known() -> None:
    early = EarlySignal()
    for _ in range(LEAST):
        assert early.expect(1.0) is None
        early.learn(1.0, 0.5)
    assert early.expect(1.0) == pytest.approx(0.5)


def test_a_numeric_signal_foretells_the_outcomes_of_its_neighbours() -> None:
    early = learned(straight)
    for signal in (-1.0, 0.0, 1.0):
        assert early.expect(signal) == pytest.approx(2.0 * signal, abs=0.1)


def test_a_signal_of_two_values_foretells_the_mean_of_each_however_rare_it_is() -> None:
    early = learned(coins)
    assert [early.expect(signal) for signal in (0.0, 1.0)] == pytest.approx([0.3, 0.9], abs=0.06)
    rare = EarlySignal()
    told(rare, [(0.0, 0.0)] * 900 + [(1.0, 1.0)] * 9)
    assert rare.expect(0.0) == pytest.approx(0.0, abs=0.001)
    assert rare.expect(1.0) == pytest.approx((9 + 9 / 909) / 10)


def test_beyond_what_was_seen_it_foretells_what_it_does_at_the_edge() -> None:
    early = learned(straight)
    assert early.expect(1e6) == pytest.approx(early.expect(4.0), abs=0.5)
    two = learned(coins)
    assert two.expect(7.0) == two.expect(1.0)


@pytest.mark.parametrize("unit", [1e-6, 3_600.0])
def test_units_do_not_matter(unit: float) -> None:
    plain, scaled = EarlySignal(), EarlySignal()
    for signal, outcome in pairs_of(straight, 0, 300):
        plain.learn(signal, outcome)
        scaled.learn(unit * signal, outcome)
    assert scaled.expect(unit * 0.5) == pytest.approx(plain.expect(0.5))
    assert scaled.validity.explained == pytest.approx(plain.validity.explained)


def test_validity_is_the_share_of_the_variance_foretold_before_it_was_known() -> None:
    assert learned(straight).validity.explained == pytest.approx(1 - 0.25 / 4.25, abs=0.01)
    assert learned(straight).validity.pairs == 800 - LEAST
    assert learned(coins).validity.explained == pytest.approx(0.09 / 0.24, abs=0.06)
    assert learned(unrelated).validity.explained == pytest.approx(0.0, abs=0.05)
    assert EarlySignal().validity == Validity(0.0, 0)


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_that_stays_does_not_drift(relation: str) -> None:
    for seed in range(3):
        assert told(EarlySignal(), pairs_of(RELATIONS[relation], seed, 3_000)) == []


@pytest.mark.parametrize("relation", [straight, coins])
def test_a_relation_that_turns_around_is_told_once_and_learned_afresh(relation: Relation) -> None:
    for seed in range(5):
        early = learned(relation, seed=seed)
        top = max(outcome for _, outcome in pairs_of(relation, seed, 10))
        turned = [(signal, top - outcome) for signal, outcome in pairs_of(relation, seed + 100, 800)]
        (place,) = told(early, turned)
        assert place < 150
        low, high = early.expect(0.0), early.expect(1.0)
        assert low is not None
        assert high is not None
        assert high < low - 0.4
        assert early.validity.pairs == 800 - place - LEAST


def test_outcomes_that_come_to_lie_elsewhere_are_told() -> None:
    early = learned(straight)
    (place,) = told(early, [(signal, outcome + 1.5) for signal, outcome in pairs_of(straight, 1, 400)])
    assert place < 100


def test_chances_that_change_are_told_though_each_outcome_lies_as_far_away() -> None:
    rng = np.random.default_rng(2)
    even, mostly = ((rng.random(600) < chance).astype(float).tolist() for chance in (0.5, 0.9))
    early = EarlySignal()
    assert told(early, [(0.0, outcome) for outcome in even]) == []
    assert len(told(early, [(0.0, outcome) for outcome in mostly])) == 1


def test_it_is_said_how_outcomes_left_the_relation() -> None:
    early = learned(straight)
    pairs = [(signal, outcome + 1.5) for signal, outcome in pairs_of(straight, 1, 400)]
    (drift,) = [early.drift for pair in pairs if early.learn(*pair)]
    assert drift is not None
    assert drift.kind == "error"
    assert drift.before == pytest.approx(0.0, abs=0.1)
    assert drift.after == pytest.approx(1.5, abs=0.3)
    assert early.drift is None


def test_an_outcome_that_gets_surer_is_no_drift() -> None:
    early = learned(straight)
    assert told(early, [(signal, 2.0 * signal) for signal, _ in pairs_of(straight, 1, 800)]) == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e200])
def test_what_is_not_finite_teaches_and_foretells_nothing(bad: float) -> None:
    early = learned(straight)
    before = early.snapshot()
    assert not early.learn(bad, 1.0)
    assert not early.learn(1.0, bad)
    assert early.expect(bad) is None
    assert early.snapshot() == before


def test_only_the_latest_pairs_count() -> None:
    early, fresh = EarlySignal(limit=50), EarlySignal()
    pairs = pairs_of(coins, 0, 200)
    told(early, pairs)
    told(fresh, pairs[-50:])
    assert early.expect(0.0) == fresh.expect(0.0) != learned(coins, pairs=200).expect(0.0)


def test_a_limit_below_what_is_needed_is_refused() -> None:
    with pytest.raises(ValueError, match="limit must be at least 20 pairs, got 5"):
        EarlySignal(limit=5)


def test_a_snapshot_goes_on_to_the_last_bit() -> None:
    early, again = learned(straight, pairs=1_200), EarlySignal()
    again.restore(early.snapshot())
    turned = [(signal, -outcome) for signal, outcome in pairs_of(straight, 5, 300)]
    assert told(again, turned) == told(early, turned) != []
    assert again.snapshot() == early.snapshot()


def test_a_snapshot_of_another_version_is_refused() -> None:
    snapshot = learned(straight).snapshot().replace(b"\xa7version\x01", b"\xa7version\x63")
    with pytest.raises(RecoveryError, match="version 1, got 99"):
        EarlySignal().restore(snapshot)
