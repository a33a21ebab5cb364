"""Gate and executors are killed and frozen at chosen points of a step and of an action; the topics must look as if
nothing had happened, and nothing is done twice, too late, or beyond a limit.
"""

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from connectors.kafka.admin import delete_topics
from connectors.kafka.launcher import LocalKafka
from schemas.events import Verdict
from schemas.kafka import make_admin
from tests.kafka.aimed_run import AimedRun, successions, violations
from tests.kafka.kill_points import Blow, HandBlow, gate_blows, hand_blows, plant_of
from tests.kafka.live_loop import LiveLoop
from tests.patience import PATIENCE_S

ROUNDS = (
    ("SIGKILL before it commits", "SIGKILL before the effect"),
    ("SIGKILL committed and not told", "SIGKILL behind the effect"),
    ("SIGSTOP before it commits", "SIGSTOP claimed and not told"),
    ("SIGKILL half written", "SIGKILL at a second attempt"),
)
"""Of a run of `make test`: what the gate meets, and what an executor."""
Play = Callable[[Sequence[tuple[Blow, HandBlow]]], AimedRun]


@pytest.fixture
def play(broker: LocalKafka, loop_name: str, tmp_path: Path) -> Iterator[Play]:
    def run(rounds: Sequence[tuple[Blow, HandBlow]]) -> AimedRun:
        with AimedRun(loop=LiveLoop(tmp_path, name=loop_name, connection=broker.connection)) as aimed:
            aimed.work(rounds)
        return aimed

    yield run
    delete_topics(broker.connection, loop_name)
    admin, plant = make_admin(broker.connection), plant_of(loop_name)
    admin.delete_topics([plant])[plant].result(PATIENCE_S)


def judge(run: AimedRun) -> None:
    assert violations(run) == ""
    done = run.done()
    for struck in run.struck:
        assert (struck.blow.name, run.states(struck.action)) == (struck.blow.name, struck.blow.states)
        assert (struck.blow.name, done[struck.action]) == (struck.blow.name, struck.blow.done)
    twice = {action for action, times in run.pager.book().items() if times > 1}
    assert twice == {struck.action for struck in run.struck if struck.blow.name == "SIGKILL at a second attempt"}
    assert successions(run.evidence()) >= run.gate_blows
    exits = run.hand_exits()
    assert set().union(*exits.values()) == {-signal.SIGKILL, 0}, exits
    decided = Counter(verdict.decided_by for verdict in run.loop.events(Verdict))
    print(f"verdicts by the check that decided: {dict(decided)}; done: {done.total()}")
    assert decided["action-budget"] > 0
    assert decided["loop-budget"] > 0


def test_struck_at_any_point_nothing_is_done_twice_too_late_or_beyond_a_limit(play: Play, loop_name: str) -> None:
    gate, hand = gate_blows(loop_name), hand_blows(loop_name)
    judge(play([(gate[one], hand[other]) for one, other in ROUNDS]))


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", range(10))
def test_struck_at_every_point_in_any_order(play: Play, loop_name: str, seed: int) -> None:
    """Ten runs of eight rounds: 160 blows."""
    draw = random.Random(seed)
    gate, hand = list(gate_blows(loop_name).values()), list(hand_blows(loop_name).values())
    hand.append(draw.choice(hand))
    draw.shuffle(gate)
    draw.shuffle(hand)
    judge(play(list(zip(gate, hand, strict=True))))
