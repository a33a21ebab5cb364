"""What the loop would have chosen under other settings, at its own decisions."""

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from schemas.events import Experience, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.policy.renewal_settings import RenewalSettings
from streams.replay.policy_again import Chooser, choose_again
from tests.loop.decided import ACTIONS, at, experience, recorded, recurrence, verdict

Leaning = Callable[..., tuple[list[Proposal], list[Experience]]]
OWN = Chooser(policy=PolicySettings(), actions=ACTIONS)
RENEWING = Chooser(
    policy=PolicySettings(renewal=RenewalSettings(action="restart", failed="failed")),
    actions=ACTIONS,
)


@pytest.fixture(scope="module")
def run() -> tuple[list[Proposal], list[Experience]]:
    """Return what a policy proposed at forty episodes, each with what came of the one before."""
    policy = Policy(OWN.policy, loop="lab", seed=1, actions=dict(ACTIONS))
    proposals: list[Proposal] = []
    experiences: list[Experience] = []
    for number in range(40):
        asked = recurrence(f"e{number}", f"web-{number % 7}", f"p-{number % 3}", severity=float(number % 5))
        (one,) = policy.on_batch(recorded(asked, first=number), at(number * 60))
        assert isinstance(one, Proposal)
        state = "defaulted" if number % 9 == 0 else "observed"
        reward = 0.8 if one.action == "recycle" else 0.3
        told = [experience(one, "early", 0.6)] if number % 2 else []
        told.append(experience(one, state, reward, retracted_reward=0.6 if number % 2 else None))
        if state == "defaulted":
            told.append(experience(one, "late", 0.6, retracted_reward=0.3))
        policy.on_batch(recorded(verdict(one), *told, first=10 * number), at(number * 60 + 30))
        proposals.append(one)
        experiences += told
    return proposals, experiences


def again(run: tuple[Sequence[Proposal], Sequence[Experience]], other: Chooser) -> dict[str, dict[str, float]]:
    return choose_again(*run, own=OWN, other=other, wanted={one.id for one in run[0]})


def test_under_the_same_settings_every_probability_is_the_recorded_one(
    run: tuple[list[Proposal], list[Experience]],
) -> None:
    found = again(run, OWN)
    assert found == {one.id: pytest.approx(one.probabilities) for one in run[0]}
    assert len({tuple(sorted(one.items())) for one in found.values()}) > 20  # it learned in between


@pytest.fixture(scope="module")
def leaning() -> Leaning:
    """Return runs of policies that learned from equal decisions, whatever values of metrics each had counted."""

    def run_of(*values: str) -> tuple[list[Proposal], list[Experience]]:
        policy = Policy(PolicySettings(values=values), loop="lab", seed=1, actions=dict(ACTIONS))
        proposals: list[Proposal] = []
        experiences: list[Experience] = []
        for number in range(60):
            load = float(number * 37 % 60)
            asked = recurrence(f"e{number}", f"web-{number}", state={"load": load, "cpu": 50.0 + number % 4})
            (one,) = policy.on_batch(recorded(asked, first=number), at(number * 60))
            assert isinstance(one, Proposal)
            told = experience(replace(one, action="restart"), reward=0.9 if load < 30 else 0.1)
            policy.on_batch(recorded(verdict(one), told, first=10 * number), at(number * 60 + 30))
            proposals.append(one)
            experiences.append(told)
        return proposals, experiences

    return run_of


@pytest.mark.parametrize("values", [(), ("load",), ("load", "*")])
def test_other_values_of_metrics_count_as_if_they_always_had(values: tuple[str, ...], leaning: Leaning) -> None:
    run, truth = leaning("*"), leaning(*values)
    other = Chooser(policy=PolicySettings(values=values), actions=ACTIONS)
    found = again(run, other)
    assert found == {one.id: pytest.approx(was.probabilities) for one, was in zip(run[0], truth[0], strict=True)}
    assert any(found[one.id] != pytest.approx(one.probabilities) for one in run[0])


def test_what_was_done_for_lives_in_between_changes_no_choice(run: tuple[list[Proposal], list[Experience]]) -> None:
    """The policy's model neither proposed it, nor learned from it."""
    proposals, experiences = run
    lives = [
        replace(one, id=f"life-{one.id}", episode="", model="lives/6", features={"age_h": 9.0, "severity": 1.0})
        for one in proposals
    ]
    told = [experience(one, reward=-1.0) for one in lives]
    both = [one for pair in zip(lives, proposals, strict=True) for one in pair]
    found = again((both, [*told, *experiences]), OWN)
    assert found == {one.id: pytest.approx(one.probabilities) for one in proposals}


