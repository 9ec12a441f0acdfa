"""The adapting window, against servers whose rate is a formula."""

import pytest

from sgleval.runtime.pace import MOST, REST, Pace


class Server:
    """Ends programs one by one at a rate that depends on how many are in flight."""

    def __init__(self, rate, size=8):
        self.now, self.refused, self.rate = 0.0, 0, rate
        self.pace = Pace(size, adapts=True, refusals=lambda: self.refused, clock=lambda: self.now)
        self.sizes = []

    def end(self, programs):
        for _ in range(programs):
            self.now += 1 / self.rate(self.pace.size)
            self.pace.finished()
            self.sizes.append(self.pace.size)
        return self.pace.size


def test_a_fixed_one_never_changes():
    pace = Pace(7)
    for _ in range(500):
        pace.finished()
    assert (pace.size, pace.most) == (7, 7)


def test_it_grows_as_long_as_that_is_quicker_and_not_above_what_the_server_orders():
    assert Server(lambda size: 10.0 * size).end(3000) == MOST


@pytest.mark.parametrize("knee", [16, 32, 64])
def test_it_goes_back_when_more_programs_only_queue(knee):
    server = Server(lambda size: 10.0 * min(size, knee))
    server.end(3000)
    assert knee in server.sizes
    assert max(server.sizes) <= 2 * knee
    assert server.sizes.count(knee) > len(server.sizes) / 3  # it goes on trying now and then


def test_it_tries_again_later_and_finds_a_server_that_has_grown():
    knee = 8
    server = Server(lambda size: 10.0 * min(size, knee))
    server.end(300)
    knee = 64
    server.end(64 * 2 * REST * 3)
    assert max(server.sizes[-200:]) >= 64


def test_it_halves_when_the_server_refuses_and_stays_below_from_then_on():
    server = Server(lambda size: 10.0 * size, size=32)
    server.refused += 1
    assert server.end(1) == 16
    server.end(5000)
    assert max(server.sizes) == 31


def test_it_never_falls_below_one():
    server = Server(lambda _: 1.0, size=2)
    for _ in range(5):
        server.refused += 1
        server.end(1)
    assert server.pace.size == 1
