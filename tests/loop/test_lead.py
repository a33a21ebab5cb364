"""What is known of the windows before the one that opens an episode."""

import numpy as np

from streams.loop.detect.lead import Lead

SLOTS = np.array([0, 1])


def lead(windows: int = 2) -> Lead:
    made = Lead(windows=windows)
    made.grow(2, 1)
    for start in (10, 20, 30):
        made.push(SLOTS, np.array([start, start + 5]), np.array([[start / 10], [start / 5]]))
    return made


def test_an_episode_began_at_its_first_abnormal_window():
    began = [lead().before(0, recent, since_us=0).began_us for recent in (0b001, 0b011, 0b101, 0b111)]
    assert began == [None, 30, 20, 20]


def test_z_is_that_of_the_window_just_before():
    assert lead().before(1, 0b101, since_us=0).z.tolist() == [[6.0]]


def test_another_part_of_a_window_is_no_window_of_its_own():
    target = lead()
    assert target.again(SLOTS, np.array([30, 30])).tolist() == [True, False]
    target.push(SLOTS, np.array([30, 45]), np.array([[7.0], [8.0]]))
    assert [target.before(slot, 0b110, since_us=0).began_us for slot in (0, 1)] == [20, 35]
    assert [target.before(slot, 0b1, since_us=0).z.tolist() for slot in (0, 1)] == [[[7.0]], [[8.0]]]


def test_what_lies_before_a_silence_did_not_lead_to_it():
    assert lead().before(0, 0b111, since_us=25).began_us == 30
    found = lead().before(0, 0b111, since_us=31)
    assert (found.began_us, len(found.z)) == (None, 0)


def test_one_sample_windows_have_no_lead():
    found = lead(windows=0).before(0, 0b1, since_us=0)
    assert (found.began_us, len(found.z)) == (None, 0)


def test_another_entity_in_the_slot_knows_nothing_of_it():
    shared = lead()
    shared.clear(0)
    assert shared.before(0, 0b001, since_us=0).z.tolist() == [[0.0]]
    assert shared.before(1, 0b011, since_us=0).began_us == 35


def test_a_restored_lead_goes_on_alike():
    whole, other = lead(), Lead(windows=2)
    other.restore(whole.snapshot())
    for one in (whole, other):
        one.grow(3, 2)
        one.push(np.array([2]), np.array([40]), np.array([[1.0, 2.0]]))
    assert other.snapshot() == whole.snapshot()
