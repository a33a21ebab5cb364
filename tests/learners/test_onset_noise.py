import msgspec
import numpy as np
import pytest

from streams.learners.onset_noise import OnsetNoise


def learned(deviation: float, *, moved: int, stayed: int, onsets: int = 200) -> OnsetNoise:
    rng = np.random.default_rng(0)
    noise = OnsetNoise()
    for _ in range(onsets):
        series = deviation * rng.normal(size=(4, moved + stayed))
        series[:, :moved] += 8
        noise.learn(series)
    return noise


@pytest.mark.parametrize("deviation", [0.6, 0.8, 1.0])
def test_the_scale_is_that_of_the_metrics_that_stay(deviation):
    assert learned(deviation, moved=2, stayed=6).deviation == pytest.approx(deviation, rel=0.1)


def test_the_share_of_metrics_that_move_is_learned():
    assert learned(0.8, moved=1, stayed=9).moving == pytest.approx(0.1, abs=0.02)


def test_a_metric_that_was_not_there_says_nothing():
    noise = OnsetNoise()
    noise.learn(np.zeros((4, 5)))
    assert noise == OnsetNoise()


def test_old_onsets_are_forgotten():
    noise = learned(0.8, moved=2, stayed=200, onsets=400)
    assert noise.stayed + noise.moved <= 20_000
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(noise), type=OnsetNoise) == noise
