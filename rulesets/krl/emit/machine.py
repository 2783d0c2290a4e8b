"""Lays out the state machine of an event expression as guest/select.c reads it."""

from __future__ import annotations

from krl.emit.function import Layout
from krl.emit.needs import AGGREGATES
from krl.lower import ir

_AGGREGATES = {None: 0, "max": 1, "min": 2, "sum": 3, "avg": 4, "push": 5}


def machine_data(layout: Layout, machine: ir.Machine) -> int:
    """The address of a Machine."""
    bases = [word for base in machine.bases for word in _base(layout, base)]
    transitions = [word for item in machine.transitions for word in _transition(layout, item)]
    data = layout.data
    return data.words(
        data.string_address(machine.rule),
        machine.state_count,
        len(machine.bases),
        len(machine.transitions),
        data.words(*bases),
        data.words(*transitions),
    )


def _base(layout: Layout, base: ir.Base) -> tuple[int, ...]:
    data = layout.data
    if base.aggregated:
        layout.needs.add(AGGREGATES)
    matcher = 0 if base.matcher is None else layout.static_function(base.matcher) & 0xFFFFFFFF
    return (
        data.string_address(base.domain),
        data.string_address(base.name),
        matcher,
        len(base.settings),
        data.strings(base.settings),
        _AGGREGATES[base.aggregate],
        len(base.aggregated),
        data.strings(base.aggregated),
    )


def _transition(layout: Layout, item: ir.Transition) -> tuple[int, ...]:
    return (
        item.source,
        item.target,
        int(item.negated),
        len(item.bases),
        layout.data.words(*item.bases),
    )
