"""What commands are given: events, attributes, homes; and options whose order matters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from picomesh.cli.problems import fail
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, encode_value

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SEQUENCE = "picomesh.sequence"


@dataclass(slots=True)
class Step:
    """An event or a query, with what was given to it."""

    kind: str
    target: str
    given: dict[str, Value] = field(default_factory=dict)


class SequenceCommand(click.Command):
    """Remembers the options in the order in which they were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        left = {name: list(value) for name, value in values.items() if isinstance(value, list)}
        ctx.meta[_SEQUENCE] = [
            (str(item.name), left[str(item.name)].pop(0))
            for item in order
            if left.get(str(item.name))
        ]
        return super().parse_args(ctx, args)


def sequence(ctx: click.Context) -> list[Step]:
    """The --event and --query options with the --attr and --arg that follow each."""
    owners = {"attr": "event", "arg": "query"}
    steps: list[Step] = []
    for name, text in ctx.meta[_SEQUENCE]:
        if name in owners.values():
            steps.append(Step(name, utf8(text, f"--{name}")))
        elif name in owners:
            if not steps or steps[-1].kind != owners[name]:
                raise fail(f"--{name} {text} does not follow an --{owners[name]}")
            key, value = parse_pair(text, f"--{name}")
            steps[-1].given[key] = value
    return steps


def utf8(text: str, what: str) -> str:
    """Refuses what the shell gave us in another encoding."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as problem:
        shown = text.encode("utf-8", "backslashreplace").decode()
        raise fail(f"{what} {shown} is not UTF-8", "write it in UTF-8") from problem
    return text


def parse_pairs(texts: tuple[str, ...], what: str) -> dict[str, Value]:
    """Several `k=v` and `k:=json`."""
    return dict(parse_pair(text, what) for text in texts)


def parse_pair(text: str, what: str) -> tuple[str, Value]:
    """`k=v` is text, `k:=v` is JSON."""
    utf8(text, what)
    left, equals, right = text.partition("=")
    key = left.removesuffix(":")
    if not equals or not key:
        raise fail(f"{what} {text!r} has no name and value", f"write {what} name=value")
    if left == key:
        return key, right
    try:
        value: Value = json.loads(right, parse_constant=_refuse_constant)
        encode_value(value)
    except (ValueError, RecursionError) as problem:
        raise fail(
            f"{what} {key}: {right!r} is not JSON: {problem}",
            f"for plain text write {what} {key}=…",
        ) from problem
    except CodecError as problem:
        raise fail(f"{what} {key}: {problem}") from problem
    return key, value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse_event(text: str) -> tuple[str, str]:
    """`domain:type`."""
    domain, colon, name = utf8(text, "event").partition(":")
    if not colon or not domain.strip() or not name.strip():
        raise fail(f"the event {text!r} is not domain:type", "for example hello:world")
    return domain.strip(), name.strip()


def home_option(command: _Command) -> _Command:
    """--home, or PICOMESH_HOME, or ~/.picomesh."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="Folder of the engine. Default: PICOMESH_HOME, or ~/.picomesh.",
    )(command)


def json_option(command: _Command) -> _Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")(
        command
    )


def backend_option(command: _Command) -> _Command:
    from picomesh.cli.backends import BACKENDS

    return click.option(
        "--backend",
        type=click.Choice(BACKENDS),
        default=BACKENDS[0],
        show_default=True,
        help="The WASM engine that runs the modules.",
    )(command)
