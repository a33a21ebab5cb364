import numpy as np
import pytest

from schemas.errors import RecoveryError
from streams.learners.kernels.mixes import PRIOR_VARIANCE
from streams.learners.model_mix import ModelMix


def mix(fading: float = 0.99) -> ModelMix:
    return ModelMix(2, trust=4.0, fading=fading)


def test_shares_are_the_softmax_of_the_faded_squared_errors() -> None:
    made = mix()
    made.learn(np.array([0.5, 0.0]), 1.0, decided=1, now=1)
    made.learn(np.array([0.2, 0.1]), 0.0, decided=2, now=2)
    errors = np.array([0.99 * 0.25 + 0.04, 0.99 * 1.0 + 0.01])
    expected = np.exp(-4.0 * errors) / np.exp(-4.0 * errors).sum()
    assert made.shares == pytest.approx(expected)
    assert made.variance == pytest.approx((expected @ errors + PRIOR_VARIANCE) / 2.99)


def test_a_model_that_suits_a_changed_world_takes_over() -> None:
    made = mix()
    for clock in range(1_000):
        made.learn(np.array([0.9, 0.5]), 1.0, decided=clock, now=clock)
    for clock in range(1_000, 1_200):
        made.learn(np.array([0.9, 0.5]), 0.0, decided=clock, now=clock)
    assert made.shares[1] > 0.99


def test_late_errors_weigh_what_they_would_have_weighed_in_time_whatever_their_order() -> None:
    told = [(np.array([0.1 * n, 0.5]), float(n % 2), n) for n in range(9)]
    in_time, late = mix(), mix()
    for expected, reward, clock in told:
        in_time.learn(expected, reward, decided=clock, now=clock)
    for expected, reward, clock in reversed(told):
        late.learn(expected, reward, decided=clock, now=8)
    assert late.shares == pytest.approx(in_time.shares, rel=1e-9)
    assert late.variance == pytest.approx(in_time.variance, rel=1e-9)


def test_an_error_taken_out_again_leaves_the_others() -> None:
    made, without = mix(), mix()
    made.learn(np.array([1.0, 0.0]), 0.2, decided=1, now=1)
    for one in (made, without):
        one.learn(np.array([0.4, 0.3]), 0.2, decided=2, now=2)
    made.learn(np.array([1.0, 0.0]), 0.2, decided=1, now=5, weight=-1.0)
    assert made.shares == pytest.approx(without.shares, rel=1e-2)
    made.learn(np.array([0.4, 0.3]), 0.2, decided=2, now=5, weight=-1.0)
    assert made.shares == pytest.approx([0.5, 0.5])


def test_a_restored_mix_goes_on_alike() -> None:
    made, copy = mix(), mix()
    made.learn(np.array([0.5, 0.0]), 1.0, decided=3, now=5)
    copy.restore(made.columns())
    for one in (made, copy):
        one.learn(np.array([0.4, 0.3]), 0.2, decided=6, now=6)
    assert copy.columns() == made.columns()
    assert copy.shares.tolist() == made.shares.tolist()


@pytest.mark.parametrize("models", [1, 3])
def test_what_other_models_left_is_refused(models: int) -> None:
    other = ModelMix(models, trust=4.0, fading=0.99)
    with pytest.raises(RecoveryError, match=f"must be of 2 models, got {models}"):
        mix().restore(other.columns())
