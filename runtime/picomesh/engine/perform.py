"""From an input to a core: the same code for a live event and for its replay, years later.

Everything that decides the core comes in through `Work`, and nothing else is looked at: no clock,
no randomness, no network. What comes out is the core, and the blocks it links to.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh import transition
from picomesh.channels import CHANNELS, allow_all
from picomesh.engine.acting.young import Young
from picomesh.engine.acts import PicoActs
from picomesh.engine.bringing import bring
from picomesh.engine.errors import ModuleNotAdmitted
from picomesh.engine.family import Relative, child_joins, child_leaves, parent_is
from picomesh.engine.inputs import (
    Adopt,
    Create,
    Delete,
    Event,
    Import,
    Install,
    Spawn,
    Uninstall,
    encode_input,
    kind_of,
)
from picomesh.engine.installing import InstallProblem, Prepared, Wanted, prepare, users_of
from picomesh.engine.performed import EMPTY_LIST_CID, Performed, Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import (
    RULESETS,
    Layered,
    PicoState,
    RulesetRecord,
)
from picomesh.ledger.cid import (
    Cid,
    cid_of_bytes,
    digest_of,
)
from picomesh.ledger.errors import TreeTooWide
from picomesh.ledger.pieces import head, known_text, octets
from picomesh.ledger.receipt import core_block
from picomesh.ledger.tree import Blocks, NodeCache, Tree
from picomesh.ledger.value import Value, encode_value
from picomesh.transition import Circumstances, Transition
from picomesh.transition.calls import Calls
from picomesh.transition.model import Acts

_ECI_BYTES = 15


def perform(programs: Programs, blocks: Blocks, work: Work) -> Performed:
    """Runs one transition. Raises NeedsAnswer, EngineFault, ModuleNotAdmitted."""
    known = programs.ahead.take(work) if programs.ahead else None
    if known is not None:
        if known.is_plain:
            programs.views.follow(work.pre, known.post)
        else:
            programs.views.advance(work.pre, known.post, known.transition.writes)
        return known
    layered = Layered(blocks)
    ran = programs.native.perform(programs, layered, work)
    if isinstance(ran, Performed):
        return ran
    done = ran or _run(programs, layered, programs.state(layered, work.pre), work)
    try:
        performed, writes = _apply(layered, work.pre, done, programs.nodes)
    except TreeTooWide as problem:  # the guest chose its paths so, state.md §4
        done = _undone(done, "trap", str(problem))
        performed, writes = Performed(done, work.pre, layered.new), []
    post = performed.post
    if writes:
        programs.views.advance(work.pre, post, done.writes)
    code = programs.views.at(post).code
    if code is None:  # something else is installed now
        behind = Layered(layered)
        behind.new = performed.blocks
        code = programs.state(behind, post).code()
    prev = work.prev
    keep = performed.keep
    performed.seal(
        core_block(
            pico=work.pico,
            seq=work.seq,
            prev=None if prev is None else prev.raw,
            kind=kind_of(work.given),
            code=code,
            event=keep(work.given_bytes or encode_input(work.given)),
            time=work.time_ms,
            seed=work.seed,
            fuel_limit=work.fuel_limit,
            pre=work.pre.raw,
            post=post.raw,
            writes=writes,
            tape=keep(encode_tape(done)) if done.tape else EMPTY_LIST_CID.raw,
            outbox=keep(encode_outbox(done)) if done.effects else EMPTY_LIST_CID.raw,
            outcome=done.outcome,
            fuel=done.fuel,
        )
    )
    return performed


def encode_tape(done: Transition) -> bytes:
    """The tape's block: [[question, answer], ...] as bytes (receipt.md §6)."""
    rows = [b"\x82" + octets(entry.question) + octets(entry.answer) for entry in done.tape]
    return head(4, len(rows)) + b"".join(rows)


def encode_outbox(done: Transition) -> bytes:
    """The outbox's block: [[kind, rid, effect], ...] (receipt.md §7)."""
    rows = [
        b"\x83" + known_text(effect.kind) + known_text(effect.rid) + octets(effect.data)
        for effect in done.effects
    ]
    return head(4, len(rows)) + b"".join(rows)


