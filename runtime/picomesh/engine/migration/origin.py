"""The picos of a home of the reference engine, as its rows tell of them.

Nothing here is believed to be complete: what does not fit together is put down as left out, with
the reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from picomesh.engine.errors import OperatorError
from picomesh.engine.migration.files import Rows
from picomesh.engine.migration.report import Left, Report
from picomesh.ledger.value import Value

WRANGLER = "io.picolabs.wrangler"
SCHEDULE = "_schedule"


@dataclass(frozen=True, slots=True)
class OldRuleset:
    """A ruleset as it was installed."""

    rid: str
    url: str
    config: dict[str, Value]


@dataclass(slots=True)
class OldPico:
    """A pico as it was there. Family channels stand with the family, not among the channels."""

    name: str  # its id there
    parent: str | None  # the channel to its parent
    children: list[str]  # the channels to its children
    channels: dict[str, Value] = field(default_factory=dict)
    family: dict[str, str] = field(default_factory=dict)  # channel: the one pico that may use it
    rulesets: dict[str, OldRuleset] = field(default_factory=dict)
    entities: dict[str, dict[str, Value]] = field(default_factory=dict)

    @property
    def called(self) -> str:
        """What people call it; wrangler knows."""
        name = self.entities.get(WRANGLER, {}).get("name")
        return name if isinstance(name, str) else ""


@dataclass(slots=True)
class OldHome:
    """Picos from the root down, and the text of each ruleset by its URL."""

    picos: dict[str, OldPico]
    sources: dict[str, str]
    owners: dict[str, str]  # the pico of each channel


def read_home(rows: Rows, report: Report) -> OldHome:
    """Makes picos of rows. Raises OperatorError when there are none."""
    for unread in rows.unread:
        report.left.append(Left("row", " ".join(unread.key), unread.why))
    picos: dict[str, OldPico] = {}
    root = ""
    for key, value in rows.picos:
        match key, value:
            case ("root-pico",), str():
                root = str(value)
            case ("pico", name), {"parent": None | str() as parent, "children": list(children)}:
                texts = [str(item) for item in children if isinstance(item, str)]
                picos[name] = OldPico(name, None if parent is None else str(parent), texts)
    if not picos:
        raise OperatorError(
            "this home has no picos in the form of the reference engine 1.x",
            "homes of version 0.x are laid out in another way and cannot be read",
        )
    for key, value in rows.picos:
        _add(picos, key, value, report)
    sources = dict(_sources(rows))
    owners = {eci: name for name, pico in picos.items() for eci in [*pico.channels, *pico.family]}
    return OldHome(_from_root(picos, owners, root), sources, owners)


def _add(picos: dict[str, OldPico], key: tuple[str, ...], value: Value, report: Report) -> None:
    match key, value:
        case (("root-pico",), str()) | (("pico", _), {"parent": _, "children": list()}):
            return
        case ("pico-channel", eci), dict(record) if record.get("picoId") in picos:
            _add_channel(picos[str(record["picoId"])], eci, record)
        case ("pico-ruleset", name, rid), {"config": dict(config)} if name in picos:
            url, settings = config.get("url"), config.get("config")
            picos[name].rulesets[rid] = OldRuleset(
                rid,
                url if isinstance(url, str) else "",
                settings if isinstance(settings, dict) else {},
            )
        case ("entvar", name, rid, variable), _ if name in picos:
            if value is not None:
                picos[name].entities.setdefault(rid, {})[variable] = value
        case _:
            why = "it belongs to no pico" if key[0].startswith(("pico-", "entvar")) else "unknown"
            report.left.append(Left("row", " ".join(key), why))


def _add_channel(pico: OldPico, eci: str, record: dict[str, Value]) -> None:
    owner = record.get("familyChannelPicoID")
    if isinstance(owner, str):
        pico.family[eci] = owner
        return
    kept = ("tags", "eventPolicy", "queryPolicy")
    pico.channels[eci] = {
        "id": eci,
        **{key: record.get(key) for key in kept},
        "familyChannelPicoID": None,
    }


def _sources(rows: Rows) -> Iterator[tuple[str, str]]:
    for key, value in rows.rulesets:
        match key, value:
            case ("url", url), {"krl": str(krl)}:
                yield url, str(krl)


def _from_root(picos: dict[str, OldPico], owners: dict[str, str], root: str) -> dict[str, OldPico]:
    """Parents before children, children in their order; picos without a parent after the root."""
    ordered: dict[str, OldPico] = {}
    tops = [name for name, pico in picos.items() if pico.parent is None]
    waiting = [*picos, *sorted(tops, key=lambda name: name != root, reverse=True)]
    while waiting:
        name = waiting.pop()
        if name in ordered:
            continue
        ordered[name] = picos[name]
        below = [owners.get(eci) for eci in picos[name].children]
        waiting += [child for child in reversed(below) if child is not None]
    return ordered
