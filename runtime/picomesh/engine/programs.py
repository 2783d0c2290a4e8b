"""From a module's bytes to something that runs: the gate, the rewriter, the backend's compiler.

Each is a pure function of the bytes and slow, so each result is remembered under the hash; so are
the nodes of state trees.
"""

from __future__ import annotations

from collections.abc import Callable

import pico_abi
from pico_abi.refused import ModuleRefused
from picomesh.engine.ahead import Ahead
from picomesh.engine.errors import ModuleNotAdmitted
from picomesh.engine.native import Native
from picomesh.engine.records import PicoState, RulesetRecord
from picomesh.engine.views import Views
from picomesh.ledger.cid import Cid, cid_of_bytes
from picomesh.ledger.tree import Blocks, NodeCache
from picomesh.ledger.value import decode_value
from picomesh.manifest import BadManifest, Manifest, read_manifest
from picomesh.sandbox.interface import Program, Sandbox
from picomesh.transition import Installed, Ruleset

RULESETS_IN_MEMORY_MAX = 256
MODULES_IN_MEMORY_MAX = 256  # that were admitted: a pico can install one after the other


def admit_module(raw: bytes) -> bytes:
    """The gate of profile pico-1: validates a raw module and meters it."""
    pico_abi.validate(raw)
    return pico_abi.meter(raw)


class Programs:
    """Modules of one engine, ready for its sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        gate: Callable[[bytes], bytes] = admit_module,
        *,
        kernel: bool = True,
    ) -> None:
        self.sandbox = sandbox
        self.nodes: NodeCache = {}
        self.views = Views()
        self.ahead = Ahead()
        self.native = Native(sandbox, kernel)
        self.gate = gate
        self._rulesets: dict[RulesetRecord, Ruleset] = {}
        self._metered: dict[Cid, bytes] = {}
        self._metered_cids: dict[Cid, Cid] = {}
        self._manifests: dict[Cid, Manifest] = {}

    def admit(self, raw: bytes) -> tuple[bytes, Manifest]:
        """The metered module and its manifest. Raises ModuleNotAdmitted."""
        metered, _, manifest = self.admit_block(cid_of_bytes(raw), raw)
        return metered, manifest

    def admit_block(self, cid: Cid, raw: bytes) -> tuple[bytes, Cid, Manifest]:
        """The metered module, its name and its manifest, of a block that is what its name says."""
        if cid not in self._metered:
            try:
                manifest = read_manifest(raw)
                metered = self.gate(raw)
            except (ModuleRefused, BadManifest) as problem:
                raise ModuleNotAdmitted(
                    f"the module is not admitted: {problem}",
                    "it must follow profile pico-1: docs/formats/pico-1.md",
                ) from problem
            if len(self._metered) >= MODULES_IN_MEMORY_MAX:
                self._metered.clear()
                self._metered_cids.clear()
                self._manifests.clear()
            self._metered[cid] = metered
            self._metered_cids[cid] = cid_of_bytes(metered)
            self._manifests[self._metered_cids[cid]] = manifest
        metered_cid = self._metered_cids[cid]
        return self._metered[cid], metered_cid, self._manifests[metered_cid]

    def admitted(self) -> dict[Cid, bytes]:
        """The metered form of every raw module that was admitted here."""
        return dict(self._metered)

    def load(self, metered: bytes) -> Program:
        return self.sandbox.load(metered)

    def manifest(self, metered_cid: Cid, blocks: Blocks) -> Manifest:
        """The manifest of an installed module; the rewriter keeps the section as it is."""
        if metered_cid not in self._manifests:
            self._manifests[metered_cid] = read_manifest(blocks.block(metered_cid))
        return self._manifests[metered_cid]

    def state(self, blocks: Blocks, root: Cid) -> PicoState:
        """The state at a root, with what is remembered of it."""
        return PicoState(blocks, root, self.nodes, self.views)

    def installed(self, state: PicoState, blocks: Blocks) -> Installed:
        """The installed rulesets as the transition wants them."""
        view = state.view
        if view.installed is None:
            view.installed = Installed(self.ruleset(item, blocks) for item in state.rulesets())
        return view.installed

    def ruleset(self, record: RulesetRecord, blocks: Blocks) -> Ruleset:
        """An installed ruleset as the transition wants it."""
        known = self._rulesets.get(record)
        if known is None:
            if len(self._rulesets) >= RULESETS_IN_MEMORY_MAX:
                self._rulesets.clear()
            known = self._rulesets[record] = self._make_ruleset(record, blocks)
        return known

    def _make_ruleset(self, record: RulesetRecord, blocks: Blocks) -> Ruleset:
        manifest = self.manifest(record.metered, blocks)
        config = decode_value(record.config)
        return Ruleset(
            rid=record.rid,
            program=self.load(blocks.block(record.metered)),
            selects=manifest.selects,
            config=config if isinstance(config, dict) else {},
            url=record.url,
            provides=frozenset(item.name for item in manifest.provides),
            computes_globals=manifest.compiler.startswith("krl "),
        )
