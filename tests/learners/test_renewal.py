import math
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import RecoveryError
from streams.learners.renewal import LEAST, Renewal, RenewalModelSettings


def wear(age: float, end: float, rng: np.random.Generator) -> dict[str, float]:
    return {"wear": 20.0 - math.sqrt(end - age) + 0.3 * float(rng.normal()), "noise": float(rng.normal())}


def live(model: Renewal, number: int, *, acts: bool = True) -> tuple[float, bool]:
    """Live one life under a model, and tell it how that ended; return how long it was, and whether it failed."""
    rng = np.random.default_rng(number)
    end, life = float(rng.integers(60, 140)), model.begin()
    for age in np.arange(1.0, end).tolist():
        outlook = model.see(life, wear(age, end, rng), age)
        if acts and outlook is not None and outlook.is_due:
            model.end(life, None)
            return age, False
    model.end(life, end)
    return end, True


def test_until_two_lives_ended_by_themselves_none_is_ended_in_advance() -> None:
    model = Renewal()
    assert [live(model, number)[1] for number in range(LEAST)] == [True, True]
    assert model.rule is not None


def test_it_learns_to_end_lives_in_time() -> None:
    """Against running to failure; whoever knew the future would save just short of 80 %."""
    model = Renewal()
    lives = [live(model, number) for number in range(40)]
    later = lives[10:]
    failures = sum(failed for _, failed in later)
    ends = [float(np.random.default_rng(number).integers(60, 140)) for number in range(10, 40)]
    rate = (len(later) + 4 * failures) / sum(length for length, _ in later)
    assert 1.0 - rate / (5 * len(ends) / sum(ends)) > 0.72
    assert failures <= 2


def test_what_a_life_taught_does_not_choose_its_own_rule() -> None:
    """With features that tell lives apart and nothing else, a model that saw them would foretell each exactly."""
    model = Renewal(RenewalModelSettings(penalty=1e-6))
    for number in range(12):
        rng = np.random.default_rng(number)
        end, life = float(rng.integers(60, 140)), model.begin()
        name = {f"is-{other}": float(other == number) for other in range(12)}
        for age in np.arange(1.0, end).tolist():
            model.see(life, name, age)
        model.end(life, end)
    assert model.rule is None or model.rule.level > 10.0


def test_of_a_life_ended_in_advance_only_what_was_seen_is_learned() -> None:
    """It is taken to have gone on for as long as was foretold: what would have come after does not matter."""
    model, other = Renewal(), Renewal()
    for number in range(6):
        live(model, number, acts=False)
    other.restore(model.snapshot())
    known = model.ended
    live(model, 7)
    assert model.ended == known
    assert model.snapshot() != other.snapshot()
    rng, life = np.random.default_rng(7), other.begin()
    end = float(rng.integers(60, 140))
    for age in np.arange(1.0, end).tolist():
        outlook = other.see(life, wear(age, end, rng), age)
        if outlook is not None and outlook.is_due:
            break
    other.end(life, None)
    assert other.snapshot() == model.snapshot()


def test_guesses_do_not_outweigh_what_was_seen() -> None:
    """A hundred lives ended in advance right away, of which little is foretold, do not unlearn four whole ones."""
    model = Renewal()
    for number in range(4):
        live(model, number, acts=False)
    for number in range(100):
        rng, life = np.random.default_rng(number), model.begin()
        for age in np.arange(1.0, 10.0).tolist():
            model.see(life, wear(age, 100.0, rng), age)
        model.end(life, None)
    rng, life = np.random.default_rng(1_000), model.begin()
    foretold = [outlook.remaining for age in range(1, 98) if (outlook := model.see(life, wear(age, 100.0, rng), age))]
    assert foretold[20] > 40.0
    assert foretold[-1] < 15.0


@pytest.mark.parametrize("seen", [2, 5])
def test_what_is_guessed_never_weighs_more_than_what_was_seen(seen: int) -> None:
    def weight(model: Renewal) -> float:
        state = msgspec.msgpack.decode(model.snapshot(), type=dict[str, Any])
        return float(state["remaining"][3])

    model = Renewal()
    for number in range(seen):
        live(model, number, acts=False)
    alone = weight(model)
    for number in range(100):
        life = model.begin()
        model.see(life, {"wear": 1.0 + number % 7}, 1.0)
        model.end(life, None)
        assert weight(model) <= 2.0 * alone
    assert weight(model) > 1.9 * alone
    live(model, seen, acts=False)  # the guesses fade with the rest, and make room again
    before = weight(model)
    life = model.begin()
    model.see(life, {"wear": 1.0}, 1.0)
    model.end(life, None)
    assert weight(model) > before


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
def test_a_restored_model_continues_alike(cut: int) -> None:
    model, other = Renewal(), Renewal()
    for number in range(cut):
        live(model, number)
    other.restore(model.snapshot())
    assert [live(other, number) for number in range(cut, 9)] == [live(model, number) for number in range(cut, 9)]
    assert other.snapshot() == model.snapshot()


def test_another_version_is_not_restored() -> None:
    with pytest.raises(RecoveryError, match="version"):
        Renewal().restore(Renewal().snapshot().replace(b"\xa7version\x01", b"\xa7version\x09"))


def test_the_state_stops_growing() -> None:
    model = Renewal(RenewalModelSettings(lives=4, rows=16))
    sizes = []
    for number in range(30):
        live(model, number)
        sizes.append(len(model.snapshot()))
    assert max(sizes[10:]) <= 1.05 * max(sizes[:10])


def test_a_life_without_a_row_teaches_nothing() -> None:
    model = Renewal()
    before = model.snapshot()
    model.end(model.begin(), 5.0)
    assert model.snapshot() == before
