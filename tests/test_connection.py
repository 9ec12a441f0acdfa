"""HTTP as servers speak it, byte by byte."""

import contextlib
import gc
import os
import socket
import threading
import time

import pytest

from sgleval.runtime.connection import Connection
from sgleval.runtime.server import free_port

pytestmark = pytest.mark.timeout(60)


@contextlib.contextmanager
def server(*replies, close=True):
    """Give (url, requests): each connection gets the replies in turn, one a request."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked, left = [], list(replies)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    while left or not close:  # an open one falls silent in the end
                        got = connection.recv(1 << 20)
                        if not got:
                            break
                        asked.append(got)
                        connection.sendall(left.pop(0) if left else b"")
                        if close:
                            break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def ask(reply, **settings):
    with server(reply) as (url, _), contextlib.closing(Connection(url, {}, 5.0)) as connection:
        return connection.ask("POST", "/generate", b"{}", **settings)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\ncontent-length:4\r\n\r\nfine",
        b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2;x=1\r\nne\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nTail: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\n\r\nfine",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
    ],
)
def test_a_body_is_read_in_each_way_that_it_may_be_measured(reply):
    found = ask(reply)
    assert (found.status, found.data) == (200, b"fine")


def test_the_first_chunk_is_told_before_the_last_one_is_there():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n"
    told = threading.Event()
    with server(head, close=False) as (url, _):
        connection = Connection(url, {}, 0.5)
        with pytest.raises(TimeoutError):  # nothing follows
            connection.ask("POST", "/generate", b"{}", told.set)
    assert told.is_set()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "closed without a reply"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine", "broke after 4 of 9 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n", "no end of headers"),
    ],
)
def test_what_is_no_whole_reply_is_an_error(reply, words):
    with pytest.raises(OSError, match=words):
        ask(reply)


def test_what_is_sent_is_one_whole_request():
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        connection = Connection(url + "/base/", {"Authorization": "Bearer key"}, 5.0)
        with contextlib.closing(connection):
            connection.ask("POST", "/generate", b'{"a":1}')
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert head.startswith(b"POST /base/generate HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nContent-Length: 7" in head
    assert b"\r\nAuthorization: Bearer key\r\n" in head


def test_a_connection_that_the_server_ended_is_opened_again():
    fine = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
    with server(fine, fine) as (url, _), contextlib.closing(Connection(url, {}, 5)) as connection:
        connection.ask("GET", "/")
        time.sleep(1.1)  # it is looked after only when it has been idle
        assert connection.ask("GET", "/").data == b"fine"


def test_a_connection_is_not_used_again_when_the_server_says_that_it_closes():
    fine = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine"
    with server(fine, fine) as (url, _), contextlib.closing(Connection(url, {}, 5)) as connection:
        assert [connection.ask("GET", "/").data for _ in range(2)] == [b"fine"] * 2


def test_silence_is_told_from_a_server_that_is_not_there():
    with (
        server(b"HTTP/1.1 200 OK\r\n", close=False) as (url, _),
        contextlib.closing(Connection(url, {}, 0.2)) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.ask("GET", "/")
    with pytest.raises(ConnectionError):
        Connection(f"http://127.0.0.1:{free_port()}", {}, 0.2).ask("GET", "/")


@pytest.mark.parametrize("url", ["ftp://host", "host:30000", "http://"])
def test_what_is_no_address_is_an_error(url):
    with pytest.raises(OSError, match="is no address"):
        Connection(url, {}, 1.0).ask("GET", "/")


def test_a_connection_in_a_cycle_is_closed_in_whichever_order_the_collector_finds_its_parts(
    monkeypatch,
):
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", close=False) as (url, _):
        elder = [socket.create_connection(url.removeprefix("http://").split(":"))]
        opened = elder[0].fileno()
        monkeypatch.setattr("socket.create_connection", lambda *_: elder.pop())
        connection = Connection(url, {}, 5.0)
        connection.ask("GET", "/")
        connection.itself = connection
        del connection
        monkeypatch.undo()
        gc.collect()  # an open socket would warn, which is an error
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(opened)
