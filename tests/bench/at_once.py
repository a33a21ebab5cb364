"""An executor of worlds in which every action succeeds at once."""

from schemas.events import Action, Outcome


class AtOnce:
    """Keeps the outcomes of actions until they are asked for."""

    def __init__(self) -> None:
        self._done: list[Outcome] = []

    def end(self, action: Action, now_us: int) -> None:
        """Note that an action succeeded."""
        self._done.append(
            Outcome(
                id=f"{action.id}/end",
                time_us=now_us,
                action=action.id,
                entity=action.entity,
                group="",
                executor="",
                state="succeeded",
                ended_us=now_us,
            )
        )

    def take(self) -> list[Outcome]:
        """Return what ended since it was last asked."""
        done, self._done = self._done, []
        return done
