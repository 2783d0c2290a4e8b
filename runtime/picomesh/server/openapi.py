"""The description of the HTTP API that programs read."""

from __future__ import annotations

import picomesh

_ERROR = {"description": "an error: {error: text}"}
_TEXT = {"type": "string"}
_MAP = {"type": "object"}


def describe_api() -> dict[str, object]:
    """An OpenAPI 3.1 document."""
    pico, secured = ["pico"], True
    paths: dict[str, dict[str, object]] = {
        "/api/v1/health": {"get": _operation("whether the engine runs")},
        "/api/v1/metrics": {"get": _operation("counters, for Prometheus", kind="text/plain")},
        "/api/v1/openapi.json": {"get": _operation("this description")},
        "/api/v1/picos": {
            "get": _operation("every pico", secured=secured),
            "post": _operation("make a pico", secured=secured, body={"name": _TEXT}, done="201"),
        },
        "/api/v1/picos/{pico}": {
            "get": _operation("a pico", pico, secured=secured),
            "delete": _operation("delete a pico and its subtree", pico, secured=secured),
        },
        "/api/v1/picos/{pico}/state": {
            "get": _operation("its state", pico, ["prefix", "after", "limit"], secured=secured)
        },
        "/api/v1/picos/{pico}/receipts": {
            "get": _operation("its receipts", pico, ["first", "limit"], secured=secured)
        },
        "/api/v1/picos/{pico}/receipts/{seq}": {
            "get": _operation("one receipt", ["pico", "seq"], secured=secured)
        },
        "/api/v1/picos/{pico}/logs": {
            "get": _operation("what its rules logged", pico, ["since"], secured=secured)
        },
        "/api/v1/picos/{pico}/parent": {
            "put": _operation("another parent", pico, secured=secured, body={"parent": _TEXT})
        },
        "/api/v1/picos/{pico}/rulesets": {
            "post": _operation(
                "install a ruleset",
                pico,
                secured=secured,
                body={"url": _TEXT, "config": _MAP},
                done="201",
            )
        },
        "/api/v1/picos/{pico}/rulesets/{rid}": {
            "delete": _operation("uninstall a ruleset", ["pico", "rid"], secured=secured)
        },
        "/api/v1/blocks/{cid}": {
            "get": _operation("a block", ["cid"], secured=secured, kind="application/octet-stream")
        },
        "/c/{eci}/event/{domain}/{name}": {
            "post": _operation("send an event", ["eci", "domain", "name"], body={})
        },
        "/c/{eci}/event-wait/{domain}/{name}": {
            "post": _operation("send an event, wait", ["eci", "domain", "name"], body={})
        },
        "/c/{eci}/query/{rid}/{query}": {
            "get": _operation("ask a ruleset", ["eci", "rid", "query"])
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "picomesh", "version": picomesh.__version__},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(
    summary: str,
    path: list[str] | None = None,
    query: list[str] | None = None,
    *,
    secured: bool = False,
    body: dict[str, object] | None = None,
    done: str = "200",
    kind: str = "application/json",
) -> dict[str, object]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _schema(name)}
        for name in path or []
    ]
    parameters += [{"name": name, "in": "query", "schema": _schema(name)} for name in query or []]
    operation: dict[str, object] = {
        "summary": summary,
        "parameters": parameters,
        "responses": {done: {"description": "done", "content": {kind: {}}}, "4XX": _ERROR},
    }
    if secured:
        operation["security"] = [{"token": []}]
    if body is not None:
        schema = {"type": "object", "properties": body}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _schema(name: str) -> dict[str, object]:
    if name in ("seq", "first", "limit", "since"):
        return {"type": "integer", "minimum": 0}
    return {"type": "string", "minLength": 1} if name not in ("prefix", "after") else {**_TEXT}
