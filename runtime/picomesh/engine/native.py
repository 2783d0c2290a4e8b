"""The kernel's part in a transition: what it is asked for, and what it answers.

Most events write some entity variables of their rulesets and send directives, and for those the
kernel does all that `perform` does. It gives up on everything else, having changed nothing, so
whether it was asked cannot be seen in a receipt. An event of a kind that it gave up on before is
asked of it again only now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from picomesh.engine.inputs import Event, same_for_inputs
from picomesh.engine.performed import Performed, Work
from picomesh.kernel.library import Recipe as KernelRecipe
from picomesh.kernel.packet import Packet
from picomesh.ledger.cid import block_cid_of_digest, bytes_cid_of_digest
from picomesh.ledger.pieces import known_text
from picomesh.ledger.receipt import same_for_cores
from picomesh.ledger.value import decode_plain
from picomesh.sandbox.direct import DirectProgram, DirectSandbox
from picomesh.sandbox.interface import Sandbox
from picomesh.transition import Effect, LogLine, Ruleset, Transition
from picomesh.transition.attempt import DISPATCH_FUEL, START_FUEL, rules_of
from picomesh.transition.calls import log_line
from picomesh.transition.messages import same_for_events

if TYPE_CHECKING:
    from picomesh.engine.programs import Programs
    from picomesh.engine.records import Layered
    from picomesh.sandbox.loop import Loop

RECIPES_MAX = 16  # of one view: who sends events chooses their names
_PAUSE_MAX = 64  # events of a kind between two tries


class Recipe:
    """What is the same for the events of one kind to one pico, and how the kernel fares with it."""

    __slots__ = ("kernel", "pause", "rids", "tries")

    def __init__(self, kernel: KernelRecipe, rids: tuple[str, ...]) -> None:
        self.kernel = kernel
        self.rids = rids  # of the rulesets that see the event
        self.pause = 0  # events that are not asked of it
        self.tries = 1  # and how many that will be when it gives up again

    def gave_up(self) -> None:
        self.pause = self.tries = min(2 * self.tries, _PAUSE_MAX)


class FromKernel(Performed):
    """A transition that the kernel performed; its packet is taken apart when somebody looks."""

    __slots__ = ("_eid", "_packet", "_rids", "is_plain", "packet")

    def __init__(self, packet: Packet, recipe: Recipe, eid: str) -> None:
        self._packet = packet
        self.packet = packet.data
        self._rids = recipe.rids
        self._eid = eid
        self._core = None
        self.core_bytes = packet.core
        self.is_plain = packet.only_directives
        self.post = block_cid_of_digest(packet.post)
        self.cid = block_cid_of_digest(packet.core_digest)
        self.others = {}

    @property
    def outcome(self) -> str:
        return "ok"  # the kernel leaves all others to Python

    @property
    def message(self) -> str:
        return ""

    def __getattr__(self, name: str) -> object:
        """What was not looked at before."""
        match name:
            case "transition":
                self.transition = transition_of(self._packet, self._rids, self._eid)
            case "record":
                record = self._packet.record()
                self.record = [(block_cid_of_digest(digest), data) for digest, data in record]
            case "values" | "removed":
                self.values = [
                    (path, bytes_cid_of_digest(digest), data)
                    for path, digest, data in self._packet.writes()
                    if data is not None
                ]
                self.removed = []
            case "nodes" | "replaced":
                rows = list(self._packet.nodes())
                self.nodes = [(block_cid_of_digest(digest), data) for _, digest, data in rows]
                self.replaced = [block_cid_of_digest(digest) for digest, _, _ in rows]
            case _:
                raise AttributeError(name)
        return object.__getattribute__(self, name)


def transition_of(packet: Packet, rids: tuple[str, ...], eid: str) -> Transition:
    """What the run came to."""
    effects: list[Effect] = []
    logs: list[LogLine] = []
    for kind, ruleset, message in packet.effects():
        if kind == "log":
            logs.append(log_line(rids[ruleset], decode_plain(message)))
        elif kind == "send":
            effects.append(Effect("send", rids[ruleset], message))
        else:
            effects.append(Effect("directive", rids[ruleset], message, None, eid))
    rules = [
        (rid, name, fired)
        for rid, ran in zip(rids, packet.answers(), strict=True)
        for name, fired in rules_of(ran)
    ]
    writes = tuple([(path, data) for path, _, data in packet.writes()])
    return Transition(
        "ok", packet.fuel, writes, tuple(effects), tuple(logs), (), tuple(rules), b"", ""
    )


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
        view = programs.views.at(work.pre)
        key = (given.eci, given.domain, given.name, given.host, work.pico, work.fuel_limit)
        recipe = view.recipes.get(key)
        if recipe is None:
            recipe = self._make(loop, programs, layered, work, given)
            if len(view.recipes) >= RECIPES_MAX:
                view.recipes.clear()
            view.recipes[key] = recipe
        if recipe.pause:
            recipe.pause -= 1
            return None
        try:
            eid = given.eid.encode()
        except UnicodeEncodeError:  # Python says what is wrong with it
            return None

        def read(digest: bytes, is_node: bool) -> bytes:
            cid = block_cid_of_digest(digest) if is_node else bytes_cid_of_digest(digest)
            return layered.block(cid)

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
        if data is None:
            recipe.gave_up()
            return None
        recipe.tries = 1
        packet = Packet(data)
        if not packet.is_whole:
            return transition_of(packet, recipe.rids, given.eid)
        done = FromKernel(packet, recipe, given.eid)
        programs.views.follow(work.pre, done.post)
        return done

    def _make(
        self,
        loop: Loop,
        programs: Programs,
        layered: Layered,
        work: Work,
        given: Event,
    ) -> Recipe:
        """Raises what Python would raise where it looks for the same."""
        state = programs.state(layered, work.pre)
        rulesets = programs.installed(state, layered).selecting(given.domain, given.name)
        parts = [len(rulesets).to_bytes(4, "little")]
        for ruleset in rulesets:
            assert isinstance(ruleset.program, DirectProgram), "the sandbox is a direct one"
            parts.append(loop.prepare(ruleset.program).to_bytes(8, "little"))
            parts += map(_part, _pieces_of(ruleset, work, given))
        first, second, last = same_for_cores("event", work.pico, "ok", work.fuel_limit)
        parts += map(_part, (first, state.code(), second, last))
        parts += map(_part, same_for_inputs(given.eci, given.host, given.name, given.domain))
        kernel = KernelRecipe(loop.kernel.library, b"".join(parts), rulesets)
        return Recipe(kernel, tuple([item.rid for item in rulesets]))


def _pieces_of(ruleset: Ruleset, work: Work, given: Event) -> tuple[bytes, ...]:
    """What stands in a recipe for each ruleset (event.zig: Recipe)."""
    message = same_for_events(
        given.eci,
        ruleset.url,
        given.host,
        given.name,
        work.pico,
        ruleset.config_bytes,
        given.domain,
    )
    spaces = ruleset.spaces
    return (known_text(ruleset.rid), spaces[b"ent/"], spaces[b"select/"], *message)


def _part(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data
