"""The places of children are known without looking at them all, and are what a look would find."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from picomesh.engine.family import CHILDREN, Relative, Siblings, child_record, children_of

# Children that come, by a small number, and children that go.
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40)


class Records(dict[bytes, bytes]):
    """A state that is nothing but its records."""

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        found = sorted(item for item in self.items() if item[0].startswith(prefix))
        return [item for item in found if item[0] > after][:limit]


def record(number: int, place: int) -> tuple[bytes, bytes]:
    child = Relative(f"eci{number}", f"pico{number}", f"their{number}", place)
    written = dict(child_record(child))
    path = next(path for path in written if path.startswith(CHILDREN))
    data = written[path]
    assert data is not None, "a record that comes has bytes"
    return path, data


def expected(state: Records) -> tuple[int, int]:
    children = children_of(state)
    return len(children), max((child.position for child in children), default=-1)


@example([(True, 0), (True, 0)], [(False, 0), (True, 0)])  # one that goes and comes again
@given(STEPS, STEPS)
def test_places_are_what_a_look_at_all_children_finds(
    before: list[tuple[bool, int]], during: list[tuple[bool, int]]
) -> None:
    state = Records()
    siblings = Siblings(())
    for comes, number in before:
        path, data = record(number, expected(state)[1] + 1)
        siblings.note(path, data if comes else None)
        if comes:
            state[path] = data
        else:
            state.pop(path, None)
        assert siblings.with_changes({}) == expected(state)
    written: dict[bytes, bytes | None] = {b"ent/a/b": b"\x01"}
    for comes, number in during:
        path, data = record(number, expected(state)[1] + 1)
        written[path] = data if comes else None
        if comes:
            state[path] = data
        else:
            state.pop(path, None)
        assert siblings.with_changes(written) == expected(state)
