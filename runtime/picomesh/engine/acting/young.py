"""Children that a transition makes, before they are born.

A rule that makes a child may go on to talk to it (`ctx:eventQuery`, `ctx:query`). The child does
not exist until the commit, but all that it will be follows from its parent's transition, so it is
run ahead, at its parent's cost: the same receipts come out again when the commit makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from picomesh import transition
from picomesh.engine.acting.plan import ActError, Scene
from picomesh.engine.descent import derived_seed, spawn_work
from picomesh.engine.inputs import Event, Spawn, encode_input
from picomesh.engine.records import Layered
from picomesh.engine.sends import event_of
from picomesh.ledger.cid import Cid
from picomesh.ledger.value import Value, decode_plain, decode_value, encode_plain, encode_value
from picomesh.transition import Answer, Circumstances, Effect, NeedsAnswer, Query, Transition

if TYPE_CHECKING:
    from picomesh.engine.acts import PicoActs
    from picomesh.engine.performed import Performed, Work
    from picomesh.engine.programs import Programs
    from picomesh.ledger.tree import Blocks

Perform = Callable[["Programs", "Blocks", "Work"], "Performed"]
MakeActs = Callable[["Programs", Layered, "Work"], "PicoActs"]


class Young:
    """The children born in this run of a transition, by the channel to them."""

    def __init__(self, work: Work, perform: Perform, make_acts: MakeActs) -> None:
        self.born: dict[str, tuple[str, Spawn]] = {}
        self._work = work
        self._perform = perform
        self._make_acts = make_acts
        self._modules: dict[bytes, bytes] = {}

    def answer(self, scene: Scene, name: str) -> bytes | None:
        """What a child says that is not born yet; None when it is none of these."""
        eci = scene.argument(0)
        if not isinstance(eci, str) or eci not in self.born:
            return None
        match name:
            case "eventQuery":
                self._send(scene, eci)
                question = scene.args[4:7]
            case "query":
                question = scene.args[1:4]
            case _:
                return None
        return encode_plain({"ok": decode_value(self._ask(scene, eci, question))})

    def _send(self, scene: Scene, eci: str) -> None:
        domain = scene.text(1, "missing event.domain")
        name, attrs = scene.text(2, "missing event.name"), scene.map_or_none(3)
        message = encode_plain(
            {
                "kind": "send",
                "eci": eci,
                "domain": domain,
                "name": name,
                "attrs": attrs,
                "eid": scene.acts.identifier(scene, "event"),
            }
        )
        scene.acts.count()
        scene.calls.attempt.effects.append(Effect("send", scene.calls.key[0], message))

    def _ask(self, scene: Scene, eci: str, question: list[Value]) -> bytes:
        rid, name, args = (question[at] if at < len(question) else None for at in range(3))
        if not isinstance(rid, str) or not isinstance(name, str):
            raise ActError("a query needs a rid and a name")
        layered = Layered(scene.acts.blocks)
        work, root = self._run_ahead(scene, eci, layered)
        programs = scene.acts.programs
        state = programs.state(layered, root)
        given = scene.calls.attempt.given
        circumstances = Circumstances(
            work.pico,
            given.host,
            work.time_ms,
            derived_seed(work, "question", len(scene.calls.attempt.effects)),
            work.fuel_limit,
            given.stack_words_limit,
            (),
            self._make_acts(programs, layered, work),
        )
        query = Query(eci, rid, name, encode_value(args if isinstance(args, dict) else {}), "")
        rulesets = [programs.ruleset(record, layered) for record in state.rulesets()]
        try:
            done = transition.ask(programs.sandbox, state, query, rulesets, circumstances)
        except NeedsAnswer as need:
            raise ActError("a pico cannot ask others before it is born") from need
        self._pay(scene, done)
        return done.answer

    def _run_ahead(self, scene: Scene, eci: str, layered: Layered) -> tuple[Work, Cid]:
        """The child after all that was sent to it so far."""
        effects = scene.calls.attempt.effects
        _, spawn = self.born[eci]
        data = encode_input(spawn)
        at = next(at for at, effect in enumerate(effects) if effect.data == data)
        work = spawn_work(self._work, at, spawn)
        done = self._step(scene, layered, work)
        for at, event in enumerate(effects):
            sent = self._event(event, eci, scene.calls.attempt.given.host)
            if sent is not None:
                seed = derived_seed(self._work, "send", at)
                seq, prev, pre = work.seq + 1, done.cid, done.post
                work = replace(work, seq=seq, prev=prev, given=sent, seed=seed, pre=pre, tape=())
                done = self._step(scene, layered, work)
        return work, done.post

    def _step(self, scene: Scene, layered: Layered, work: Work) -> Performed:
        programs = scene.acts.programs
        while True:
            performed = programs.ahead.get(work)
            try:
                performed = performed or self._perform(programs, layered, work)
                break
            except NeedsAnswer as need:
                work = replace(work, tape=(*work.tape, self._module(scene, need)))
        programs.ahead.keep(work, performed)
        layered.new.update(performed.blocks)
        self._pay(scene, performed.transition)
        return performed

    def _module(self, scene: Scene, need: NeedsAnswer) -> Answer:
        """A module that a child wants is asked for by its parent; nothing else can be."""
        if decode_plain(need.question).get("fn") != "ctx:module":
            raise ActError("a pico cannot ask others before it is born")
        if need.question not in self._modules:
            self._modules[need.question] = scene.calls.ask_tape(need.question)
        return Answer(need.question, self._modules[need.question])

    def _event(self, effect: Effect, eci: str, host: str) -> Event | None:
        if effect.kind != "send":
            return None
        event = event_of(decode_plain(effect.data), host, effect.data)
        return event if event is not None and event.eci == eci else None

    def _pay(self, scene: Scene, done: Transition) -> None:
        scene.calls.attempt.meter.charge(done.fuel)
        if done.outcome != "ok":
            raise ActError(done.message or done.outcome)
