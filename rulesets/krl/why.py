"""Why is a function of the guest library in a module? For those who work on its size.

    python -m krl.why RULESET.krl             what is alive: functions and data by size
    python -m krl.why RULESET.krl FUNCTION    the references that keep one alive

Each line shows the bytes of a function in the raw module and in the metered one, and how many raw
bytes would go with it: its own, its data's, and those of all that only it leads to.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pico_abi
from krl.compiler import compile_source, guest_library
from krl.diagnostic import Source
from krl.emit import Emitted, Guest, emit
from krl.guest.graph import Graph, Reached, References
from krl.link.prune import named_functions, unwanted_parts
from pico_abi import wasm


@dataclass(frozen=True)
class Answers:
    """A compiled program, beside the library it was linked with."""

    guest: Guest
    emitted: Emitted
    raw: bytes

    @cached_property
    def metered_sizes(self) -> tuple[int, ...]:
        metered = wasm.decode_module(pico_abi.meter(self.raw))
        return tuple(len(function.body) for function in metered.functions)

    @cached_property
    def roots(self) -> dict[int, str]:
        """The library functions that the program names, each with what does so."""
        return {
            index: name
            for index, name in named_functions(self.emitted, self.guest)
            if index < self.guest.function_count
        }

    @cached_property
    def live(self) -> Reached:
        return self.reached(self.guest.graph)

    def reached(self, graph: Graph) -> Reached:
        """As the linker has it, but for the data that it fills in."""
        return graph.reached(self.roots, (), unwanted_parts(self.emitted, self.guest))

    def name(self, index: int) -> str:
        return self.guest.function_names.get(index, str(index).encode()).decode()

    def size(self, reached: Reached) -> int:
        """The bytes of bodies and data."""
        graph = self.guest.graph
        bodies = self.guest.module.functions
        return sum(
            len(bodies[index - graph.imported].body)
            for index in reached.functions
            if index >= graph.imported
        ) + sum(graph.data[number].size for number in reached.data)

    def goes_with(self, index: int) -> Reached:
        """What would not be alive if nothing named this function."""
        graph = self.guest.graph
        functions = list(graph.functions)
        functions[index - graph.imported] = References()
        cut = Graph(graph.imported, tuple(functions), graph.data)
        left = self.reached(cut)
        return Reached(self.live.functions - left.functions | {index}, self.live.data - left.data)

    def chain(self, index: int) -> list[int] | None:
        """From what the program names to a function, by the fewest references."""
        before: dict[int, int | None] = dict.fromkeys(self.roots)
        waiting = deque(before)
        while waiting:
            at = waiting.popleft()
            if at == index:
                return self._backwards(before, index)
            for follower in self._followers(at):
                if follower not in before:
                    before[follower] = at
                    waiting.append(follower)
        return None

    def _followers(self, index: int) -> Iterator[int]:
        """The functions that one leads to, directly or through data."""
        references = self.guest.graph.of_function(index)
        yield from references.functions
        unwanted = unwanted_parts(self.emitted, self.guest)
        through = self.guest.graph.reached((), references.data, unwanted)
        yield from sorted(through.functions)

    def _backwards(self, before: dict[int, int | None], index: int) -> list[int]:
        chain = [index]
        while (previous := before[chain[-1]]) is not None:
            chain.append(previous)
        return chain[::-1]


def table(answers: Answers) -> Iterator[str]:
    """All that is alive, the largest first."""
    imported = answers.guest.graph.imported
    rows = []
    for index in answers.live.functions:
        if index >= imported:
            size = len(answers.guest.module.functions[index - imported].body)
            metered = answers.metered_sizes[index - imported]
            rows.append(
                (size, metered, answers.size(answers.goes_with(index)), answers.name(index))
            )
    yield f"{'raw':>7} {'metered':>8} {'with it':>8}"
    for size, metered, together, name in sorted(rows, reverse=True):
        yield f"{size:7} {metered:8} {together:8}  {name}"
    raw, metered = sum(row[0] for row in rows), sum(row[1] for row in rows)
    yield f"{raw:7} {metered:8}           {len(rows)} functions"
    data = sum(answers.guest.graph.data[number].size for number in answers.live.data)
    yield f"{data:7}                   bytes of {len(answers.live.data)} pieces of data"
    yield f"{len(answers.raw):7} {len(pico_abi.meter(answers.raw)):8}           the module"


def explanation(answers: Answers, name: str) -> Iterator[str]:
    """The shortest chain of references to a function, and what hangs on it."""
    found = [i for i, known in answers.guest.function_names.items() if known.decode() == name]
    if not found:
        yield f"the library has no function {name}"
    for index in found:
        chain = answers.chain(index)
        if chain is None:
            yield f"{name} is not alive"
            continue
        yield " -> ".join([answers.roots[chain[0]], *map(answers.name, chain)])
        gone = answers.goes_with(index)
        yield f"{answers.size(gone)} bytes go with it:"
        yield from (f"    {answers.name(other)}" for other in sorted(gone.functions))


def main() -> int:
    """The command line; the exit code is 1 if the ruleset has errors."""
    parser = argparse.ArgumentParser(description="Why is it in the module?")
    parser.add_argument("ruleset", type=Path)
    parser.add_argument("function", nargs="?")
    arguments = parser.parse_args()
    text = arguments.ruleset.read_text("utf-8")
    compiled = compile_source(Source(str(arguments.ruleset), text))
    if compiled.module is None or compiled.program is None:
        print("the ruleset has errors: picomesh check shows them", file=sys.stderr)
        return 1
    guest = guest_library()
    answers = Answers(guest, emit(compiled.program, guest), compiled.module)
    chosen = arguments.function
    for line in table(answers) if chosen is None else explanation(answers, chosen):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
