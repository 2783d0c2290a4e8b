"""The messages a guest is given (docs/formats/module.md), put together from pieces.

Of the fields of a message most are the same for every event of a pico, so their bytes are known;
the order of the fields is that of canonical CBOR, shorter names first.
"""

from __future__ import annotations

from functools import lru_cache

from picomesh.ledger.cid import digest_of
from picomesh.ledger.pieces import head, key, number, octets
from picomesh.ledger.value import utf8
from picomesh.transition.model import Circumstances, Event, Query, Ruleset

_ECI, _EID, _TXN, _URL = key("eci"), key("eid"), key("txn"), key("url")
_HOST, _NAME, _PICO, _SEED, _TIME = (key(name) for name in ("host", "name", "pico", "seed", "time"))
_ARGS, _ATTRS, _KIND = key("args"), key("attrs"), key("kind")
_CONFIG, _DOMAIN = key("config"), key("domain")

SEED_BYTES = 32


def text(value: str) -> bytes:
    data = utf8(value)
    return head(3, len(data)) + data


known_text = lru_cache(maxsize=4096)(text)


def event_message(
    event: Event, txn: str, ruleset: Ruleset, given: Circumstances, seed: bytes
) -> bytes:
    """What `handle` is given."""
    eid = event.eid
    eid_text = text(eid)
    first, second, last = same_for_events(
        event.eci,
        ruleset.url,
        given.host,
        event.name,
        given.pico,
        ruleset.config_bytes,
        event.domain,
    )
    txn_text = eid_text if txn == eid else text(txn)
    time = number(given.time_ms)
    return b"".join(
        (first, eid_text, _TXN, txn_text, second, seed, _TIME, time, _ATTRS, event.attrs, last)
    )


@lru_cache(maxsize=4096)
def same_for_events(
    eci: str, url: str, host: str, name: str, pico: str, config: bytes, domain: str
) -> tuple[bytes, bytes, bytes]:
    """What is the same for every event of a kind: up to its eid, up to its seed, and the end."""
    return (
        b"\xac" + _ECI + text(eci) + _EID,
        b"".join((_URL, text(url), _HOST, text(host), _NAME, text(name), _PICO, text(pico)))
        + (_SEED + head(2, SEED_BYTES)),
        _CONFIG + config + _DOMAIN + text(domain),
    )


def query_message(
    *,
    eci: str | None,
    txn: str,
    url: str,
    host: str,
    kind: str | None,
    name: str,
    pico: str,
    seed: bytes,
    time_ms: int,
    args: bytes,
    config: bytes,
) -> bytes:
    """What `query` is given; a module does not see who called (`eci` None), but the kind."""
    fields = [
        _ECI + text(eci) if eci is not None else b"",
        _TXN + text(txn) + _URL + known_text(url) + _ARGS + args + _HOST + known_text(host),
        _KIND + known_text(kind) if kind is not None else b"",
        _NAME + text(name) + _PICO + known_text(pico) + _SEED + octets(seed),
        _TIME + number(time_ms) + _CONFIG + config,
    ]
    count = 9 + (eci is not None) + (kind is not None)
    return bytes((0xA0 | count,)) + b"".join(fields)


def question_message(query: Query, ruleset: Ruleset, given: Circumstances, seed: bytes) -> bytes:
    """What `query` is given for a question from outside."""
    return query_message(
        eci=query.eci,
        txn=query.eid,
        url=ruleset.url,
        host=given.host,
        kind=None,
        name=query.name,
        pico=given.pico,
        seed=seed,
        time_ms=given.time_ms,
        args=query.args,
        config=ruleset.config_bytes,
    )


def entry_seed(seed: bytes, entered: int) -> bytes:
    """The seed of the n-th entry into a guest, the first being 1."""
    return digest_of(seed + entered.to_bytes(8, "big"))
