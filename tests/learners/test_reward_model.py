import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.learners.reward_model import RewardModel, RewardModelSettings

X = (1.0, 0.5)
ACTIONS = ("a", "b")


def fresh(**settings: float | int) -> RewardModel:
    return RewardModel(RewardModelSettings(**settings), dimensions=2)  # type: ignore[arg-type]


def predictions(model: RewardModel) -> list[float]:
    return [value for pattern in ("p", "q", "new") for value in model.predict(pattern, ACTIONS, X).values()]


def test_it_learns_what_each_action_earns_on_each_pattern() -> None:
    model = fresh()
    for n in range(40):
        model.learn(f"1{n}", "p", "a", X, 0.8)
        model.learn(f"2{n}", "p", "b", X, 0.1)
        model.learn(f"3{n}", "q", "a", X, 0.0)
    assert model.predict("p", ACTIONS, X) == pytest.approx({"a": 0.8, "b": 0.1}, abs=0.06)
    assert model.predict("q", ["a"], X)["a"] < 0.1


def test_a_new_pattern_starts_from_what_the_actions_earn_elsewhere() -> None:
    model = fresh()
    for n in range(40):
        model.learn(f"1{n}", "p", "a", X, 0.9)
        model.learn(f"2{n}", "p", "b", X, 0.1)
    assert model.predict("new", ACTIONS, X) == pytest.approx({"a": 0.9, "b": 0.1}, abs=0.06)
    assert model.evidence("new") == 0.0


def test_it_follows_the_features() -> None:
    model, draw = fresh(forgetting=1.0, slope_weight=1.0), np.random.default_rng(1)
    for n, value in enumerate(draw.uniform(-1, 1, 300).tolist()):
        model.learn(str(n), "p", "a", (1.0, value), 0.4 + 0.3 * value)
    assert model.predict("p", ["a"], (1.0, 1.0))["a"] == pytest.approx(0.7, abs=0.02)
    assert model.predict("p", ["a"], (1.0, -1.0))["a"] == pytest.approx(0.1, abs=0.02)


def test_what_was_not_tried_for_long_returns_to_its_prior() -> None:
    model = fresh(forgetting=0.9)
    for n in range(10):
        model.learn(f"b{n}", "p", "b", X, 0.0)
    for n in range(10):
        model.learn(f"q{n}", "q", "b", X, 0.9)  # meanwhile b earns much elsewhere
    before = model.predict("p", ["b"], X)["b"]
    for n in range(60):
        model.learn(f"a{n}", "p", "a", X, 0.3)
    assert before < 0.2
    assert model.predict("p", ["b"], X)["b"] > 0.5


def test_one_observation_counts_once() -> None:
    once, twice = fresh(), fresh()
    for model in (once, twice):
        assert model.learn("k", "p", "a", X, 0.4)
    assert not twice.learn("k", "p", "a", X, 0.4)
    assert once.snapshot() == twice.snapshot()


OBSERVATIONS = st.lists(
    st.tuples(st.sampled_from("pq"), st.sampled_from("ab"), st.floats(-1, 1), st.floats(-1, 1)), max_size=12
)


@given(OBSERVATIONS, OBSERVATIONS)
def test_taking_an_observation_out_leaves_what_the_others_taught(
    before: list[tuple[str, str, float, float]], after: list[tuple[str, str, float, float]]
) -> None:
    """Every observation fades the others, a retracted one too: so the reference takes it out at once."""
    model, reference = fresh(forgetting=0.9), fresh(forgetting=0.9)
    for n, (pattern, action, x, reward) in enumerate(before):
        for one in (model, reference):
            one.learn(f"b{n}", pattern, action, (1.0, x), reward)
    model.learn("wrong", "p", "a", (1.0, 0.3), 1.0)
    for n, (pattern, action, x, reward) in enumerate(after):
        model.learn(f"a{n}", pattern, action, (1.0, x), reward)
    assert model.retract("wrong")
    assert not model.retract("wrong")
    reference.learn("wrong", "p", "a", (1.0, 0.3), 1.0)
    reference.retract("wrong")
    for n, (pattern, action, x, reward) in enumerate(after):
        reference.learn(f"a{n}", pattern, action, (1.0, x), reward)
    assert predictions(model) == pytest.approx(predictions(reference), abs=1e-9)


@given(OBSERVATIONS, OBSERVATIONS)
def test_a_restored_model_goes_on_to_the_last_bit(
    before: list[tuple[str, str, float, float]], after: list[tuple[str, str, float, float]]
) -> None:
    model, copy = fresh(), fresh()
    for n, (pattern, action, x, reward) in enumerate(before):
        model.learn(f"b{n}", pattern, action, (1.0, x), reward)
    copy.restore(model.snapshot())
    for one in (model, copy):
        for n, (pattern, action, x, reward) in enumerate(after):
            one.learn(f"a{n}", pattern, action, (1.0, x), reward)
    assert copy.snapshot() == model.snapshot()
    assert predictions(copy) == predictions(model)


def test_it_stays_bounded() -> None:
    model = fresh(patterns=5, remembered=10)
    sizes = set()
    for n in range(200):
        model.learn(f"{n:04d}", f"p{n:04d}", "a", X, 0.5)
        if n >= 150:
            sizes.add(len(model.snapshot()) // 100)
    assert len(sizes) == 1
    assert not model.retract("0001")


def test_how_much_it_rests_on_does_not_depend_on_the_order_in_which_actions_were_tried() -> None:
    for seed in range(20):
        model, restored, draw = fresh(), fresh(), np.random.default_rng(seed)
        for n, action in enumerate(draw.choice(list("edcba"), size=40)):
            model.learn(str(n), "p", str(action), X, 0.5)
        restored.restore(model.snapshot())
        assert restored.evidence("p") == model.evidence("p")
