"""Entities whose best time to act is later: each window of a life is a decision between renewing it and waiting.

Waiting is the arm `none`. It is what happens between proposals, and not proposed window by window: a proposal is
written when the rule, or the baseline, first says that it is time. The loop's choice is certain (no draw): what lives
it leaves to their end, and so goes on learning from, are those held out.
"""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from schemas.errors import RecoveryError
from schemas.events import NONE, NOVEL, Event, Measurement, Outcome, Proposal, Verdict
from schemas.ids import derive
from streams.learners.life_course import LifeCourse
from streams.learners.renewal import Outlook, Renewal, RenewalModelSettings
from streams.loop.occasion import Occasion
from streams.loop.policy.choice import hold_out_of
from streams.loop.policy.renewal_settings import RenewalSettings
from streams.loop.policy.settings import ARMS, PolicySettings
from streams.loop.remembering import forget_oldest

STATE_VERSION = 1
HOUR_US = 3_600_000_000
NEVER_US = 1 << 62
Masks = Callable[[str, str, tuple[str, ...], int], tuple[str, ...]]
"""(entity, pattern, actions, loop time) to the scopes that limits block."""


class Life(msgspec.Struct, kw_only=True):
    """One entity; `course` is None between two lives. `asked` is the proposal, `under_way` the action whose end is
    waited for, until `until_us`; before that nothing new is proposed. `early` is an action, its end and the time of
    it, heard before the verdict. A life that is not `whole` teaches nothing.
    """

    seen_us: int
    began_us: int = 0
    course: LifeCourse | None = None
    whole: bool = True
    told: bool = False
    asked: str | None = None
    under_way: str | None = None
    until_us: int = 0
    early: tuple[str, str, int] | None = None


class _State(msgspec.Struct):
    version: int
    model: bytes
    lives: list[tuple[str, Life]]


