"""Who made a pico: its name is a hash of the input that did, which names an engine or a parent."""

from __future__ import annotations

from picomesh.engine.inputs import Create, Spawn, decode_input
from picomesh.ledger.cid import Cid, parse_cid
from picomesh.ledger.errors import BrokenHistory, CodecError, LedgerError
from picomesh.ledger.tree import Blocks


def maker_of(data: bytes) -> bytes | str:
    """The key of the engine that made a pico, or the name of its parent. Raises CodecError."""
    made = decode_input(data)
    match made:
        case Create():
            return made.engine
        case Spawn():
            return made.parent
        case _:
            raise CodecError("the pico's name is not that of an input that makes one")


def makers_of(blocks: Blocks, pico: str) -> dict[Cid, bytes]:
    """The inputs that made a pico, its parent and so on. Raises LedgerError."""
    found: dict[Cid, bytes] = {}
    made: bytes | str = pico
    while isinstance(made, str):  # a name is a hash, so no pico descends from itself
        name = parse_cid(made)
        found[name] = blocks.block(name)
        made = maker_of(found[name])
    return found


def check_maker(blocks: Blocks, pico: str, engine: bytes, seq: int) -> None:
    """Raises BrokenHistory for a pico that another engine made, or nobody knows who."""
    try:
        found = engine_of(blocks, pico)
    except LedgerError as problem:
        raise BrokenHistory(seq, "pico", f"who made it is not to be seen: {problem}") from problem
    if found != engine:
        raise BrokenHistory(seq, "event", f"another engine made this pico: {found.hex()}")


def engine_of(blocks: Blocks, pico: str) -> bytes:
    """The engine that made a pico, or the first of its parents. Raises LedgerError."""
    made: bytes | str = pico
    while isinstance(made, str):
        made = maker_of(blocks.block(parse_cid(made)))
    return made