def test_a_larger_floor_explores_more(run: tuple[list[Proposal], list[Experience]]) -> None:
    found = again(run, Chooser(policy=PolicySettings(floor=1.0), actions=ACTIONS))
    assert all(chances == pytest.approx(dict.fromkeys(chances, 0.25)) for chances in found.values())


def test_actions_that_only_one_of_them_has_come_and_go(run: tuple[list[Proposal], list[Experience]]) -> None:
    others = {"restart": ACTIONS["restart"], "drain": ActionSettings(name="drain")}
    for chances in again(run, Chooser(policy=PolicySettings(), actions=others)).values():
        assert sorted(chances) == ["drain", "none", "restart"]
        assert sum(chances.values()) == pytest.approx(1.0)


def test_the_action_of_a_renewal_is_no_choice_at_an_onset(run: tuple[list[Proposal], list[Experience]]) -> None:
    for chances in again(run, RENEWING).values():
        assert sorted(chances) == ["none", "recycle", "shed"]
        assert sum(chances.values()) == pytest.approx(1.0)


def test_without_the_renewal_of_the_run_its_action_is_a_choice_at_an_onset() -> None:
    policy = Policy(RENEWING.policy, loop="lab", seed=1, actions=dict(ACTIONS))
    (one,) = policy.on_batch(recorded(recurrence()), at(1))
    assert isinstance(one, Proposal)
    assert sorted(one.probabilities) == ["none", "recycle", "shed"]
    found = choose_again([one], [], own=RENEWING, other=OWN, wanted={one.id})
    assert sorted(found[one.id]) == ["none", "recycle", "restart", "shed"]


def test_decisions_that_were_made_otherwise_are_not_told(run: tuple[list[Proposal], list[Experience]]) -> None:
    proposals, experiences = run
    assert 0 < len(again((proposals, experiences[5:]), OWN)) < len(proposals) / 2  # what came first is gone
    changed = [replace(one, probabilities={"none": 0.5, "restart": 0.5}) for one in proposals]
    assert not again((changed, experiences), OWN)


def test_what_people_proposed_is_not_the_policys(run: tuple[list[Proposal], list[Experience]]) -> None:
    assert not again(([replace(one, by="kim") for one in run[0]], run[1]), OWN)


def test_only_what_is_wanted_is_told(run: tuple[list[Proposal], list[Experience]]) -> None:
    assert list(choose_again(*run, own=OWN, other=OWN, wanted={run[0][7].id})) == [run[0][7].id]


def test_what_was_answered_twice_is_followed_once(run: tuple[list[Proposal], list[Experience]]) -> None:
    twice = [one for one in run[0] for _ in range(2)]
    assert again((twice, run[1]), OWN) == again(run, OWN)


def test_where_nothing_or_too_much_was_eligible_nothing_is_told(
    run: tuple[list[Proposal], list[Experience]],
) -> None:
    proposals, experiences = run
    many = {"none": 0.5} | {f"action-{number}": 0.005 for number in range(100)}
    for chances in ({}, many):
        changed = [replace(proposals[0], probabilities=chances), *proposals[1:]]
        assert proposals[0].id not in again((changed, experiences), OWN)
    wide = {f"action-{number}": ActionSettings(name=f"action-{number}") for number in range(100)}
    assert again(run, Chooser(policy=PolicySettings(), actions=wide))  # its own model is as large


def test_an_action_is_new_only_where_the_whole_decision_was_not_blocked(
    run: tuple[list[Proposal], list[Experience]],
) -> None:
    (first, *_), experiences = run
    other = Chooser(policy=PolicySettings(), actions=ACTIONS | {"drain": ActionSettings(name="drain")})
    for scope, is_there in (("action:restart", True), ("entity:web-0", False), ("loop", False)):
        names = [name for name in first.probabilities if scope.startswith("action:") or name == "none"]
        one = replace(first, probabilities=dict.fromkeys(names, 1.0 / len(names)), blocked=(scope,))
        even = Chooser(policy=PolicySettings(floor=1.0), actions=ACTIONS)
        found = choose_again([one], experiences, own=even, other=other, wanted={one.id})
        assert ("drain" in found[one.id]) == is_there
