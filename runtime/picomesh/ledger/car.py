"""Files of blocks: CARv1, in the one form that this project writes (docs/formats/car.md).

A file is its root and the blocks that hang from it. Its bytes are decided by that set, so a file
can be signed, compared and asked for by hash. Reading believes no block before its hash is
checked, and refuses a file that another order, a second copy or a longer number would spell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from picomesh.ledger.cid import CID_BYTES, Cid, is_named
from picomesh.ledger.errors import CodecError, MissingBlock
from picomesh.ledger.tree import Blocks

FILE_BYTES_MAX = 1024 * 1024 * 1024
# The block {"roots": [root], "version": 1}: what stands in front of the root's CID, and behind it.
_HEADER_START = b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00"
_HEADER_END = b"\x67version\x01"
_VARINT_BYTES_MAX = 9


def encode_car(root: Cid, blocks: Mapping[Cid, bytes]) -> bytes:
    """The file of a root and what hangs from it. The root's block is one of the blocks."""
    return b"".join(car_parts(root, blocks, _Mapped(blocks)))


def car_parts(root: Cid, names: Iterable[Cid], blocks: Blocks) -> Iterator[bytes]:
    """The same in pieces, for files that are large: each block is read when its turn comes."""
    header = _HEADER_START + root.raw + _HEADER_END
    yield _varint(len(header)) + header
    for cid in [root, *sorted(cid for cid in names if cid != root)]:
        data = blocks.block(cid)
        yield _varint(CID_BYTES + len(data)) + cid.raw + data


@dataclass(frozen=True, slots=True)
class _Mapped:
    blocks: Mapping[Cid, bytes]

    def block(self, cid: Cid) -> bytes:
        return self.blocks[cid]


class CarFile:
    """The blocks of a file, each of which has the bytes that its name says."""

    __slots__ = ("_data", "_places", "root")

    def __init__(self, data: bytes, bytes_max: int = FILE_BYTES_MAX) -> None:
        """Reads and checks all of it. Raises CodecError."""
        if len(data) > bytes_max:
            raise CodecError(f"a file of {len(data)} bytes, the limit is {bytes_max}")
        self._data = data
        self.root, start = _read_header(data)
        self._places: dict[Cid, tuple[int, int]] = {}
        before = b""
        for cid, begin, end in _sections(data, start):
            if not self._places:
                if cid != self.root:
                    raise CodecError("the first block of the file is not its root")
            elif cid.raw <= before or cid == self.root:
                raise CodecError("the blocks of the file are not in order")
            else:
                before = cid.raw
            if not is_named(cid, data[begin:end]):
                raise CodecError(f"block {cid} does not have the bytes that its name says")
            self._places[cid] = (begin, end)
        if not self._places:
            raise CodecError("the file has no blocks")

    def block(self, cid: Cid) -> bytes:
        """A block's bytes. Raises MissingBlock."""
        place = self._places.get(cid)
        if place is None:
            raise MissingBlock(f"block {cid} is not there")
        return self._data[place[0] : place[1]]

    def __contains__(self, cid: Cid) -> bool:
        return cid in self._places

    def __iter__(self) -> Iterator[Cid]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def size(self, cid: Cid) -> int:
        """How many bytes a block of the file has."""
        begin, end = self._places[cid]
        return end - begin

    def refuse_strangers(self, known: Iterable[Cid]) -> None:
        """Refuses a file that carries more than what hangs from its root."""
        strangers = self._places.keys() - set(known)
        if strangers:
            raise CodecError(f"{len(strangers)} blocks that nothing in the file leads to")


def _varint(number: int) -> bytes:
    """Unsigned LEB128, shortest."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for count in range(_VARINT_BYTES_MAX):
        if at + count >= len(data):
            raise CodecError("the file ends inside a length")
        byte = data[at + count]
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if count and not byte:
                raise CodecError("a length of the file is written longer than needed")
            return number, at + count + 1
    raise CodecError("a length of the file is too long")


def _read_header(data: bytes) -> tuple[Cid, int]:
    """The root, and where the blocks begin. There is one form of a header with one root."""
    length, start = _read_varint(data, 0)
    header = data[start : start + len(_HEADER_START) + CID_BYTES + len(_HEADER_END)]
    root = header[len(_HEADER_START) : len(_HEADER_START) + CID_BYTES]
    if length != len(header) or header != _HEADER_START + root + _HEADER_END:
        raise CodecError("the file has no CARv1 header of ours")
    return Cid(root), start + length


def _sections(data: bytes, at: int) -> Iterator[tuple[Cid, int, int]]:
    while at < len(data):
        length, begin = _read_varint(data, at)
        at = begin + length
        if length < CID_BYTES or at > len(data):
            raise CodecError("the file ends inside a block")
        yield Cid(data[begin : begin + CID_BYTES]), begin + CID_BYTES, at
