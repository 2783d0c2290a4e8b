"""What is remembered of a state is what the state says, and does not grow without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picomesh.engine.views import VALUE_BYTES_MAX, VALUES_BYTES_MAX, View

PATHS = st.integers(0, 40).map(lambda number: b"ent/t/%d" % number)
VALUES = st.none() | st.sampled_from([0, 1, 100, VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1]).map(bytes)


@given(st.lists(st.tuples(PATHS, VALUES), max_size=300))
def test_what_is_remembered_is_what_was_said_last(
    said: list[tuple[bytes, bytes | None]],
) -> None:
    view, known = View(b"root"), {}
    for path, value in said:
        view.remember(path, value)
        known[path] = value
        assert all(known[path] == value for path, value in view.values.items())
        assert value is None or len(value) <= VALUE_BYTES_MAX or path not in view.values
    stored = sum(len(path) + len(value or b"") for path, value in view.values.items())
    assert stored <= view.values_bytes <= VALUES_BYTES_MAX


def test_a_view_holds_many_small_values_and_few_large_ones() -> None:
    view = View(b"root")
    for number in range(1_500):
        view.remember(b"ent/t/m/:k%d" % number, b"\x82\x01\x02")
    assert len(view.values) == 1_500
    for number in range(10_000):
        view.remember(b"ent/t/m/:k%d" % number, bytes(VALUE_BYTES_MAX))
        assert view.values_bytes <= VALUES_BYTES_MAX
    assert len(view.values) < VALUES_BYTES_MAX // VALUE_BYTES_MAX
