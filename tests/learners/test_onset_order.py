from streams.learners.onset_order import OnsetOrder

S = 1_000_000


def order(limit: int = 100) -> OnsetOrder:
    return OnsetOrder(window_us=10 * S, limit=limit)


def test_who_comes_first_time_and_again_is_trusted_to_be_the_cause() -> None:
    learned = order()
    for number in range(4):
        assert learned.trust("shop", "database") == 0.0 or number > 2
        learned.learn("database", number * 1_000 * S)
        learned.learn("shop", number * 1_000 * S + 2 * S)
    assert learned.trust("shop", "database") > 0.9
    assert learned.trust("database", "shop") == 0.0


def test_it_does_not_matter_which_of_two_partitions_is_read_first() -> None:
    learned = order()
    for number in range(4):
        learned.learn("shop", number * 1_000 * S + 2 * S)
        learned.learn("database", number * 1_000 * S)
    assert learned.trust("shop", "database") > 0.9


def test_onsets_at_the_same_time_say_nothing_of_order() -> None:
    learned = order()
    for number in range(9):
        learned.learn("a", number * 1_000 * S)
        learned.learn("b", number * 1_000 * S)
    assert learned.trust("a", "b") == learned.trust("b", "a") == 0.0


def test_who_is_always_abnormal_is_the_cause_of_nothing() -> None:
    learned = order()
    for second in range(0, 4_000, 5):
        learned.learn("noisy", second * S)
        if second % 1_000 == 500:
            learned.learn("shop", second * S + 1)
    assert learned.trust("shop", "noisy") == 0.0


def test_what_chance_brings_is_counted_from_the_first_time_watched() -> None:
    calm, busy = order(), order()
    calm.watch(0)
    for number in range(3):
        calm.learn(f"e-{number}", 10_000 * S)
    for second in range(0, 10_000, 5):
        busy.learn("e", second * S)
    assert calm.expected() < 0.01
    assert busy.expected() > 1.5


def test_what_is_remembered_is_bounded_and_restored() -> None:
    learned = order(limit=10)
    sizes = []
    for number in range(2_000):
        learned.learn(f"e-{number % 100}", number * S)
        sizes.append(len(learned.snapshot()))
    assert max(sizes[1_000:]) <= 1.1 * max(sizes[:1_000])
    restored = order(limit=10)
    restored.restore(learned.snapshot())
    assert restored.snapshot() == learned.snapshot()