class Lives:
    """Follows the lives of entities, learns from their ends, and proposes to renew them in time."""

    def __init__(
        self, settings: PolicySettings, renewal: RenewalSettings, *, loop: str, seed: int, masks: Masks
    ) -> None:
        self._settings = settings
        self._renewal = renewal
        self._loop = loop
        self._seed = seed
        self._masks = masks
        self._model = Renewal(RenewalModelSettings(cost=renewal.cost, failure_cost=renewal.failure_cost))
        self._lives: OrderedDict[str, Life] = OrderedDict()

    def fold(self, event: Event, on: Occasion) -> list[Event]:
        """Fold an event; return a proposal where it is time."""
        match event:
            case Measurement():
                return self._see(event, on)
            case Verdict() if event.proposal.action == self._renewal.action:
                self._answer(event)
            case Outcome() if event.state != "claimed":
                self._end(event)
            case _:
                pass
        return []

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        state = _State(version=STATE_VERSION, model=self._model.snapshot(), lives=list(self._lives.items()))
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != STATE_VERSION:
            raise RecoveryError(f"state of lives must have version {STATE_VERSION}, got {state.version}")
        self._model.restore(state.model)
        self._lives = OrderedDict(state.lives)

    def _see(self, measurement: Measurement, on: Occasion) -> list[Event]:
        """Take one window of an entity; of two with the same start the first counts."""
        entity, time_us = measurement.entity, measurement.start_us
        life = self._lives.setdefault(entity, Life(seen_us=time_us - 1))
        self._lives.move_to_end(entity)
        forget_oldest(self._lives, self._renewal.entity_limit)
        if time_us <= life.seen_us:
            return []
        life.seen_us = time_us
        if measurement.values.get(self._renewal.failed, 0.0) > 0.0:
            self._close(life, time_us)
            return []
        course = life.course
        if course is None:
            course = self._model.begin()
            life = self._lives[entity] = Life(seen_us=time_us, began_us=time_us, course=course, whole=life.whole)
        values = {name: value for name, value in measurement.values.items() if name != self._renewal.failed}
        outlook = self._model.see(course, values, _hours(time_us - life.began_us))
        return self._decide(entity, life, outlook, on)

    def _decide(self, entity: str, life: Life, outlook: Outlook | None, on: Occasion) -> list[Event]:
        """Propose what the life's arm wants; of one that is held out, once, that the loop would have acted."""
        wanted = self._wanted(life, outlook)
        life_id = derive(self._loop, "life", entity, life.began_us)
        hold_out = hold_out_of(life_id, seed=self._seed, shares=self._settings.hold_out)
        action = wanted[hold_out.arm]
        if action == NONE:
            if wanted["loop"] == NONE or life.told:
                return []
            life.told = True
        elif self._waits(life, on.now.us) or self._masks(entity, NOVEL, (action,), on.now.us):
            return []
        shares = self._settings.hold_out
        sure = {self._renewal.action: 0.0, NONE: 0.0} | {wanted["loop"]: 1.0}
        proposal = Proposal(
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            entity=entity,
            episode="",
            pattern=NOVEL,
            action=action,
            propensity=sum(shares[arm] for arm in ARMS if wanted[arm] == action),
            probabilities=sure,
            expires_us=on.now.us + self._settings.expires_us,
            model=f"lives/{self._model.ended}",
            features=_features(_hours(life.seen_us - life.began_us), outlook),
            hold_out=hold_out,
        )
        if action != NONE:
            life.asked, life.until_us = proposal.id, on.now.us + self._settings.outcome_wait_us
        return [proposal]

    def _wanted(self, life: Life, outlook: Outlook | None) -> dict[str, str]:
        """Return what each arm would do now."""
        action, aged_us = self._renewal.action, self._renewal.baseline_age_us
        return {
            "loop": action if outlook is not None and outlook.is_due else NONE,
            "baseline": action if 0 < aged_us <= life.seen_us - life.began_us else NONE,
            "none": NONE,
        }

    def _waits(self, life: Life, now_us: int) -> bool:
        """Return whether an answer or an end is waited for; one that never came leaves the life in doubt."""
        if now_us < life.until_us:
            return True
        if life.under_way is not None:
            life.under_way, life.whole = None, False
        return False

    def _answer(self, verdict: Verdict) -> None:
        """Note that the action is under way, whoever proposed it, or until when there is no use in asking again."""
        life = self._lives.get(verdict.proposal.entity)
        if life is None:
            return
        if verdict.verdict == "allow" and verdict.action is not None:
            life.under_way, life.until_us = verdict.action, verdict.time_us + self._settings.outcome_wait_us
            if life.early is not None and life.early[0] == verdict.action:
                self._renew(life, *life.early[1:])
        elif verdict.proposal.id != life.asked:
            return
        elif verdict.verdict == "deny":
            life.until_us = verdict.retry_after_us or verdict.time_us + self._settings.outcome_wait_us
        elif verdict.verdict == "shadow":
            life.until_us = NEVER_US  # it is said once a life what would be done

    def _end(self, outcome: Outcome) -> None:
        """Take the end of an action; one whose verdict is still under way waits for that."""
        life = self._lives.get(outcome.entity)
        if life is None:
            return
        end = (outcome.state, outcome.ended_us or outcome.time_us)
        if life.under_way == outcome.action:
            self._renew(life, *end)
        else:
            life.early = (outcome.action, *end)

    def _renew(self, life: Life, state: str, ended_us: int) -> None:
        """End a life in advance; where nobody knows whether it was ended, nothing is learned of it or the next."""
        life.under_way, life.early, life.until_us = None, None, 0
        if state == "unknown":
            life.course, life.whole = None, False
        elif state == "succeeded":
            life.seen_us = max(life.seen_us, ended_us)
            self._close(life, None)

    def _close(self, life: Life, end_us: int | None) -> None:
        """Learn from a life that ended: by itself at `end_us`, or (None) in advance."""
        if life.course is not None and life.whole:
            self._model.end(life.course, None if end_us is None else _hours(end_us - life.began_us))
        life.course, life.whole = None, True


def _features(age: float, outlook: Outlook | None) -> dict[str, float]:
    """Return what spoke for it, in hours."""
    features = {"age_h": age}
    if outlook is None:
        return features
    return features | {"remaining_h": outlook.remaining, "level_h": outlook.rule.level}


def _hours(time_us: int) -> float:
    return time_us / HOUR_US
