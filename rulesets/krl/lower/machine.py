"""Builds the state machine of an event expression.

Each operator makes one machine of those of its operands, joined end to start, and then lets
states become one that the same events lead to from the same states. That happens operator by
operator and takes in the start and the end, as in the reference, whose rules it keeps company
with: where an interruption of `not between` begins with the event that also may end it, a state
on the way becomes the start, or the end is lost. State 0 is the start of the whole, 1 its end.
What the machines mean is described in docs/language/events.md; the guest library runs them
(guest/select.c), and tries the transitions of a state in the order they have here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, permutations

from krl.lower import ir
from krl.resolve.checks import TRANSITIONS_MAX
from krl.syntax import tree

START, END = 0, 1

Label = tuple[bool, tuple[int, ...]]  # whether negated, and base events


@dataclass(slots=True)
class _Edge:
    source: int
    label: Label
    target: int


@dataclass(slots=True)
class _Machine:
    """A part of the whole; after a merge there may be no way from its start or to its end."""

    start: int
    end: int
    edges: list[_Edge] = field(default_factory=list)


def build_machine(
    node: tree.EventExpression, base_of: Callable[[tree.EventBase, tree.EventGroup | None], int]
) -> tuple[int, tuple[ir.Transition, ...]]:
    """The number of states, and the transitions; `base_of` numbers the base events."""
    machine = _Builder(base_of).build(node)
    numbers = {machine.start: START, machine.end: END}
    for edge in machine.edges:
        for state in (edge.source, edge.target):
            numbers.setdefault(state, len(numbers))
    transitions = [
        ir.Transition(numbers[edge.source], numbers[edge.target], *edge.label)
        for edge in machine.edges
    ]
    return len(numbers), tuple(sorted(transitions, key=lambda item: item.source))


class _Builder:
    def __init__(self, base_of: Callable[[tree.EventBase, tree.EventGroup | None], int]) -> None:
        self.base_of = base_of
        self.states = count()

    def new_machine(self) -> _Machine:
        return _Machine(next(self.states), next(self.states))

    def build(self, node: tree.EventExpression) -> _Machine:
        whole = self.new_machine()
        match node:
            case tree.EventBase():
                self.edge(whole, whole.start, (False, (self.base_of(node, None),)), whole.end)
                return whole
            case tree.EventGroup():
                self.group(whole, node)
            case tree.EventOperator():
                self.operator(whole, node, [self.build(operand) for operand in node.operands])
        _merge(whole)
        return whole

    def edge(self, whole: _Machine, source: int, label: Label, target: int) -> None:
        assert len(whole.edges) < TRANSITIONS_MAX, "the resolver has counted them"
        whole.edges.append(_Edge(source, label, target))

    def add(self, whole: _Machine, part: _Machine, start: int, end: int) -> None:
        """A copy of a part, from one state of the whole to another."""
        names = {part.start: start, part.end: end}
        for edge in part.edges:
            for state in (edge.source, edge.target):
                if state not in names:
                    names[state] = next(self.states)
            self.edge(whole, names[edge.source], edge.label, names[edge.target])

    def group(self, whole: _Machine, node: tree.EventGroup) -> None:
        """`count n` and `repeat n`; what comes after the n-th keeps a repeat at its end."""
        assert isinstance(node.operand, tree.EventBase)
        one = self.new_machine()
        self.edge(one, one.start, (False, (self.base_of(node.operand, node),)), one.end)
        self.sequence(whole, [one] * node.count)
        if node.operator == "repeat":
            self.add(whole, one, whole.end, whole.end)

    def operator(
        self, whole: _Machine, node: tree.EventOperator, parts: Sequence[_Machine]
    ) -> None:
        match node.operator:
            case "or":
                for part in parts:
                    self.add(whole, part, whole.start, whole.end)
            case "and":
                self.sequences(whole, permutations(parts))
            case "before":
                self.sequence(whole, parts)
            case "after":
                self.sequence(whole, parts[::-1])
            case "then":
                self.then(whole, parts)
            case "between":
                self.between(whole, *parts)
            case "not between":
                self.not_between(whole, *parts)
            case "any":
                self.sequences(whole, permutations(parts, node.count) if node.count else ())

    def sequences(self, whole: _Machine, orders: Iterable[Sequence[_Machine]]) -> None:
        for order in orders:
            self.sequence(whole, order)

    def sequence(self, whole: _Machine, parts: Sequence[_Machine]) -> list[int]:
        """One after the other; gives the states between them."""
        between = [next(self.states) for _ in parts[1:]]
        for part, start, end in zip(
            parts, [whole.start, *between], [*between, whole.end], strict=bool(parts)
        ):
            self.add(whole, part, start, end)
        return between

    def then(self, whole: _Machine, parts: Sequence[_Machine]) -> None:
        """A sequence in which, between two parts, anything but the next leads to the start."""
        between = self.sequence(whole, parts)
        edges = list(whole.edges)
        for state in between:
            following: dict[int, None] = {}
            for edge in edges:
                negated, bases = edge.label
                if edge.source == state and not negated:
                    following |= dict.fromkeys(bases)
            self.edge(whole, state, (True, tuple(following)), whole.start)

    def between(self, whole: _Machine, middle: _Machine, first: _Machine, last: _Machine) -> None:
        opened, closing = next(self.states), next(self.states)
        self.add(whole, middle, opened, closing)
        self.add(whole, first, whole.start, opened)
        self.add(whole, last, closing, whole.end)

    def not_between(
        self, whole: _Machine, interruption: _Machine, first: _Machine, last: _Machine
    ) -> None:
        opened = next(self.states)
        self.add(whole, interruption, opened, whole.start)
        self.add(whole, first, whole.start, opened)
        self.add(whole, last, opened, whole.end)


# ---- merging -----------------------------------------------------------------------------------


class _Arrivals:
    """The edges by state, and from where and by what each state is reached."""

    def __init__(self, edges: list[_Edge]) -> None:
        self.leaving: dict[int, list[_Edge]] = {}
        self.coming: dict[int, list[_Edge]] = {}
        for edge in edges:
            self.leaving.setdefault(edge.source, []).append(edge)
            self.coming.setdefault(edge.target, []).append(edge)

    def ways(self, state: int) -> set[tuple[int, Label]]:
        return {(edge.source, edge.label) for edge in self.coming.get(state, ())}

    def rename(self, state: int, name: int) -> None:
        for edge in self.leaving.get(state, ()):
            edge.source = name
        for edge in self.coming.get(state, ()):
            edge.target = name
        for index in (self.leaving, self.coming):
            index.setdefault(name, []).extend(index.pop(state, ()))


def _merge(machine: _Machine) -> None:
    """Until nothing changes: of two states that one event leads to from one state, the later gets
    the name of the earlier if both are reached in the same ways. The start and the end never
    become one."""
    arrivals = _Arrivals(machine.edges)
    changed = True
    while changed:
        changed = False
        for state, name in _rivals(machine.edges):
            ends = {state, name} == {machine.start, machine.end}
            if not ends and arrivals.ways(state) == arrivals.ways(name):
                arrivals.rename(state, name)
                changed = True
    machine.edges = _each_once(machine.edges)


def _rivals(edges: list[_Edge]) -> list[tuple[int, int]]:
    """Pairs of states that the same event leads to from the same state, the later first."""
    first: dict[tuple[int, Label], int] = {}
    found: list[tuple[int, int]] = []
    for edge in edges:
        known = first.setdefault((edge.source, edge.label), edge.target)
        if known != edge.target:
            found.append((edge.target, known))
    return found


def _each_once(edges: list[_Edge]) -> list[_Edge]:
    """Without repetitions; together what has the same label, then what has the same source."""
    grouped: dict[Label, dict[int, dict[int, None]]] = {}
    for edge in edges:
        grouped.setdefault(edge.label, {}).setdefault(edge.source, {})[edge.target] = None
    return [
        _Edge(source, label, target)
        for label, sources in grouped.items()
        for source, targets in sources.items()
        for target in targets
    ]
