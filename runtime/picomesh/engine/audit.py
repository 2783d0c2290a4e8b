"""Audits a proof: one file, and nothing else is believed (docs/formats/proof.md §4).

Each check has a name and comes before those that need it, so the first one that fails says what is
wrong with the file. No store, no network, no clock, and no engine's word: modules are metered here,
and the transition runs again on the part of the state that the file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pico_abi import limits
from pico_abi.refused import ModuleRefused
from picomesh.engine.checked import CheckedModules
from picomesh.engine.errors import ModuleNotAdmitted
from picomesh.engine.inputs import Input, Install, decode_input
from picomesh.engine.makers import engine_of, makers_of
from picomesh.engine.performed import Performed
from picomesh.engine.programs import Programs
from picomesh.engine.records import RULESETS, Layered, RulesetRecord, decode_ruleset
from picomesh.engine.replay import Divergence, compare, perform_recorded, work_of
from picomesh.ledger.car import CarFile
from picomesh.ledger.checkpoint import Checkpoint, covers, decode_checkpoint
from picomesh.ledger.cid import Cid, cid_of_bytes
from picomesh.ledger.errors import CodecError, LedgerError, MissingBlock
from picomesh.ledger.partial import Recorder, reach
from picomesh.ledger.proof import Links, decode_proof
from picomesh.ledger.receipt import (
    Core,
    Envelope,
    decode_core,
    decode_envelope,
    is_envelope_signed,
)
from picomesh.ledger.tree import EMPTY_ROOT
from picomesh.manifest import BadManifest
from picomesh.sandbox.interface import Sandbox
from picomesh.transition import NeedsAnswer, TapeDiverged

PROOF_BYTES_MAX = 256 * 1024 * 1024
CHECKS = ("file", "receipt", "signature", "engine", "position", "state", "code", "execution")


class Refused(Exception):
    """A proof does not prove what it says; `check` names the rule that does not hold."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check
        self.text = text


@dataclass(frozen=True, slots=True)
class Check:
    """A rule that holds, and what it says of this proof."""

    name: str
    text: str


@dataclass(slots=True)
class Audit:
    """What a proof came to, as far as it came."""

    core: Core | None = None
    envelope: Envelope | None = None
    given: Input | None = None
    checkpoint: Checkpoint | None = None
    performed: Performed | None = None
    divergence: Divergence | None = None
    checks: list[Check] = field(default_factory=list)
    refused: Check | None = None

    @property
    def is_proved(self) -> bool:
        return self.refused is None


def audit(
    data: bytes,
    sandbox: Callable[[str], Sandbox],
    modules: CheckedModules,
    pico: str | None = None,
    engine: bytes | None = None,
) -> Audit:
    """Checks a proof file from beginning to end. Raises EngineFault when this machine fails.

    `sandbox` makes the WASM engine, given the name of the one that the receipt says it ran on.
    With `pico` and `engine`, it must be a proof of that pico and signed by that key.
    """
    done = Audit()
    try:
        _Auditor(done, sandbox, modules, Expected(pico, engine)).run(data)
    except Refused as refused:
        done.refused = Check(refused.check, refused.text)
    return done


@dataclass(frozen=True, slots=True)
class Expected:
    """What whoever asks for an audit already knows, or None."""

    pico: str | None
    engine: bytes | None


@contextmanager
def _check(name: str) -> Iterator[None]:
    """Whatever is wrong with the record inside is this check's refusal."""
    try:
        yield
    except MissingBlock as problem:
        raise Refused(name, f"the file is not complete: {problem}") from problem
    except (LedgerError, ModuleRefused, ModuleNotAdmitted, BadManifest) as problem:
        raise Refused(name, str(problem)) from problem


