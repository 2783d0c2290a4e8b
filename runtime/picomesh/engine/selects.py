"""What the rules of a ruleset select, as their author wrote it: for people who ask why.

A module says only which events its rules may react to. What else an event must be (attributes that
match, a `where`, its place among other events) stands in the source, if the ruleset came with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from krl.diagnostic import Source
    from krl.syntax.tree import EventBase, EventExpression, Rule, Span

_READ = re.compile(r"""event:attrs?(?:\{"([^"\\{}]+)"\}|\("([^"\\{}]+)"\))""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One event of a select: the attributes that must match, and its `where`."""

    domain: str
    name: str
    attributes: tuple[tuple[str, str, str], ...]  # name, pattern, flags
    where: str


@dataclass(frozen=True, slots=True)
class Select:
    """The select of one rule; `text` is its source, `line` where the rule begins.

    `condition` is the one that decides whether the rule fires; empty if it has none. `attributes`
    are the names of event attributes that the rule looks at, as far as they stand in it: a help
    for who sends an event.
    """

    text: str
    line: int
    active: bool
    is_single: bool  # one event, and not several in some order
    wanted: tuple[Wanted, ...]
    attributes: tuple[str, ...]
    condition: str


@lru_cache(maxsize=64)
def selects_of(source: str) -> dict[str, Select]:
    """The selects of a ruleset by rule; none for what is not KRL that is understood here."""
    from krl.diagnostic import Diagnostics, Source
    from krl.syntax.parser import parse

    text = Source("ruleset", source)
    try:
        ruleset = parse(text, Diagnostics())
    except RecursionError:
        return {}
    return {} if ruleset is None else {rule.name: _select(text, rule) for rule in ruleset.rules}


def _select(source: Source, rule: Rule) -> Select:
    from krl.syntax.tree import EventBase, SelectWhen

    line, _ = source.position(rule.span.start)
    select = rule.select
    text = "" if select is None else _words(source, select.span)
    condition = None if rule.block is None else rule.block.condition
    when = select.event if isinstance(select, SelectWhen) else None
    wanted = () if when is None else tuple(_wanted(source, base) for base in _bases(when))
    body = source.text[rule.span.start : rule.span.end]
    read = [found[1] or found[2] for found in _READ.finditer(body)]
    matched = [name for item in wanted for name, _, _ in item.attributes]
    return Select(
        text=text,
        line=line,
        active=rule.active,
        is_single=when is None or isinstance(when, EventBase),
        wanted=wanted,
        attributes=tuple(dict.fromkeys([*matched, *read])),
        condition="" if condition is None else _words(source, condition.span),
    )


def _words(source: Source, span: Span) -> str:
    """A piece of the source in one line."""
    return " ".join(source.text[span.start : span.end].split())


def _wanted(source: Source, base: EventBase) -> Wanted:
    matches = tuple((item.name, item.pattern.source, item.pattern.flags) for item in base.matches)
    where = "" if base.where is None else _words(source, base.where.span)
    return Wanted(base.domain, base.type, matches, where)


def _bases(expression: EventExpression) -> Iterator[EventBase]:
    """The events of an expression, in the order of the source."""
    from krl.syntax.tree import EventBase, EventGroup, EventOperator

    match expression:
        case EventBase():
            yield expression
        case EventGroup(operand=operand):
            yield from _bases(operand)
        case EventOperator(operands=operands):
            for operand in operands:
                yield from _bases(operand)
