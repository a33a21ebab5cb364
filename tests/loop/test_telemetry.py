import numpy as np

from streams.loop.telemetry import Coded

TEXTS = ["b", "a", "b", "c", "a"]


def test_coded_texts_read_like_the_list_that_they_were_made_of():
    coded = Coded.of(TEXTS)
    assert list(coded) == TEXTS
    assert len(coded) == len(TEXTS)
    assert [coded[row] for row in range(len(TEXTS))] == TEXTS
    assert coded[1:4] == TEXTS[1:4]


def test_names_come_once_in_order_of_first_appearance():
    coded = Coded.of(TEXTS)
    assert coded.names == ["b", "a", "c"]
    assert np.array_equal(coded.codes, [0, 1, 0, 2, 1])


def test_coded_texts_are_not_coded_again():
    coded = Coded.of(TEXTS)
    assert Coded.of(coded) is coded
