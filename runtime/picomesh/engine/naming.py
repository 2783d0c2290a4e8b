"""Rulesets by what they are instead of where: a content id is a URL that cannot change its mind.

`cid:CID`, `ipfs://CID` or the bare CID name a module, or the source of one, that this engine has
among its blocks, wherever it came from.
"""

from __future__ import annotations

from picomesh.engine.errors import NotFound
from picomesh.engine.library import MODULE_START, Found, compile_krl
from picomesh.ledger.cid import Cid, parse_cid
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.tree import Blocks

_PREFIXES = ("cid:", "ipfs://")


def cid_of_url(url: str) -> Cid | None:
    """The content id that a URL is; None when it is another one."""
    text = url.strip()
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    try:
        return parse_cid(text)
    except CodecError:
        return None


def find_named(blocks: Blocks, cid: Cid) -> Found:
    """The module behind a content id. Raises OperatorError."""
    try:
        data = blocks.block(cid)
    except MissingBlock as problem:
        raise NotFound(
            f"no module {cid} is known here", "install it by its path or URL"
        ) from problem
    if data.startswith(MODULE_START):
        return Found(data, None)
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        raise NotFound(f"{cid} is neither a module nor its source") from problem
    return Found(compile_krl(text), data)
