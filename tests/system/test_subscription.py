"""Subscriptions over HTTP: asking, agreeing, refusing, ending, and what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from system.served import SUBSCRIPTION, WRANGLER, Served

APP = """
ruleset app {
  meta {
    use module io.picolabs.subscription alias subs
    shares heard, told, roles
  }
  global {
    heard = function() { ent:heard.defaultsTo([]) }
    told = function() { ent:told.defaultsTo([]) }
    roles = function() { subs:established().map(function(bus) { bus{"Tx_role"} }) }
  }
  rule hear { select when app hello fired { ent:heard := heard().append(event:attrs{"n"}) } }
  rule note {
    select when wrangler subscription_added or wrangler subscription_removed
      or wrangler outbound_pending_subscription_added
      or wrangler inbound_pending_subscription_added
      or wrangler inbound_subscription_cancelled or wrangler outbound_subscription_cancelled
      or wrangler wellKnown_Tx_format_failure
    fired { ent:told := told().append(event:name) }
  }
  rule tell_one {
    select when app tell
    foreach subs:established("Tx_role", event:attrs{"role"}) setting(bus)
    event:send({"sub": bus, "domain": "app", "type": "hello", "attrs": event:attrs})
  }
}
"""


class Pair:
    """Two children, each with the application."""

    def __init__(self, served: Served) -> None:
        self.served = served
        path = Path(served.options.files or ".") / "app.krl"
        path.write_text(APP)
        self.one, self.two = (self._child(name, path.as_uri()) for name in ("one", "two"))

    def _child(self, name: str, url: str) -> str:
        (told,) = self.served.event(self.served.root(), "wrangler:new_child_request", name=name)
        eci = str(told["options"]["uiEci"])
        self.served.event(eci, "wrangler:install_ruleset_request", url=url)
        return eci

    def ask(self, **more: Any) -> str:
        """One asks two; the Id."""
        known = self.served.query(self.two, SUBSCRIPTION, "wellKnown_Rx")["id"]
        given = {"Rx_role": "student", "Tx_role": "teacher", "name": "lesson", **more}
        self.served.event(self.one, "wrangler:subscription", wellKnown_Tx=known, **given)
        self.served.settle()
        return str(self.buses(self.one, "outbound", "established")[-1]["Id"])

    def buses(self, eci: str, *kinds: str) -> list[Any]:
        return [bus for kind in kinds for bus in self.served.query(eci, SUBSCRIPTION, kind)]

    def counts(self, eci: str) -> list[int]:
        kinds = ("outbound", "inbound", "established")
        return [len(self.buses(eci, kind)) for kind in kinds]

    def do(self, eci: str, kind: str, /, **attrs: Any) -> None:
        self.served.event(eci, f"wrangler:{kind}", **attrs)
        self.served.restart()
        self.served.settle()

    def heard(self, eci: str) -> list[Any]:
        return [*self.served.query(eci, "app", "heard")]

    def told(self, eci: str) -> list[Any]:
        return [*self.served.query(eci, "app", "told")]

    def channels(self) -> int:
        """Of both."""
        return sum(
            len(self.served.query(eci, WRANGLER, "channels")) for eci in (self.one, self.two)
        )


@pytest.fixture
def pair(served: Served) -> Pair:
    return Pair(served)


def test_a_subscription_is_asked_for_agreed_to_and_ended(pair: Pair) -> None:
    before = pair.channels()
    subscription = pair.ask()
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([1, 0, 0], [0, 1, 0])
    (asked,) = pair.buses(pair.one, "outbound")
    (got,) = pair.buses(pair.two, "inbound")
    assert set(asked) == {"Id", "Rx", "Rx_role", "Tx_role", "wellKnown_Tx"}
    assert got == {
        "Id": subscription,
        "Rx": got["Rx"],
        "Tx": asked["Rx"],
        "Rx_role": "teacher",
        "Tx_role": "student",
    }
    pair.served.restart()
    pair.do(pair.two, "pending_subscription_approval", Id=subscription)
    (here,), (there,) = pair.buses(pair.one, "established"), pair.buses(pair.two, "established")
    assert there == got
    assert here == {**{key: asked[key] for key in asked if key != "wellKnown_Tx"}, "Tx": got["Rx"]}
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 1], [0, 0, 1])
    pair.do(pair.one, "subscription_cancellation", Id=subscription)
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 0], [0, 0, 0])
    assert pair.channels() == before
    assert pair.told(pair.one) == [
        "outbound_pending_subscription_added",
        "subscription_added",
        "subscription_removed",
    ]
    assert pair.told(pair.two)[0] == "inbound_pending_subscription_added"


def test_events_go_by_role_and_by_identifier(pair: Pair) -> None:
    subscription = pair.ask()
    pair.do(pair.two, "pending_subscription_approval", Id=subscription)
    hello = {"domain": "app", "type": "hello"}
    for n, chosen in enumerate(
        ({"Tx_role": "teacher"}, {"subID": subscription}, {"Rx_role": "student"}, {"Tx_role": "x"})
    ):
        pair.served.event(
            pair.one, "wrangler:send_event_on_subs", **hello, attrs={"n": n}, **chosen
        )
    pair.served.event(pair.one, "wrangler:send_event_on_subs", **hello, attrs={"n": "nobody"})
    pair.served.event(pair.two, "app:tell", role="student", n="back")
    pair.served.restart()
    pair.served.settle()
    assert (pair.heard(pair.two), pair.heard(pair.one)) == ([0, 1, 2], ["back"])
    assert pair.served.query(pair.one, "app", "roles") == ["teacher"]


def test_a_request_is_refused_or_taken_back(pair: Pair) -> None:
    before = pair.channels()
    pair.do(pair.two, "inbound_rejection", Id=pair.ask())
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 0], [0, 0, 0])
    pair.do(pair.one, "outbound_cancellation", Id=pair.ask())
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 0], [0, 0, 0])
    assert pair.channels() == before
    for eci in (pair.one, pair.two):
        assert (
            pair.told(eci)[1::2]
            == [f"{'out' if eci == pair.one else 'in'}bound_subscription_cancelled"] * 2
        )


def test_what_is_taken_back_while_it_is_agreed_to_ends_on_both_sides(pair: Pair) -> None:
    before = pair.channels()
    subscription = pair.ask()
    (bus,) = pair.buses(pair.two, "inbound")
    # As if the approval had crossed the cancellation on its way: two has agreed, one never heard.
    pair.served.event(pair.two, "wrangler:inbound_pending_subscription_approved", Id=bus["Id"])
    pair.do(pair.one, "outbound_cancellation", Id=subscription)
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 0], [0, 0, 0])
    assert pair.channels() == before


def test_a_request_that_comes_twice_is_one(pair: Pair) -> None:
    subscription = pair.ask()
    (bus,) = pair.buses(pair.two, "inbound")
    known = pair.served.query(pair.two, SUBSCRIPTION, "wellKnown_Rx")["id"]
    again = {"Id": subscription, "Tx": bus["Tx"], "Rx_role": "teacher", "Tx_role": "student"}
    pair.served.event(known, "wrangler:new_subscription_request", **again)
    assert pair.buses(pair.two, "inbound") == [bus]
    pair.do(pair.two, "pending_subscription_approval", Id=subscription)
    pair.served.event(known, "wrangler:new_subscription_request", **again)
    pair.do(pair.two, "pending_subscription_approval", Id=subscription)
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 1], [0, 0, 1])


def test_who_is_welcome_is_accepted_without_asking(pair: Pair) -> None:
    rules = {"password": "sesame", "regexMap": {"Rx_role": "^teach", "name": "les+on"}}
    pair.served.event(pair.two, "wrangler:autoAcceptConfigUpdate", configName="pupils", **rules)
    assert pair.served.query(pair.two, SUBSCRIPTION, "autoAcceptConfig") == {"pupils": rules}
    pair.served.restart()
    for more in ({}, {"password": "guess"}, {"password": "sesame", "name": "other"}):
        pair.ask(**more)
    assert pair.counts(pair.two) == [0, 3, 0]
    pair.ask(password="sesame")
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([3, 0, 1], [0, 3, 1])
    (bus,) = pair.buses(pair.two, "established")
    assert pair.served.query(bus["Rx"], SUBSCRIPTION, "autoAcceptConfig") == {
        "pupils": {"regexMap": rules["regexMap"]}
    }
    pair.served.event(pair.two, "wrangler:autoAcceptConfigUpdate", configName="pupils", delete=True)
    assert pair.served.query(pair.two, SUBSCRIPTION, "autoAcceptConfig") == {}
    pair.served.event(pair.two, "wrangler:autoAcceptConfigUpdate", config={"all": {}})
    pair.ask()
    assert pair.counts(pair.two) == [0, 3, 2]


def test_a_bus_is_found_by_what_is_known_of_it(pair: Pair) -> None:
    pair.ask()
    (bus,) = pair.buses(pair.two, "inbound")
    pair.do(pair.two, "pending_subscription_approval", Rx=bus["Rx"])
    (here,) = pair.buses(pair.one, "established")
    assert pair.served.query(pair.one, SUBSCRIPTION, "established", key="Tx", value="x") == []
    by_role = {"key": "Tx_role", "value": "teacher"}
    assert pair.served.query(pair.one, SUBSCRIPTION, "established", **by_role) == [here]
    pair.do(here["Rx"], "subscription_cancellation")
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 0], [0, 0, 0])


def test_all_subscriptions_end_at_once(pair: Pair) -> None:
    before = pair.channels()
    first = pair.ask()
    pair.do(pair.two, "pending_subscription_approval", Id=first)
    pair.ask()
    pair.do(pair.two, "cancel_subscriptions")
    assert (pair.counts(pair.one), pair.counts(pair.two)) == ([0, 0, 0], [0, 0, 0])
    assert pair.channels() == before


def test_a_child_that_wants_to_end_says_so_to_its_peer_and_its_parent(pair: Pair) -> None:
    pair.do(pair.two, "pending_subscription_approval", Id=pair.ask())
    (bus,) = pair.buses(pair.two, "established")
    pair.do(pair.two, "intent_to_delete", Id=bus["Id"])
    assert pair.counts(pair.one) == [0, 0, 0]
    left = pair.served.query(pair.served.root(), WRANGLER, "children")
    assert [item["name"] for item in left] == ["one"]


def test_a_request_needs_somebody_to_ask(pair: Pair) -> None:
    pair.do(pair.one, "subscription", name="to nobody")
    assert pair.told(pair.one) == ["wellKnown_Tx_format_failure"]
    assert pair.counts(pair.one) == [0, 0, 0]


def test_strangers_can_ask_and_nothing_else(pair: Pair) -> None:
    known = pair.served.query(pair.one, SUBSCRIPTION, "wellKnown_Rx")["id"]
    for kind in ("wrangler/name_changed", "wrangler/pending_subscription_approval", "app/hello"):
        with pytest.raises(Exception, match="403"):
            pair.served.ask("POST", f"/c/{known}/event-wait/{kind}", {})
    with pytest.raises(Exception, match="403"):
        pair.served.query(known, SUBSCRIPTION, "established")
    assert pair.served.query(known, SUBSCRIPTION, "wellKnown_Rx")["id"] == known
