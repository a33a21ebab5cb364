"""What categories are found to say of an outcome, and that late, wrong and absent ones do no harm."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from schemas.errors import RecoveryError
from streams.learners.category_evidence import CategoryEvidence
from tests.learners.regressor_conventions import CONVENTIONS, check_convention

Row = Mapping[str, object]


def rows(count: int, *, seed: int = 0) -> list[tuple[Row, float]]:
    """Return rows with outcomes: the team tells much, the caller, one of many, a little, and the floor nothing."""
    rng = np.random.default_rng(seed)
    found: list[tuple[Row, float]] = []
    for _ in range(count):
        team, caller, floor = int(rng.integers(4)), int(rng.integers(40)), int(rng.integers(3))
        chance = (0.2, 0.4, 0.6, 0.8)[team] + (0.15 if caller % 2 else -0.15)
        found.append(({"team": f"t{team}", "caller": caller, "floor": floor}, float(rng.random() < chance)))
    return found


def taught(model: CategoryEvidence, pairs: Sequence[tuple[Row, float]]) -> CategoryEvidence:
    for x, y in pairs:
        model.learn_one(x, y)
    return model


def chances(model: CategoryEvidence) -> list[float]:
    return [model.predict_one(x) for x, _ in rows(30, seed=9)]


def test_it_learns_what_each_category_says() -> None:
    model = taught(CategoryEvidence(), rows(4_000))
    evidence = [model.evidence({"team": f"t{team}", "floor": 1}) for team in range(4)]
    assert [one["team"] for one in evidence] == pytest.approx(
        [math.log(p / (1 - p)) for p in (0.2, 0.4, 0.6, 0.8)], abs=0.2
    )
    assert evidence[0]["floor"] == pytest.approx(0.0, abs=0.15)
    callers = [model.predict_one({"team": f"t{team}", "caller": caller}) for team, caller in ((3, 1), (0, 0))]
    assert callers == pytest.approx([0.88, 0.12], abs=0.06)


def test_what_was_never_met_says_nothing() -> None:
    model = taught(CategoryEvidence(), rows(200))
    assert model.evidence({"team": "new", "site": "new"}) == {"team": 0.0, "site": 0.0}
    assert CategoryEvidence().predict_one({"team": "t0"}) == pytest.approx(0.5)


def test_the_rate_of_what_is_rare_is_drawn_to_that_of_all() -> None:
    model = taught(CategoryEvidence(), [({"team": "often"}, 0.0)] * 97 + [({"team": "once"}, 1.0)])
    usual = 1.5 / 99
    said = (1.0 + usual) / 2
    expected = math.log(said / (1 - said)) - math.log(usual / (1 - usual))
    assert model.evidence({"team": "once"})["team"] == pytest.approx(expected)


@pytest.mark.parametrize("absent", [None, float("nan"), float("inf")])
def test_what_is_absent_says_and_teaches_nothing(absent: float | None) -> None:
    model, other = taught(CategoryEvidence(), rows(100)), taught(CategoryEvidence(), rows(100))
    assert model.evidence({"team": absent}) == {}
    model.learn_one({"team": absent, "floor": 1}, 1.0)
    other.learn_one({"floor": 1}, 1.0)
    assert model.snapshot() == other.snapshot()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1, 1.1])
def test_what_is_no_outcome_teaches_nothing(bad: float) -> None:
    model = taught(CategoryEvidence(), rows(50))
    model.decide("k", {"team": "t0"})
    before = model.snapshot()
    model.learn_one({"team": "t0"}, bad)
    assert not model.learn("k", bad)
    assert model.snapshot() == before


def test_names_and_values_are_not_mixed_up() -> None:
    model = taught(CategoryEvidence(), [({"a": "b=c"}, 1.0)] * 20 + [({"other": 1}, 0.0)] * 20)
    assert model.evidence({"a": "b=c"})["a"] > 1.0
    assert model.evidence({"a=b": "c"})["a=b"] == 0.0


def test_the_order_of_the_names_does_not_matter() -> None:
    pairs = rows(300)
    model, other = taught(CategoryEvidence(), pairs), CategoryEvidence()
    taught(other, [(dict(reversed(list(x.items()))), y) for x, y in pairs])
    assert other.snapshot() == model.snapshot()
    assert [other.predict_one(dict(reversed(list(x.items())))) for x, _ in pairs] == [
        model.predict_one(x) for x, _ in pairs
    ]


def test_the_order_in_which_late_outcomes_come_does_not_matter() -> None:
    one, other = (CategoryEvidence(half_life=100) for _ in range(2))
    pairs = rows(400)
    for model in (one, other):
        for number, (x, _) in enumerate(pairs):
            model.decide(str(number), x)
    for number, (_, y) in enumerate(pairs):
        one.learn(str(number), y)
    for number in np.random.default_rng(1).permutation(len(pairs)).tolist():
        other.learn(str(number), pairs[number][1])
    assert chances(other) == pytest.approx(chances(one), rel=1e-9)


def test_what_stood_in_for_an_outcome_is_gone_when_that_has_come() -> None:
    one, other = (CategoryEvidence(half_life=150) for _ in range(2))
    pairs = rows(400)
    for number, (x, _) in enumerate(pairs):
        for model in (one, other):
            model.decide(str(number), x)
        other.learn(str(number), 0.7)
        if number >= 200:
            for model in (one, other):
                assert model.retract(str(number - 200)) == (model is other)
                assert model.learn(str(number - 200), pairs[number - 200][1])
    for number in range(200, 400):
        other.retract(str(number))
    assert chances(other) == pytest.approx(chances(one), rel=1e-9)
    assert not math.isclose(chances(taught(CategoryEvidence(), pairs))[0], chances(one)[0])


def test_one_outcome_counts_once_and_only_of_what_is_remembered() -> None:
    model = CategoryEvidence(remembered=2)
    for key in "abc":
        model.decide(key, {"team": key})
    assert not model.learn("a", 1.0)
    assert model.learn("b", 1.0)
    assert not model.learn("b", 0.0)
    assert model.retract("b")
    assert not model.retract("b")
    assert not model.learn("never heard of", 1.0)


def test_what_was_decided_long_ago_fades_whenever_it_is_learned() -> None:
    early, late = CategoryEvidence(half_life=50), CategoryEvidence(half_life=50)
    for model in (early, late):
        model.decide("k", {"team": "t"})
        if model is early:
            model.learn("k", 1.0)
        for _ in range(200):
            model.learn_one({"other": 0}, 0.0)
        if model is late:
            model.learn("k", 1.0)
    fresh = taught(CategoryEvidence(half_life=50), [({"other": 0}, 0.0)] * 200 + [({"team": "t"}, 1.0)])
    told = [model.evidence({"team": "t"})["team"] for model in (early, late, fresh)]
    assert told[0] == pytest.approx(told[1])
    assert told[0] < told[2] - 0.5


def test_beyond_the_limit_the_category_goes_that_was_met_longest_ago() -> None:
    model = CategoryEvidence(categories=3)
    for number, team in enumerate("abcad"):
        model.decide(str(number), {"team": team})
    for number in range(5):
        model.learn(str(number), 1.0 if number < 3 else 0.5)
    model.learn_one({"all": 1}, 0.0)  # now c goes, too
    assert model.evidence({"team": "b"}) == {"team": 0.0} == model.evidence({"team": "c"})
    assert model.evidence({"team": "a"})["team"] > 0.0


def test_what_was_decided_before_a_category_was_forgotten_is_not_taken_from_it_when_it_is_back() -> None:
    model = CategoryEvidence(categories=2)
    model.decide("old", {"team": "a"})
    model.learn("old", 1.0)
    for team in "bc":
        model.learn_one({"team": team}, 0.5)
    model.learn_one({"team": "a"}, 0.0)
    before = model.evidence({"team": "a"})["team"]
    assert before < 0.0
    model.retract("old")
    assert model.evidence({"team": "a"})["team"] < 0.0


def test_the_state_is_bounded() -> None:
    model = CategoryEvidence(categories=50, remembered=20)
    for number in range(2_000):
        model.decide(str(number), {"caller": number, "call": f"{number}" * 100})
    assert len(model.snapshot()) < 5_000


def test_a_snapshot_goes_on_to_the_last_bit() -> None:
    model, again = CategoryEvidence(half_life=70), CategoryEvidence(half_life=70)
    pairs = rows(300)
    for number, (x, y) in enumerate(pairs[:200]):
        model.decide(str(number), x)
        model.learn(str(number // 2), y)
    again.restore(model.snapshot())
    for one in (model, again):
        for number, (x, y) in enumerate(pairs[200:], start=200):
            one.decide(str(number), x)
            one.retract(str(number - 150))
            one.learn(str(number - 150), y)
    assert again.snapshot() == model.snapshot()
    assert chances(again) == chances(model)


def test_a_snapshot_of_another_version_is_refused() -> None:
    snapshot = CategoryEvidence().snapshot().replace(b"\xa7version\x01", b"\xa7version\x63")
    with pytest.raises(RecoveryError, match="version 1, got 99"):
        CategoryEvidence().restore(snapshot)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_it_does_what_river_asks_of_a_regressor(name: str) -> None:
    check_convention(name, CategoryEvidence())


@pytest.mark.parametrize(
    "given",
    [{"weight": 0.0}, {"weight": -1.0}, {"weight": float("nan")}, {"weight": float("inf")}, {"half_life": 0},
     {"categories": 0}, {"remembered": 0}],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be"):
        CategoryEvidence(**given)  # type: ignore[arg-type]


def test_however_small_the_weight_a_chance_is_finite() -> None:
    evidence = CategoryEvidence(weight=1e-15)
    for _ in range(200):
        evidence.learn_one({"a": "x"}, 1.0)
    assert 0.99 < evidence.predict_one({"a": "x"}) <= 1.0


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("text", ["nan", "inf"])
def test_what_is_not_finite_is_absent_whatever_its_type(kind: type, text: str) -> None:
    assert CategoryEvidence().evidence({"a": kind(text), "b": kind(1.5), "c": 10**400}).keys() == {"b", "c"}


def test_a_decision_that_comes_twice_counts_once() -> None:
    once, twice = CategoryEvidence(), CategoryEvidence()
    for evidence, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            evidence.decide("k", {"a": 1})
            evidence.learn("k", 1.0)
    assert twice.snapshot() == once.snapshot()
