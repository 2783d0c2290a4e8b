"""What goes into an engine and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pico_abi import limits
from picomesh.engine.errors import OperatorError
from picomesh.engine.performed import Performed
from picomesh.ledger.errors import CodecError
from picomesh.ledger.receipt import Receipt
from picomesh.ledger.value import Value, encode_value
from picomesh.transition import Transition

EID_BYTES = 12  # as hexadecimal digits
# What a guest is given besides attributes or arguments takes a few hundred bytes.
_NONE_GIVEN = encode_value({})
GIVEN_BYTES_MAX = min(limits.EVENT_BYTES_MAX, limits.REQUEST_BYTES_MAX) - 16 * limits.KIB


@dataclass(slots=True)
class Response:
    """What became of an event, an install or a create."""

    pico: str
    eid: str
    receipt: Receipt
    performed: Performed

    @property
    def transition(self) -> Transition:
        return self.performed.transition

    @property
    def directives(self) -> tuple[dict[str, Value], ...]:
        return self.transition.directives


@dataclass(frozen=True, slots=True)
class Sending:
    """An event for `send_many`."""

    pico: str
    domain: str
    name: str
    attrs: Mapping[str, Value] | None = None
    eci: str | None = None
    eid: str | None = None


def encode_given(given: Mapping[str, Value] | None, what: str) -> bytes:
    """Attributes or arguments as bytes. Raises OperatorError for what no guest would be given."""
    if not given:
        return _NONE_GIVEN
    try:
        data = encode_value(dict(given or {}))
    except CodecError as problem:
        raise OperatorError(f"{what} cannot be encoded: {problem}") from problem
    if len(data) > GIVEN_BYTES_MAX:
        raise OperatorError(f"{what} have {len(data):,} bytes, the limit is {GIVEN_BYTES_MAX:,}")
    return data
