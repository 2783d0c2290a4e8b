"""The past of a pico: as it was, and as it would have been."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import backend_option, home_option, json_option
from picomesh.cli.histories import history_option, open_histories
from picomesh.cli.output import print_entries, print_json, state_json, visible
from picomesh.cli.problems import Answered, fail

if TYPE_CHECKING:
    from picomesh.engine.fork import Difference, Forked
    from picomesh.engine.moment import Moment


@click.command()
@click.argument("pico")
@click.argument("seq", type=click.IntRange(min=0))
@click.option(
    "--fuel", type=click.IntRange(min=0), help="Stop within the transition, at this much fuel."
)
@home_option
@history_option
@backend_option
@json_option
def at(
    pico: str,
    seq: int,
    fuel: int | None,
    home: Path | None,
    history: str | None,
    backend: str,
    as_json: bool,
) -> None:
    """Show a pico as it was behind a receipt, or in the middle of its transition.

    With --fuel, the transition runs again and stops there, at the same instruction on every
    engine: shows the rule and the line of source, every host call so far, and what was written.
    """
    from picomesh.engine.moment import moment, state_behind
    from picomesh.engine.watch import Watcher

    with open_histories(home, history, backend) as histories:
        found = histories.find(pico)
        if fuel is None:
            state = state_behind(histories.source, histories.programs, found, seq)
            print_entries({"pico": found, "seq": seq, **state_json(state)}, as_json)
            return
        watcher = Watcher(histories.programs)
        then = moment(histories.source, histories.programs, watcher, found, seq, fuel)
    if as_json:
        print_json(moment_json(then))
    else:
        _print_moment(then)


def moment_json(then: Moment) -> dict[str, Any]:
    """A moment for a program."""
    from picomesh.engine.telling import answer_text, call_text, name_of, value_text

    calls = [
        {
            "fuel": fuel,
            "child": call.run > 0,
            "rid": call.rid,
            "function": call.function,
            "text": call_text(call),
            "answer": answer_text(call.answer),
        }
        for call, fuel in zip(then.calls, then.fuels, strict=True)
    ]
    where = then.where
    return {
        "pico": then.core.pico,
        "seq": then.core.seq,
        "fuel": then.fuel,
        "of": then.core.fuel,
        "ended": then.ended,
        "rid": then.rid,
        "function": None if where is None else where.function,
        "file": None if where is None else where.file,
        "line": None if where is None else where.line,
        "calls": calls,
        "written": {
            name_of(path): value_text(value) for path, value in sorted(then.written.items())
        },
    }


def _print_moment(then: Moment) -> None:
    row = moment_json(then)
    where = "" if then.where is None else f": {then.where}"
    if then.ended:
        click.echo(f"receipt {then.core.seq} ended with {then.outcome} at fuel {then.fuel:,}")
    else:
        click.echo(f"receipt {then.core.seq} at fuel {then.fuel:,} of {then.core.fuel:,}{where}")
    for call in row["calls"]:
        answer = f": {call['answer']}" if call["function"] in ("get", "scan", "ask", "call") else ""
        whose = "in a child: " if call["child"] else ""
        click.echo(visible(f"  {call['fuel']:>12,}  {whose}{call['text']}{answer}"))
    written = row["written"]
    click.echo("written" if then.ended else "written so far")
    for name, value in written.items():
        click.echo(visible(f"  {name} = {value}"))
    if not written:
        click.echo("  nothing")


@click.command()
@click.argument("pico")
@click.option(
    "--at", "seq", type=click.IntRange(min=0), required=True, help="The receipt to begin behind."
)
@click.option(
    "--ruleset",
    type=click.Path(path_type=Path),
    required=True,
    help="The edited ruleset, .krl or .wasm.",
)
@click.option("--replay", is_flag=True, help="Run the events that came behind it.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last receipt to run.")
@home_option
@history_option
@backend_option
@json_option
def fork(
    pico: str,
    seq: int,
    ruleset: Path,
    replay: bool,
    last: int | None,
    home: Path | None,
    history: str | None,
    backend: str,
    as_json: bool,
) -> None:
    """What if: the real events of a pico under an edited ruleset, next to what really happened.

    Installs the ruleset behind a receipt on a copy that lives only now, runs the events that came
    then with their own times and random seeds, and shows what would have been another outcome,
    effect or state. Nothing is stored and nothing leaves. Exits with 1 if something differs.

    picomesh fork me --at 12 --ruleset limits.krl --replay
    """
    from picomesh.cli.rulesets import load_module
    from picomesh.engine.fork import Fork

    module = load_module(ruleset)
    if last is not None and last < seq:
        raise fail(f"--to {last} is before --at {seq}")
    with open_histories(home, history, backend) as histories:
        made = Fork(histories.source, histories.programs, histories.find(pico), seq)
        installed = made.install(module.raw, module.source, module.url)
        events = list(made.replay(last)) if replay else []
        differences = made.differences(last) if replay else []
    outcome = installed.core.outcome
    if as_json:
        print_json(
            {
                "ok": outcome == "ok" and all(item.is_same for item in events),
                "install": outcome,
                "message": installed.transition.message,
                "events": [forked_json(item) for item in events],
                "differences": [difference_json(item) for item in differences],
            }
        )
    else:
        click.echo(
            f"installed behind receipt {seq}: {outcome} {installed.transition.message}".rstrip()
        )
        for item in events:
            _print_forked(item)
        if replay:
            _print_end(events, differences)
    if outcome != "ok" or not all(item.is_same for item in events):
        raise Answered


def forked_json(item: Forked) -> dict[str, Any]:
    """One event of a fork for a program."""
    from picomesh.engine.telling import given_text

    row: dict[str, Any] = {"seq": item.seq, "given": given_text(item.given), "ok": item.is_same}
    row |= {"skipped": item.skipped, "was": {"outcome": item.core.outcome, "fuel": item.core.fuel}}
    if item.performed is not None:
        now = item.performed.core
        row["is"] = {"outcome": now.outcome, "fuel": now.fuel}
        row["is"]["message"] = item.performed.transition.message
        row["lines"] = _lines(item)
    return row


def difference_json(item: Difference) -> dict[str, Any]:
    from picomesh.engine.telling import value_text

    path = item.path.decode("utf-8", "backslashreplace")
    return {"path": path, "was": value_text(item.past), "is": value_text(item.forked)}


def _lines(item: Forked) -> list[str]:
    """What differs in an event of a fork."""
    from picomesh.engine.telling import name_of, value_text

    assert item.performed is not None, "it was run"
    done, lines = item.performed.transition, []
    if item.core.outcome != done.outcome:
        message = f" ({done.message})" if done.message else ""
        lines.append(f"outcome {done.outcome}{message}, was {item.core.outcome}")
    was = {write.path: write.value for write in item.core.writes}
    now = {write.path: write.value for write in item.performed.core.writes}
    values = dict(done.writes)
    for path in sorted(was.keys() | now.keys()):
        if was.get(path, "") == now.get(path, ""):
            continue
        value = f"= {value_text(values[path])}" if values.get(path) is not None else "is removed"
        text = f"{name_of(path)} {value if path in now else 'is not written'}"
        if path not in was:
            lines.append(f"{text}, was not written")
        elif path in item.past.values:
            before = item.past.values[path]
            lines.append(f"{text}, was {'removed' if before is None else value_text(before)}")
        else:
            lines.append(f"{text}, was another")
    if item.core.outbox != item.performed.core.outbox:
        effects = [(effect.kind, effect.data) for effect in done.effects]
        lines += _effect_lines(item.past.effects, effects)
    return lines


_Effects = Sequence[tuple[str, bytes]]


def _effect_lines(past: _Effects | None, now: _Effects) -> list[str]:
    """Effects that are others; of a past that is not known, all that would have been."""
    from picomesh.engine.telling import outbox_text

    lines: list[str] = []
    for was, after in zip_longest(past or [], now):
        if was != after:
            text = "no effect" if after is None else outbox_text(*after)
            before = "" if past is None else "none" if was is None else outbox_text(*was)
            lines.append(f"{text}, was: {before}" if before else text)
    return lines or ["no effects, was another"]


def _print_forked(item: Forked) -> None:
    from picomesh.engine.telling import given_text

    given = given_text(item.given)
    if item.performed is None:
        click.echo(visible(f"receipt {item.seq}, {given}: left out, {item.skipped}"))
    elif not item.is_same:
        click.echo(visible(f"receipt {item.seq}, {given}: differs"))
        for line in _lines(item):
            click.echo(visible(f"    {line}"))


def _print_end(events: list[Forked], differences: list[Difference]) -> None:
    from picomesh.engine.telling import name_of, value_text

    ran = [item for item in events if item.performed is not None]
    same = sum(item.is_same for item in ran)
    click.echo(f"{len(ran)} events run again: {same} the same, {len(ran) - same} differ")
    if differences:
        click.echo("at the end")
    for item in differences:
        was, now = value_text(item.past), value_text(item.forked)
        click.echo(visible(f"  {name_of(item.path)} = {now}, was {was}"))
