"""The manifest: what a module says about itself (docs/formats/module.md).

It holds no floats, so cbor2's canonical form of it is DAG-CBOR.
"""

from __future__ import annotations

from typing import Any

import cbor2

from krl.lower import ir
from krl.resolve import Resolution
from krl.syntax import tree

COMPILER = "krl 0.1.0"


def make_manifest(
    ruleset: tree.Ruleset, resolution: Resolution, program: ir.Program, source_hash: str
) -> bytes:
    """The manifest as canonical CBOR."""
    by_name = {variable.name: variable.value for variable in resolution.globals}
    manifest: dict[str, Any] = {
        "abi": "pico-1",
        "compiler": COMPILER,
        "rid": ruleset.rid,
        "meta": _texts(ruleset),
        "shares": [
            _exposed(share.name, by_name) for share in program.shares if share.name in by_name
        ],
        "provides": [_exposed(share.name, by_name) for share in program.provides],
        "uses": [{"rid": use.rid, "alias": use.alias or use.rid} for use in resolution.uses],
        "rules": [
            {
                "name": rule.name,
                "events": None if rule.events is None else [list(pair) for pair in rule.events],
            }
            for rule in program.rules
        ],
        "source": source_hash,
    }
    return cbor2.dumps(manifest, canonical=True)


def _texts(ruleset: tree.Ruleset) -> dict[str, str]:
    properties = ruleset.meta.properties if ruleset.meta is not None else ()
    return {
        item.key: _without_halves(literal_text(item.value))
        for item in properties
        if isinstance(item, tree.MetaText)
    }


def _without_halves(text: str) -> str:
    """Half of a surrogate pair cannot be written as UTF-8, and so becomes U+FFFD."""
    return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)


def literal_text(node: tree.Expression) -> str:
    """The text of a literal; the resolver has refused anything else in a meta block."""
    match node:
        case tree.String():
            return node.value
        case tree.Chevron():
            return "".join(literal_text(piece) for piece in node.pieces)
        case tree.Number():
            return f"{node.value:g}"
        case tree.Boolean():
            return "true" if node.value else "false"
    return ""


def _exposed(name: str, by_name: dict[str, tree.Expression | None]) -> dict[str, Any]:
    match by_name[name]:
        case tree.Function(parameters=parameters):
            kind = "function"
        case tree.Defaction(parameters=parameters):
            kind = "action"
        case _:
            kind, parameters = "value", ()
    return {"name": name, "kind": kind, "args": [parameter.name for parameter in parameters]}
