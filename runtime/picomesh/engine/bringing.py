"""The transition that gives a pico what it had in another kind of engine.

Everything it writes follows from its input (docs/formats/receipt.md §5), so it replays like any
other. It makes nothing that a ruleset or an operator could not have made here: the input may come
from somebody else's history.
"""

from __future__ import annotations

import re

from pico_abi.limits import PATH_BYTES_MAX, VALUE_BYTES_MAX
from picomesh.channels import CHANNELS, ChannelError, allow_all, family_channel, make_channel
from picomesh.engine.entities import ENTITIES, spread
from picomesh.engine.family import Relative, Write, child_record, parent_is
from picomesh.engine.inputs import Import
from picomesh.engine.records import PicoState
from picomesh.ledger.codec import Block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_value, encode_value, utf8
from picomesh.transition import Transition

ENTITY_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class BringProblem(Exception):
    """Something in the input that cannot be here."""


def bring(state: PicoState, pico: str, given: Import) -> Transition:
    """All of it is written, or none."""
    try:
        writes = [*_channels(state, pico, given), *_family(state, given), *_entities(state, given)]
    except (BringProblem, ChannelError, CodecError) as problem:
        return Transition("throw", 0, message=str(problem))
    return Transition("ok", 0, tuple(sorted(dict(writes).items())))


def _channels(state: PicoState, pico: str, given: Import) -> list[Write]:
    writes: list[Write] = []
    if given.channels is not None:
        gone = [item for item in state.channels() if item["familyChannelPicoID"] is None]
        writes += [(CHANNELS + str(item["id"]).encode(), None) for item in gone]
    for data in given.channels or []:
        record = checked_channel(decode_value(data))
        writes.append((CHANNELS + str(record["id"]).encode(), encode_value(record)))
    if given.was:
        allow_all(given.was)  # raises what is wrong with the name
        writes.append(
            (CHANNELS + given.was.encode(), encode_value(family_channel(given.was, "self", pico)))
        )
    return writes


def checked_channel(record: Value) -> dict[str, Value]:
    """A channel as it would be made here. Raises ChannelError, BringProblem."""
    if isinstance(record, dict) and isinstance(record.get("id"), str):
        entries = [record.get(key) for key in ("tags", "eventPolicy", "queryPolicy")]
        made = make_channel(str(record["id"]), *entries)
        if encode_value(made) == encode_value(record):
            return made
    raise BringProblem("a record of a channel is not as it would be made here")


def _family(state: PicoState, given: Import) -> list[Write]:
    writes: list[Write] = []
    if given.parent is not None:
        writes += parent_is(state, _relative(given.parent))
    for position, row in enumerate(given.children):
        writes += child_record(_relative(row, position))
    return writes


def _relative(row: list[Block], position: int = 0) -> Relative:
    eci, pico, their_eci = (str(item) for item in row)
    for name in (eci, their_eci):
        allow_all(name)  # raises what is wrong with it
    return Relative(eci, pico, their_eci, position)


def _entities(state: PicoState, given: Import) -> list[Write]:
    installed = {record.rid for record in state.rulesets()}
    writes: list[Write] = []
    for row in given.entities:
        rid, name, data = str(row[0]), str(row[1]), row[2]
        assert isinstance(data, bytes), "inputs.py has checked the row"
        if rid not in installed:
            raise BringProblem(f"{rid} is not installed")
        writes += entity_writes(rid, name, decode_value(data))
    return writes


def entity_writes(rid: str, name: str, value: Value) -> list[Write]:
    """An entity variable as the guest library keeps it. Raises BringProblem, CodecError."""
    if not ENTITY_NAME.fullmatch(name):
        raise BringProblem(f"{name!r} is not the name of an entity variable")
    writes: list[Write] = []
    for path, item in spread(name, value):
        data = encode_value(item)
        if len(data) > VALUE_BYTES_MAX:
            raise BringProblem(f"ent:{name} has {len(data):,} bytes, the limit is 1 MiB")
        where = ENTITIES + utf8(f"{rid}/{path}")
        if len(where) > PATH_BYTES_MAX:
            raise BringProblem(f"ent:{name} has a path of {len(where):,} bytes")
        writes.append((where, data))
    return writes
