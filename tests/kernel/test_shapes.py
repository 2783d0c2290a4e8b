"""New paths and removed ones come to the same trees in the kernel and in Python."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine import Engine, Options
from picomesh.engine.history import verify_home
from picomesh.engine.model import Sending
from picomesh.engine.native import Native
from picomesh.engine.packets import FromKernel
from picomesh.engine.perform import perform
from picomesh.engine.performed import Work
from picomesh.engine.records import Layered
from picomesh.engine.rerun import rerun
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.tree import decode_node, encode_node, layer_of
from picomesh.scenario.world import VirtualWorld

KRL = """ruleset s {
  rule fill { select when s fill foreach 0.range(299) setting(i) always { ent:m{"f" + i} := i } }
  rule put { select when s put foreach event:attrs{"keys"} setting(key)
    always { ent:m{key} := event:attrs{"v"} } }
  rule cut { select when s cut foreach event:attrs{"keys"} setting(key)
    always { clear ent:m{key} } }
  rule both { select when s both
    always { clear ent:m{event:attrs{"old"}} ent:m{event:attrs{"new"}} := event:attrs{"v"} } }
  rule steps { select when s one before s two always { ent:steps := ent:steps + 1 } }
}"""


@cache
def module() -> bytes:
    found = compile_source(Source("s.krl", KRL)).module
    assert found is not None
    return found


def path_of(key: str) -> bytes:
    return b"ent/s/m/" + key.encode()


def keys() -> list[str]:
    """Some as they come, some whose paths stand high: these split the tree that they come into."""
    every = [f"k{number}" for number in range(20_000)]
    high = sorted(every, key=lambda key: -layer_of(path_of(key)))
    return [*every[:150], *high[:20], *[f"f{number}" for number in range(0, 300, 7)]]


KEYS = keys()
_some = st.lists(st.sampled_from(KEYS), min_size=1, max_size=8)
_changes: st.SearchStrategy[tuple[str, list[str], Any]] = st.one_of(
    st.tuples(st.just("put"), _some, st.integers(0, 9)),
    st.tuples(st.just("cut"), _some, st.just(0)),
    st.tuples(st.just("both"), st.lists(st.sampled_from(KEYS), min_size=2, max_size=2), _some),
    st.tuples(st.sampled_from(["one", "two"]), st.just([]), st.just(0)),
)


def engine_of(kernel: bool) -> tuple[Engine, str]:
    engine = Engine.ephemeral(Options(world=VirtualWorld(), kernel=kernel))
    pico = engine.create("me").pico
    engine.install_module(pico, module())
    engine.send(pico, "s", "fill")
    return engine, pico


def sending(pico: str, change: tuple[str, list[str], Any]) -> Sending:
    name, some, value = change
    attrs: dict[str, Any] = {"keys": [*some], "v": value}
    if name == "both":
        attrs |= {"old": some[0], "new": some[1]}
    return Sending(pico, "s", name, attrs)


@given(st.lists(st.lists(_changes, min_size=1, max_size=20), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_all_changes_come_to_the_same_trees(
    groups: list[list[tuple[str, list[str], Any]]],
) -> None:
    found: list[list[bytes]] = []
    for kernel in (True, False):
        engine, pico = engine_of(kernel)
        with engine:
            for group in groups:
                for change in group[: len(group) // 2]:
                    item = sending(pico, change)
                    engine.send(pico, item.domain, item.name, item.attrs)
                done = engine.send_many(sending(pico, change) for change in group)
                assert not any(isinstance(item, Exception) for item in done)
            found.append([receipt.core_bytes for receipt in engine.log(pico)])
            assert verify_home(engine.store, engine.public_key).problems == ()
            engine.store.past.forget()
            fresh = Options(kernel=kernel).programs(None)
            assert rerun(engine.store, engine.public_key, fresh, pico).is_equal
    assert found[0] == found[1]


def test_a_tree_that_grows_loses_all_that_it_has_won() -> None:
    """And the kernel has done all of it, with thousands of splits and joins."""
    chance = random.Random(3)
    engine, pico = engine_of(True)
    seen: Counter[type] = Counter()
    real = Native.perform

    def noting(self: Native, *arguments: Any) -> Any:
        done = real(self, *arguments)
        seen[type(done)] += 1
        return done

    with engine, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Native, "perform", noting)
        before = list(engine.state(pico).paths(b"ent/"))
        for _ in range(3):
            order = [key for key in KEYS if not key.startswith("f")]
            chance.shuffle(order)
            for at in range(0, len(order), 5):
                engine.send(pico, "s", "put", {"keys": [*order[at : at + 5]], "v": at})
            chance.shuffle(order)
            for at in range(0, len(order), 3):
                engine.send(pico, "s", "cut", {"keys": [*order[at : at + 3]]})
            assert list(engine.state(pico).paths(b"ent/")) == before
        assert verify_home(engine.store, engine.public_key).problems == ()
    assert seen[FromKernel] >= 0.95 * seen.total()


class Forged:
    """The blocks of an engine, and others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.made: dict[Cid, bytes] = {}

    def block(self, cid: Cid) -> bytes:
        return self.made.get(cid) or self._engine.store.block(cid)

    def keep(self, data: bytes) -> Cid:
        cid = cid_of_block(data)
        self.made[cid] = data
        return cid


def forge(blocks: Forged, root: Cid, how: str) -> Cid:
    """A tree whose nodes are well formed, each by itself, and which is none."""
    node = decode_node(blocks.block(root))
    links = [child if isinstance(child, Cid) else None for child in node.children]
    there = [at for at, link in enumerate(links) if link is not None]
    assert len(there) >= 2, "chance made the tree so"
    first, second = there[0], there[-1]
    if how == "two trees in each other's place":
        links[first], links[second] = links[second], links[first]
    elif how == "one tree in two places":
        links[first] = links[second]
    elif how == "a tree that stands as high as what is above it":
        links = [
            blocks.keep(encode_node(node, [None] * len(links))) if link else None for link in links
        ]
    else:
        below = links[second]
        assert below is not None
        links[second] = forge(blocks, below, how.removeprefix("deeper: "))
    return blocks.keep(encode_node(node, links))


@pytest.mark.parametrize("name", ["put", "cut"])
@pytest.mark.parametrize(
    "how",
    [
        "two trees in each other's place",
        "one tree in two places",
        "a tree that stands as high as what is above it",
        "deeper: two trees in each other's place",
    ],
)
def test_a_tree_that_is_none_is_what_python_makes_of_it(how: str, name: str) -> None:
    engine, pico = engine_of(True)
    with engine:
        every: Any = [f"f{number}" for number in range(300)]
        blocks = Forged(engine)
        root = forge(blocks, engine.state(pico).root, how)
        attrs: dict[str, Any] = {"keys": every if name == "cut" else [*KEYS], "v": 1}
        event = engine._event(engine.eci(pico), "s", name, attrs, None)
        work: Work = engine.next_work(pico, event, 0, bytes(32))
        work.pre = root
        found: list[bytes | None] = []
        for kernel in (True, False):
            programs = Options(kernel=kernel).programs(None)
            try:
                found.append(perform(programs, Layered(blocks), work).core_bytes)
            except LedgerError:
                found.append(None)
        assert found[0] == found[1]