class _Auditor:
    """The checks in their order; each leaves what the later ones use."""

    def __init__(
        self,
        done: Audit,
        sandbox: Callable[[str], Sandbox],
        modules: CheckedModules,
        expected: Expected,
    ) -> None:
        self.done = done
        self.sandbox = sandbox
        self.modules = modules
        self.expected = expected

    def run(self, data: bytes) -> None:
        with _check("file"):
            self.car = CarFile(data, PROOF_BYTES_MAX)
            self.proof = decode_proof(self.car.block(self.car.root))
            self.note("file", f"{len(self.car)} blocks, {len(data):,} bytes")
        with _check("receipt"):
            self.core, self.envelope = self.receipt(self.proof.receipt)
            self.read_receipt()
        self.check_signature()
        with _check("engine"):
            self.check_engine()
        with _check("position"):
            self.check_position()
        with _check("state"):
            self.check_state()
        with _check("code"):
            self.check_code()
        with _check("execution"):
            self.check_execution()

    def note(self, name: str, text: str) -> None:
        self.done.checks.append(Check(name, text))

    def receipt(self, links: Links) -> tuple[Core, Envelope]:
        core = decode_core(self.car.block(links.core))
        envelope = decode_envelope(self.car.block(links.envelope))
        if envelope.core != links.core:
            raise CodecError("the envelope is that of another core")
        return core, envelope

    def read_receipt(self) -> None:
        core = self.core
        self.done.core, self.done.envelope = core, self.envelope
        if core.fuel_limit > limits.FUEL_LIMIT_MAX:
            raise Refused("receipt", f"fuel_limit {core.fuel_limit} is beyond the profile's")
        self.given = decode_input(self.car.block(core.event))
        self.done.given = self.given
        if self.expected.pico not in (None, core.pico):
            raise Refused("receipt", f"it is a receipt of {core.pico}")
        self.note("receipt", f"receipt {core.seq}, {core.kind}, outcome {core.outcome}")

    def check_signature(self) -> None:
        if not is_envelope_signed(self.envelope):
            raise Refused("signature", "the envelope's signature does not hold")
        if self.expected.engine not in (None, self.envelope.engine):
            raise Refused("signature", f"it is signed by engine {self.envelope.engine.hex()}")
        self.note("signature", f"signed by engine {self.envelope.engine.hex()}")

    def check_engine(self) -> None:
        """The pico's name is the hash of the input that made it, and that names the engine."""
        self.ancestors = makers_of(self.car, self.core.pico)
        if engine_of(self.car, self.core.pico) != self.envelope.engine:
            raise Refused("engine", "the receipt is signed by another engine than the pico's")
        self.note("engine", f"the engine that made pico {self.core.pico}")

    def check_position(self) -> None:
        core, proof = self.core, self.proof
        if (core.seq == 0) != (proof.before is None):
            raise Refused("position", "the receipt before it is missing, or one too many")
        if proof.before is None:
            self.check_first()
        else:
            self.check_before(proof.before)
        where = self.check_checkpoint()
        behind = f"behind receipt {core.seq - 1}" if core.seq else "the first of its pico"
        self.note("position", behind + where)

    def check_first(self) -> None:
        core = self.core
        if core.kind != "create" or str(core.event) != core.pico:
            raise Refused("position", "the first receipt is not the one that makes the pico")
        if core.prev is not None or core.pre != EMPTY_ROOT:
            raise Refused("position", "the first receipt has something before it")

    def check_before(self, links: Links) -> None:
        core = self.core
        before, envelope = self.receipt(links)
        if core.kind == "create":
            raise Refused("position", "a pico is made by its first receipt")
        if core.prev != links.core or before.pico != core.pico or before.seq != core.seq - 1:
            raise Refused("position", "the receipt does not follow the one before it")
        if before.post != core.pre:
            raise Refused("position", "it does not begin where the receipt before it ended")
        if envelope.engine != self.envelope.engine or not is_envelope_signed(envelope):
            raise Refused("position", "the receipt before it is not signed by the same engine")

    def check_checkpoint(self) -> str:
        position = self.proof.position
        if position is None:
            return ""
        checkpoint = decode_checkpoint(self.car.block(position.checkpoint))
        core = self.core
        if checkpoint.pico != core.pico or checkpoint.engine != self.envelope.engine:
            raise Refused("position", "the checkpoint is of another pico or engine")
        if not covers(checkpoint, self.proof.receipt.core, core.seq, position.path):
            raise Refused("position", "the checkpoint does not cover the receipt")
        self.done.checkpoint = checkpoint
        return f", in a signed history of {checkpoint.size}"

    def check_state(self) -> None:
        self.reached = reach(self.core.pre, self.car)
        nodes, values = len(self.reached.nodes), len(self.reached.values)
        self.note("state", f"{nodes} nodes and {values} values of the state before it")

    def refuse_strangers(self) -> None:
        """Nothing may be in the file but what its blocks lead to and what the run has read."""
        core, proof = self.core, self.proof
        known = {self.car.root, core.event, core.tape, *self.ancestors, *self.recorder.read}
        known |= {proof.receipt.core, proof.receipt.envelope}
        if proof.before is not None:
            known |= {proof.before.core, proof.before.envelope}
        if proof.position is not None:
            known.add(proof.position.checkpoint)
        known |= self.reached.names()
        for record in self.records():
            known |= {record.raw, record.metered}
        for code in core.code:
            known |= {code.raw, code.metered}
        for pair in proof.modules:
            known.update(pair)
        self.car.refuse_strangers(known)

    def records(self) -> list[RulesetRecord]:
        """The rulesets that are installed before, as far as the file holds them."""
        return [
            decode_ruleset("", self.car.block(value))
            for path, value in self.reached.values.items()
            if path.startswith(RULESETS)
        ]

    def check_code(self) -> None:
        """Every module is metered here: a wrong price in it would be a wrong fuel in the core."""
        self.recorder = Recorder(self.car)
        self.blocks = Layered(self.recorder)
        self.check_forms()
        for record in self.records():
            metered = self.metered(record.raw)
            if cid_of_bytes(metered) != record.metered:
                raise Refused("code", f"module {record.raw} does not become {record.metered}")
            self.blocks.new[record.metered] = metered
        if isinstance(self.given, Install):
            self.metered(self.given.raw)
        for raw, named in self.proof.modules:
            if cid_of_bytes(self.metered(raw)) != named:
                raise Refused("code", f"module {raw} does not become {named}")
        count = len(self.records()) + len(self.proof.modules)
        self.note("code", f"{count} modules, metered again and checked")

    def check_forms(self) -> None:
        """A module is there in both its forms; only what was installed before may be left out."""
        before = {(record.raw, record.metered) for record in self.records()}
        after = {(code.raw, code.metered) for code in self.core.code}
        for pair in sorted(before | after | set(self.proof.modules)):
            missing = [cid for cid in pair if cid not in self.car]
            if missing and (len(missing) == 1 or pair not in before):
                raise Refused("code", f"the file is not complete: module {missing[0]} is not there")

    def metered(self, raw: Cid) -> bytes:
        known = self.modules.metered_of(raw)
        return self.modules.metered(self.recorder.block(raw)) if known is None else known

    def check_execution(self) -> None:
        sandbox = self.sandbox(self.envelope.backend)
        programs = Programs(sandbox, self.modules.metered)
        try:
            performed = perform_recorded(programs, self.blocks, work_of(self.core, self.recorder))
        except (NeedsAnswer, TapeDiverged) as problem:
            raise Refused("execution", f"the tape is another: {problem}") from problem
        self.done.performed = performed
        named = {code.raw for code in self.core.code} | {item.raw for item in self.records()}
        wanted = sorted(programs.admitted().keys() - named)
        if [raw for raw, _ in self.proof.modules] != wanted:
            raise Refused("execution", "the file names other modules than the run needs")
        self.refuse_strangers()
        divergence = compare(self.core, performed.core)
        if divergence is not None:
            self.done.divergence = divergence
            what = f"recorded {divergence.recorded}, run again {divergence.replayed}"
            raise Refused("execution", f"{divergence.field} differs: {what}")
        fuel = f"{self.core.fuel:,} fuel"
        self.note("execution", f"run again on {sandbox.backend}: {fuel}, every field equal")
