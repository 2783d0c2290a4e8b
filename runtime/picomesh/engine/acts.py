"""What a ruleset asks of and does to its own pico: answered within the transition.

These answers follow from the state, what the transition has written so far, and its seed, so they
are not on the tape. To act is to ask first, which checks the arguments and reserves identifiers,
and then to emit the effect; both make the same plan, and only the effect carries it out, so an
effect that a hostile guest made up does no more than an honest one. What must be fetched or looked
up elsewhere (a module behind a URL, another pico's channel) is asked of the tape under a name of
its own (docs/formats/receipt.md §6).
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from picomesh.channels import ChannelError
from picomesh.engine.acting import changes, reading, young
from picomesh.engine.acting.plan import ActError, Plan, Scene
from picomesh.engine.errors import OperatorError
from picomesh.engine.installing import InstallProblem
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered
from picomesh.ledger.cid import digest_of
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_plain, encode_plain
from picomesh.sandbox.interface import GuestTrap
from picomesh.transition.attempt import DISPATCH_FUEL
from picomesh.transition.calls import Calls

_IDENTIFIER_BYTES = 15
_Reader = Callable[[Scene], Value]
_Planner = Callable[[Scene], Plan]


class PicoActs:
    """The acts of one run of a transition."""

    def __init__(
        self, programs: Programs, blocks: Layered, pico: str, seq: int, young: young.Young
    ) -> None:
        self.programs = programs
        self.blocks = blocks
        self.pico = pico
        self.seq = seq
        self.young = young
        self._taken = 0
        self._answers: dict[bytes, dict[str, Value]] = {}

    # -- what a transition wants (model.Acts)

    def answer(self, calls: Calls, question: bytes) -> bytes | None:
        """The answer's bytes; None when it is for the tape."""
        try:
            match decode_plain(question):
                case {"fn": str(function), "args": list(args)} if str(function).startswith("ctx:"):
                    scene = Scene(self, calls, args)
                    value = self._find(str(function)[4:], scene)
                case _:
                    return None
        except CodecError:
            return None
        except (ActError, ChannelError, InstallProblem, OperatorError) as problem:
            return encode_plain({"error": str(problem)})
        return value

    def _find(self, name: str, scene: Scene) -> bytes | None:
        attempt = scene.calls.attempt
        if name == "channels":
            attempt.meter.charge(DISPATCH_FUEL)
            return reading.channels(scene)
        reader = _READERS.get(name)
        if reader is not None:
            attempt.meter.charge(DISPATCH_FUEL)
            return encode_plain({"ok": reader(scene)})
        if name in _PLANNERS:
            attempt.meter.charge(DISPATCH_FUEL)
            return encode_plain({"ok": _PLANNERS[name](scene).answer})
        if name == "eventQuery" and not attempt.may_write:
            raise ActError("ctx:eventQuery is an action")
        return self.young.answer(scene, name)

    def act(self, calls: Calls, name: str, args: list[Value]) -> None:
        planner = _PLANNERS.get(name)
        if planner is None:
            raise GuestTrap(f"an effect of unknown kind ctx.{name}")
        calls.attempt.meter.charge(DISPATCH_FUEL)
        try:
            planner(Scene(self, calls, args, acting=True)).apply()
        except (ActError, ChannelError, InstallProblem, OperatorError, CodecError) as problem:
            raise GuestTrap(f"ctx:{name}: {problem}") from problem
        self.count()

    def count(self) -> None:
        """Something was done; what is reserved from now on is something else."""
        self._taken += 1

    # -- what plans want

    def identifier(self, scene: Scene, purpose: str) -> str:
        """One that nobody has: it follows from the seed and from how much was done before."""
        digest = self.fresh(scene, purpose)[:_IDENTIFIER_BYTES]
        return base64.b32encode(digest).decode("ascii").lower()

    def fresh(self, scene: Scene, purpose: str) -> bytes:
        seed = scene.calls.attempt.given.seed
        return digest_of(f"picomesh {purpose} {self._taken} ".encode() + seed)

    def from_tape(self, scene: Scene, function: str, args: list[Value]) -> Value:
        """What only the engine knows; asked when a plan is made, remembered when it is done."""
        question = encode_plain({"fn": function, "args": args})
        if question not in self._answers:
            if scene.acting:
                raise ActError("done without being asked for")
            self._answers[question] = decode_plain(scene.calls.ask_tape(question))
        answer = self._answers[question]
        if "error" in answer:
            raise ActError(str(answer["error"]))
        return answer.get("ok")


_READERS: dict[str, _Reader] = {
    "rulesets": reading.rulesets,
    "rid_url": reading.rid_url,
    "parent": reading.parent,
    "children": reading.children,
}
_PLANNERS: dict[str, _Planner] = {
    "newChannel": changes.channel("newChannel"),
    "putChannel": changes.channel("putChannel"),
    "upsertChannel": changes.channel("upsertChannel"),
    "delChannel": changes.channel("delChannel"),
    "newPico": changes.new_pico,
    "delPico": changes.delete_pico,
    "install": changes.install,
    "uninstall": changes.uninstall,
    "flush": changes.flush,
    "event": changes.event,
}
