"""What became of each rule in a recorded transition: considered, selected, fired, and why not.

No receipt says it, and no running engine takes note of it. Where a person asks, the transition runs
again under observation: it is a function of what was recorded, so what is seen is what happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import cbor2

from picomesh.engine.ending import Ending, ending_of
from picomesh.engine.inputs import Event
from picomesh.engine.matching import Matching
from picomesh.engine.observing import Entry, Observed, Observer
from picomesh.engine.performed import Work
from picomesh.engine.programs import Programs
from picomesh.engine.records import Layered, PicoState, RulesetRecord
from picomesh.engine.replay import work_of
from picomesh.engine.selects import Select, Wanted, selects_of
from picomesh.engine.telling import name_of
from picomesh.engine.trace import Call
from picomesh.engine.watch import Watcher
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.codec import Block, decode_block
from picomesh.ledger.errors import CodecError, LedgerError
from picomesh.ledger.receipt import Core
from picomesh.ledger.tree import Blocks
from picomesh.ledger.value import Value, decode_plain, decode_value
from picomesh.manifest import Manifest
from picomesh.transition import LogLine

SHOWN_MAX = 200  # of anything of which a hostile ruleset could make very many
_FIRED = {True: "fired", False: "not fired"}
Told = dict[str, object]


@dataclass(slots=True)
class Offered:
    """One event within a transition, and what the rulesets that saw it did."""

    domain: str
    name: str
    attrs: Value
    raised_by: str = ""
    only: str | None = None
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Known:
    """An installed ruleset: its manifest's rules, and their selects if the source is there."""

    rid: str
    rules: tuple[tuple[str, frozenset[tuple[str, str]] | None], ...]
    selects: dict[str, Select]


