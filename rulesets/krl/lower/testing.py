"""`__testing`: what every ruleset answers about its queries, its events and their attributes.

Developer tools make forms from it. The events are those of `select when`; an attribute counts for
an event if the rule matches it or reads it by a literal name, in the order of first mention.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from krl import library
from krl.syntax import tree


@dataclass(slots=True)
class _Event:
    domain: str
    name: str
    attributes: dict[str, None]


def describe_for_testing(ruleset: tree.Ruleset) -> str:
    """The default value of `__testing`, as JSON."""
    events = [event for rule in ruleset.rules if rule.active for event in _events(rule)]
    return json.dumps(
        {
            "queries": list(_queries(ruleset)),
            "events": [
                {"domain": event.domain, "name": event.name, "attrs": list(event.attributes)}
                for event in events
            ],
        },
        separators=(",", ":"),
    )


def _queries(ruleset: tree.Ruleset) -> Iterator[dict[str, Any]]:
    values = {item.name: item.value for item in ruleset.declarations}
    properties = ruleset.meta.properties if ruleset.meta is not None else ()
    for item in properties:
        if isinstance(item, tree.MetaNames) and item.key == "shares":
            for name in item.names:
                value = values.get(name.name)
                parameters = value.parameters if isinstance(value, tree.Function) else ()
                is_library = value is None and library.has_name(name.name)
                args = None if is_library else [item.name for item in parameters]
                yield {"name": name.name, "args": args}


def _events(rule: tree.Rule) -> list[_Event]:
    """Each event once, domain by domain. A foreach's collection is read last, as the reference
    has it."""
    events: list[_Event] = []
    if isinstance(rule.select, tree.SelectWhen):
        _walk_select(rule.select.event, events)
        for part in (rule.prelude, rule.block, rule.postlude, rule.foreach):
            _walk(part, events)
    domains = list(dict.fromkeys(event.domain for event in events))
    return sorted(events, key=lambda event: domains.index(event.domain))


def _walk_select(node: tree.EventExpression, events: list[_Event]) -> None:
    match node:
        case tree.EventBase():
            if all((node.domain, node.type) != (known.domain, known.name) for known in events):
                events.append(_Event(node.domain, node.type, {}))
            for item in node.matches:
                _mention(item.name, events)
            _walk(node.where, events)
        case tree.EventOperator():
            for operand in node.operands:
                _walk_select(operand, events)
        case tree.EventGroup():
            _walk_select(node.operand, events)


def _walk(node: object, events: list[_Event]) -> None:
    name = _attribute_name(node)
    if name is not None:
        _mention(name, events)
    if isinstance(node, tuple):
        for item in node:
            _walk(item, events)
    elif is_dataclass(node):
        for part in fields(node):
            _walk(getattr(node, part.name), events)


def _mention(name: str, events: list[_Event]) -> None:
    for event in events:
        event.attributes.setdefault(name)


def _attribute_name(node: object) -> str | None:
    """The attribute that event:attr("x"), event:attrs{"x"} or event:attrs.get("x") reads."""
    attributes = tree.DomainIdentifier
    match node:
        case tree.Call(
            callee=attributes(domain="event", name="attr"),
            positional=(tree.String(value=name), *_),
        ):
            return name
        case tree.Member(
            object=attributes(domain="event", name="attrs"),
            method="path",
            property=tree.String(value=name),
        ):
            return name
        case tree.Call(
            callee=tree.Member(
                object=attributes(domain="event", name="attrs"),
                method="dot",
                property=tree.Identifier(name="get"),
            ),
            positional=(tree.String(value=name), *_),
        ):
            return name
    return None
