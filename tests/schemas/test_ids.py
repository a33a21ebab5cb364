"""Ids follow from what caused an output: they are written in topics, so they never change."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import Cause, Mint, derive

causes = st.builds(Cause, st.text(max_size=9), st.integers(0, 99), st.integers(-9, 10**16))


@given(found=st.lists(causes, max_size=9), loop=st.text(max_size=5), processor=st.text(max_size=5))
def test_an_id_is_derived_from_loop_cause_processor_and_the_number_of_the_output(
    found: list[Cause], loop: str, processor: str
) -> None:
    mint, counts = Mint(loop=loop, processor=processor), dict.fromkeys(found, 0)
    for cause in found + found:
        n, counts[cause] = counts[cause], counts[cause] + 1
        assert mint(cause) == derive(loop, cause.topic, cause.partition, cause.offset, processor, n)


def test_ids_are_those_that_topics_hold() -> None:
    mint = Mint(loop="lab", processor="gate")
    found = [mint(Cause("policy", 0, 7)) for _ in range(2)]
    assert found == ["b839c392a45b1cb3788e546b128b9e13", "377748bf0740dffb656ac16b6add9d29"]
