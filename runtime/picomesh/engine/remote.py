"""The histories of an engine that runs somewhere, read over its `/api/v1`.

What it says is nobody's word yet: blocks are checked against their names as they come, and receipts
are believed by whoever asks for them, as those of a file are. So a history can be compared, proved
and run again while the engine goes on.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from picomesh.engine.errors import OperatorError
from picomesh.ledger.cid import Cid, is_named
from picomesh.ledger.codec import BLOCK_BYTES_MAX
from picomesh.ledger.errors import CodecError, LedgerError, MissingBlock
from picomesh.ledger.receipt import decode_envelope
from picomesh.store.store import StoredReceipt

PAGE_RECEIPTS = 500
ANSWER_BYTES_MAX = 8 * BLOCK_BYTES_MAX
TIMEOUT_S = 30.0
SCHEMES = ("http://", "https://")

_Made = TypeVar("_Made")


class RemoteHistories:
    """An engine behind a URL as a Source. The token may stand in it: `http://:TOKEN@host:port`."""

    def __init__(self, url: str, token: str = "") -> None:
        """Raises OperatorError for what is no URL of an engine."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as problem:
            raise OperatorError(f"{url} is not a URL: {problem}") from problem
        self._secure = parts.scheme == "https"
        self._address = (host, port)
        self._path = parts.path.rstrip("/")
        self._token = unquote(parts.password or "") or token.strip()
        self._where = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
        self._connection: http.client.HTTPConnection | None = None
        self._blocks: dict[Cid, bytes] = {}
        self._receipts: dict[tuple[str, int], StoredReceipt] = {}
        self._heads: dict[str, int] = {}  # a history may grow meanwhile; what was seen is all of it
        self._picos: list[tuple[str, str]] | None = None

    @property
    def engine(self) -> bytes:
        """The key that signed the first receipt of its first pico: what replay holds it to."""
        for pico, _ in self.picos():
            row = self.receipt(pico, 0)
            if row is not None:
                return decode_envelope(row.envelope).engine
        raise OperatorError(f"{self._where} has no picos")

    def picos(self) -> list[tuple[str, str]]:
        if self._picos is None:
            rows = self._ask("/api/v1/picos", list)
            self._picos = [self._pico(row) for row in rows]
        return self._picos

    def _pico(self, row: Any) -> tuple[str, str]:
        return self._read(lambda: (_text(row["pico"]), _text(row["name"])))

    def head(self, pico: str) -> StoredReceipt | None:
        if pico not in dict(self.picos()):
            return None
        if pico not in self._heads:
            found = self._ask(f"/api/v1/picos/{quote(pico, '')}", dict)
            self._heads[pico] = self._read(lambda: _whole(found["seq"]))
        return self.receipt(pico, self._heads[pico])

    def receipt(self, pico: str, seq: int) -> StoredReceipt | None:
        known = self._receipts.get((pico, seq))
        if known is not None:
            return known
        if pico not in self._heads and self.head(pico) is None:
            return None
        if not 0 <= seq <= self._heads[pico]:
            return None
        row = self._ask(f"/api/v1/picos/{quote(pico, '')}/receipts/{seq}", dict)
        return self._keep(pico, seq, row)

    def receipts(self, pico: str, first: int = 0, last: int | None = None) -> list[StoredReceipt]:
        if self.head(pico) is None:
            return []
        end = self._heads[pico] if last is None else min(last, self._heads[pico])
        for start in range(first, end + 1, PAGE_RECEIPTS):
            count = min(PAGE_RECEIPTS, end + 1 - start)
            if any((pico, start + at) not in self._receipts for at in range(count)):
                path = f"/api/v1/picos/{quote(pico, '')}/receipts?first={start}&limit={count}"
                rows = self._ask(path, list)
                if len(rows) != count:
                    raise self._strange("another number of receipts than was asked for")
                for at, row in enumerate(rows):
                    self._keep(pico, start + at, row)
        return [self._receipts[pico, seq] for seq in range(first, end + 1)]

    def block(self, cid: Cid) -> bytes:
        """Raises MissingBlock."""
        if cid not in self._blocks:
            status, data = self._get(f"/api/v1/blocks/{cid}", BLOCK_BYTES_MAX)
            if status == http.client.NOT_FOUND:
                raise MissingBlock(f"block {cid} is not there")
            if status != http.client.OK or not is_named(cid, data):
                raise self._strange(f"block {cid} does not have the bytes that its name says")
            self._blocks[cid] = data
        return self._blocks[cid]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _keep(self, pico: str, seq: int, row: Any) -> StoredReceipt:
        def read() -> StoredReceipt:
            core, envelope = bytes.fromhex(row["core"]), bytes.fromhex(row["envelope"])
            return StoredReceipt(pico, seq, core, envelope)

        self._receipts[pico, seq] = found = self._read(read)
        return found

    def _read(self, read: Callable[[], _Made]) -> _Made:
        try:
            return read()
        except (KeyError, TypeError, ValueError) as problem:
            raise self._strange(f"{type(problem).__name__} {problem}") from problem

    def _ask(self, path: str, kind: type[_Made]) -> _Made:
        status, data = self._get(path, ANSWER_BYTES_MAX)
        if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            raise OperatorError(
                f"{self._where} does not let us in: {data.decode('utf-8', 'replace')[:200]}",
                "its token is in admin.token of its home: PICOMESH_TOKEN, or http://:TOKEN@host",
            )
        if status != http.client.OK:
            raise OperatorError(f"{self._where} answers {path} with status {status}")
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as problem:
            raise self._strange(str(problem)) from problem
        if not isinstance(found, kind):
            raise self._strange(f"{path} is no {kind.__name__}")
        return found

    def _get(self, path: str, bytes_max: int) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            if self._connection is None:
                kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
                self._connection = kind(*self._address, timeout=TIMEOUT_S)
            self._connection.request("GET", self._path + path, headers=headers)
            answer = self._connection.getresponse()
            data = answer.read(bytes_max + 1)
            if len(data) > bytes_max:
                raise self._strange(f"{path} is longer than {bytes_max} bytes")
            return answer.status, data
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise OperatorError(
                f"{self._where} does not answer: {problem}", "does the engine run there?"
            ) from problem

    def _strange(self, text: str) -> LedgerError:
        return CodecError(f"{self._where} does not answer as an engine does: {text}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a number was expected")
    return value
