"""What a log with questions to people, asked by choice, says of other policies."""

from functools import cache
from statistics import fmean

import pytest
from msgspec.structs import replace

from schemas.events import ASK, Event, Experience, Proposal, Verdict
from streams.operate.evaluation import Evaluated, evaluate
from streams.operate.proof_table import tabulated
from streams.operate.simulation import fleet_loop
from streams.replay.effect import logged_rewards
from streams.replay.ended_decisions import read_decisions
from streams.replay.episodes import costs_of
from streams.replay.held_out import read_held_out
from streams.replay.logged_decisions import Table, tabulate
from streams.replay.policy_again import Chooser, choose_again
from streams.settings import Settings
from tests.loop.asking_world import ACTIONS, ATTRIBUTE, AskingWorld
from tests.loop.decided import S, experience, proposal, verdict
from tests.operate.test_evaluation import Listed

EPISODES, ASK_COST = 400, 0.03
NONE_EARNS, ASKING_EARNS = 0.4, 0.52
CHANCES = {ASK: 0.5, "restart": 0.3, "none": 0.2}


@cache
def lived(wait_s: int = 1) -> tuple[Event, ...]:
    """Return all that was said in a world in which half of the restarts harm and a person knows which."""
    world = AskingWorld(harmful=0.5, ask_cost=ASK_COST, seed=3, floor=0.3, wait_s=wait_s)
    for number in range(EPISODES):
        world.live(number)
    return tuple(world.events)


def settings(ask_cost: float | None = ASK_COST, floor: float = 0.3) -> Settings:
    known = fleet_loop(None)
    policy = replace(known.policy, ask_cost=ask_cost, floor=floor, hold_out={"loop": 1.0, "baseline": 0.0, "none": 0.0})
    return replace(known, policy=policy, actions=ACTIONS, attribute=ATTRIBUTE)


def chooser(ask_cost: float | None = ASK_COST) -> Chooser:
    return Chooser(policy=settings(ask_cost).policy, actions=ACTIONS)


def proposals() -> list[Proposal]:
    return [event for event in lived() if isinstance(event, Proposal)]


def again(other: Chooser, own: Chooser | None = None) -> dict[str, dict[str, float]]:
    told = [event for event in lived() if isinstance(event, Experience)]
    wanted = {one.id for one in proposals()}
    return choose_again(proposals(), told, own=own or chooser(), other=other, wanted=wanted)


def of(one: Proposal, answer: str, **fields: object) -> Table:
    told = experience(one, asked=True, look_cost=0.05, verdict=answer, **fields)
    record = read_decisions((verdict(one, "escalate"), verdict(one, answer, 1.0), told), horizon_us=S, wait_us=S)
    return tabulate(record, baseline="restart", costs=costs_of(settings(0.05)))


@pytest.mark.parametrize(
    ("answer", "effective", "cost"), [("allow", "restart", 0.15), ("deny", "none", 0.05)], ids=["approved", "rejected"]
)
def test_asking_happened_whatever_was_answered(answer: str, effective: str, cost: float) -> None:
    one = proposal("restart", asked=True, probabilities=CHANCES, propensity=0.6 * 0.5)
    table = of(one, answer, effective=effective, cost=cost, reward=0.3)
    assert table.actions == ("ask", "none", "restart")
    assert (table.log.proposed.tolist(), table.log.happened.tolist()) == ([0], [0])
    assert table.log.logged[0].tolist() == pytest.approx([0.3, 0.12 + 0.2, 0.18 + 0.2])
    assert table.low == pytest.approx(-0.15)
    assert table.reward(table.log.rewards[0]) == pytest.approx(0.3)


def test_a_question_that_limits_refused_did_not_happen() -> None:
    one = proposal("restart", asked=True, probabilities=CHANCES, propensity=0.3)
    table = of(one, "deny", state="censored", effective="none", reward=None)
    assert [table.actions[number] for number in table.log.happened] == ["none"]
    assert not table.log.seen.any()


