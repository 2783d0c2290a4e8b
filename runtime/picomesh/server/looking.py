"""What the developer's page asks of `/api/v1`: the tree, one pico in its parts, its past."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

import picomesh
from picomesh.engine.entities import ENTITIES, read_entities
from picomesh.engine.errors import NotFound
from picomesh.engine.family import children_of, parent_of
from picomesh.engine.records import PicoState, RulesetRecord
from picomesh.engine.sealing import read_receipt
from picomesh.engine.service import Service
from picomesh.engine.summary import summary_of
from picomesh.ledger.errors import CodecError, LedgerError
from picomesh.ledger.value import Value, decode_value
from picomesh.manifest import Manifest, Shared
from picomesh.server.admitted import admitted
from picomesh.server.answering import json_response
from picomesh.server.api import Admission
from picomesh.server.feed import Feed
from picomesh.server.given import whole_number
from picomesh.server.looker import Looker
from picomesh.server.worker import Worker

TIMELINE_MAX = 200
TREE_PICOS = 100  # of which are told at once
ENTRIES_MAX = 5_000  # of a state that are read for one answer
VALUE_BYTES_MAX = 2 * 1024 * 1024  # of all values in one answer
_NAME = b"ent/io.picolabs.wrangler/name"


class Looking:
    """Handlers that change nothing."""

    def __init__(self, worker: Worker, admission: Admission, looker: Looker, feed: Feed) -> None:
        self._worker = worker
        self._admission = admission
        self._looker = looker
        self._feed = feed

    def routes(self) -> list[Route]:
        pico, admission = "/api/v1/picos/{pico}", self._admission
        return [
            admitted(admission, "/api/v1/tree", GET=self._tree),
            admitted(admission, "/api/v1/feed", GET=self._feed.serve),
            admitted(admission, "/api/v1/channels/{eci}", GET=self._channel),
            admitted(admission, f"{pico}/rulesets", GET=self._rulesets),
            admitted(admission, f"{pico}/rulesets/{{rid}}", GET=self._ruleset),
            admitted(admission, f"{pico}/entities", GET=self._entities),
            admitted(admission, f"{pico}/schedules", GET=self._schedules),
            admitted(admission, f"{pico}/timeline", GET=self._timeline),
            admitted(admission, f"{pico}/receipts/{{seq:int}}/rules", GET=self._rules),
            admitted(admission, f"{pico}/receipts/{{seq:int}}/replay", POST=self._replay),
            admitted(admission, f"{pico}/receipts/{{seq:int}}/proof", GET=self._proof),
        ]

    async def _ask(self, work: Callable[[Service], Any]) -> Any:
        return await asyncio.wrap_future(self._worker.call(work))

    async def _pico(self, request: Request) -> str:
        name = request.path_params["pico"]
        pico: str = await self._ask(lambda engine: engine.pico_or_missing(name))
        return pico

    async def _proof(self, request: Request) -> HttpResponse:
        """A file that audits one receipt; `modules=0` leaves out what an auditor may have."""
        pico, seq = await self._pico(request), request.path_params["seq"]
        has_modules = whole_number(request, "modules", 1, 1) == 1
        data = await self._looker.prove(pico, seq, has_modules)
        return HttpResponse(data, 200, media_type="application/vnd.ipld.car")

    async def _tree(self, request: Request) -> HttpResponse:
        """Every pico; the engine does other things between some of them and some more."""
        picos = await self._ask(lambda engine: engine.store.picos())
        rows: list[dict[str, Any]] = []
        for at in range(0, len(picos), TREE_PICOS):
            some = picos[at : at + TREE_PICOS]
            rows += await self._ask(partial(_nodes, some))
        known = {row["pico"] for row in rows}
        for row in rows:
            row["children"] = [item for item in row["children"] if item in known]
        host = self._worker.engine.host
        return json_response({"version": picomesh.__version__, "host": host, "picos": rows})

    async def _channel(self, request: Request) -> HttpResponse:
        """The pico that a channel leads to; null for one that is not of this engine."""
        eci = request.path_params["eci"]
        pico = await self._ask(lambda engine: engine.pico_of(eci))
        return json_response({"eci": eci, "pico": pico})

    async def _rulesets(self, request: Request) -> HttpResponse:
        def look(engine: Service) -> list[dict[str, Any]]:
            state = engine.state(engine.pico_or_missing(request.path_params["pico"]))
            return [_described(engine, record) for record in state.rulesets()]

        found = await self._ask(look)
        return json_response([await self._with_attributes(item) for item in found])

    async def _with_attributes(self, ruleset: dict[str, Any]) -> dict[str, Any]:
        """What the rules look at, from the source; it is parsed beside the engine's thread."""
        text = ruleset.pop("text")
        known = {} if text is None else await self._looker.attributes(text)
        for rule in ruleset["rules"]:
            rule["attributes"] = known.get(rule["name"], [])
        return ruleset

    async def _ruleset(self, request: Request) -> HttpResponse:
        rid = request.path_params["rid"]

        def look(engine: Service) -> dict[str, object]:
            state = engine.state(engine.pico_or_missing(request.path_params["pico"]))
            record = next((item for item in state.rulesets() if item.rid == rid), None)
            if record is None:
                raise NotFound(f"this pico has no ruleset {rid}")
            return _described(engine, record)

        return json_response(await self._ask(look))

    async def _entities(self, request: Request) -> HttpResponse:
        def look(engine: Service) -> dict[str, object]:
            state = engine.state(engine.pico_or_missing(request.path_params["pico"]))
            rows, is_whole = _some(state.scan(ENTITIES, b"", ENTRIES_MAX))
            return {"entities": _entities(rows), "whole": is_whole}

        return json_response(await self._ask(look))

    async def _schedules(self, request: Request) -> HttpResponse:
        def look(engine: Service) -> list[dict[str, Value]]:
            state = engine.state(engine.pico_or_missing(request.path_params["pico"]))
            return [
                row
                for record in state.rulesets()
                for row in _schedule(record.rid, _value(state, record.rid))
            ]

        return json_response(await self._ask(look))

    async def _timeline(self, request: Request) -> HttpResponse:
        """Receipts from the newest back, or from the one before `before`."""
        limit = whole_number(request, "limit", 50, TIMELINE_MAX)
        before = whole_number(request, "before", 2**53, 2**53)

        def look(engine: Service) -> list[dict[str, object]]:
            pico = engine.pico_or_missing(request.path_params["pico"])
            head = engine.store.recorded_head(pico)
            last = min(before - 1, -1 if head is None else head)
            rows = engine.store.receipts(pico, max(0, last - limit + 1), last) if last >= 0 else []
            return [summary_of(engine.store, read_receipt(row)) for row in reversed(rows)]

        return json_response(await self._ask(look))

    async def _rules(self, request: Request) -> HttpResponse:
        pico = await self._pico(request)
        return json_response(await self._looker.rules(pico, request.path_params["seq"]))

    async def _replay(self, request: Request) -> HttpResponse:
        pico, backend = await self._pico(request), request.query_params.get("backend", "")
        return json_response(await self._looker.replay(pico, request.path_params["seq"], backend))


