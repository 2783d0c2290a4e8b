"""The kernel's part in a transition: what it is asked for, and what it answers.

Most events write some entity variables of their rulesets and send directives, and for those the
kernel does all that `perform` does. It gives up on everything else, having changed nothing, so
whether it was asked cannot be seen in a receipt. An event of a kind that it gave up on before is
asked of it again only now and then.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from picomesh.engine.inputs import Event, same_for_inputs
from picomesh.engine.packets import FromKernel, transition_of
from picomesh.engine.performed import Performed, Work
from picomesh.engine.records import Layered
from picomesh.engine.runs import Drawn, PlainRun
from picomesh.kernel.library import Again, Read
from picomesh.kernel.library import Recipe as KernelRecipe
from picomesh.kernel.packet import Packet, wanted_of
from picomesh.kernel.parts import as_part, word
from picomesh.kernel.rows import new_row
from picomesh.ledger.cid import Cid, block_cid_of_digest, bytes_cid_of_digest
from picomesh.ledger.receipt import same_for_cores
from picomesh.ledger.value import utf8
from picomesh.sandbox.direct import DirectProgram, DirectSandbox
from picomesh.sandbox.interface import Sandbox
from picomesh.transition import Circumstances, Query, Ruleset, Transition
from picomesh.transition.attempt import DISPATCH_FUEL, START_FUEL
from picomesh.transition.messages import entry_seed, question_message, same_for_events

if TYPE_CHECKING:
    from picomesh.engine.programs import Programs
    from picomesh.ledger.tree import Blocks
    from picomesh.sandbox.loop import Loop

Sees: TypeAlias = "Sequence[Ruleset]"  # the rulesets that an event concerns, in order

RECIPES_MAX = 16  # of one view: who sends events chooses their names
KINDS_MAX = 64  # of one recipe: and so does a ruleset with what it raises
_CORE_AND_INPUT_PARTS = 7  # of a recipe
_PAUSE_MAX = 64  # events of a kind between two tries


class Recipe:
    """What is the same for the events of one kind to one pico, and how the kernel fares with it."""

    __slots__ = ("_loop", "_rulesets", "kernel", "kinds", "pause", "rids", "tries")

    def __init__(self, loop: Loop, work: Work, given: Event, code: bytes, sees: Sees) -> None:
        self._loop = loop
        self._rulesets: list[Ruleset] = []  # whose programs the kernel knows by their addresses
        self.rids: list[str] = []  # of these
        self.kinds = 1  # of events: this one, and what its rules raise
        self.pause = 0  # events that are not asked of it
        self.tries = 1  # and how many that will be when it gives up again
        first, second, last = same_for_cores("event", work.pico, "ok", work.fuel_limit)
        inputs = same_for_inputs(given.eci, given.host, given.name, given.domain)
        parts = map(as_part, (first, code, second, last, *inputs))
        kind = self._kind(work.pico, given, sees)
        self.kernel = KernelRecipe(loop.kernel.library, b"".join((*parts, kind)))

    @classmethod
    def of_query(cls, loop: Loop, ruleset: Ruleset) -> Recipe:
        """One for queries, which have no event and come to no core."""
        made = cls.__new__(cls)
        made._loop, made._rulesets, made.rids = loop, [ruleset], [ruleset.rid]
        made.kinds, made.pause, made.tries = 1, 0, 1
        nothing, none = as_part(b""), word(0)
        row = word(1) + made._row(ruleset) + 2 * nothing + none
        made.kernel = KernelRecipe(loop.kernel.library, _CORE_AND_INPUT_PARTS * nothing + row)
        return made

    def add(self, pico: str, raised: Event, sees: Sees) -> None:
        """A kind of event that rules of it raise."""
        self.kinds += 1
        self.kernel.add(self._kind(pico, raised, sees))

    def _kind(self, pico: str, given: Event, sees: Sees) -> bytes:
        """What stands in a recipe for a kind of event (recipe.zig)."""
        known = len(self.rids)
        entries: list[bytes] = []
        for ruleset in sees:
            if ruleset.rid not in self.rids:
                self._rulesets.append(ruleset)
                self.rids.append(ruleset.rid)
            message = same_for_events(
                given.eci,
                ruleset.url,
                given.host,
                given.name,
                pico,
                ruleset.config_bytes,
                given.domain,
            )
            entries.append(word(self.rids.index(ruleset.rid)) + b"".join(map(as_part, message)))
        fresh = [self._row(ruleset) for ruleset in self._rulesets[known:]]
        names = as_part(utf8(given.domain)) + as_part(utf8(given.name))
        return b"".join((word(len(fresh)), *fresh, names, word(len(entries)), *entries))

    def _row(self, ruleset: Ruleset) -> bytes:
        assert isinstance(ruleset.program, DirectProgram), "the sandbox is a direct one"
        address = self._loop.prepare(ruleset.program).to_bytes(8, "little")
        rid, spaces = ruleset.rid.encode(), ruleset.spaces
        return address + b"".join(map(as_part, (rid, spaces[b"ent/"], spaces[b"select/"])))

    @property
    def first(self) -> Ruleset:
        return self._rulesets[0]

    def gave_up(self) -> None:
        self.pause = self.tries = min(2 * self.tries, _PAUSE_MAX)


class Native:
    """The kernel of one engine, if there is one for this system and sandbox."""

    def __init__(self, sandbox: Sandbox, is_wanted: bool) -> None:
        self._loop: Loop | None = None
        if is_wanted and isinstance(sandbox, DirectSandbox):
            self._loop = sandbox.loop(DISPATCH_FUEL, START_FUEL)

    def perform(
        self, programs: Programs, layered: Layered, work: Work
    ) -> Performed | Transition | None:
        """The whole transition, or its run alone when its writes need Python; or nothing."""
        loop, given = self._loop, work.given
        if loop is None or work.tape or type(given) is not Event or given.schedule is not None:
            return None
        recipe = self._recipe(programs, loop, layered, work, given)
        if recipe.pause:
            recipe.pause -= 1
            return None
        data = self._run(programs, loop, layered, recipe, work, given)
        if data is None:
            recipe.gave_up()
            return None
        recipe.tries = 1
        packet = Packet(data)
        if not packet.is_whole:
            return transition_of(packet, recipe.rids, given.eid)
        done = FromKernel(packet, recipe.rids, given.eid)
        programs.views.follow(work.pre, done.post)
        return done

    def ask(
        self,
        programs: Programs,
        blocks: Blocks,
        root: Cid,
        query: Query,
        given: Circumstances,
    ) -> Transition | None:
        """A query that only reads; or nothing."""
        loop = self._loop
        if loop is None or given.tape:
            return None
        layered = Layered(blocks)
        view = programs.views.at(root)
        recipe = view.recipes.get(("query", query.rid))
        if recipe is None:
            installed = programs.installed(programs.state(layered, root), layered)
            ruleset = next((item for item in installed if item.rid == query.rid), None)
            if ruleset is None:
                return None
            if len(view.recipes) >= RECIPES_MAX:
                view.recipes.clear()
            recipe = view.recipes["query", query.rid] = Recipe.of_query(loop, ruleset)
        if recipe.pause:
            recipe.pause -= 1
            return None
        if loop.clock is not None:
            loop.clock.need()
        message = question_message(query, recipe.first, given, entry_seed(given.seed, 1))
        found = loop.kernel.query(
            recipe.kernel, _reader(layered), given.fuel_limit, root.digest, message
        )
        if found is None:
            recipe.gave_up()
            return None
        recipe.tries = 1
        fuel, answer = found
        return Transition("ok", fuel, answer=answer)

    def many(
        self,
        programs: Programs,
        layered: Layered,
        work: Work,
        given: Sequence[Drawn],
    ) -> PlainRun | None:
        """The first of these events, as `perform` would perform them one behind the other.

        They are of one kind, and `work` is that of the first. Some may have logs, and the last one
        may have sent something: it has to be followed up before another one runs.
        """
        loop = self._loop
        if loop is None or not isinstance(work.given, Event):
            return None
        try:
            rows = b"".join([new_row(*one) for one in given])
        except (UnicodeEncodeError, struct.error):  # as in `_run`
            return None
        recipe = self._recipe(programs, loop, layered, work, work.given)
        found = None if recipe.pause else self.again(programs, layered, work, rows)
        if found is None:
            return None
        return PlainRun(work.pico, work.seq, given, found.packets, recipe.rids)

    def again(
        self, programs: Programs, blocks: Blocks, work: Work, rows: bytes, is_net: bool = False
    ) -> Again | None:
        """Runs recorded events, as far as each comes to its core.

        `work` is that of the first one. All are of its kind, and rows of `kernel.rows`.
        """
        loop, given = self._loop, work.given
        if loop is None or loop.clock is not None or work.prev is None or type(given) is not Event:
            return None
        layered = Layered(blocks)
        recipe = self._recipe(programs, loop, layered, work, given)
        found = loop.kernel.again(
            recipe.kernel,
            _reader(layered),
            work.fuel_limit,
            work.seq,
            work.prev.digest,
            work.pre.digest,
            rows,
            is_net,
        )
        if found is not None:
            programs.views.follow(work.pre, block_cid_of_digest(found.post))
        return found

    def _recipe(
        self, programs: Programs, loop: Loop, layered: Layered, work: Work, given: Event
    ) -> Recipe:
        """Raises what Python would raise where it looks for the same."""
        view = programs.views.at(work.pre)
        key = (given.eci, given.domain, given.name, given.host, work.pico, work.fuel_limit)
        recipe = view.recipes.get(key)
        if recipe is None:
            state = programs.state(layered, work.pre)
            sees = programs.installed(state, layered).selecting(given.domain, given.name)
            recipe = Recipe(loop, work, given, state.code(), sees)
            if len(view.recipes) >= RECIPES_MAX:
                view.recipes.clear()
            view.recipes[key] = recipe
        return recipe

    def _run(
        self,
        programs: Programs,
        loop: Loop,
        layered: Layered,
        recipe: Recipe,
        work: Work,
        given: Event,
    ) -> bytes | None:
        """The packet of an event; again when it raises what the recipe has not yet."""
        try:
            eid = given.eid.encode()
        except UnicodeEncodeError:  # Python says what is wrong with it
            return None
        read = _reader(layered)
        while True:
            if loop.clock is not None:
                loop.clock.need()
            data = loop.kernel.event(
                recipe.kernel,
                read,
                work.fuel_limit,
                work.time_ms,
                work.seq,
                None if work.prev is None else work.prev.digest,
                work.pre.digest,
                work.seed,
                eid,
                given.attrs,
                work.given_bytes,
            )
            wanted = None if data is None else wanted_of(data)
            if wanted is None or recipe.kinds >= KINDS_MAX:
                return data if wanted is None else None
            installed = programs.installed(programs.state(layered, work.pre), layered)
            domain, name = wanted
            raised = Event(given.eci, domain, name, b"", given.eid, given.host)
            recipe.add(work.pico, raised, installed.selecting(domain, name))


def _reader(layered: Layered) -> Read:
    """Where the kernel has blocks from."""

    def read(digest: bytes, is_node: bool) -> bytes:
        cid = block_cid_of_digest(digest) if is_node else bytes_cid_of_digest(digest)
        return layered.block(cid)

    return read
