"""Who waits for whom: what prompts share is computed once, and nobody waits for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from sgleval.runtime.leaders import places

TAILS = st.lists(st.text("abc", max_size=5), min_size=1, max_size=12)


def alike(one, other):
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                min(len(one), len(other)))  # fmt: skip


def before(found, position):
    """Return all that are answered before a prompt starts: its leader, and that one's."""
    while (position := found[position].leader) is not None:
        yield position


def test_the_branch_that_most_have_goes_ahead():
    found = places(["what", "who pays", "who sells", "who sees"], shared=1000)
    assert [(place.leader, place.gain) for place in found] == [
        *((2, 1002), (2, 1004), (None, 0), (2, 1006))
    ]


def test_where_nothing_is_known_one_leads_all():
    found = places([()] * 4, shared=9)
    assert [(place.leader, place.gain) for place in found] == [(None, 0), (0, 9), (0, 9), (0, 9)]


@given(TAILS)
def test_exactly_one_goes_ahead_and_every_other_one_has_it_before_it(tails):
    found = places(tails, shared=10)
    [first] = [n for n, place in enumerate(found) if place.leader is None]
    assert all(first in before(found, n) for n in range(len(tails)) if n != first)


@given(TAILS)
def test_the_computed_tokens_are_those_of_an_ideal_cache(tails):
    """In the order in which they may start, each finds all that any other one shares with it."""
    found = places(tails, shared=10)
    order = sorted(range(len(tails)), key=lambda n: len(list(before(found, n))))
    computed, trie = 0, {tail[:end] for tail in tails for end in range(1, len(tail) + 1)}
    for n in order:
        cached = [alike(tails[n], tails[other]) for other in before(found, n)]
        computed += len(tails[n]) - max(cached, default=0)
    assert computed == len(trie)


@given(TAILS)
def test_the_gain_is_what_would_be_computed_twice(tails):
    found = places(tails, shared=10)
    for n, place in enumerate(found):
        if place.leader is None:
            continue
        share = 10 + alike(tails[n], tails[place.leader])
        others = [10 + alike(tails[n], tails[other]) for other in before(found, place.leader)]
        assert place.gain == share - max(others, default=0)


def test_prompts_that_are_longer_each_time_wait_in_a_row_and_do_not_recurse():
    found = places(["a" * n for n in range(1, 3000)], shared=1)
    assert sum(place.leader is None for place in found) == 1
