"""Requests to hosts that are slow, endless or sly: each ends, with an answer or an error."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from picomesh.engine.network import CONTENT_BYTES_MAX, NetworkError, UrllibNetwork

Talk = Callable[[socket.socket], None]


@pytest.fixture
def host() -> Iterator[Callable[[Talk], str]]:
    """Starts a host that talks as it is told; its URL."""
    servers: list[socket.socket] = []

    def start(talk: Talk) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        client.recv(65536)
                        talk(client)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/"

    yield start
    for server in servers:
        server.close()


def get(url: str, whole_s: float = 1.0) -> object:
    return UrllibNetwork(whole_s).request("GET", url, {}, None, True)["content"]


def drip(head: bytes, piece: bytes) -> Talk:
    def talk(client: socket.socket) -> None:
        client.sendall(head)
        for _ in range(200):
            client.sendall(piece)
            time.sleep(0.05)

    return talk


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"z"),
    ],
    ids=["silent", "header", "body"],
)
def test_a_host_that_sends_a_byte_now_and_then_is_left(
    host: Callable[[Talk], str], head: bytes, piece: bytes
) -> None:
    url, started_s = host(drip(head, piece)), time.monotonic()
    with pytest.raises(NetworkError):
        get(url, 0.5)
    assert time.monotonic() - started_s < 5


def test_an_answer_without_end_is_cut(host: Callable[[Talk], str]) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(b"x" * 65536)

    with pytest.raises(NetworkError, match=f"longer than {CONTENT_BYTES_MAX}"):
        get(host(talk), 20.0)


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://x"])
def test_a_redirect_leads_to_http_only(host: Callable[[Talk], str], target: str) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(f"HTTP/1.1 302 Found\r\nlocation: {target}\r\n\r\n".encode())

    with suppress(NetworkError):
        assert UrllibNetwork().request("GET", host(talk), {}, None, True)["status_code"] == 302


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "x", "", "http://", "http://["])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(NetworkError):
        get(url)


def test_an_answer_that_ends_early_is_none(host: Callable[[Talk], str]) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")

    with pytest.raises(NetworkError, match="ended early"):
        get(host(talk), 5.0)


def test_an_answer_is_what_a_rule_sees(host: Callable[[Talk], str]) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 404 Nope\r\ncontent-type: text/x; charset=moon\r\n\r\nsorry")

    answer = UrllibNetwork().request("GET", host(talk), {}, None, True)
    assert (answer["status_code"], answer["status_line"]) == (404, "Nope")
    assert (answer["content"], answer["content_type"]) == ("sorry", "text/x; charset=moon")
