import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecoveryError
from streams.learners.bandit import explore
from streams.learners.reward_model import RewardModel
from streams.learners.reward_settings import RewardModelSettings
from tests.learners.regressor_conventions import CONVENTIONS, check_convention

X = {"load": 0.5}
ACTIONS = ("a", "b")


def fresh(**given: float | int) -> RewardModel:
    return RewardModel(RewardModelSettings(**given))  # type: ignore[arg-type]


def lived(model: RewardModel, action: str, reward: float, *, pattern: str | None = None, times: int = 40) -> None:
    for _ in range(times):
        model.learn_one(X, reward, action=action, pattern=pattern)


def expectations(model: RewardModel) -> list[float]:
    return [model.predict_one(X, action=action, pattern=pattern) for action in "abc" for pattern in ("p", "q", None)]


def test_it_learns_what_each_action_earns_on_each_pattern() -> None:
    model = fresh()
    for _ in range(40):
        lived(model, "a", 0.8, pattern="p", times=1)
        lived(model, "b", 0.1, pattern="p", times=1)
        lived(model, "a", 0.0, pattern="q", times=1)
    assert model.predict_one(X, action="a", pattern="p") == pytest.approx(0.8, abs=0.06)
    assert model.predict_one(X, action="b", pattern="p") == pytest.approx(0.1, abs=0.06)
    assert model.predict_one(X, action="a", pattern="q") < 0.1


def test_a_new_pattern_starts_from_what_the_actions_earn_on_others_like_it() -> None:
    model = fresh()
    for n in range(60):
        hot = float(n % 2)
        model.learn_one({"heat": hot}, 0.9 if hot else 0.1, action="a", pattern=f"p{n % 2}")
        model.learn_one({"heat": hot}, 0.5, action="b", pattern=f"p{n % 2}")
    assert model.predict_one({"heat": 1.0}, action="a", pattern="new") == pytest.approx(0.9, abs=0.08)
    assert model.predict_one({"heat": 0.0}, action="a", pattern="new") == pytest.approx(0.1, abs=0.08)
    assert model.predict_one({"heat": 1.0}, action="b", pattern="new") == pytest.approx(0.5, abs=0.08)


def test_a_new_action_starts_from_its_prior() -> None:
    model = RewardModel(RewardModelSettings(prior=0.7), {"dear": 0.4})
    outlook = model.decide("k", X, actions=("cheap", "dear"))
    assert outlook.means == pytest.approx([0.7, 0.4])
    assert outlook.evidence == 0.0
    lived(model, "cheap", 0.2)
    assert model.predict_one(X, action="dear") == pytest.approx(0.4)
    assert model.predict_one(X, action="never heard of") == pytest.approx(0.7)


def test_it_follows_the_features() -> None:
    model, draw = fresh(), np.random.default_rng(1)
    for value in draw.uniform(-1, 1, 400).tolist():
        model.learn_one({"load": value}, 0.4 + 0.3 * value)
    assert model.predict_one({"load": 0.8}) == pytest.approx(0.64, abs=0.05)
    assert model.predict_one({"load": -0.8}) == pytest.approx(0.16, abs=0.05)


def test_a_changed_world_is_learned_anew_within_some_dozen_decisions() -> None:
    model = fresh()
    for n in range(2_000):
        model.learn_one(X, 0.9 if n % 2 else 0.2, action=ACTIONS[n % 2])
    for n in range(120):
        model.learn_one(X, 0.2 if n % 2 else 0.9, action=ACTIONS[n % 2])
    assert model.predict_one(X, action="a") > model.predict_one(X, action="b") + 0.3


def test_what_was_hardly_tried_is_less_sure() -> None:
    model = fresh()
    for number in range(200):
        model.learn_one({"load": number % 5 / 5}, number % 2 / 2, action="a" if number % 20 else "b")
    often, rarely, never = model.decide("k", {"load": 0.4}, actions=("a", "b", "c")).spreads
    assert 0.0 < often < rarely < never


def test_a_new_action_is_found_in_a_world_without_noise() -> None:
    model, actions = RewardModel(RewardModelSettings(), {"new": 0.4}), ("a", "b", "new")
    for number in range(400):
        lived(model, ACTIONS[number % 2], 0.5 - 0.2 * (number % 2), times=1)
    outlook = model.decide("k", X, actions=actions)
    assert outlook.spreads[0] < 0.05
    assert 0.25 < outlook.spreads[2] <= 0.5
    assert explore(actions, outlook, gamma=64.0, optimism=0.7, floor=0.05)["new"] > 0.9


