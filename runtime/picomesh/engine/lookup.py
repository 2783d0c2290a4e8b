"""What can be looked up of an engine's picos, without changing anything."""

from __future__ import annotations

from picomesh.channels import Use, family_channel, refusal
from picomesh.engine.errors import NotAllowed, NotFound, OperatorError
from picomesh.engine.options import Options
from picomesh.engine.perform import first_eci
from picomesh.engine.performed import Head
from picomesh.engine.picos import find_pico
from picomesh.engine.programs import Programs
from picomesh.engine.records import PicoState
from picomesh.engine.sealing import read_receipt
from picomesh.engine.system import SYSTEM_RIDS, url_of
from picomesh.engine.views import View
from picomesh.ledger.receipt import Receipt, decode_core
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.ledger.value import Value
from picomesh.manifest import Manifest, find_cycle
from picomesh.store.store import Store

LIVING_MAX = 100_000  # picos that are remembered by id or name


class Lookup:
    """The reading half of an engine."""

    def __init__(self, store: Store, programs: Programs, options: Options) -> None:
        self.store = store
        self.programs = programs
        self.options = options
        self.host = options.host
        self._world = options.world
        self._heads: dict[str, Head] = {}
        self._ecis: dict[str, str] = {}
        self._living: dict[str, str] = {}  # ids and names that were asked for, and whose they are

    def find(self, name: str) -> str:
        """A pico's id by id, by the beginning of its id, or by name. Raises OperatorError."""
        known = self._living.get(name)
        if known is not None:
            return known
        exact = self.store.pico_called(name) if name else None
        if exact is None:
            return find_pico(self.store.picos(), name)
        if len(self._living) >= LIVING_MAX:
            self._living.clear()
        self._living[name] = exact
        return exact

    def state(self, pico: str) -> PicoState:
        """A pico's state now."""
        head = self._head(self.find(pico))
        root = EMPTY_ROOT if head is None else head.post
        return self.programs.state(self.store, root)

    def _view(self, pico: str) -> View:
        """What is remembered of a pico's state now."""
        head = self._head(pico)
        return self.programs.views.at(EMPTY_ROOT if head is None else head.post)

    def pico_of(self, eci: str) -> str | None:
        """The pico that a channel leads to; a pico's own id is a channel only it may use."""
        pico = self.store.pico_of_channel(eci)
        if pico is None and self.store.head(eci) is not None and not self.store.is_gone(eci):
            return eci
        return pico

    def event_refusal(
        self, pico: str, eci: str, domain: str, name: str, sender: str | None
    ) -> str | None:
        """Why a channel does not let an event of `sender` through; None when it does."""
        return self._refusal(pico, eci, "event", domain, name, sender)

    def _refusal(
        self, pico: str, eci: str, use: Use, first: str, name: str, sender: str | None
    ) -> str | None:
        """Why not, as it is remembered as long as the channels stay as they are."""
        view = self._view(pico)
        key = (eci, use, first, name, sender)
        if key in view.refusals:
            return view.refusals[key]
        return view.refused(key, self._find_refusal(pico, eci, use, first, name, sender))

    def _find_refusal(
        self, pico: str, eci: str, use: Use, first: str, name: str, sender: str | None
    ) -> str | None:
        """Whoever operates the engine (no sender) may use a pico's own channel."""
        if eci == pico and sender in (None, pico):
            return None
        if eci == pico:
            return refusal(family_channel(eci, "self", pico), use, first, name, sender)
        channel = self.state(pico).channel(eci)
        if channel is None:
            return f"ECI not found {eci}"
        return refusal(channel, use, first, name, sender)

    def _check_policy(
        self, pico: str, eci: str, use: Use, first: str, name: str, sender: str | None
    ) -> None:
        refused = self._refusal(pico, eci, use, first, name, sender)
        if refused is not None:
            kind = NotFound if refused.startswith("ECI not found") else NotAllowed
            raise kind(refused, "`picomesh show` lists the pico's channels")

    def eci(self, pico: str) -> str:
        """A pico's first channel."""
        pico = self.find(pico)
        view = self._view(pico)
        if view.first_eci is None:
            view.first_eci = self._find_eci(pico)
        return view.first_eci

    def _find_eci(self, pico: str) -> str:
        if pico not in self._ecis:
            genesis = self.store.receipt(pico, 0)
            seed = b"" if genesis is None else decode_core(genesis.core).seed
            self._ecis[pico] = first_eci(seed)
        eci = self._ecis[pico]
        if self.state(pico).channel(eci) is not None:
            return eci
        # A ruleset deleted the first one, or the pico is a child and never had it.
        channels = [
            item for item in self.state(pico).channels() if item["familyChannelPicoID"] is None
        ]
        wide = (item for item in channels if _lets_all_through(item))
        return str(next(wide, channels[0] if channels else {"id": pico})["id"])

    def _uses(self, pico: str) -> dict[str, tuple[str, ...]]:
        """The modules that each installed ruleset uses."""
        records = self.state(pico).rulesets()
        return {
            record.rid: self.programs.manifest(record.metered, self.store).uses
            for record in records
        }

    def _check_uses(self, pico: str, manifest: Manifest) -> None:
        """Used modules are installed before, and do not use each other in a circle."""
        uses = {**self._uses(pico), manifest.rid: manifest.uses}
        for rid in manifest.uses:
            if rid not in uses:
                where = url_of(rid) if rid in SYSTEM_RIDS else rid
                raise OperatorError(f"Dependant module not loaded: {rid}", f"install {where} first")
        path = find_cycle(manifest.rid, uses)
        if path:
            raise OperatorError(f"Dependency Cycle Found: {' -> '.join(path)}")

    def log(self, pico: str, first: int = 0, last: int | None = None) -> list[Receipt]:
        """A pico's receipts, oldest first."""
        return [read_receipt(row) for row in self.store.receipts(self.find(pico), first, last)]

    def receipt(self, pico: str, seq: int) -> Receipt:
        row = self.store.receipt(self.find(pico), seq)
        if row is None:
            raise OperatorError(f"this pico has no receipt {seq}", "`picomesh log` lists them")
        return read_receipt(row)

    def _head(self, pico: str) -> Head | None:
        """A pico's newest receipt; remembered, for only this engine writes to its store."""
        if pico not in self._heads:
            row = self.store.head(pico)
            if row is None:
                return None
            receipt = read_receipt(row)
            core = receipt.core
            self._heads[pico] = Head(core.seq, receipt.cid, core.post)
        return self._heads[pico]


def _lets_all_through(channel: dict[str, Value]) -> bool:
    """Whether an event and a query of any name may take a channel."""
    uses: tuple[Use, Use] = ("event", "query")
    return all(refusal(channel, use, "", "") is None for use in uses)
