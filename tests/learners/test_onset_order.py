from streams.learners.onset_order import OnsetOrder

S = 1_000_000


def order(limit: int = 100) -> OnsetOrder:
    return OnsetOrder(window_us=10 * S, limit=limit)


def trust(learned: OnsetOrder, caller: str, callee: str) -> float:
    return dict(learned.among((caller, callee))).get((0, 1), 0.0)


def learn(learned: OnsetOrder, entity: str, opened_us: int) -> None:
    """Learn an onset that is heard of at once."""
    learned.watch(opened_us)
    learned.learn(entity, opened_us)


def test_who_comes_first_time_and_again_is_trusted_to_be_the_cause() -> None:
    learned = order()
    for number in range(4):
        assert trust(learned, "shop", "database") == 0.0 or number > 2
        learn(learned, "database", number * 1_000 * S)
        learn(learned, "shop", number * 1_000 * S + 2 * S)
    assert trust(learned, "shop", "database") > 0.9
    assert trust(learned, "database", "shop") == 0.0


def test_it_does_not_matter_which_of_two_partitions_is_read_first() -> None:
    learned = order()
    for number in range(4):
        learn(learned, "shop", number * 1_000 * S + 2 * S)
        learn(learned, "database", number * 1_000 * S)
    assert trust(learned, "shop", "database") > 0.9


def test_onsets_at_the_same_time_say_nothing_of_order() -> None:
    learned = order()
    for number in range(9):
        learn(learned, "a", number * 1_000 * S)
        learn(learned, "b", number * 1_000 * S)
    assert trust(learned, "a", "b") == trust(learned, "b", "a") == 0.0


def test_who_is_always_abnormal_is_the_cause_of_nothing() -> None:
    learned = order()
    for second in range(0, 4_000, 5):
        learn(learned, "noisy", second * S)
        if second % 1_000 == 500:
            learn(learned, "shop", second * S + 1)
    assert trust(learned, "shop", "noisy") == 0.0


def test_an_onset_of_long_ago_that_is_heard_of_now_makes_the_past_no_longer() -> None:
    learned, early = order(), order()
    for one in (learned, early):
        for number in range(100):
            learn(one, "noisy", number * 9 * S)
            learn(one, "shop", (number * 9 + 1) * S)
    early.learn("late", -100_000_000 * S)
    assert trust(early, "shop", "noisy") == trust(learned, "shop", "noisy")


def test_who_comes_first_nearly_every_time_is_ordered_and_a_coin_is_not() -> None:
    always, coin = order(), order()
    found = []
    for number in range(200):
        second = 1_000 * number
        learn(always, "database", second * S)
        learn(always, "shop", (second + (8 if number % 20 else -8)) * S)
        learn(coin, "a", second * S)
        learn(coin, "b", (second + (-1) ** number * 8) * S)
        found.append(always.is_ordered("shop", "database"))
        assert not coin.is_ordered("a", "b")
    assert not any(found[:8])
    assert all(found[40:])
    assert always.is_ordered("database", "shop")


def test_the_more_pairs_there_are_the_longer_an_order_must_hold() -> None:
    few, many = order(), order()
    for number in range(50):
        learn(many, f"e-{number}", number * 1_000 * S)
    for number in range(100, 112):
        for one in (few, many):
            learn(one, "database", number * 1_000 * S)
            learn(one, "shop", (number * 1_000 + 2) * S)
    assert few.is_ordered("database", "shop")
    assert not many.is_ordered("database", "shop")


def test_what_is_remembered_is_bounded_and_restored() -> None:
    learned = order(limit=10)
    sizes = []
    for number in range(2_000):
        learn(learned, f"e-{number % 100}", number * S)
        sizes.append(len(learned.snapshot()))
    assert max(sizes[1_000:]) <= 1.1 * max(sizes[:1_000])
    restored = order(limit=10)
    restored.restore(learned.snapshot())
    assert restored.snapshot() == learned.snapshot()