def test_evidence_is_of_the_eligible_actions_alone() -> None:
    model = fresh(actions=2)
    for action, times in (("a", 30), ("b", 5)):
        for number in range(times):
            model.decide(f"{action}{number}", X, actions=ACTIONS, pattern="p")
            model.learn(f"{action}{number}", action, 0.5)
    for pattern in ("p", None):
        both, one = (model.decide("k", X, actions=some, pattern=pattern).evidence for some in (ACTIONS, ("b",)))
        assert 2.0 < one <= 5.0
        assert one < both - 10.0
    assert model.decide("k", X, actions=("b", "in place of a")).evidence <= 5.0


def test_a_correction_takes_out_what_was_learned_though_priors_changed_since() -> None:
    before, after = RewardModel(None, {"a": 0.4}), RewardModel(None, {"a": 0.6})
    before.decide("k", X, actions=ACTIONS, pattern="p")
    before.learn("k", "a", 0.9)
    after.restore(before.snapshot())
    assert after.retract("k")
    assert after.predict_one(X, action="a", pattern="p") == pytest.approx(0.6)


def test_the_first_features_keep_their_places() -> None:
    model = RewardModel(RewardModelSettings(features=4, first_features=("severity",)))
    model.decide("k", {f"mean:{number:02d}": 0.5 for number in range(40)}, actions=ACTIONS)
    for number in range(200):
        many = {f"mean:{n:02d}": 0.5 for n in range(40)}
        model.learn_one(many | {"severity": number % 2 - 0.5}, float(number % 2), action="a")
    low, high = (model.predict_one({"severity": severity}, action="a") for severity in (-0.5, 0.5))
    assert high - low > 0.8


def test_the_outlook_on_some_actions_is_as_if_these_alone_had_been_asked_about() -> None:
    whole, alone = (RewardModel(RewardModelSettings(), {"c": 0.4}) for _ in range(2))
    for model in (whole, alone):
        for action, reward in (("a", 0.9), ("b", 0.2), ("c", 0.5)):
            lived(model, action, reward, pattern="p", times=7)
    some = ("a", "c")
    seen = whole.decide("k", X, actions=(*"abc",), pattern="p")
    asked = alone.decide("k", X, actions=some, pattern="p")
    for one, other in zip(whole.outlook("k", some), asked, strict=True):
        assert np.array_equal(one, other)
    assert asked.evidence < seen.evidence
    with pytest.raises(ValueError, match="a decision just made and some of its actions, got k and "):
        whole.outlook("k", ("a", "x"))
    with pytest.raises(ValueError, match="got other and "):
        whole.outlook("other", some)


def test_an_action_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="each action once, got a, b, a"):
        fresh().decide("k", X, actions=("a", "b", "a"))


def test_what_really_ran_is_learned_not_what_was_asked_about() -> None:
    model = fresh()
    for number in range(30):
        model.decide(f"k{number}", X, actions=ACTIONS)
        assert model.learn(f"k{number}", "none", 0.9)
    assert model.predict_one(X, action="none") > 0.8
    assert model.predict_one(X, action="a") == 0.0


def test_one_outcome_counts_once() -> None:
    model = fresh()
    model.decide("k", X, actions=ACTIONS)
    assert model.learn("k", "a", 0.4)
    before = model.snapshot()
    assert not model.learn("k", "a", 0.4)
    assert not model.learn("unheard of", "a", 0.4)
    assert model.snapshot() == before


TOLD = st.lists(
    st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.floats(-1, 1), st.floats(-1, 1)), max_size=40
)
Story = list[tuple[str, str, float, float]]
BELIEF = 0.05
"""By how much a mean may differ with the shares of the models: they go by what was known at each decision."""
FORGOTTEN = 1_100
"""Decisions after which nothing is left (a factor of 1e-9) of what was expected before."""


def seeded(length: int, seed: int = 6) -> Story:
    rng = np.random.default_rng(seed)
    loads = rng.uniform(-1, 1, length)
    rewards = (rng.random(length) < 0.5 + 0.3 * loads).astype(float)
    names = zip(rng.choice(list("pq"), length), rng.choice(list("ab"), length), strict=True)
    return [(*map(str, one), load, reward) for one, load, reward in zip(names, loads.tolist(), rewards, strict=True)]


