"""The window: leaders first, other groups meanwhile, never a slot empty for a few tokens."""

import threading
import time

import pytest

from sgleval.runtime.leaders import Place
from sgleval.runtime.pace import Pace
from sgleval.runtime.window import WORTH_AN_EMPTY_SLOT, Window

pytestmark = pytest.mark.timeout(60)


class Work:
    """Work that ends when it is told to, and notes what has begun."""

    def __init__(self):
        self.begun, self.ends, self.heard = [], {}, {}
        self.lock = threading.Lock()

    def __call__(self, item, begun):
        with self.lock:
            self.begun.append(item)
            self.heard[item] = begun
            end = self.ends.setdefault(item, threading.Event())
        assert end.wait(20)
        return item

    def end(self, *items):
        for item in items:
            with self.lock:
                self.ends.setdefault(item, threading.Event()).set()

    def has_begun(self, *items):
        """Wait until just these have begun."""
        until = time.monotonic() + 5
        while len(self.begun) < len(items) and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.03)
        return sorted(self.begun) == sorted(items)


@pytest.fixture
def work():
    return Work()


def begin(window, work, size):
    """Run a window in a thread; return the items as they finish, and the thread."""
    finished = []

    def run():
        for item, _ in window.run(work, Pace(size)):
            finished.append(item)

    thread = threading.Thread(target=run)
    thread.start()
    return finished, thread


def chain(gain):
    """Return an arrangement in which each item waits for the one before it."""
    return lambda group: [Place(n - 1 if n else None, gain if n else 0) for n in range(len(group))]


def test_a_leader_goes_alone_and_its_siblings_follow_before_a_new_group(work):
    finished, thread = begin(Window([["a0", "a1", "a2"], ["b0", "b1"], ["c0"]]), work, 2)
    assert work.has_begun("a0", "b0")
    work.end("a0")
    assert work.has_begun("a0", "b0", "a1")
    work.end("a1")
    assert work.has_begun("a0", "b0", "a1", "a2")
    work.end("a2", "b0", "b1", "c0")
    thread.join(20)
    assert len(finished) == 6


def test_siblings_follow_as_soon_as_their_leader_says_so_and_no_sooner(work):
    finished, thread = begin(Window([["a0", "a1", "a2"]]), work, 4)
    assert work.has_begun("a0")
    work.heard["a0"]()
    assert work.has_begun("a0", "a1", "a2")
    work.heard["a0"]()  # a second attempt says it once more
    work.end("a1", "a2", "a0")
    thread.join(20)
    assert sorted(finished) == ["a0", "a1", "a2"]
    assert work.heard["a1"] is work.heard["a2"] is None, "nobody waits for them"


def test_where_all_groups_share_something_long_they_start_once_the_first_has_it(work):
    _, thread = begin(Window([["a0", "a1"], ["b"]], alone=True), work, 3)
    assert work.has_begun("a0")
    work.heard["a0"]()
    assert work.has_begun("a0", "a1", "b")
    work.end("a0", "a1", "b")
    thread.join(20)


def test_one_at_a_time_keeps_each_group_together():
    order = [item for item, _ in Window([[1, 2, 3], [4, 5]]).run(lambda item, _: item, Pace(1))]
    assert order == [1, 2, 3, 4, 5]


def test_what_leads_others_goes_before_what_does_not(work):
    places = [Place(None, 0), Place(0, 99), Place(0, 99), Place(2, 99)]
    _, thread = begin(Window([[0, 1, 2, 3]], lambda _: places), work, 1)
    work.end(0, 1, 2, 3)
    thread.join(20)
    assert work.begun == [0, 2, 1, 3] or work.begun.index(2) < work.begun.index(1)


def test_for_a_few_tokens_half_of_the_slots_stay_empty_and_no_more(work):
    _, thread = begin(Window([list(range(8))], chain(WORTH_AN_EMPTY_SLOT - 1)), work, 4)
    assert work.has_begun(0, 1)
    work.end(*range(8))
    thread.join(20)


def test_for_many_tokens_slots_stay_empty(work):
    _, thread = begin(Window([list(range(8))], chain(WORTH_AN_EMPTY_SLOT)), work, 4)
    assert work.has_begun(0)
    work.end(*range(8))
    thread.join(20)


def test_a_new_group_goes_before_one_that_had_better_wait(work):
    _, thread = begin(Window([[0, 1, 2], [10]], chain(1)), work, 4)
    assert work.has_begun(0, 10)
    work.end(0, 1, 2, 10)
    thread.join(20)


def test_the_very_first_one_goes_alone_where_all_groups_share_something_long(work):
    _, thread = begin(Window([["a"], ["b"], ["c"]], alone=True), work, 3)
    assert work.has_begun("a")
    work.end("a")
    assert work.has_begun("a", "b", "c")
    work.end("b", "c")
    thread.join(20)


@pytest.mark.parametrize(("room", "most"), [(2500.0, 2), (1.0, 1)])
def test_open_groups_stay_within_the_room_and_one_is_always_let_in(room, most):
    groups, open_now, seen, lock = (
        [[10 * n, 10 * n + 1] for n in range(6)],
        set(),
        [],
        threading.Lock(),
    )

    def run(item, _):
        with lock:
            open_now.add(item // 10)
            seen.append(len(open_now))
            if item % 10:
                open_now.discard(item // 10)

    window = Window(groups, weigh=lambda _: 1000.0, room=room)
    assert len(list(window.run(run, Pace(8)))) == 12
    assert max(seen) <= most


def test_what_is_finished_is_yielded_before_what_raised():
    both = threading.Barrier(2)

    def run(item, _):
        both.wait(10)
        if item == 0:
            raise ValueError("odd")
        return item

    finished = []
    with pytest.raises(ValueError, match="odd"):  # noqa: PT012  (what is yielded before counts)
        for item, _ in Window([[0], [1]]).run(run, Pace(2)):
            finished.append(item)
    assert finished in ([], [1])
