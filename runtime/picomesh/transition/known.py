"""Directives that differ from one seen before in their last number only: they need no reading.

An effect is believed when it decodes strictly, which takes longer than all that is done with a
directive. Where the last item of the bytes is a whole number, what stands in front of it decides
how everything is read; so behind the same bytes any other whole number, written as it must be,
makes an effect of the same shape. A counter says such things all day.
"""

from __future__ import annotations

from picomesh.ledger.pieces import number
from picomesh.ledger.value import Value

KNOWN_MAX = 4096
EFFECT_BYTES_MAX = 512
_known: set[bytes] = set()  # directives without the number at their end


def is_known_directive(effect: bytes) -> bool:
    """Whether strict decoding would find a directive here. False says nothing."""
    if not _known or len(effect) < 6:
        return False
    last = effect[-1]
    if last < 24:
        if effect[:-1] in _known:
            return True
    elif effect[-2] == 0x18 and effect[:-2] in _known:  # one byte follows
        return True
    if effect[-3] == 0x19 and effect[-2] and effect[:-3] in _known:  # two bytes, at least 256
        return True
    return effect[-5] == 0x1A and (effect[-4] or effect[-3]) != 0 and effect[:-5] in _known


def learn_directive(effect: bytes, message: Value) -> None:
    """Remembers a directive that was decoded, if it ends with a whole number."""
    item = message
    while isinstance(item, dict | list) and item:
        item = item[next(reversed(item))] if isinstance(item, dict) else item[-1]
    if type(item) is not int or item < 0 or len(effect) > EFFECT_BYTES_MAX:
        return
    written = number(item)
    if effect.endswith(written):
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        _known.add(effect[: -len(written)])
