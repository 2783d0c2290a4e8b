"""What a running engine counts, in the text form that Prometheus reads."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from picomesh.engine import Response
from picomesh.engine.delivery import Delivered
from picomesh.engine.service import Service

_LOGGER = logging.getLogger("picomesh.engine")


@dataclass(slots=True)
class Counts:
    """Counters since the start; only the engine's thread writes them."""

    outcomes: Counter[str] = field(default_factory=Counter)
    fuel: int = 0
    queries: int = 0
    deliveries: Counter[str] = field(default_factory=Counter)
    faults: int = 0

    def transition(self, response: Response) -> None:
        done = response.transition  # its receipt says the same, but would have to be decoded
        self.outcomes[done.outcome] += 1
        self.fuel += done.fuel

    def delivered(self, done: Delivered) -> None:
        self.deliveries["done" if done.done else "given_up"] += 1

    def fault(self, text: str) -> None:
        """A failure of this machine. Its reason is for who runs the engine: on standard error."""
        self.faults += 1
        _LOGGER.error("a failure of this machine: %s", text)

    def as_text(self, engine: Service) -> str:
        """The metrics page."""
        rows = [
            *_metric("picomesh_picos", "gauge", {"": len(engine.store.picos())}),
            *_metric("picomesh_waiting_events", "gauge", {"": engine.store.waiting_count()}),
            *_metric("picomesh_waiting_deliveries", "gauge", {"": len(engine.store.outgoing())}),
            *_metric("picomesh_waiting_bytes", "gauge", {"": engine.store.waiting_bytes()}),
            *_metric("picomesh_picos_in_trouble", "gauge", {"": len(engine.troubles())}),
            *_metric("picomesh_dropped_events_total", "counter", {"": engine.room.dropped}),
            *_metric("picomesh_transitions_total", "counter", _labelled("outcome", self.outcomes)),
            *_metric("picomesh_fuel_total", "counter", {"": self.fuel}),
            *_metric("picomesh_queries_total", "counter", {"": self.queries}),
            *_metric("picomesh_deliveries_total", "counter", _labelled("end", self.deliveries)),
            *_metric("picomesh_faults_total", "counter", {"": self.faults}),
        ]
        return "\n".join(rows) + "\n"


def _labelled(label: str, counter: Counter[str]) -> dict[str, int]:
    return {f'{{{label}="{value}"}}': count for value, count in sorted(counter.items())}


def _metric(name: str, kind: str, values: dict[str, int]) -> list[str]:
    return [f"# TYPE {name} {kind}", *(f"{name}{labels} {n}" for labels, n in values.items())]
