"""Whatever comes over HTTP is answered, and never with a defect of ours."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.server.openapi import describe_api
from picomesh.server.run import Address, build_application
from picomesh.server.worker import Worker

TOKEN = "token"
_OPERATIONS = [
    (path, method)
    for path, methods in describe_api()["paths"].items()  # type: ignore[attr-defined]
    for method in methods
    if not path.endswith("/feed")  # it never ends
]
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_BODIES = st.binary(max_size=60) | _VALUES.map(lambda value: json.dumps(value).encode())
_TEXTS = st.text(min_size=1, max_size=12) | st.sampled_from(["me", "0", "-1", "9" * 30, "%00"])


class Served:
    """An application in a loop that lives as long as the tests of this file."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine = Service.ephemeral(Options(backend="winch"))
        self.eci = self.engine.eci(self.engine.create("me").pico)
        self.worker = Worker(self.engine)
        application = build_application(self.worker, Address(), TOKEN)
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 5))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")
        self.worker.start()

    def request(self, *arguments: Any, **named: Any) -> httpx.Response:
        return self.loop.run_until_complete(self.http.request(*arguments, **named))

    def close(self) -> None:
        self.loop.run_until_complete(self.http.aclose())
        self.worker.stop()
        self.loop.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


@settings(max_examples=300)
@given(
    operation=st.sampled_from(_OPERATIONS),
    names=st.lists(_TEXTS, min_size=5, max_size=5),
    query=st.dictionaries(st.sampled_from(["first", "limit", "since", "prefix", "a"]), _TEXTS),
    body=_BODIES,
    kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "x/y", ""]),
    real=st.booleans(),
)
def test_no_request_finds_a_defect(
    served: Served,
    operation: tuple[str, str],
    names: list[str],
    query: dict[str, str],
    body: bytes,
    kind: str,
    real: bool,
) -> None:
    path, method = operation
    texts = iter(names)
    known = {"{pico}": "me", "{eci}": served.eci} if real else {}
    filled = re.sub(
        r"{\w+}", lambda found: known.get(found[0]) or quote(next(texts), safe=""), path
    )
    headers = {"content-type": kind, "authorization": f"Bearer {TOKEN}"}
    if (method, filled) == ("delete", "/api/v1/picos/me"):
        return
    got = served.request(method.upper(), filled, params=query, content=body, headers=headers)
    assert got.status_code < 500, (method, filled, got.text)
    if got.status_code >= 400 and got.status_code not in (404, 405):
        assert "error" in got.json()


def test_the_engine_serves_on(served: Served) -> None:
    assert served.request("GET", "/api/v1/health").json()["status"] == "ok"
    assert not Path("token").exists()
