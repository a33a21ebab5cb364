"""A process whose memory does not get all the room that it wants: `fill FOLDER` until it says so, `go-on FOLDER` after.

`fill` prints how many claims it was told, what was said of the next one, and whether it still knows them; where it may
not write at all it prints why. `go-on` prints from which offset on it reads, and how many claims it knows then.
"""

import sys
from pathlib import Path

import msgspec

from schemas.client.duplicates import DuplicateStore
from schemas.errors import FlyballError
from schemas.events import Outcome


def memory(folder: Path) -> DuplicateStore:
    return DuplicateStore(folder, loop="lab", group="ops", cluster="k1", now_us=1)


def claim(number: int) -> Outcome:
    return Outcome(
        id=f"claim-{number}",
        time_us=2,
        action=f"a{number}",
        entity="e" * 500,
        group="ops",
        executor="x1",
        state="claimed",
    )


def known(store: DuplicateStore, claims: int) -> int:
    return sum(store.winner(f"a{number}") == f"claim-{number}" for number in range(claims))


def fill(folder: Path) -> dict[str, object]:
    try:
        store = memory(folder)
    except FlyballError as error:
        return {"error": type(error).__name__, "said": str(error)}
    for number in range(100_000):
        try:
            store.fold(number, claim(number))
            store.start(number)
        except FlyballError as error:
            told = store.next_offset
            return {"error": type(error).__name__, "said": str(error), "told": told, "known": known(store, told)}
    raise AssertionError("the disk was never full")


def go_on(folder: Path) -> dict[str, object]:
    store = memory(folder)
    begun = store.next_offset
    store.fold(begun, claim(begun))
    return {"begun": begun, "known": known(store, begun + 1)}


if __name__ == "__main__":
    place = Path(sys.argv[2])
    print(msgspec.json.encode(fill(place) if sys.argv[1] == "fill" else go_on(place)).decode())