def test_what_was_asked_about_says_nothing_of_the_same_action_at_once() -> None:
    """Nor does it say it of what nothing done earns."""
    one = proposal("restart", asked=True)
    rewards = logged_rewards([experience(one, asked=True, cost=0.1, reward=0.6)])
    assert rewards.reward(one.id) == 0.6
    assert rewards.mean(one.pattern, "restart") is None


def test_every_probability_is_found_again() -> None:
    found = again(chooser())
    assert found == {one.id: pytest.approx(one.probabilities) for one in proposals()}
    assert all(ASK in chances for chances in found.values())


def test_other_settings_may_ask_where_the_run_did_not_and_the_other_way_round() -> None:
    for chances in again(chooser(None)).values():
        assert sorted(chances) == ["none", "restart"]
    one = proposals()[0]
    for blocked, names in ((), ["ask", "none", "restart"]), (("action:ask",), ["none", "restart"]):
        even = Chooser(policy=settings(None, floor=1.0).policy, actions=ACTIONS)
        unasked = replace(one, probabilities={"none": 0.5, "restart": 0.5}, blocked=blocked)
        found = choose_again([unasked], [], own=even, other=chooser(), wanted={one.id})
        assert sorted(found[one.id]) == names


@pytest.mark.parametrize("wait_s", [1, 8], ids=["quick", "well-before"])
def test_the_report_counts_what_asking_cost_from_the_first_proposal_on_and_no_look_twice(wait_s: int) -> None:
    """It measures by itself, and comes to what the experience says, also where it was over before the answer."""
    log = [event for kind in (Verdict, Experience) for event in lived(wait_s) if isinstance(event, kind)]
    found = read_held_out(log, Listed(lived(wait_s)).events("insights"), settings())
    told = {event.proposal: event for event in lived(wait_s) if isinstance(event, Experience)}
    asked = [one for one in found.episodes if one.proposal.asked]
    assert len(asked) > EPISODES // 10
    assert any(told[one.proposal.id].effective == "none" for one in asked)
    for one in asked:
        assert (one.answers, one.paid) == (1, 1)
        assert one.cost == pytest.approx(told[one.proposal.id].cost)
        assert one.reward == pytest.approx(told[one.proposal.id].reward)
    priced = replace(settings(), account=replace(settings().account, price_of_minute=0.1))
    assert tabulated(asked, priced).people.sum() == 0.0
    assert {one.paid for one in found.episodes if not one.proposal.asked} == {0}


def test_other_settings_learn_a_look_at_their_own_price() -> None:
    late = [one.id for one in proposals()[-60:]]
    dear, same = again(chooser(0.6)), again(chooser())
    assert fmean(dear[key][ASK] for key in late) < 0.2
    assert fmean(same[key][ASK] for key in late) > 0.5


def estimates() -> dict[str, Evaluated]:
    never = settings(None)
    found = evaluate(Listed(lived()), settings(), ("running", "none", "never.toml"), {"never.toml": never})
    assert found.before == 0
    return {one.policy: one for one in found.policies}


def test_what_doing_nothing_and_the_loop_itself_earn_is_estimated_from_it() -> None:
    found = estimates()
    ended = [event.reward for event in lived() if isinstance(event, Experience) and event.reward is not None]
    for name, truth in (("none", NONE_EARNS), ("running", sum(ended) / len(ended)), ("never.toml", 0.38)):
        one = found[name]
        assert one.refused == ""
        assert one.reward is not None
        assert one.reward == pytest.approx(truth, abs=0.06), name
        assert one.low is not None
        assert one.high is not None
        assert one.low <= truth <= one.high
    running = found["running"].reward
    assert running is not None
    assert running > NONE_EARNS


def test_the_answers_are_in_the_log_once_each() -> None:
    answered = [event for event in lived() if isinstance(event, Verdict) and event.approval is not None]
    asked = [event for event in lived() if isinstance(event, Experience) and event.look_cost is not None]
    assert len(answered) == len(asked) > EPISODES // 4
