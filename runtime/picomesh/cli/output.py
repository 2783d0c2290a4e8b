"""How responses, receipts and values look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from picomesh.engine import Response
    from picomesh.engine.records import PicoState
    from picomesh.ledger.receipt import Receipt
    from picomesh.transition import Transition


def to_json(value: Any) -> str:
    """JSON on one line, in the order of the map."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def visible(text: str) -> str:
    """What a ruleset says, without anything that would move the cursor of a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"<U+{ord(c):04X}>" for c in text)


def moment_text(time_ms: int) -> str:
    """A time for people; what no calendar has stays a number."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def print_json(value: Any) -> None:
    click.echo(to_json(value))


def print_entries(entries: dict[str, Any], as_json: bool) -> None:
    """A map, one entry after the other for people, on one line for a program."""
    if as_json:
        print_json(entries)
        return
    for key, value in entries.items():
        if isinstance(value, list | dict) and len(to_json(value)) > 80:
            click.echo(f"{key}: {json.dumps(value, indent=2, ensure_ascii=False)}")
        else:
            click.echo(f"{key}: {value if isinstance(value, str) else to_json(value)}")


def state_json(state: PicoState) -> dict[str, Any]:
    """A state: what is installed, the channels, the entity variables."""
    from picomesh.engine.entities import ENTITIES, read_entities

    return {
        "root": str(state.root),
        "rulesets": [
            {"rid": item.rid, "url": item.url, "module": str(item.raw)} for item in state.rulesets()
        ],
        "channels": state.channels(),
        "entities": read_entities(state.items(ENTITIES)),
    }


def response_json(response: Response) -> dict[str, Any]:
    """What became of an event, for a program."""
    done = response.transition
    return {
        "eid": response.eid,
        "outcome": done.outcome,
        "message": done.message,
        "directives": list(done.directives),
        "fuel": done.fuel,
        "rules": [list(row) for row in done.rules],
        "logs": logs_json(done),
        "pico": response.pico,
        "seq": response.receipt.core.seq,
        "receipt": str(response.receipt.cid),
    }


def logs_json(done: Transition) -> list[dict[str, Any]]:
    return [
        {
            "rid": line.rid,
            "rule": line.rule,
            "level": line.level,
            "message": line.message,
            "value": line.value,
        }
        for line in done.logs
    ]


def _rules_in_words(done: Transition) -> str:
    fired = sum(fired for _, _, fired in done.rules)
    if not done.rules:
        return "no rule was selected"
    return f"{fired} of {len(done.rules)} selected rules fired"


def print_response(response: Response) -> None:
    """What became of an event, for a person."""
    done = response.transition
    print_logs(done)
    for directive in done.directives:
        meta = directive["meta"]
        assert isinstance(meta, dict), "the transition makes it"
        where = f"{to_json(meta['rid'])}, rule {to_json(meta['rule_name'])}".replace('"', "")
        name = directive["name"]
        shown = name if isinstance(name, str) else to_json(name)
        click.echo(visible(f"  directive {shown} {to_json(directive['options'])}"))
        click.echo(f"    from {where}")
    if not done.directives and done.outcome == "ok" and response.receipt.core.kind == "event":
        click.echo(f"  no directives, {_rules_in_words(done)}")
    print_outcome(done)
    click.echo(f"  receipt {response.receipt.core.seq} {response.receipt.cid}")


def print_outcome(done: Transition) -> None:
    what = f": {visible(done.message)}" if done.message else ""
    click.echo(f"  outcome {done.outcome}{what}")
    click.echo(f"  fuel {done.fuel:,}")


def print_logs(done: Transition) -> None:
    for line in done.logs:
        value = line.value if isinstance(line.value, str) else to_json(line.value)
        words = [word for word in (line.level, line.message, value) if word]
        click.echo(visible(f"  {' '.join(words)}"))


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt with links and bytes as text."""
    core, envelope = receipt.core, receipt.envelope
    return {
        "receipt": str(receipt.cid),
        "v": core.version,
        "profile": core.profile,
        "pico": core.pico,
        "seq": core.seq,
        "prev": None if core.prev is None else str(core.prev),
        "kind": core.kind,
        "code": [
            {"rid": code.rid, "raw": str(code.raw), "metered": str(code.metered)}
            for code in core.code
        ],
        "event": str(core.event),
        "time": core.time,
        "seed": core.seed.hex(),
        "fuel_limit": core.fuel_limit,
        "pre": str(core.pre),
        "post": str(core.post),
        "writes": [
            {
                "path": write.path.decode("utf-8", "backslashreplace"),
                "value": None if write.value is None else str(write.value),
            }
            for write in core.writes
        ],
        "tape": str(core.tape),
        "outbox": str(core.outbox),
        "outcome": core.outcome,
        "fuel": core.fuel,
        "envelope": {
            "engine": envelope.engine.hex(),
            "backend": envelope.backend,
            "versions": envelope.versions,
            "received_ms": envelope.received_ms,
            "elapsed_us": envelope.elapsed_us,
            "logs": None if envelope.logs is None else str(envelope.logs),
            "signature": envelope.signature.hex(),
        },
    }
