"""Carries an import out: every pico is made, gets its rulesets, and what it had.

Each step is a transition with a receipt, as if an operator did it. All of it is one commit, made
only after what arrived has been compared with what was there, and every receipt run again.
"""

from __future__ import annotations

from collections.abc import Iterator

from picomesh.channels import ChannelError
from picomesh.engine.bringing import BringProblem, checked_channel, entity_writes
from picomesh.engine.engine import Engine
from picomesh.engine.entities import ENTITIES, read_entities
from picomesh.engine.errors import OperatorError
from picomesh.engine.inputs import Import
from picomesh.engine.migration.origin import SCHEDULE, WRANGLER, OldHome, OldPico, OldRuleset
from picomesh.engine.migration.report import Brought, Left, Report
from picomesh.engine.migration.rulesets import Compiled, Library
from picomesh.engine.migration.timing import unfit_entries
from picomesh.engine.rerun import rerun
from picomesh.engine.system import ROOT_NAME
from picomesh.ledger.codec import Block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.signature import SEED_BYTES
from picomesh.ledger.value import Value, encode_value

ROWS_BYTES_MAX = 512 * 1024  # of entity variables in one input


class _Undo(Exception):
    """Ends a trial."""


def bring_home(
    engine: Engine, home: OldHome, library: Library, report: Report, is_trial: bool = False
) -> None:
    """Brings everything, or raises and changes nothing; a trial changes nothing either."""
    try:
        with engine.store.group():
            _Carrier(engine, home, library, report).run()
            if is_trial:
                raise _Undo
    except BaseException as problem:
        engine.forget()
        if not isinstance(problem, _Undo):
            raise


