"""Builds the state machine of an event expression.

Each operator joins the machines of its operands end to start. State 0 is the start of the whole,
1 its end; in between states are numbered as they are made. What the machines mean is described
in docs/language.md (event expressions); the guest library runs them (guest/select.c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

from krl.lower import ir
from krl.resolve.checks import TRANSITIONS_MAX
from krl.syntax import tree

START, END = 0, 1


@dataclass(frozen=True, slots=True)
class _Edge:
    source: int
    target: int
    bases: tuple[int, ...]
    negated: bool = False


def build_machine(
    node: tree.EventExpression, base_of: Callable[[tree.EventBase, tree.EventGroup | None], int]
) -> tuple[int, tuple[ir.Transition, ...]]:
    """The number of states, and the transitions; `base_of` numbers the base events."""
    builder = _Builder(base_of)
    builder.add(node, START, END)
    edges = _merge(builder.edges)
    numbers = {START: START, END: END}
    for edge in edges:
        for state in (edge.source, edge.target):
            numbers.setdefault(state, len(numbers))
    transitions = [
        ir.Transition(numbers[edge.source], numbers[edge.target], edge.negated, edge.bases)
        for edge in edges
    ]
    return len(numbers), tuple(sorted(transitions, key=lambda item: item.source))


class _Builder:
    def __init__(self, base_of: Callable[[tree.EventBase, tree.EventGroup | None], int]) -> None:
        self.base_of = base_of
        self.edges: list[_Edge] = []
        self.state_count = END + 1

    def new_state(self) -> int:
        self.state_count += 1
        return self.state_count - 1

    def edge(self, source: int, target: int, bases: tuple[int, ...], negated: bool) -> None:
        assert len(self.edges) < TRANSITIONS_MAX, "the resolver has counted them"
        self.edges.append(_Edge(source, target, bases, negated))

    def add(self, node: tree.EventExpression, start: int, end: int) -> None:
        """The paths of an expression, from one state to another."""
        match node:
            case tree.EventBase():
                self.edge(start, end, (self.base_of(node, None),), False)
            case tree.EventGroup():
                self.group(node, start, end)
            case tree.EventOperator():
                self.operator(node, start, end)

    def group(self, node: tree.EventGroup, start: int, end: int) -> None:
        """`count n` and `repeat n`; what comes after the n-th keeps a repeat at its end."""
        assert isinstance(node.operand, tree.EventBase)
        base = (self.base_of(node.operand, node),)
        if node.count > 0:
            states = [start, *(self.new_state() for _ in range(node.count - 1)), end]
            for source, target in pairwise(states):
                self.edge(source, target, base, False)
        if node.operator == "repeat":
            self.edge(end, end, base, False)

    def operator(self, node: tree.EventOperator, start: int, end: int) -> None:
        operands = node.operands
        match node.operator:
            case "or":
                for operand in operands:
                    self.add(operand, start, end)
            case "and":
                for order in permutations(operands):
                    self.sequence(order, start, end)
            case "before":
                self.sequence(operands, start, end)
            case "after":
                self.sequence(tuple(reversed(operands)), start, end)
            case "then":
                self.then(operands, start, end)
            case "between":
                middle, first, last = operands
                self.sequence((first, middle, last), start, end)
            case "not between":
                interruption, first, last = operands
                between = self.new_state()
                self.add(first, start, between)
                self.add(last, between, end)
                self.add(interruption, between, start)
            case "any":
                assert node.count is not None
                orders = permutations(operands, node.count) if node.count else ()
                for order in orders:
                    self.sequence(order, start, end)

    def sequence(self, operands: Iterable[tree.EventExpression], start: int, end: int) -> list[int]:
        """One after the other; gives the states between them."""
        nodes = list(operands)
        states = [start, *(self.new_state() for _ in nodes[1:]), end]
        for operand, (source, target) in zip(nodes, pairwise(states), strict=True):
            self.add(operand, source, target)
        return states[1:-1]

    def then(self, operands: tuple[tree.EventExpression, ...], start: int, end: int) -> None:
        """A sequence in which, between two operands, anything but the next leads to the start."""
        for state in self.sequence(operands, start, end):
            following: list[int] = []
            for edge in self.edges:
                if edge.source == state and not edge.negated:
                    following += [base for base in edge.bases if base not in following]
            self.edge(state, start, tuple(following), True)


def _merge(edges: list[_Edge]) -> list[_Edge]:
    """States that the same events lead to from the same states become one."""
    edges = list(dict.fromkeys(edges))
    while True:
        renamed = _same_states(edges)
        if not renamed:
            return edges
        edges = list(
            dict.fromkeys(
                replace(
                    edge,
                    source=renamed.get(edge.source, edge.source),
                    target=renamed.get(edge.target, edge.target),
                )
                for edge in edges
            )
        )


def _same_states(edges: list[_Edge]) -> dict[int, int]:
    arrivals: dict[int, set[tuple[int, tuple[int, ...], bool]]] = {}
    for edge in edges:
        arrivals.setdefault(edge.target, set()).add((edge.source, edge.bases, edge.negated))
    first: dict[frozenset[tuple[int, tuple[int, ...], bool]], int] = {}
    renamed: dict[int, int] = {}
    for state, ways in arrivals.items():
        if state in (START, END) or any(source == state for source, _, _ in ways):
            continue
        known = first.setdefault(frozenset(ways), state)
        if known != state:
            renamed[state] = known
    return renamed
