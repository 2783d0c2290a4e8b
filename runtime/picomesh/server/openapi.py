"""The description of the HTTP API that programs read."""

from __future__ import annotations

import re

import picomesh

_ERROR = {"description": "an error: {error: text}"}
_TEXT = {"type": "string"}
_MAP = {"type": "object"}
_FRESH = {"type": "boolean"}
_INSTALL: dict[str, object] = {"url": _TEXT, "source": _TEXT, "config": _MAP, "fresh": _FRESH}
_SEND: dict[str, object] = {"domain": _TEXT, "name": _TEXT, "attrs": _MAP, "eci": _TEXT}
_ASK: dict[str, object] = {"rid": _TEXT, "name": _TEXT, "args": _MAP, "eci": _TEXT}

_REQUIRED = {
    "/api/v1/picos/{pico}/parent": ["parent"],
    "/api/v1/picos/{pico}/events": ["domain", "name"],
    "/api/v1/picos/{pico}/queries": ["rid", "name"],
}
# What a new home has, so that whoever tries the description out meets something that is there.
_EXAMPLES = {"pico": "root", "seq": 0, "rid": "io.picolabs.wrangler"}
_LOGS = ["since", "before", "limit", "rid", "rule"]

# path: method, summary, query parameters, status, body
_ADMINISTRATION: list[tuple[str, str, str, list[str], str, dict[str, object] | None]] = [
    ("/picos", "get", "every pico", [], "200", None),
    ("/picos", "post", "make a pico", [], "201", {"name": _TEXT}),
    ("/picos/{pico}", "get", "a pico", [], "200", None),
    ("/picos/{pico}", "delete", "delete a pico and its subtree", [], "200", None),
    ("/picos/{pico}/state", "get", "its state", ["prefix", "after", "limit"], "200", None),
    ("/picos/{pico}/receipts", "get", "its receipts", ["first", "limit"], "200", None),
    ("/picos/{pico}/receipts/{seq}", "get", "one receipt", [], "200", None),
    ("/picos/{pico}/logs", "get", "what its rules logged", _LOGS, "200", None),
    ("/picos/{pico}/parent", "put", "another parent", [], "200", {"parent": _TEXT}),
    ("/picos/{pico}/rulesets", "get", "its rulesets and what they declare", [], "200", None),
    ("/picos/{pico}/rulesets", "post", "install", [], "201", _INSTALL),
    ("/picos/{pico}/rulesets/{rid}", "get", "a ruleset with its source", [], "200", None),
    ("/picos/{pico}/rulesets/{rid}", "delete", "uninstall a ruleset", [], "200", None),
    ("/picos/{pico}/entities", "get", "its entity variables, by ruleset", [], "200", None),
    ("/picos/{pico}/schedules", "get", "what is scheduled", [], "200", None),
    ("/picos/{pico}/timeline", "get", "receipts, newest first", ["before", "limit"], "200", None),
    ("/picos/{pico}/receipts/{seq}/rules", "get", "what each rule did", [], "200", None),
    ("/picos/{pico}/receipts/{seq}/proof", "get", "a file to audit", ["modules"], "200", None),
    ("/picos/{pico}/receipts/{seq}/replay", "post", "run it again", ["backend"], "200", None),
    ("/picos/{pico}/events", "post", "send an event", [], "200", _SEND),
    ("/picos/{pico}/queries", "post", "ask a ruleset", [], "200", _ASK),
    ("/compile", "post", "diagnostics of a text", [], "200", {"source": _TEXT, "url": _TEXT}),
    ("/channels/{eci}", "get", "the pico that a channel leads to", [], "200", None),
    ("/tree", "get", "every pico with its children", [], "200", None),
    ("/feed", "get", "receipts as they become durable", [], "200", None),
    ("/blocks/{cid}", "get", "a block's bytes", [], "200", None),
]
_OPEN: list[tuple[str, str, str, dict[str, object] | None]] = [
    ("/api/v1/health", "get", "whether the engine runs", None),
    ("/api/v1/metrics", "get", "counters, for Prometheus", None),
    ("/api/v1/openapi.json", "get", "this description", None),
    ("/c/{eci}/event/{domain}/{name}", "post", "send an event", {}),
    ("/c/{eci}/event-wait/{domain}/{name}", "post", "send an event and wait", {}),
    ("/c/{eci}/event/{domain}/{name}/query/{rid}/{query}", "post", "send, then ask", {}),
    ("/c/{eci}/query/{rid}/{query}", "get", "ask a ruleset", None),
    ("/sky/event/{eci}/{eid}/{domain}/{name}", "post", "send an event and wait", {}),
    ("/sky/cloud/{eci}/{rid}/{query}", "get", "ask a ruleset", None),
]
_KINDS = {
    "/api/v1/metrics": "text/plain",
    "/api/v1/feed": "text/event-stream",
    "/api/v1/blocks/{cid}": "application/octet-stream",
    "/api/v1/picos/{pico}/receipts/{seq}/proof": "application/vnd.ipld.car",
}


def describe_api() -> dict[str, object]:
    """An OpenAPI 3.1 document."""
    paths: dict[str, dict[str, object]] = {}
    for path, method, summary, body in _OPEN:
        paths.setdefault(path, {})[method] = _operation(path, summary, [], "200", body)
    for below, method, summary, query, status, body in _ADMINISTRATION:
        path = f"/api/v1{below}"
        operation = _operation(path, summary, query, status, body, method != "delete")
        paths.setdefault(path, {})[method] = {**operation, "security": [{"token": []}]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "picomesh", "version": picomesh.__version__},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(
    path: str,
    summary: str,
    query: list[str],
    status: str,
    body: dict[str, object] | None,
    has_examples: bool = False,
) -> dict[str, object]:
    parameters: list[dict[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": _schema(name)}
        for name in re.findall(r"{(\w+)}", path)
    ]
    for parameter in parameters if has_examples else []:
        if parameter["name"] in _EXAMPLES:
            parameter["example"] = _EXAMPLES[str(parameter["name"])]
    parameters += [{"name": name, "in": "query", "schema": _schema(name)} for name in query]
    content: dict[str, dict[str, object]] = {_KINDS.get(path, "application/json"): {}}
    operation: dict[str, object] = {
        "summary": summary,
        "parameters": parameters,
        "responses": {status: {"description": "done", "content": content}, "4XX": _ERROR},
    }
    if body is not None:
        schema: dict[str, object] = {"type": "object", "properties": body}
        if path in _REQUIRED:
            schema["required"] = _REQUIRED[path]
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _schema(name: str) -> dict[str, object]:
    if name in ("seq", "first", "limit", "since", "before", "modules"):
        return {"type": "integer", "minimum": 0}
    return {"type": "string", "minLength": 1} if name not in ("prefix", "after") else {**_TEXT}
