"""A world in which an action helps or harms, a person can tell which and the loop cannot: policy, gate and attribute on
it, one episode after another.
"""

import random
from collections import deque

from msgspec.structs import replace

from schemas.events import Action, Control, Event, Experience, Proposal, Verdict
from schemas.ids import derive
from streams.loop.actions import ActionSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.policy import Policy, PolicySettings
from tests.loop.decided import START, S, at, measurement, onset, recorded, recurrence
from tests.loop.gate_bench import approval, outcome

ENDLESS = "10000/hour"
ACTIONS = {"restart": ActionSettings(name="restart", cost=0.1, limit=ENDLESS, cooldown_us=0)}
GATE = GateSettings(
    loop_limit=ENDLESS,
    pattern_limit=ENDLESS,
    entity_attempts=ENDLESS,
    explore_limit="10000/day",
    escalation_limit=ENDLESS,
    cost_a_day=1e6,
)
LEVELS = LevelSettings(default="act", novel="act")
ATTRIBUTE = AttributeSettings(horizon_us=10 * S, grace_us=2 * S)
APART_S, JUDGED_S = 30, 13
"""How far episodes are apart, and how long after a person's answer each is judged."""
HELPED_S, ALONE_S, HARMED_S = 1, 6, 20
"""How long it is ill after a restart that helped, from the decision on without one, and after one that harmed."""


class AskingWorld:
    """In a share of the episodes, drawn from a seed, a restart is `harmful`, and a person who is asked says no.

    At once it earns 0.9 less 0.1 where it helps and -0.1 where it harms, nothing done earns 0.4, and a person who is
    asked loses 0.1 by each of the `wait_s` until the answer, where that is yes, and the look. `events` is all that was
    said.
    """

    def __init__(
        self, *, harmful: float, ask_cost: float | None, seed: int, floor: float = 0.05, wait_s: int = 1
    ) -> None:
        shares = {"loop": 1.0, "baseline": 0.0, "none": 0.0}
        policy = PolicySettings(ask_cost=ask_cost, floor=floor, hold_out=shares)
        self._processors = (
            Gate(GATE, loop="t", settings_hash="h", actions=ACTIONS, levels=LEVELS, may_ask=ask_cost is not None),
            Attribute(ATTRIBUTE, loop="t", actions=ACTIONS, look_cost=ask_cost or 0.0),
            Policy(policy, loop="t", seed=seed, actions=ACTIONS),
        )
        self.events: list[Event] = []
        self._harmful, self._wait_s = harmful, wait_s
        self._draw = random.Random(seed)
        self._offset = 0
        self._second = 0.0
        orders = (("settings", "h"), ("pause", "running"))
        self._give(
            *(
                Control(id=derive(kind), time_us=START, kind=kind, target="loop", value=value, by="ada")  # type: ignore[arg-type]
                for kind, value in orders
            )
        )

    def live(self, number: int) -> tuple[Proposal, Experience]:
        """Let one episode come and go; return what was proposed about it, and what that came to."""
        began_s = self._second = float(APART_S * number)
        entity, episode = f"host-{number}", f"e{number}"
        is_harmful = self._draw.random() < self._harmful
        made = self._give(onset(episode, entity), recurrence(episode, entity))
        proposal = next(event for event in made if isinstance(event, Proposal))
        asked = next(event for event in made if isinstance(event, Verdict))
        if asked.verdict == "escalate":
            self._second += self._wait_s
            answer = approval(asked, time_us=at(self._second).us, person="bob")
            made += self._give(replace(answer, decision="reject" if is_harmful else "approve"))
        run = next((event for event in made if isinstance(event, Action)), None)
        well_s = began_s + ALONE_S
        if run is not None:
            well_s = self._second + (HARMED_S if is_harmful else HELPED_S)
            made += self._give(outcome(run, "claimed"), outcome(run, "succeeded"))
        due_s = self._wait_s + JUDGED_S
        for second in range(due_s):
            start_s = began_s + second
            made += self._give(measurement(start_s, abnormal=start_s < well_s, entity=entity, episode=episode))
        self._second = began_s + due_s
        made += self._spread(self._processors[1].on_time(at(self._second)))
        return proposal, next(event for event in made if isinstance(event, Experience))

    def _give(self, *events: Event) -> list[Event]:
        """Let all fold events, and what comes of them; return that."""
        outputs = self._spread(events)
        return outputs[len(events) :]

    def _spread(self, events: "tuple[Event, ...] | list[Event]") -> list[Event]:
        """Let all fold events and, in order, what comes of them; return all."""
        waiting, seen = deque(events), list[Event]()
        while waiting:
            seen.append(waiting.popleft())
            for processor in self._processors:
                waiting += processor.on_batch(recorded(seen[-1], first=self._offset), at(self._second))
            self._offset += 1
        self.events += seen
        return seen
