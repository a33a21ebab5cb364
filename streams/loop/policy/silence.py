"""While nobody answers proposals in time, those that are made again come more and more rarely."""

import msgspec

LONGEST_US = 300_000_000
"""The longest time from one to the next."""
_DOUBLINGS = 40


class Silence(msgspec.Struct, array_like=True):
    """How often in a row nobody answered in time, and until when nothing is proposed again: from one proposal to the
    next it is as long as one is valid, then twice, four times as long, and so on.
    """

    times: int = 0
    until_us: int = 0

    def note(self, made_us: int, now_us: int, *, expires_us: int) -> None:
        """Note that nobody answered a proposal in time; those that were made before the end of a rest count once."""
        if made_us < self.until_us:
            return
        longest_us = max(LONGEST_US, expires_us)
        self.until_us = now_us + min(expires_us << min(self.times, _DOUBLINGS), longest_us) - expires_us
        self.times += 1

    def end(self) -> None:
        """Note that somebody answers in time: there is no more rest."""
        self.times = self.until_us = 0
