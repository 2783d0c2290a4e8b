"""What a transition leaves to those that follow from it: their seeds, and a child's first work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from picomesh.engine.inputs import Spawn, encode_input
from picomesh.ledger.cid import cid_of_block, digest_of
from picomesh.ledger.tree import EMPTY_ROOT

if TYPE_CHECKING:
    from picomesh.engine.performed import Work


def derived_seed(work: Work, purpose: str, at: int) -> bytes:
    """The seed of what the effect at a place leads to."""
    return digest_of(f"picomesh {purpose} {at} ".encode() + work.seed)


def spawn_work(work: Work, at: int, spawn: Spawn) -> Work:
    """A child's first transition; `at` is the place of the effect that makes it."""
    return replace(
        work,
        pico=str(cid_of_block(encode_input(spawn))),
        seq=0,
        prev=None,
        given=spawn,
        seed=derived_seed(work, "spawn", at),
        pre=EMPTY_ROOT,
        tape=(),
    )
