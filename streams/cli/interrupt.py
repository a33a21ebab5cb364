"""Ctrl-C for commands that start more than they can drop."""

import signal


class Interrupt:
    """Ctrl-C. While the broker is being started it unwinds that; later it is a wish that the run looks at often.

    Only the first counts: pressed again, it must not interrupt the tidying up.
    """

    def __init__(self) -> None:
        self._unwinds = True
        self.asked = False

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self.wait_to_be_asked()

    def wait_to_be_asked(self) -> None:
        """Unwind nothing from now on."""
        self._unwinds = False

    def _on_signal(self, *_: object) -> None:
        first, self.asked = not self.asked, True
        if first and self._unwinds:
            raise KeyboardInterrupt
