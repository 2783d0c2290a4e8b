"""What guests are given: put together from pieces, and equal to what the general encoder writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picomesh.ledger.value import Encoded, encode_plain
from picomesh.transition import Circumstances, Event, Ruleset
from picomesh.transition.messages import event_message, query_message

texts = st.text(st.characters(), max_size=40)  # lone surrogates as well
times = st.integers(-(2**53) + 1, 2**53 - 1)
ENCODED = Encoded(b"\xa1\x61a\x01")
SEED = b"s" * 32


class NoProgram:
    """Nothing runs here."""


@given(eid=texts, txn=texts, url=texts, host=texts, name=texts, pico=texts, time=times)
def test_an_event_is_the_map_of_its_fields(
    eid: str, txn: str, url: str, host: str, name: str, pico: str, time: int
) -> None:
    fields = {"eci": txn, "eid": eid, "url": url, "host": host, "name": name, "pico": pico}
    event = Event(txn, url, name, ENCODED.data, eid)
    ruleset = Ruleset("r", NoProgram(), None, {}, url)
    object.__setattr__(ruleset, "config_bytes", ENCODED.data)
    circumstances = Circumstances(pico, host, time, SEED, 0, 0)
    assert event_message(event, txn, ruleset, circumstances, SEED) == encode_plain(
        {
            **fields,
            "txn": txn,
            "seed": SEED,
            "time": time,
            "attrs": ENCODED,
            "config": ENCODED,
            "domain": url,
        }
    )


@given(eci=st.none() | texts, kind=st.none() | texts, txn=texts, name=texts, time=times)
def test_a_query_is_the_map_of_its_fields(
    eci: str | None, kind: str | None, txn: str, name: str, time: int
) -> None:
    fields = {"txn": txn, "url": name, "host": txn, "name": name, "pico": txn}
    optional = {"eci": eci, "kind": kind}
    assert query_message(
        **fields,
        eci=eci,
        kind=kind,
        seed=SEED,
        time_ms=time,
        args=ENCODED.data,
        config=ENCODED.data,
    ) == encode_plain(
        {
            **fields,
            **{key: value for key, value in optional.items() if value is not None},
            "seed": SEED,
            "time": time,
            "args": ENCODED,
            "config": ENCODED,
        }
    )