def live(model: RewardModel, told: Story, lags: list[int], *, default: dict[int, float] | None = None) -> None:
    """Decide all of a story; the outcome of each decision comes so many decisions later, with a default until then."""
    due: dict[int, list[int]] = {}
    for number, lag in enumerate(lags):
        due.setdefault(number + lag, []).append(number)
    for number in range(len(told) + max(lags, default=0)):
        if number < len(told):
            pattern, action, load, _ = told[number]
            model.decide(str(number), {"load": load}, actions=ACTIONS, pattern=pattern)
            if default and number in default:
                model.learn(str(number), action, default[number])
        for one in due.get(number, ()):
            model.retract(str(one))
            model.learn(str(one), told[one][1], told[one][3])


def learned(model: RewardModel, *, actions: int = 3) -> np.ndarray:
    """Return all numbers of the regressions and the offsets, of so many actions."""
    state = msgspec.msgpack.decode(model.snapshot())
    room = actions * len(set(RewardModelSettings().own_forgetting)) * (2 + state["bank"][1]) * 8
    sums = sorted((pattern, one["sums"].ljust(room, b"\0")) for pattern, one in state["offsets"])
    return np.concatenate([np.frombuffer(part) for part in (*state["bank"][3:], *(some for _, some in sums))])


@settings(max_examples=60, deadline=None)
@given(TOLD, st.data())
def test_outcomes_in_whatever_order_give_the_same_regressions_and_offsets(told: Story, data: st.DataObject) -> None:
    in_time, late = fresh(), fresh()
    lags = data.draw(st.lists(st.integers(0, 30), min_size=len(told), max_size=len(told)))
    live(in_time, told, [0] * len(told))
    live(late, told, lags)
    np.testing.assert_allclose(learned(late), learned(in_time), rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(TOLD, st.integers(0, 39), st.integers(0, 40), st.floats(-1, 1))
def test_a_correction_undoes_what_the_default_taught(told: Story, place: int, stood: int, default: float) -> None:
    """The other has the right outcome from the beginning."""
    corrected, right = fresh(), fresh()
    lags = [0] * len(told)
    live(right, told, lags)
    if place < len(told):
        lags[place] = min(stood, len(told) - 1 - place)
    live(corrected, told, lags, default={place: default})
    np.testing.assert_allclose(learned(corrected), learned(right), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("lags", "default"),
    [([5] * 100, None), ([n % 17 for n in range(100)], None), ([0] * 30 + [40] + [0] * 69, {30: 0.0})],
)
def test_what_is_expected_hardly_depends_on_when_outcomes_came_and_in_the_end_not_at_all(
    lags: list[int], default: dict[int, float] | None
) -> None:
    in_time, late, told = fresh(), fresh(), seeded(100)
    live(in_time, told, [0] * len(told))
    live(late, told, lags, default=default)
    assert expectations(late) == pytest.approx(expectations(in_time), abs=BELIEF)
    for model in (in_time, late):
        live(model, seeded(FORGOTTEN, 7), [0] * FORGOTTEN)
    assert expectations(late) == pytest.approx(expectations(in_time), rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(TOLD, st.integers(0, 40))
def test_a_restored_model_goes_on_to_the_last_bit(told: Story, cut: int) -> None:
    model, copy = fresh(remembered=10), fresh(remembered=10)

    def go_on(target: RewardModel, number: int) -> None:
        pattern, action, load, reward = told[number]
        target.decide(str(number), {"load": load, action: 1.0}, actions=ACTIONS, pattern=pattern)
        target.learn(str(max(0, number - 3)), action, reward)

    for number in range(min(cut, len(told))):
        go_on(model, number)
    copy.restore(model.snapshot())
    for number in range(min(cut, len(told)), len(told)):
        go_on(model, number)
        go_on(copy, number)
    assert copy.snapshot() == model.snapshot()


def test_a_restored_model_takes_in_and_gives_away_places_alike() -> None:
    model, copy = fresh(actions=3), fresh(actions=3)
    model.decide("1", X, actions=("a", "c"))
    model.decide("2", X, actions=("a", "b", "c"))
    copy.restore(model.snapshot())
    for one in (model, copy):
        one.decide("3", X, actions=("a", "b", "c"))
        one.decide("4", X, actions=("d",))
    assert copy.snapshot() == model.snapshot()


def test_a_snapshot_of_another_version_is_refused() -> None:
    state = msgspec.msgpack.decode(fresh().snapshot())
    state["version"] = 0
    with pytest.raises(RecoveryError, match="version 2, got 0"):
        fresh().restore(msgspec.msgpack.encode(state))


def test_a_snapshot_of_other_models_is_refused() -> None:
    model = fresh()
    lived(model, "a", 0.5, pattern="p")
    for models in (RewardModelSettings().models[:3], RewardModelSettings().models * 2):
        with pytest.raises(RecoveryError, match=f"must be of {len(models)} models"):
            RewardModel(RewardModelSettings(models=models)).restore(model.snapshot())


@pytest.mark.parametrize("first", [(), ("load", "severity")])
def test_before_the_first_decision_the_prior_is_expected(first: tuple[str, ...]) -> None:
    model = RewardModel(RewardModelSettings(first_features=first, prior=0.3), {"b": 0.2})
    assert model.predict_one(X, action="a", pattern="p") == 0.3
    assert model.predict_many(np.zeros((2, len(first))), actions=ACTIONS).tolist() == [[0.3, 0.2]] * 2


@pytest.mark.parametrize("width", [0, 2, 40])
def test_rows_that_have_not_a_number_for_each_feature_are_refused_and_change_nothing(width: int) -> None:
    model = fresh()
    lived(model, "a", 0.5)
    before = model.snapshot()
    with pytest.raises(ValueError, match="rows of 1 features"):
        model.learn_many(np.zeros((2, width)), [0.5, 0.5], actions=("a", "b"))
    assert model.snapshot() == before


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_teaches_nothing_and_breaks_nothing(bad: float) -> None:
    model = fresh()
    lived(model, "a", 0.5)
    model.decide("k", {"load": bad, "new": bad}, actions=ACTIONS)
    assert not model.learn("k", "a", bad)
    assert model.learn("k", "a", 0.5)
    model.learn_one(X, bad, action="a")
    assert model.predict_one({"load": bad}, action="a") == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("broken", [1e9, -1e300, 2.1])
def test_what_no_reward_can_be_teaches_nothing(broken: float) -> None:
    model = fresh()
    lived(model, "a", 0.5)
    before = model.snapshot()
    lived(model, "a", broken)
    assert model.snapshot() == before
    model.decide("k", X, actions=ACTIONS)
    assert not model.learn("k", "a", broken)
    assert model.learn("k", "a", -2.0)


def test_many_rows_are_learned_and_foretold_like_one() -> None:
    rng = np.random.default_rng(2)
    rows, rewards = rng.normal(0, 1, (90, 3)), rng.random(90).tolist()
    actions = [ACTIONS[n % 2] for n in range(90)]
    one, many, parts = fresh(), fresh(), fresh()
    named = [dict(zip("xyz", row, strict=True)) for row in rows.tolist()]
    for model in (many, parts):
        model.learn_one(named[0], rewards[0], action=actions[0])
    for x, reward, action in zip(named, rewards, actions, strict=True):
        one.learn_one(x, reward, action=action)
    many.learn_many(rows[1:], rewards[1:], actions=actions[1:])
    for start, stop in pairwise([1, 2, 30, 90]):
        parts.learn_many(rows[start:stop], rewards[start:stop], actions=actions[start:stop])
    assert one.snapshot() == many.snapshot() == parts.snapshot()
    expected = [[one.predict_one(x, action=action) for action in ACTIONS] for x in named]
    assert many.predict_many(rows, actions=ACTIONS).tolist() == expected


def test_the_place_of_the_action_that_was_not_eligible_for_longest_is_given_away() -> None:
    model = fresh(actions=2)
    model.decide("k", X, actions=("a",), pattern="p")
    model.learn("k", "a", 1.0)
    lived(model, "b", 0.5)
    lived(model, "c", 0.5)
    assert model.predict_one(X, action="a", pattern="p") == 0.0
    assert model.predict_one(X, action="c") > 0.4
    assert not model.retract("k")
    with pytest.raises(ValueError, match="at most 2 actions at once, got 3"):
        model.decide("l", X, actions=("a", "b", "c"))


def test_it_stays_bounded() -> None:
    model = fresh(patterns=5, remembered=10, features=4, actions=6)
    sizes = set()
    for number in range(200):
        key = f"{number:04d}"
        x = {"load": 0.5, f"new-{key}": 1.0}
        model.decide(key, x, actions=(f"action-{key}",), pattern=f"p{key}")
        model.learn(key, f"action-{key}", 0.5)
        if number >= 150:
            sizes.add(len(model.snapshot()) // 200)
    assert len(sizes) == 1
    assert not model.retract("0001")


@pytest.mark.parametrize("name", CONVENTIONS)
def test_it_keeps_the_conventions_of_river(name: str) -> None:
    check_convention(name, RewardModel())