def first_eci(seed: bytes) -> str:
    """The identifier of a new pico's first channel."""
    digest = digest_of(b"picomesh first channel" + seed)[:_ECI_BYTES]
    return base64.b32encode(digest).decode("ascii").lower()


def _apply(
    layered: Layered, pre: Cid, done: Transition, cache: NodeCache
) -> tuple[Performed, list[tuple[bytes, bytes | None]]]:
    """Puts the writes into the state tree; returns what that makes, and the names of the values."""
    if not done.writes:
        return Performed(done, pre, layered.new), []
    tree = Tree(layered, pre, cache)
    named: list[tuple[bytes, bytes | None]] = []
    values: list[tuple[bytes, Cid, bytes]] = []
    removed: list[bytes] = []
    for path, value in done.writes:
        if value is None:
            tree.delete(path)
            named.append((path, None))
            removed.append(path)
        else:
            cid = cid_of_bytes(value)
            values.append((path, cid, value))
            tree.put(path, cid)
            named.append((path, cid.raw))
    root, nodes = tree.flush()
    performed = Performed(done, root, layered.new)
    performed.values = values
    performed.removed = removed
    performed.nodes = nodes.items()
    performed.replaced = tree.replaced
    return performed, named


def _undone(done: Transition, outcome: str, message: str) -> Transition:
    """What is left of a run that may not take effect: its fuel, its logs, what it asked."""
    return Transition(outcome, done.fuel, logs=done.logs, tape=done.tape, message=message)


def _run(programs: Programs, blocks: Layered, state: PicoState, work: Work) -> Transition:
    match work.given:
        case Spawn():
            return _spawn(programs, blocks, work, work.given)
        case Delete():
            return _delete(state)
        case Adopt():
            return _adopt(state, work.given)
        case Import():
            return bring(state, work.pico, work.given)
        case Create():
            path = CHANNELS + first_eci(work.seed).encode()
            return Transition(
                "ok", 0, ((path, encode_value(allow_all(first_eci(work.seed), ["allow-all"]))),)
            )
        case Install():
            return _install(programs, blocks, state, work, work.given)
        case Uninstall(rid=rid):
            return _uninstall(programs, blocks, state, rid)
        case Event():
            return _event(programs, blocks, state, work, work.given)


def _circumstances(work: Work, host: str, acts: Acts | None = None) -> Circumstances:
    return Circumstances(
        pico=work.pico,
        host=host,
        time_ms=work.time_ms,
        seed=work.seed,
        fuel_limit=work.fuel_limit,
        stack_words_limit=STACK_WORDS_MAX,
        tape=work.tape,
        acts=acts,
    )


def acts_of(programs: Programs, blocks: Layered, work: Work) -> PicoActs:
    """What the rulesets of a pico can do to it in one run."""
    young = Young(work, perform, acts_of)
    return PicoActs(programs, blocks, work.pico, work.seq, young)


class LaterActs:
    """The acts of a run, made when a ruleset first asks for them: few do."""

    __slots__ = ("_acts", "_blocks", "_programs", "_work")

    def __init__(self, programs: Programs, blocks: Layered, work: Work) -> None:
        self._programs = programs
        self._blocks = blocks
        self._work = work
        self._acts: PicoActs | None = None

    def _made(self) -> PicoActs:
        if self._acts is None:
            self._acts = acts_of(self._programs, self._blocks, self._work)
        return self._acts

    def answer(self, calls: Calls, question: bytes) -> bytes | None:
        return self._made().answer(calls, question)

    def act(self, calls: Calls, name: str, args: list[Value]) -> None:
        self._made().act(calls, name, args)


def _event(
    programs: Programs, blocks: Layered, state: PicoState, work: Work, given: Event
) -> Transition:
    rulesets = programs.installed(state, blocks)
    fired = None if given.schedule is None else (str(given.schedule[0]), str(given.schedule[1]))
    event = transition.Event(
        given.eci, given.domain, given.name, given.attrs, given.eid, fired=fired
    )
    acts = LaterActs(programs, blocks, work)
    circumstances = _circumstances(work, given.host, acts)
    return transition.run(programs.sandbox, state, event, rulesets, circumstances)