class RuleTeller:
    """Tells of one recorded transition after the other."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._observer = Observer(programs)
        self._matching = Matching(programs.sandbox.backend)
        self._watcher = Watcher(programs)

    def close(self) -> None:
        self._matching.close()

    def tell(self, blocks: Blocks, core: Core, core_bytes: bytes) -> Told:
        """A transition in terms of events and rules, as plain data. Raises LedgerError."""
        work = work_of(core, blocks)
        observed = self._observer.run(blocks, work)
        done = observed.performed.transition
        told = _Telling(self._programs, blocks, work, observed, self._matching)
        told.ending = ending_of(self._watcher, blocks, work, observed)
        return {
            "seq": core.seq,
            "kind": core.kind,
            "outcome": done.outcome,
            "message": done.message,
            "fuel": done.fuel,
            "agrees": observed.performed.cid == cid_of_block(core_bytes),
            "events": told.events() if isinstance(work.given, Event) else [],
            "writes": told.writes(done.writes),
            "logs": [log_line(line) for line in done.logs[:SHOWN_MAX]],
            "ended": None if told.ending is None else asdict(told.ending),
        }


class _Telling:
    def __init__(
        self,
        programs: Programs,
        blocks: Blocks,
        work: Work,
        observed: Observed,
        matching: Matching,
    ) -> None:
        layered = Layered(blocks)
        layered.new.update(observed.performed.blocks)
        self.ending: Ending | None = None
        self._work = work
        self._matching = matching
        self._calls = observed.trace.calls
        self._entries = observed.entries
        self._before = PicoState(layered, work.pre)
        self._known: dict[str, Known] = {}
        for root in (work.pre, observed.performed.post):
            for record in PicoState(layered, root).rulesets():
                manifest = programs.manifest(record.metered, layered)
                self._known.setdefault(record.rid, _known(record, manifest, layered))

    # -- events

    def events(self) -> list[Told]:
        offered = self._offered()[:SHOWN_MAX]
        return [
            {
                "domain": item.domain,
                "name": item.name,
                "attrs": item.attrs,
                "raised_by": item.raised_by or None,
                "for": item.only,
                "rulesets": self._rulesets(item),
            }
            for item in offered
        ]

    def _offered(self) -> list[Offered]:
        """The events in the order in which the rulesets saw them; also those nobody saw."""
        given = self._work.given
        assert isinstance(given, Event), "only events are told of so"
        attrs = decode_value(given.attrs)
        current = Offered(given.domain, given.name, attrs)
        found, raised = [current], deque[Offered]()
        for entry in self._entries:
            kind = _kind_of(entry.message)
            while not _is_of(entry, kind, current) and raised:
                current = raised.popleft()
                found.append(current)
            current.entries.append(entry)
            raised += [
                Offered(str(e["domain"]), str(e["name"]), e.get("attrs"), entry.rid, _only(e))
                for e in _effects(self._calls[entry.first : entry.last])
                if e.get("kind") == "raise"
            ]
        return [*found, *raised]

    def _rulesets(self, offered: Offered) -> list[Told]:
        ran = {entry.rid: entry for entry in offered.entries}
        told: list[Told] = []
        for rid, known in self._known.items():
            if offered.only not in (None, rid):
                continue
            entry = ran.get(rid)
            pair = (offered.domain, offered.name)
            considered = [name for name, events in known.rules if events is None or pair in events]
            considered += _asleep(known.selects, pair)
            if entry is None and not considered:
                continue
            told.append(self._ruleset(known, considered, entry, offered))
        return told

    def _ruleset(
        self, known: Known, considered: list[str], entry: Entry | None, offered: Offered
    ) -> Told:
        calls = [] if entry is None else self._calls[entry.first : entry.last]
        fired = {} if entry is None else _ran(entry)
        effects = _effects(calls)
        ran = list(fired or {})
        names = [*considered, *(name for name in ran if name not in considered)]
        # What a rule does not sign (raised events, say) is its own if no other one ran.
        only = names[0] if len(names) == 1 else ran[0] if len(ran) == 1 else None
        return {
            "rid": known.rid,
            "fuel": 0 if entry is None else entry.fuel,
            "reached": entry is not None,
            "rules": [
                {
                    "name": name,
                    "status": self._status(entry, fired, name, known, names),
                    **self._select(known.selects.get(name), offered, name in (fired or {})),
                    "moved": _moved(calls, known.rid, name),
                    "does": [_does(e) for e in effects if _rule_of(e, only) == name][:SHOWN_MAX],
                }
                for name in names
            ],
            "others": len(known.rules) - len(considered),
            "does": [_does(e) for e in effects if _rule_of(e, only) not in names][:SHOWN_MAX],
            "read": _reads(calls),
        }

    def _status(
        self,
        entry: Entry | None,
        fired: dict[str, bool] | None,
        name: str,
        known: Known,
        names: list[str],
    ) -> str:
        select = known.selects.get(name)
        if select is not None and not select.active:
            return "not selected"
        if entry is None:
            return "not reached"
        if fired is not None:
            return "not selected" if name not in fired else _FIRED[fired[name]]
        rule = None if self.ending is None else self.ending.rule
        if rule not in names:
            return "ended"
        at, end = names.index(name), names.index(rule)
        return "ended" if at == end else "undone" if at < end else "not reached"

    def _select(self, select: Select | None, offered: Offered, was_selected: bool) -> Told:
        if select is None:
            return {
                "select": "",
                "line": None,
                "wanted": [],
                "active": True,
                "single": True,
                "condition": "",
            }
        pair = (offered.domain, offered.name)
        wanted = [item for item in select.wanted if (item.domain, item.name) == pair]
        if was_selected or not select.active:
            wanted = []
        return {
            "select": select.text,
            "line": select.line,
            "active": select.active,
            "single": select.is_single,
            "condition": select.condition,
            "wanted": [self._wants(item, offered.attrs) for item in wanted],
        }

    def _wants(self, wanted: Wanted, attrs: Value) -> Told:
        """What an event of this kind must be, beside what it was."""
        given = attrs if isinstance(attrs, dict) else {}
        return {
            "attributes": [
                {
                    "name": name,
                    "pattern": f"re#{pattern}#{flags}",
                    "given": given.get(name),
                    "missing": name not in given,
                    "matches": self._matching.matches(given.get(name), pattern, flags),
                }
                for name, pattern, flags in wanted.attributes
            ],
            "where": wanted.where,
        }

    # -- writes

    def writes(self, writes: Sequence[tuple[bytes, bytes | None]]) -> list[Told]:
        """What changed in the state, with what was there before."""
        return [
            {
                "path": path.decode("utf-8", "replace"),
                "name": name_of(path),
                "rid": _owner(path),
                "before": _value(self._before.get(path)),
                "after": _value(value),
                "removed": value is None,
                "new": self._before.get(path) is None,
            }
            for path, value in writes[:SHOWN_MAX]
        ]


def log_line(line: LogLine) -> Told:
    return {
        "rid": line.rid,
        "rule": line.rule,
        "level": line.level,
        "message": line.message,
        "value": line.value,
    }


# -- what a ruleset is


def _known(record: RulesetRecord, manifest: Manifest, blocks: Blocks) -> Known:
    return Known(record.rid, rules_of(manifest), _selects(record.source, blocks))


def rules_of(
    manifest: Manifest,
) -> tuple[tuple[str, frozenset[tuple[str, str]] | None], ...]:
    """The rules that a manifest names, each with the events it may select; None: every event."""
    block = decode_block(manifest.data)
    rows = block.get("rules") if isinstance(block, dict) else None
    found: list[tuple[str, frozenset[tuple[str, str]] | None]] = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            found.append((str(row.get("name")), _pairs(row.get("events"))))
    return tuple(found)


def _pairs(events: Block) -> frozenset[tuple[str, str]] | None:
    if not isinstance(events, list):
        return None
    pairs = [item for item in events if isinstance(item, list) and len(item) == 2]
    return frozenset((str(item[0]), str(item[1])) for item in pairs)


def _asleep(selects: dict[str, Select], pair: tuple[str, str]) -> list[str]:
    """Rules that an event would select if they were active; a module knows nothing of them."""
    return [
        name
        for name, select in selects.items()
        if not select.active and pair in {(item.domain, item.name) for item in select.wanted}
    ]


def _selects(source: Cid | None, blocks: Blocks) -> dict[str, Select]:
    if source is None:
        return {}
    try:
        return selects_of(blocks.block(source).decode("utf-8"))
    except (LedgerError, UnicodeDecodeError):
        return {}


# -- what happened


def _kind_of(message: bytes) -> tuple[str, str]:
    """Domain and type of the event in a message of the host's own."""
    said = cbor2.loads(message)
    return said["domain"], said["name"]