# -- the tree


def _nodes(picos: list[tuple[str, str]], engine: Service) -> list[dict[str, Any]]:
    gone, troubles = engine.store.is_gone, engine.troubles()
    return [
        {**_node(engine, pico, name), "trouble": pico in troubles}
        for pico, name in picos
        if not gone(pico)
    ]


def _node(engine: Service, pico: str, name: str) -> dict[str, Any]:
    state = engine.state(pico)
    parent = parent_of(state)
    return {
        "pico": pico,
        "name": name or _own_name(state),
        "parent": None if parent is None else parent.pico,
        "children": [child.pico for child in children_of(state)],
        "seq": engine.store.recorded_head(pico),
        "rulesets": len(state.rulesets()),
    }


def _own_name(state: PicoState) -> str:
    """The name that a pico's wrangler keeps, for one that its engine did not name."""
    data = state.get(_NAME)
    value = None if data is None else _decoded(data)
    return value if isinstance(value, str) else ""


def _decoded(data: bytes) -> Value:
    try:
        return decode_value(data)
    except CodecError:
        return None


# -- rulesets


def _described(engine: Service, record: RulesetRecord) -> dict[str, Any]:
    manifest = engine.programs.manifest(record.metered, engine.store)
    source = None if record.source is None else engine.store.block(record.source)
    return {
        "rid": record.rid,
        "url": record.url,
        "module": str(record.raw),
        "metered": str(record.metered),
        "source": None if record.source is None else str(record.source),
        "config": _decoded(record.config),
        "meta": manifest.meta,
        "compiler": manifest.compiler,
        "uses": list(manifest.uses),
        "shares": [_shared(item) for item in manifest.shares],
        "provides": [_shared(item) for item in manifest.provides],
        "rules": _rules(manifest),
        "text": None if source is None else source.decode("utf-8", "replace"),
    }


def _shared(item: Shared) -> dict[str, object]:
    return {"name": item.name, "kind": item.kind, "args": list(item.args)}


def _rules(manifest: Manifest) -> list[dict[str, object]]:
    from picomesh.engine.rules import rules_of  # an engine starts sooner without it

    return [
        {"name": name, "events": None if events is None else sorted(map(list, events))}
        for name, events in rules_of(manifest)
    ]


# -- state


def _some(rows: list[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """As many entries as fit into one answer, and whether these are all."""
    size, taken = 0, list[tuple[bytes, bytes]]()
    for row in rows:
        size += len(row[1])
        if size > VALUE_BYTES_MAX:
            return taken, False
        taken.append(row)
    return taken, len(rows) < ENTRIES_MAX


def _entities(rows: list[tuple[bytes, bytes]]) -> dict[str, dict[str, Value]]:
    """Variables by ruleset; those of modules that store what is no value are left as text."""
    try:
        return read_entities(rows)
    except (CodecError, LedgerError):
        good = [row for row in rows if _decoded(row[1]) is not None]
        return read_entities(good)


def _value(state: PicoState, rid: str) -> Value:
    data = state.get(ENTITIES + rid.encode() + b"/_schedule")
    return None if data is None else _decoded(data)


def _schedule(rid: str, entries: Value) -> list[dict[str, Value]]:
    """The entries of a ruleset's schedule that say what a schedule says."""
    found: list[dict[str, Value]] = []
    for entry in entries.values() if isinstance(entries, dict) else []:
        event = entry.get("event") if isinstance(entry, dict) else None
        if isinstance(entry, dict) and isinstance(event, dict):
            data = event.get("data")
            attrs = data.get("attrs") if isinstance(data, dict) else None
            found.append(
                {
                    "rid": rid,
                    "id": entry.get("id"),
                    "type": entry.get("type"),
                    "time": entry.get("time"),
                    "timespec": entry.get("timespec"),
                    "eci": event.get("eci"),
                    "domain": event.get("domain"),
                    "name": event.get("name"),
                    "attrs": attrs,
                }
            )
    return found
