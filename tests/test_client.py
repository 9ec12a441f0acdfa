"""The design's table of failures (section 9), a row at a time: who is asked again, how often."""

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_server import RESET, FakeServer, Fault

from sgleval.errors import RunError
from sgleval.runtime.client import LONGEST_PAUSE, Client, RequestError
from sgleval.runtime.server import free_port

pytestmark = pytest.mark.timeout(60)
BODY = {"text": "Hi", "sampling_params": {}}


class Pauses(threading.Event):
    """Notes how long it was waited for, instead of waiting."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def wait(self, timeout=None):
        self.asked.append(timeout)
        return self.is_set()


def quick(url, **settings):
    return Client(url, closed=Pauses(), **settings)


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        *((Fault(status), 6) for status in (408, 429, 503)),
        (RESET, 6),
        *((Fault(status), 2) for status in (500, 502, 504)),
        (Fault(seconds=5), 2),
        *((Fault(status), 1) for status in (400, 401, 404, 413, 422, 302)),
        (Fault(body="<html>Sign in</html>"), 1),
    ],
    ids=lambda value: "" if isinstance(value, int) else f"{value.status}{value.reset * '-reset'}",
)
def test_each_kind_of_failure_has_its_number_of_attempts(fault, attempts):
    with FakeServer(faults=[fault] * 9) as server:
        with pytest.raises(RequestError):
            quick(server.url, seconds=0.2).post("/generate", BODY)
        assert len(server.bodies) == attempts


@pytest.mark.parametrize("fault", [Fault(503), RESET, Fault(500), Fault(seconds=5)])
def test_what_passes_is_answered(fault):
    with FakeServer(lambda _: "now", [fault]) as server:
        assert quick(server.url, seconds=0.5).post("/generate", BODY)["text"] == "now"
        assert len(server.bodies) == 2


def test_a_server_that_was_busy_before_it_failed_is_asked_as_the_last_failure_says():
    with FakeServer(faults=[Fault(503), Fault(500), Fault(503)]) as server:
        with pytest.raises(RequestError, match="HTTP 500"):
            quick(server.url).post("/generate", BODY)
        assert len(server.bodies) == 2


def test_pauses_grow_are_random_and_end_at_a_bound():
    with FakeServer(faults=[Fault(503)] * 12) as server:
        client = quick(server.url)
        for _ in range(2):
            with pytest.raises(RequestError):
                client.post("/generate", BODY)
    asked = client.closed.asked
    for attempt, seconds in enumerate(asked[:5], start=1):
        assert 0.5 * 2 ** (attempt - 1) <= seconds <= min(LONGEST_PAUSE, 2 ** (attempt - 1))
    assert asked[:5] != asked[5:]


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 1),
        ("86400", LONGEST_PAUSE, LONGEST_PAUSE),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0, 1),
        ("²", 0, 1),
    ],
)
def test_retry_after_is_obeyed_within_a_bound(header, least, most):
    with FakeServer(faults=[Fault(429, headers={"Retry-After": header})]) as server:
        client = quick(server.url)
        client.post("/generate", BODY)
    assert least <= client.closed.asked[0] <= most


def test_a_failed_server_is_asked_again_at_once():
    with FakeServer(faults=[Fault(500)]) as server:
        client = quick(server.url)
        client.post("/generate", BODY)
    assert client.closed.asked == [0.0]


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(seconds=5), RESET])
def test_another_attempt_takes_a_fresh_connection(fault):
    with FakeServer(faults=[fault]) as server:
        client = quick(server.url, seconds=0.5)
        client.post("/generate", BODY)
        first, second = (request.connection for request in server.requests)
    assert first != second


def test_no_more_attempts_once_the_run_has_ended():
    with FakeServer(faults=[Fault(503, "full", {"Retry-After": "30"})] * 6) as server:
        client = Client(server.url)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.post, "/generate", BODY)
            while not server.bodies:
                time.sleep(0.01)
            began = time.monotonic()
            client.closed.set()
            with pytest.raises(RequestError, match="HTTP 503: full"):
                asked.result()
        assert time.monotonic() - began < 5
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "Failed to compile regex", "code": 400}}, "Failed to compile regex"),
        ({"error": "too long"}, "too long"),
        ({"object": "error", "message": "no such model"}, "no such model"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"odd": 1}, '{"odd": 1}'),
        (["odd"], '["odd"]'),
        ("Internal\n  Server Error", "Internal Server Error"),
        ("", ""),
        ("x" * 900, "x" * 500),
    ],
)
def test_the_error_is_what_the_server_says(body, words):
    with FakeServer(faults=[Fault(400, body)]) as server, pytest.raises(RequestError) as caught:
        quick(server.url).post("/generate", BODY)
    assert str(caught.value) == f"HTTP 400: {words}"


def test_silence_says_how_long_it_lasted():
    words = pytest.raises(RequestError, match="no reply within 1 s")
    with FakeServer(faults=[Fault(seconds=9)] * 2) as server, words:
        quick(server.url, seconds=1).post("/generate", BODY)


def test_a_server_that_is_away_is_recovered_before_each_further_attempt():
    calls = []
    client = quick(f"http://127.0.0.1:{free_port()}", recover=lambda: calls.append(1))
    with pytest.raises(RequestError, match="no connection to http://127"):
        client.post("/generate", BODY)
    assert len(calls) == 5


def test_a_busy_server_is_not_recovered():
    calls = []
    with FakeServer(faults=[Fault(503), Fault(500)]) as server, pytest.raises(RequestError):
        quick(server.url, recover=lambda: calls.append(1)).post("/generate", BODY)
    assert calls == []


def test_a_server_that_comes_back_on_its_port_answers():
    port, back = free_port(), []
    client = quick(
        f"http://127.0.0.1:{port}",
        recover=lambda: back or back.append(FakeServer(port=port).__enter__()),
    )
    try:
        assert client.post("/generate", BODY)["text"] == "fine"
    finally:
        back[0].__exit__()


def test_a_server_that_is_gone_for_good_ends_the_run():
    def gone():
        raise RunError("gone")

    with pytest.raises(RunError, match="gone"):
        quick(f"http://127.0.0.1:{free_port()}", recover=gone).post("/generate", BODY)


def test_many_requests_share_a_connection_per_worker():
    with FakeServer() as server:
        client = Client(server.url, workers=4)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: client.post("/generate", BODY), range(60)))
        assert len(server.bodies) == 60
        assert server.connections <= 4


def test_more_threads_than_workers_wait_for_a_connection_without_a_word(caplog):
    with FakeServer(lambda _: Fault(seconds=0.01)) as server, caplog.at_level(logging.WARNING):
        client = Client(server.url, workers=2)
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: client.post("/generate", BODY), range(40)))
        assert server.connections <= 2
    assert caplog.records == []


def test_get_asks_once():
    with FakeServer() as server:
        assert quick(server.url).get("/model_info")["model_path"] == "org/model"
        with pytest.raises(RequestError, match="HTTP 404: Not Found"):
            quick(server.url).get("/nothing")
        assert [request.path for request in server.requests] == ["/model_info", "/nothing"]


def test_headers_go_along_and_no_proxy_is_asked(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with FakeServer() as server:
        client = Client(server.url, headers={"Authorization": "Bearer key"})
        assert client.get("/model_info")
        assert server.requests[0].headers["Authorization"] == "Bearer key"


STREAM = {"text": "Hi", "sampling_params": {}, "stream": True}


def events(*said, end="data: [DONE]\n\n"):
    """A reply that streams these events."""
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in said)
    return Fault(body=lines + end, headers={"Content-Type": "text/event-stream"})


def test_of_a_stream_the_last_event_is_the_reply_and_the_first_is_told_at_once():
    told = []
    with FakeServer(faults=[Fault(between=0.3)]) as server:
        client, began = quick(server.url), time.monotonic()
        reply = client.post("/generate", STREAM, lambda: told.append(time.monotonic() - began))
        plain = client.post("/generate", BODY)
        took = time.monotonic() - began
    assert reply["text"] == plain["text"] == "fine"
    assert reply["meta_info"].keys() == plain["meta_info"].keys()
    [first] = told
    assert first < took - 0.2


@pytest.mark.parametrize(
    ("said", "attempts", "words"),
    [
        ({"error": {"message": "bad regex", "code": 400}}, 1, "HTTP 400: bad regex"),
        ({"error": {"message": "full", "code": 503}}, 6, "HTTP 503: full"),
        ({"error": "odd"}, 1, "HTTP 400: odd"),
        (
            {"text": "", "meta_info": {"finish_reason": {"message": "away", "status_code": 500}}},
            2,
            "HTTP 500: away",
        ),
    ],
)
def test_a_failure_inside_a_stream_counts_as_it_does_outside(said, attempts, words):
    with FakeServer(faults=[events({"text": "a"}, said)] * 9) as server:
        with pytest.raises(RequestError, match=words):
            quick(server.url).post("/generate", STREAM)
        assert len(server.bodies) == attempts


@pytest.mark.parametrize("broken", [events({"text": "a"}, end=""), events(), events(end="")])
def test_a_stream_that_breaks_off_is_asked_for_again(broken):
    with FakeServer(faults=[broken]) as server:
        assert quick(server.url).post("/generate", STREAM)["text"] == "fine"
        assert len(server.bodies) == 2
