import numpy as np
import pytest

from streams.learners.template_table import FORGET, TemplateTable


def table(**rows: dict[str, tuple[float, ...]]) -> TemplateTable:
    """Return a table with one occurrence per row, begun at position 3 of 10."""
    made = TemplateTable(positions=10, column_limit=3)
    for identity, onset in rows.items():
        made.add_all(made.append(identity), [(3, onset)])
    return made


def test_a_template_is_the_mean_of_its_occurrences_where_a_quarter_of_them_were():
    target = table(p={"cpu": (1, 2)})
    for _ in range(4):
        target.add_all(0, [(4, {"cpu": (4, 6)})])
    assert target.mean(0) == {"cpu": [18 / 5, 6]}
    assert target.core(0, 2)[0] == 4


def test_occurrences_count_as_far_as_they_are_on_the_template():
    target = table(p={"cpu": (1, 1)})
    target.add_all(0, [(-1, {"cpu": (5, 6)}), (9, {"cpu": (7, 8)}), (12, {"cpu": (9, 9)})])
    assert target.sums[0, :, 0].tolist() == [6, 0, 0, 1, 1, 0, 0, 0, 0, 7]


@pytest.mark.parametrize("position", [-1, 2, 3, 9, 12])
def test_an_occurrence_that_is_taken_back_was_never_there(position):
    target = table(p={"cpu": (1.0, 2.0)})
    before = target.sums.copy(), target.counts.copy()
    target.add_all(0, [(position, {"cpu": (5.0, 6.0)})])
    target.take(0, position, target.matrix({"cpu": (5.0, 6.0)}))
    assert (target.sums == before[0]).all()
    assert (target.counts == before[1]).all()


def test_the_nearest_templates_are_those_that_moved_in_the_same_direction():
    target = table(a={"cpu": (9.0,)}, b={"cpu": (-9.0,)}, c={"cpu": (1.0,), "disk": (1.0,)}, d={"disk": (5.0,)})
    series = target.matrix({"cpu": (4.0,), "disk": (1.0,)})
    assert [target.nearest(series, most).tolist() for most in (1, 2, 3, 4)] == [[0], [0, 2], [0, 2, 3], [0, 1, 2, 3]]


def test_old_occurrences_are_forgotten_in_favour_of_new_ones():
    target = table(p={"cpu": (0.0,)})
    for _ in range(400):
        target.add_all(0, [(3, {"cpu": (8.0,)})])
    assert target.counts[0, 3] == FORGET
    assert target.mean(0)["cpu"] == [pytest.approx(8, rel=1e-3)]


def test_joined_rows_are_added_where_they_lie_on_each_other():
    target = table(p={"cpu": (1, 2)}, q={"cpu": (3, 4), "disk": (5, 6)})
    target.join(0, 1, -1)
    assert target.ids == ["p"]
    assert target.sums[0, 2:5].tolist() == [[3, 5], [5, 6], [2, 0]]
    assert target.counts[0, 2:5].tolist() == [1, 2, 1]


def test_a_row_moves_between_tables_with_its_metrics():
    target, other = table(p={"cpu": (1, 2)}, q={"disk": (3, 4)}), table(r={"memory": (5, 6)})
    other.push("q", target.pop("q"))
    assert (target.ids, target.names) == (["p"], ["cpu"])
    assert (other.ids, other.names) == (["r", "q"], ["memory", "disk"])
    assert other.mean(1) == {"disk": [3, 4]}


def test_metrics_beyond_the_limit_are_left_out():
    target = table(p={"a": (1,), "b": (2,), "c": (3,)})
    assert target.matrix({"c": (4,), "d": (5,)}).tolist() == [[0, 0, 4]]


def test_a_restored_table_is_the_same():
    target, other = table(p={"cpu": (1, 2)}, q={"disk": (3, 4)}), table()
    other.restore(target.snapshot())
    assert other.snapshot() == target.snapshot()
    np.testing.assert_array_equal(other.sums, target.sums)
