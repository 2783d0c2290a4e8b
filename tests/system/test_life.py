"""The whole life of two children over HTTP, with a restart in the middle of every part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from system.served import PDS, SUBSCRIPTION, WRANGLER, Served

APP = """
ruleset clock {
  meta { shares ticks, heard, listed }
  global {
    ticks = function() { ent:ticks.defaultsTo([]) }
    heard = function() { ent:heard.defaultsTo([]) }
    listed = function() { schedule:list().map(function(entry) { entry{"type"} }) }
  }
  rule soon {
    select when clock soon
    fired { schedule clock event "tick" at time:add(time:now(), {"seconds": event:attrs{"s"}})
      attributes {"n": event:attrs{"n"}} }
  }
  rule often {
    select when clock often
    fired { schedule clock event "tick" repeat "* * * * * *" attributes {"n": "often"} }
  }
  rule tick { select when clock tick fired { ent:ticks := ticks().append(event:attrs{"n"}) } }
  rule stop { select when clock stop schedule:clear() }
  rule hear { select when app hello fired { ent:heard := heard().append(event:attrs{"n"}) } }
}
"""


def make(served: Served, name: str) -> str:
    (told,) = served.event(served.root(), "wrangler:new_child_request", name=name)
    return str(told["options"]["uiEci"])


def ask(served: Served, asker: str, asked: str, mine: str, theirs: str) -> str:
    """A request for a subscription; its Id."""
    known = served.query(asked, SUBSCRIPTION, "wellKnown_Rx")["id"]
    given = {"wellKnown_Tx": known, "Rx_role": mine, "Tx_role": theirs}
    served.event(asker, "wrangler:subscription", **given)
    kinds = ("established", "outbound")  # it may be agreed to by now
    buses = [bus for kind in kinds for bus in served.query(asker, SUBSCRIPTION, kind)]
    return str(buses[-1]["Id"])


def tell(served: Served, sender: str, role: str, n: Any) -> None:
    sent = {"Tx_role": role, "domain": "app", "type": "hello", "attrs": {"n": n}}
    served.event(sender, "wrangler:send_event_on_subs", **sent)


def test_two_children_live_through_everything(served: Served) -> None:
    path = Path(served.options.files or ".") / "clock.krl"
    path.write_text(APP)
    left = make(served, "left")
    served.restart()
    right = make(served, "right")
    served.restart()
    for eci in (left, right):
        served.event(eci, "wrangler:install_ruleset_request", url=path.as_uri())
    subscribe_both_ways(served, left, right)
    talk(served, left, right)
    keep(served, left)
    schedule(served, left)
    part(served, left, right)
    delete(served, left, right)
    assert served.restarts >= 10


def subscribe_both_ways(served: Served, left: str, right: str) -> None:
    one = ask(served, left, right, "first", "second")
    served.restart()
    served.event(right, "wrangler:pending_subscription_approval", Id=one)
    served.restart()
    config = {"family": {"regexMap": {"Tx_role": "^fourth$"}}}
    served.event(left, "wrangler:autoAcceptConfigUpdate", config=config)
    ask(served, right, left, "fourth", "third")
    served.restart()
    for eci, roles in ((left, ["second", "fourth"]), (right, ["first", "third"])):
        served.until(lambda eci=eci: len(served.query(eci, SUBSCRIPTION, "established")) == 2)
        buses = served.query(eci, SUBSCRIPTION, "established")
        assert [bus["Tx_role"] for bus in buses] == roles


def talk(served: Served, left: str, right: str) -> None:
    for n in range(5):
        tell(served, left, "second", n)
        tell(served, right, "third", 10 + n)
        tell(served, left, "fourth", 20 + n)
        if n % 2:
            served.restart()
    served.settle()
    assert served.query(right, "clock", "heard") == [n + m for n in range(5) for m in (0, 20)]
    assert served.query(left, "clock", "heard") == [10 + n for n in range(5)]


def keep(served: Served, eci: str) -> None:
    served.event(eci, "pds:new_data_available", namespace="a", keyvalue="b", value={"c": [1.5]})
    served.restart()
    assert served.query(eci, PDS, "items", namespace="a", keyvalue="b") == {"c": [1.5]}


def schedule(served: Served, eci: str) -> None:
    served.event(eci, "clock:soon", n="at", s=1)
    served.event(eci, "clock:soon", n="missed", s=0)
    served.restart()
    served.until(lambda: len(served.query(eci, "clock", "ticks")) == 2)
    assert served.query(eci, "clock", "ticks") == ["missed", "at"]
    served.event(eci, "clock:often")
    served.restart()
    assert served.query(eci, "clock", "listed") == ["repeat"]
    served.until(lambda: "often" in served.query(eci, "clock", "ticks"))
    served.event(eci, "clock:stop")
    assert served.query(eci, "clock", "listed") == []


def part(served: Served, left: str, right: str) -> None:
    (one, two) = served.query(left, SUBSCRIPTION, "established")
    served.event(left, "wrangler:subscription_cancellation", Id=one["Id"])
    served.restart()
    served.event(right, "wrangler:subscription_cancellation", Id=two["Id"])
    served.settle()
    for eci in (left, right):
        assert served.query(eci, SUBSCRIPTION, "established") == []
        assert len(served.query(eci, WRANGLER, "channels")) == 5


def delete(served: Served, left: str, right: str) -> None:
    (one, _) = served.query(served.root(), WRANGLER, "children")
    served.event(served.root(), "wrangler:child_deletion_request", eci=one["eci"])
    served.restart()
    served.event(right, "wrangler:intent_to_delete")
    served.restart()
    served.settle()
    assert served.query(served.root(), WRANGLER, "children") == []