def _install(
    programs: Programs, blocks: Layered, state: PicoState, work: Work, given: Install
) -> Transition:
    """The module must say of itself what its manifest says; then the record is written."""
    before = {record.rid: record for record in state.rulesets()}
    wanted = Wanted(given.rid, given.raw, given.source, given.url, given.config)
    try:
        prepared = prepare(programs, blocks, before, wanted, work.seq)
    except InstallProblem as problem:
        return Transition("throw", 0, message=str(problem))
    said = _describe(programs, blocks, before, prepared, work)
    if said.outcome != "ok":
        return said
    # A new version starts with fresh event expressions: their states mean nothing to it.
    resets = [(path, None) for path in state.paths(b"select/" + given.rid.encode() + b"/")]
    return Transition("ok", said.fuel, tuple(sorted([prepared.write, *resets])))


def _describe(
    programs: Programs,
    blocks: Layered,
    before: Mapping[str, RulesetRecord],
    prepared: Prepared,
    work: Work,
) -> Transition:
    others = [item for rid, item in before.items() if rid != prepared.record.rid]
    said = transition.describe(
        programs.sandbox,
        prepared.ruleset,
        [programs.ruleset(item, blocks) for item in others],
        _circumstances(work, ""),
    )
    if said.outcome == "ok" and said.answer != prepared.manifest:
        return Transition("trap", said.fuel, message="describe does not return the manifest")
    return said


def _uninstall(programs: Programs, blocks: Layered, state: PicoState, rid: str) -> Transition:
    """Removes the ruleset and all it stored, unless another one uses it."""
    users = users_of(programs, blocks, {item.rid: item for item in state.rulesets()}, rid)
    if users:
        return Transition("throw", 0, message=f"{users[0]} uses {rid} as a module")
    spaces = (b"ent/" + rid.encode() + b"/", b"select/" + rid.encode() + b"/")
    paths = [path for space in spaces for path in state.paths(space)]
    writes = [(path, None) for path in [*paths, RULESETS + rid.encode()]]
    return Transition("ok", 0, tuple(sorted(writes)))


def _spawn(programs: Programs, blocks: Layered, work: Work, given: Spawn) -> Transition:
    """A child with its rulesets; one that cannot be installed is left out, and logged."""
    parent = Relative(given.parent_eci, given.parent, given.eci)
    writes = parent_is(PicoState(blocks, work.pre), parent)
    installed: dict[str, RulesetRecord] = {}
    logs: list[transition.LogLine] = []
    fuel = 0
    for row in given.rulesets:
        assert isinstance(row, list), "inputs.py has checked the row"
        wanted = Wanted(*row)  # type: ignore[arg-type]  # and its columns
        try:
            prepared = prepare(programs, blocks, installed, wanted, work.seq)
            limited = replace(work, fuel_limit=work.fuel_limit - fuel)
            said = _describe(programs, blocks, installed, prepared, limited)
            fuel, problem = fuel + said.fuel, said.message or said.outcome
            failed = said.outcome != "ok"
        except (InstallProblem, ModuleNotAdmitted) as refused:
            failed, problem = True, str(refused)
        if failed:
            logs.append(transition.LogLine(wanted.rid, "", "error", f"not installed: {problem}", 0))
            continue
        installed[wanted.rid] = prepared.record
        writes.append(prepared.write)
    return Transition("ok", fuel, tuple(sorted(writes)), logs=tuple(logs))


def _delete(state: PicoState) -> Transition:
    return Transition("ok", 0, tuple((path, None) for path in sorted(state.paths(b""))))


def _adopt(state: PicoState, given: Adopt) -> Transition:
    """One pico's part in a child's move from one parent to another."""
    child = Relative(given.eci, given.child, given.parent_eci)
    match given.part:
        case "leave":
            writes = child_leaves(child)
        case "join":
            writes = child_joins(state, child)
        case _:
            writes = parent_is(state, Relative(given.parent_eci, given.parent, given.eci))
    return Transition("ok", 0, tuple(sorted(writes)))
