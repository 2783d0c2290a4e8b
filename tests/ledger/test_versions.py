"""A version is a number: what only counts as one, like `true`, is another record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from picomesh.ledger.checkpoint import decode_checkpoint, encode_checkpoint, sign_checkpoint
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.errors import CodecError
from picomesh.ledger.export import Export, decode_export, encode_export
from picomesh.ledger.proof import Links, Proof, decode_proof, encode_proof
from picomesh.ledger.signature import Signer

NAME = cid_of_block(b"\x80")
SIGNER = Signer(bytes(32))
RECORDS: list[tuple[Callable[[bytes], Any], bytes]] = [
    (decode_export, encode_export(Export(bytes(32), ()))),
    (decode_proof, encode_proof(Proof(Links(NAME, NAME), None, None))),
    (decode_checkpoint, encode_checkpoint(sign_checkpoint(str(NAME), [NAME], 0, SIGNER))),
]


@pytest.mark.parametrize(
    ("decode", "data"), RECORDS, ids=lambda item: getattr(item, "__name__", "")
)
@pytest.mark.parametrize("version", [b"\xf5", b"\xf4", b"\x00", b"\x02", b"\x611", b"\x81\x01"])
def test_a_version_that_is_not_the_number_is_refused(
    decode: Callable[[bytes], Any], data: bytes, version: bytes
) -> None:
    assert decode(data)
    assert data.count(b"\x61v\x01") == 1
    with pytest.raises(CodecError, match="version"):
        decode(data.replace(b"\x61v\x01", b"\x61v" + version))