class _Carrier:
    """One import on its way."""

    def __init__(self, engine: Engine, home: OldHome, library: Library, report: Report) -> None:
        self._engine = engine
        self._home = home
        self._library = library
        self._report = report
        self._new: dict[str, str] = {}  # names there, ids here
        self._called: dict[str, str] = {}  # ids here, what people call them
        self._expected: dict[str, dict[str, dict[str, Value]]] = {}

    def run(self) -> None:
        self._check_channels()
        names = {name for _, name in self._engine.store.picos()}
        for old in self._home.picos.values():
            is_root = not self._new and ROOT_NAME not in names
            name = ROOT_NAME if is_root else _free(old.called, names)
            names.add(name)
            self._new[old.name] = self._engine.create(name).pico
            self._called[self._new[old.name]] = old.called
            entry = Brought(old.name, self._new[old.name], name)
            self._report.picos.append(entry)
        for old, entry in zip(self._home.picos.values(), self._report.picos, strict=True):
            self._bring(old, entry)
        for entry in self._report.picos:
            self._check(entry)

    def _check_channels(self) -> None:
        for old in self._home.picos.values():
            for eci in [old.name, *old.channels, *old.family]:
                if self._engine.store.pico_of_channel(eci) is not None:
                    raise OperatorError(
                        f"the channel {eci} is in this home already",
                        "was this imported before? Use another home",
                    )

    def _bring(self, old: OldPico, entry: Brought) -> None:
        installed = self._install(old, entry)
        if WRANGLER in installed:
            kept = old.entities.setdefault(WRANGLER, {})
            is_new = "children" not in kept
            kept["children"] = self._introductions(old)
            entry.count_variables(WRANGLER, -is_new, -is_new)  # it was not there to be brought
        rows = list(self._variables(old, entry, installed))
        first = Import(
            was=old.name,
            parent=self._parent(old, entry),
            children=self._children(old),
            channels=list(self._channels(old, entry)),
            entities=[],
        )
        self._commit(entry.pico, first)
        for part in _parts(rows):
            self._commit(entry.pico, Import("", None, [], None, part))

    def _commit(self, pico: str, given: Import) -> None:
        world = self._engine.options.world
        seed = world.random_bytes(SEED_BYTES)
        self._engine.commit_together([self._engine.next_work(pico, given, world.now_ms(), seed)])

    def _leave(self, kind: str, name: str, why: str, pico: str, rid: str = "") -> None:
        self._report.left.append(Left(kind, name, why, pico, rid))

    # -- rulesets

    def _install(self, old: OldPico, entry: Brought) -> dict[str, Compiled]:
        """Used modules before those that use them, otherwise in the reference's order."""
        found: dict[str, Compiled] = {}
        for rid, ruleset in sorted(old.rulesets.items()):
            try:
                found[rid] = self._library.find(rid, ruleset.url)
            except OperatorError as problem:
                self._leave("ruleset", rid, str(problem), old.name, rid)
        order = _used_first(found)
        if order != sorted(order):
            self._report.notes.append(
                f"{old.name}: rulesets see events in the order {', '.join(order)}: "
                "a module is installed before those that use it"
            )
        installed: dict[str, Compiled] = {}
        for rid in order:
            refused = self._install_one(entry.pico, found[rid], old.rulesets[rid])
            if refused is None:
                installed[rid] = found[rid]
            else:
                self._leave("ruleset", rid, refused, old.name, rid)
        entry.rulesets = list(installed)
        entry.count("rulesets", len(old.rulesets), len(installed))
        return installed

    def _install_one(self, pico: str, item: Compiled, was: OldRuleset) -> str | None:
        """Installs a ruleset; what is wrong if it cannot be."""
        config = was.config if item.variables is None else {}
        try:
            done = self._engine.install_module(
                pico, item.raw, source=item.source, url=item.url, config=config
            )
        except OperatorError as problem:
            return str(problem)
        return None if done.transition.outcome == "ok" else done.transition.message

    # -- entity variables

    def _variables(
        self, old: OldPico, entry: Brought, installed: dict[str, Compiled]
    ) -> Iterator[list[Block]]:
        kept = self._expected.setdefault(entry.pico, {})
        for rid, variables in old.entities.items():
            entry.count_variables(rid, len(variables.keys() - {SCHEDULE}), 0)
            timed = variables.get(SCHEDULE)
            entry.count("schedules", len(timed) if isinstance(timed, dict) else 0, 0)
            if rid not in installed:
                why = "its ruleset was not brought" if rid in old.rulesets else "no ruleset has it"
                for name in variables:
                    self._leave_variable(old, rid, name, variables[name], why)
                continue
            for name, value in variables.items():
                row = self._variable(old, entry, installed[rid], name, value)
                if row is not None:
                    kept.setdefault(rid, {})[name] = value
                    yield row

    def _leave_variable(self, old: OldPico, rid: str, name: str, value: Value, why: str) -> None:
        if name != SCHEDULE:
            self._leave("variable", name, why, old.name, rid)
        for item in value if name == SCHEDULE and isinstance(value, dict) else []:
            self._leave("schedule", item, why, old.name, rid)

    def _variable(
        self, old: OldPico, entry: Brought, ruleset: Compiled, name: str, value: Value
    ) -> list[Block] | None:
        rid = ruleset.rid
        if ruleset.variables is not None and name not in {*ruleset.variables, SCHEDULE}:
            why = f"this engine's {rid} has no such variable"
            self._leave_variable(old, rid, name, value, why)
            return None
        try:
            entity_writes(rid, name, value)
            data = encode_value(value)
        except (BringProblem, CodecError) as problem:
            self._leave_variable(old, rid, name, value, str(problem))
            return None
        if name == SCHEDULE:
            self._count_schedule(old, entry, rid, value)
        else:
            entry.count_variables(rid, 0, 1)
        return [rid, name, data]

    def _count_schedule(self, old: OldPico, entry: Brought, rid: str, value: Value) -> None:
        """An entry that can never fire is brought as it is, and named."""
        unfit = unfit_entries(value, self._home.owners.keys() | self._home.picos.keys())
        entries = value if isinstance(value, dict) else {}
        entry.count("schedules", 0, len(entries) - len(unfit))
        for name, why in unfit.items():
            self._leave("schedule", name, why, old.name, rid)

    # -- channels and family

    def _channels(self, old: OldPico, entry: Brought) -> Iterator[bytes]:
        entry.count("channels", len(old.channels), 0)
        for eci, record in old.channels.items():
            try:
                data = encode_value(checked_channel(record))
            except (BringProblem, ChannelError, CodecError) as problem:
                self._leave("channel", eci, str(problem), old.name)
                continue
            entry.count("channels", 0, 1)
            yield data

    def _parent(self, old: OldPico, entry: Brought) -> list[Block] | None:
        if old.parent is None:
            return None
        parent = self._home.owners.get(old.parent)
        ours = [eci for eci, owner in old.family.items() if owner == parent]
        if parent is None or not ours:
            self._leave("parent", old.parent, "nobody has this channel", old.name)
            return None
        entry.parent = self._new[parent]
        return [old.parent, self._new[parent], ours[0]]

    def _children(self, old: OldPico, is_first: bool = True) -> list[list[Block]]:
        rows: list[list[Block]] = []
        for eci in old.children:
            child = self._home.owners.get(eci)
            back = None if child is None else self._home.picos[child].parent
            if child is None or back is None:
                if is_first:
                    self._leave("child", eci, "nobody has this channel", old.name)
                continue
            rows.append([eci, self._new[child], back])
        return rows

    def _introductions(self, old: OldPico) -> dict[str, Value]:
        """What wrangler here remembers of children; there it asks them."""
        rows = self._children(old, is_first=False)
        return {
            str(eci): {"eci": str(eci), "name": self._called[str(child)], "parent_eci": str(back)}
            for eci, child, back in rows
        }

    # -- checks

    def _check(self, entry: Brought) -> None:
        """What arrived is what was there, and its history replays."""
        engine = self._engine
        found = read_entities(engine.state(entry.pico).items(ENTITIES))
        for rid, variables in self._expected[entry.pico].items():
            for name, value in variables.items():
                here = found.get(rid, {}).get(name)
                if encode_value(here) != encode_value(value):
                    raise OperatorError(f"{entry.was}: ent:{name} of {rid} arrived as another")
        done = rerun(engine.store, engine.public_key, engine.programs, entry.pico)
        wrong = done.problem or done.divergence
        if wrong is not None:
            raise OperatorError(f"{entry.was}: receipt {wrong.seq} does not replay: {wrong.field}")


def _free(name: str, taken: set[str]) -> str:
    """A name that nobody has yet; the empty one may be shared."""
    if not name or name not in taken:
        return name
    return next(
        found for number in range(2, len(taken) + 3) if (found := f"{name} {number}") not in taken
    )


def _used_first(found: dict[str, Compiled]) -> list[str]:
    """Sorted, but for modules, which stand before those that use them."""
    order: dict[str, None] = {}
    waiting = [(rid, False) for rid in sorted(found, reverse=True)]
    seen: set[str] = set()
    while waiting:
        rid, is_ready = waiting.pop()
        if is_ready:
            order[rid] = None
        elif rid in found and rid not in seen:
            seen.add(rid)
            waiting.append((rid, True))
            waiting += [(used, False) for used in sorted(found[rid].uses, reverse=True)]
    return list(order)


def _parts(rows: list[list[Block]]) -> Iterator[list[list[Block]]]:
    """Rows in pieces of a size that a receipt's input may have."""
    part: list[list[Block]] = []
    size = 0
    for row in rows:
        data = row[2]
        assert isinstance(data, bytes), "made above"
        if part and size + len(data) > ROWS_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(data)
    if part:
        yield part
