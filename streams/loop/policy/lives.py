"""Entities whose best time to act is later: each window of a life is a decision between renewing it and waiting.

Waiting is the arm `none`. It is what happens between proposals, and not proposed window by window: a proposal is
written when the rule, or the baseline, first says that it is time. The loop's choice is certain (no draw): what lives
it leaves to their end, and so goes on learning from, are those held out.
"""

from collections.abc import Callable

import msgspec

from schemas.errors import RecoveryError
from schemas.events import ARMS, NONE, NOVEL, Event, Measurement, Outcome, Proposal, Verdict, Why
from schemas.ids import derive
from streams.learners.renewal import Outlook, Renewal, RenewalModelSettings
from streams.loop.occasion import Occasion
from streams.loop.policy.choice import hold_out_of
from streams.loop.policy.openings import AGAIN_US
from streams.loop.policy.renewal_settings import RenewalSettings
from streams.loop.policy.seats import Life, Seats, SeatsState
from streams.loop.policy.settings import PolicySettings

STATE_VERSION = 1
HOUR_US = 3_600_000_000
NEVER_US = 1 << 62
Masks = Callable[[str, str, tuple[str, ...], int], tuple[str, ...]]
"""(entity, pattern, actions, loop time) to the scopes that limits block."""


class _State(msgspec.Struct):
    version: int
    model: bytes
    seats: SeatsState


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
        self._seats = Seats(limit=renewal.entity_limit, silence_us=renewal.silence_us)

    def fold(self, event: Event, on: Occasion) -> list[Event]:
        """Fold an event; return a proposal where it is time."""
        match event:
            case Measurement():
                return self._see(event, on)
            case Verdict():
                self._answer(event)
            case Outcome() if event.state != "claimed":
                self._end(event, on)
            case _:
                pass
        return []

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        state = _State(version=STATE_VERSION, model=self._model.snapshot(), seats=self._seats.columns())
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != STATE_VERSION:
            raise RecoveryError(f"state of lives must have version {STATE_VERSION}, got {state.version}")
        self._model.restore(state.model)
        self._seats.restore(state.seats)

    def _see(self, measurement: Measurement, on: Occasion) -> list[Event]:
        """Take one window of an entity; of two with the same start the first counts, but a failure in either."""
        entity, time_us = measurement.entity, measurement.start_us
        failed = measurement.values.get(self._renewal.failed)
        life = self._seats.hear(entity, on.now.us)
        if life is None:
            if failed is None:  # it may be no machine at all, or is in good health and will say so
                return []
            life = self._seats.seat(entity, time_us - 1, on.now.us)
        if life is None:
            return self._seats.turn_away(entity, time_us, on)
        is_failed = failed is not None and failed > 0.0
        if time_us < life.seen_us or (time_us == life.seen_us and not is_failed):
            return []
        if life.course is not None and time_us - life.seen_us > self._renewal.silence_us:
            life.whole = False  # who knows what happened meanwhile
        life.seen_us = time_us
        if is_failed:
            self._fail(life, on)
            return []
        course = life.begin(self._model.begin()) if life.course is None else life.course
        values = {name: value for name, value in measurement.values.items() if name != self._renewal.failed}
        outlook = self._model.see(course, values, _hours(time_us - life.began_us))
        return self._decide(measurement, life, outlook, on)

    def _decide(self, seen: Measurement, life: Life, outlook: Outlook | None, on: Occasion) -> list[Event]:
        """Propose what the life's arm wants; of one that is held out, once, that the loop would have acted."""
        _give_up(life, on.now.us)
        wanted = self._wanted(life, outlook)
        life_id = derive(self._loop, "life", seen.entity, life.began_us)
        hold_out = hold_out_of(life_id, seed=self._seed, shares=self._settings.hold_out)
        action = wanted[hold_out.arm]
        if action == NONE:
            if wanted["loop"] == NONE or life.told:
                return []
            life.told = True
        elif on.now.us < life.until_us or self._masks(seen.entity, NOVEL, (action,), on.now.us):
            return []
        shares = self._settings.hold_out
        sure = {self._renewal.action: 0.0, NONE: 0.0} | {wanted["loop"]: 1.0}
        proposal = Proposal(
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            entity=seen.entity,
            episode="",
            pattern=NOVEL,
            action=action,
            propensity=sum(shares[arm] for arm in ARMS if wanted[arm] == action),
            probabilities=sure,
            expires_us=on.now.us + self._settings.expires_us,
            model=f"lives/{self._model.ended}",
            features=_features(_hours(life.seen_us - life.began_us), outlook),
            hold_out=hold_out,
            group=seen.group,
            why=Why(
                mode="best" if hold_out.arm == "loop" else "held-out",
                runner_up=self._renewal.action if action == NONE else NONE,
            ),
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

    def _answer(self, verdict: Verdict) -> None:
        """Note that the action is under way, whoever proposed it, or until when there is no use in asking again."""
        life, action = self._seats.get(verdict.proposal.entity), verdict.action
        if life is None or action in life.settled:
            return
        if verdict.dry_run or verdict.proposal.action != self._renewal.action:
            life.settle(action)
        elif verdict.verdict == "allow" and action is not None:
            life.under_way, life.until_us = action, verdict.time_us + self._settings.outcome_wait_us
            if life.early is not None and life.early[0] == action:
                self._renew(life, *life.early)
            return
        if verdict.proposal.id != life.asked:
            return
        if verdict.decided_by == "pause":
            life.until_us = verdict.time_us + AGAIN_US
        elif verdict.verdict == "deny":
            life.until_us = verdict.retry_after_us or verdict.time_us + self._settings.outcome_wait_us
        elif verdict.dry_run:
            life.until_us = NEVER_US  # it is said once a life what would be done

    def _end(self, outcome: Outcome, on: Occasion) -> None:
        """Take the end of an action; one whose verdict is still under way waits for that. An executor whose clock is
        ahead ends nothing later than now.
        """
        life = self._seats.get(outcome.entity)
        if life is None or outcome.action in life.settled:
            return
        end = (outcome.action, outcome.state, min(outcome.ended_us or outcome.time_us, on.now.us))
        if life.under_way == outcome.action:
            self._renew(life, *end)
        else:
            life.early = end

    def _renew(self, life: Life, action: str, state: str, ended_us: int) -> None:
        """End a life in advance; where nobody knows whether it was ended, nothing is learned of it or the next."""
        life.settle(action)
        life.until_us = 0
        if state == "unknown":
            life.course, life.whole = None, False
        elif state == "succeeded":
            life.seen_us = max(life.seen_us, ended_us)
            self._close(life, None)

    def _fail(self, life: Life, on: Occasion) -> None:
        """Take it that a life ended by itself; what is under way then is its repair."""
        _give_up(life, on.now.us)
        life.settle(life.under_way)
        self._close(life, life.seen_us)

    def _close(self, life: Life, end_us: int | None) -> None:
        """Learn from a life that ended: by itself at `end_us`, or (None) in advance. One of no length was none."""
        if life.course is not None and life.whole and (end_us is None or end_us > life.began_us):
            self._model.end(life.course, None if end_us is None else _hours(end_us - life.began_us))
        life.course, life.whole = None, True


def _give_up(life: Life, now_us: int) -> None:
    """Wait no longer for an end that never came: nobody knows whether the life was ended, so it is in doubt."""
    if life.under_way is not None and now_us >= life.until_us:
        life.settle(life.under_way)
        life.whole = False


def _features(age: float, outlook: Outlook | None) -> dict[str, float]:
    """Return what spoke for it, in hours."""
    features = {"age_h": age}
    if outlook is None:
        return features
    return features | {"remaining_h": outlook.remaining, "level_h": outlook.rule.level}


def _hours(time_us: int) -> float:
    return time_us / HOUR_US
