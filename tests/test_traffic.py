"""Requests in flight, on a clock of our own."""

import pytest

from sgleval.runtime.traffic import Traffic


def test_idle_is_the_time_with_nothing_in_flight_between_the_first_and_the_last():
    now = 5.0
    traffic = Traffic(lambda: now)
    with traffic:
        now = 7.0
        with traffic:
            now = 8.0
    now = 10.0
    with traffic:
        now = 15.0
    assert traffic.seconds == 10.0
    assert traffic.idle_share == pytest.approx(0.2)
    assert traffic.in_flight == pytest.approx((2 + 2 + 5) / 10)


def test_without_requests_nothing_is_known():
    traffic = Traffic()
    assert (traffic.seconds, traffic.idle_share, traffic.in_flight) == (0.0, None, None)


def test_a_request_that_fails_is_no_longer_in_flight():
    now = 0.0
    traffic = Traffic(lambda: now)
    with pytest.raises(OSError, match="gone"), traffic:  # noqa: PT012  (a request, in short)
        now = 1.0
        raise OSError("gone")
    now = 2.0
    with traffic:
        now = 3.0
    assert traffic.idle_share == pytest.approx(1 / 3)
