from functools import partial

import numpy as np
import pytest

from schemas.events import Experience
from tests.bench.bandit_play import Floats, Flyball, Game, play
from tests.bench.drift import ARMS, AS_POLICY, FEATURES, World, world
from tests.bench.gone_wrong import CLEAN, LATE_BY, TROUBLES, Found, Product, Trouble, played, rows_of

DECISIONS = 300


def part(seed: int = 3) -> World:
    made = world("linear", 0, seed)
    game = Game(*(one[:DECISIONS] for one in (made.game.rows, made.game.rewards, made.game.draws)))
    return World(game, [], made.means[:DECISIONS])


class Noting:
    """Chooses one arm after the other, and notes what it hears."""

    def __init__(self) -> None:
        self.chosen = 0
        self.heard: list[tuple[int, Experience]] = []
        self.at: list[int] = []

    def choose(self, row: Floats, draw: float) -> int:  # noqa: ARG002, any
        self.chosen += 1
        return self.chosen % ARMS

    def hear(self, number: int, experience: Experience) -> None:
        self.heard.append((number, experience))
        self.at.append(self.chosen)


def heard(trouble: Trouble) -> tuple[Noting, list[float]]:
    """Return what is heard under a trouble, and what the decisions truly earned."""
    hearer, made = Noting(), part()
    played(hearer, trouble, made, seed=3)
    return hearer, [float(made.game.rewards[number, (number + 1) % ARMS]) for number in range(DECISIONS)]


def test_without_trouble_attribute_tells_each_reward_once_before_the_next_decision() -> None:
    hearer, true = heard(CLEAN)
    assert [(number, one.state, one.reward) for number, one in hearer.heard] == [
        (number, "observed", reward) for number, reward in enumerate(true, start=1)
    ]
    assert hearer.at == list(range(1, DECISIONS + 1))


def test_without_trouble_and_with_all_told_twice_it_is_the_bandit_of_the_other_benchmarks() -> None:
    made = part()
    directly = play(partial(Flyball, FEATURES, ARMS, settings=AS_POLICY), made.game)
    for trouble in (CLEAN, Trouble(twice=1.0)):
        assert played(Product(), trouble, made, seed=3).earned == directly


def test_whether_the_ends_of_what_is_not_measured_are_told_is_all_the_same() -> None:
    made = part()
    unseen, silent = (played(Product(), TROUBLES[name], made, seed=3) for name in ("unseen", "silent"))
    assert unseen == silent
    assert unseen != played(Product(), CLEAN, made, seed=3)


@pytest.mark.parametrize("name", ["unseen", "silent", "biased"])
def test_of_what_is_not_measured_no_reward_is_told(name: str) -> None:
    hearer, true = heard(TROUBLES[name])
    unknown = [number for number, one in hearer.heard if one.reward is None]
    assert 0.2 < len(unknown) / DECISIONS < 0.4
    assert {one.state for _, one in hearer.heard if one.reward is None} == {
        "unobservable" if name == "unseen" else "defaulted"
    }
    successes = float(np.mean([true[number - 1] for number in unknown]))
    assert (successes > np.mean(true) + 0.15) == (name == "biased")


def test_what_is_late_is_corrected_so_many_windows_later() -> None:
    hearer, true = heard(TROUBLES["late"])
    late = [(number, at, one) for (number, one), at in zip(hearer.heard, hearer.at, strict=True) if one.state == "late"]
    assert 0.1 < len(late) / DECISIONS < 0.3
    assert all(at == number + LATE_BY and one.reward == true[number - 1] for number, at, one in late)


def test_a_swapped_reward_is_the_other_one_and_a_negated_one_cannot_be() -> None:
    assert TROUBLES["all_swapped"].swapped == TROUBLES["swapped"].swapped
    for name, wrong in (("swapped", lambda reward: 1.0 - reward), ("negated", lambda reward: -reward)):
        hearer, true = heard(TROUBLES[name])
        off = [(one.reward, true[number - 1]) for number, one in hearer.heard if one.reward != true[number - 1]]
        assert 0.01 < len(off) / DECISIONS < 0.1
        assert all(told == wrong(reward) for told, reward in off)


def test_shares_are_of_what_the_product_earns_and_loses_without_trouble() -> None:
    runs = [
        {
            name: Found(*numbers)
            for name, numbers in {
                "flyball/clean": (0.8, 0.1),
                "flyball/all": (0.7, 0.15),
                "oracle": (0.9, 0.0),
                "uniform": (0.4, 0.0),
            }.items()
        }
    ]
    values = {(row.case, row.metric): row.value for row in rows_of("w", runs)}
    assert values["w", "share_of_oracle"] == pytest.approx(0.8)
    assert values["w all", "share_of_clean"] == pytest.approx(0.75)
    assert values["w all", "regret"] == pytest.approx(1.5)