def _is_of(entry: Entry, kind: tuple[str, str], offered: Offered) -> bool:
    seen = any(item.rid == entry.rid for item in offered.entries)
    return kind == (offered.domain, offered.name) and not seen


def _only(effect: dict[str, Value]) -> str | None:
    only = effect.get("for")
    return only if isinstance(only, str) else None


def _effects(calls: Sequence[Call]) -> list[dict[str, Value]]:
    found: list[dict[str, Value]] = []
    for call in calls:
        if call.function == "emit" and isinstance(call.arguments[0], bytes):
            try:
                found.append(decode_plain(call.arguments[0]))
            except CodecError:
                continue
    return found


def _ran(entry: Entry) -> dict[str, bool] | None:
    """The rules that ran, and whether they fired; None when it ended in the middle."""
    if entry.ran is None:
        return None
    rows = decode_value(entry.ran)
    pairs = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    return {str(name): bool(fired) for name, fired in pairs}


def _moved(calls: Sequence[Call], rid: str, name: str) -> bool:
    """Whether the event moved the machine of a rule's event expression."""
    path = f"select/{rid}/{name}".encode()
    return any(call.path == path and call.function in ("put", "delete") for call in calls)


def _rule_of(effect: dict[str, Value], only: str | None) -> str | None:
    rule = effect.get("rule")
    return rule if isinstance(rule, str) and rule else only


def _does(effect: dict[str, Value]) -> Told:
    match effect:
        case {"kind": "directive", "name": name, "options": options}:
            return {"kind": "directive", "name": name, "value": options}
        case {"kind": "raise", "domain": domain, "name": name, "attrs": attrs}:
            return {"kind": "raise", "name": f"{domain!s}:{name!s}", "value": attrs}
        case {"kind": "log", "level": level, "message": message, "value": value}:
            return {"kind": "log", "level": level, "name": message, "value": value}
        case _:
            rest = {key: value for key, value in effect.items() if key not in ("kind", "rule")}
            return {"kind": str(effect.get("kind")), "name": "", "value": rest}


def _reads(calls: Sequence[Call]) -> list[Told]:
    """The entity variables that were read, each with the value found first."""
    found: dict[str, Told] = {}
    for call in calls:
        if call.function != "get" or call.path is None or not call.path.startswith(b"ent/"):
            continue
        if not isinstance(call.answer, bytes) and call.path.endswith(b"/"):
            continue
        name = name_of(call.path)
        if name not in found and len(found) < SHOWN_MAX:
            answer = call.answer if isinstance(call.answer, bytes) else None
            found[name] = {"name": name, "value": _value(answer), "unset": answer is None}
    return list(found.values())


def _owner(path: bytes) -> str | None:
    parts = path.decode("utf-8", "replace").split("/", 2)
    return parts[1] if len(parts) == 3 and parts[0] in ("ent", "select") else None


def _value(data: bytes | None) -> Value:
    if data is None:
        return None
    try:
        return decode_value(data)
    except CodecError:
        return data.hex()
