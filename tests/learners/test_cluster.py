from streams.learners.cluster import RECENT, Member, new_cluster


def cluster_of(*times: int, number: int = 1):
    cluster = new_cluster(f"p-{number}", times[0])
    for time in times:
        cluster.count(Member(f"episode-{time}", time, 3, {"cpu": (float(time),)}))
    return cluster


def test_the_latest_occurrences_are_kept():
    cluster = cluster_of(*range(40))
    assert (cluster.support, cluster.first_us, cluster.last_us) == (40, 0, 39)
    assert [member.time_us for member in cluster.members] == list(range(40 - RECENT, 40))
    assert cluster.episodes[-1] == "episode-39"


def test_a_cluster_that_takes_another_in_has_the_occurrences_of_both():
    keeps, gives = cluster_of(1, 3, 5), cluster_of(2, 4, number=2)
    keeps.take_in(gives, -1, 0)
    assert (keeps.support, keeps.first_us, keeps.last_us) == (5, 1, 5)
    assert keeps.starts_us == [1, 2, 3, 4, 5]
    assert [(member.time_us, member.position) for member in keeps.members] == [(1, 3), (2, 2), (3, 3), (4, 2), (5, 3)]


def test_of_two_that_become_one_the_latest_episodes_are_those_of_the_one_seen_last():
    keeps, gives = cluster_of(*range(20)), cluster_of(30, number=2)
    keeps.take_in(gives, 0, 0)
    assert keeps.episodes == [*(f"episode-{time}" for time in range(5, 20)), "episode-30"]


def test_a_part_that_is_let_go_takes_its_occurrences_with_it():
    whole = cluster_of(1, 2, 3, 4, 5)
    whole.learn_duration("episode-2", 20)
    whole.learn_duration("episode-3", 30)
    part = whole.let_go([whole.members[1], whole.members[3]], "p-9")
    assert (whole.support, part.support) == (3, 2)
    assert (whole.episodes, part.episodes) == (["episode-1", "episode-3", "episode-5"], ["episode-2", "episode-4"])
    assert (whole.duration_us(), part.duration_us()) == (30, 20)
    assert (part.first_us, part.last_us, part.starts_us, part.split_from) == (2, 4, [2, 4], "p-1")


def test_a_part_that_is_let_go_takes_its_times_with_it():
    whole = cluster_of(1, 2, 3, 4, 5)
    whole.let_go([whole.members[0], whole.members[4]], "p-9")
    assert (whole.first_us, whole.last_us) == (2, 4)


def test_a_pattern_began_with_an_occurrence_that_is_not_among_the_latest():
    whole = cluster_of(*range(RECENT + 1))
    whole.let_go([whole.members[0], whole.members[-1]], "p-9")
    assert (whole.first_us, whole.last_us) == (0, RECENT - 1)


def test_a_pattern_all_of_whose_latest_occurrences_are_gone_keeps_its_times():
    whole = cluster_of(*range(RECENT + 1))
    whole.let_go(list(whole.members), "p-9")
    assert (whole.support, whole.first_us, whole.last_us) == (1, 0, RECENT)


def test_the_most_occurrences_that_a_pattern_had_are_known():
    whole, other = cluster_of(1, 2, 3), cluster_of(4, 5, 6, 7, number=2)
    part = whole.let_go(whole.members[1:], "p-9")
    assert (whole.most, part.most) == (3, 2)
    part.take_in(whole, 0, 0)
    assert (part.support, part.most) == (3, 3)
    other.take_in(part, 0, 0)
    assert (other.support, other.most) == (7, 7)


def test_a_period_needs_regular_gaps():
    assert cluster_of(*range(0, 700, 100)).period_us() == 100
    assert cluster_of(0, 100, 200, 300).period_us() is None  # too few
    assert cluster_of(0, 10, 200, 210, 400, 410, 600).period_us() is None
