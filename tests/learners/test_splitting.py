import numpy as np
import pytest

from streams.learners.cluster import Member
from streams.learners.onset_model import OnsetModel
from streams.learners.splitting import parts_of

MODEL = OnsetModel(noise=1.0, moving=0.3, reach=3)


def members(*heights: tuple[float, float], seed: int = 0, noise: float = 1.0) -> list[Member]:
    """Return occurrences of four windows, one per pair of heights of cpu and memory."""
    rng = np.random.default_rng(seed)
    made = []
    for number, pair in enumerate(heights):
        onset = {
            name: tuple((height + noise * rng.normal(size=4)).tolist())
            for name, height in zip(("cpu", "memory"), pair, strict=True)
        }
        made.append(Member(f"episode-{number}", number, 3, onset))
    return made


def test_the_smaller_of_two_kinds_is_parted_from_the_other():
    parts = parts_of(members(*[(7, 7)] * 5, *[(7, -7)] * 3), MODEL, 4)
    assert parts is not None
    assert [member.episode for member in parts] == ["episode-5", "episode-6", "episode-7"]


@pytest.mark.parametrize("seed", range(20))
def test_one_kind_is_left_whole_whatever_its_heights(seed):
    heights = np.random.default_rng(seed).lognormal(0, 0.3, 16)
    assert parts_of(members(*[(6 * height, 5 * height) for height in heights], seed=seed), MODEL, 4) is None


def test_two_that_are_unlike_all_others_are_no_kind_of_their_own():
    assert parts_of(members(*[(7, 7)] * 6, *[(7, -7)] * 2), MODEL, 4) is None


def test_onsets_of_another_length_are_left_out():
    assert parts_of(members(*[(7, 7)] * 5, *[(7, -7)] * 3), MODEL, 2) is None
