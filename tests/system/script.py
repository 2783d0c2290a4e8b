"""One script for two engines: everything the system rulesets do, as a list of what was seen.

It speaks to a `World`, which is picomesh behind HTTP or the reference's core, and runs the same
rulesets on both. Identifiers are replaced by numbers in the order in which they turn up.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

WRANGLER = "io.picolabs.wrangler"
SUBSCRIPTION = "io.picolabs.subscription"
PDS = "io.picolabs.pds"
# An identifier of a channel or pico here, a cuid there, a uuid.
_IDENTIFIER = re.compile(r"\b(?:bafyr[a-z2-7]{50,}|[a-z2-7]{24}|c[a-z0-9]{24})\b")

APP = """
ruleset app {
  meta {
    use module io.picolabs.wrangler alias wrangler
    use module io.picolabs.subscription alias subs
    shares heard, told, who, roles, entries
  }
  global {
    heard = function() { ent:heard.defaultsTo([]) }
    told = function() { ent:told.defaultsTo([]) }
    who = function() { wrangler:myself() }
    roles = function() { subs:established().map(function(bus) { bus{"Tx_role"} }) }
    entries = function() { schedule:list().length() }
  }
  rule hear { select when app hello fired { ent:heard := heard().append(event:attrs{"n"}) } }
  rule note {
    select when wrangler new_child_created or wrangler child_initialized or wrangler child_deleted
      or wrangler channel_created or wrangler channel_deleted or wrangler ruleset_installed
      or wrangler subscription_added or wrangler subscription_removed
      or wrangler inbound_subscription_cancelled or wrangler outbound_subscription_cancelled
    fired { ent:told := told().append(event:name) }
  }
  rule reply {
    select when app reply
    foreach subs:established("Tx_role", event:attrs{"role"}) setting(bus)
    event:send({"sub": bus, "domain": "app", "type": "hello", "attrs": event:attrs})
  }
  rule soon {
    select when app soon
    fired { schedule app event "hello" at time:add(time:now(), {"seconds": 1})
      attributes {"n": event:attrs{"n"}} }
  }
  rule later {
    select when app later
    fired { schedule app event "hello" at time:add(time:now(), {"days": event:attrs{"days"}})
      attributes {"n": "later"} setting(entry);
      ent:entry := entry{"id"} }
  }
  rule forget { select when app forget schedule:remove(ent:entry) }
}
"""
ALL = {"allow": [{"domain": "*", "name": "*"}], "deny": []}
ALL_QUERIES = {"allow": [{"rid": "*", "name": "*"}], "deny": []}


class World(Protocol):
    """An engine, whichever."""

    def root(self) -> str: ...
    def publish(self, name: str, text: str) -> str: ...
    def event(self, eci: str, kind: str, /, **attrs: Any) -> list[Any]: ...
    def query(self, eci: str, rid: str, name: str, /, **args: Any) -> Any: ...
    def settle(self) -> None: ...
    def restart(self) -> None: ...
    def wait(self, seconds: float) -> None: ...


class Transcript:
    """What was seen, by the name of the step."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: dict[str, Any] = {}
        self._known: dict[str, str] = {}

    def see(self, step: str, value: Any) -> None:
        assert step not in self.seen, f"two steps are called {step}"
        self.seen[step] = self._plain(value)

    def _plain(self, value: Any) -> Any:
        match value:
            case str():
                return _IDENTIFIER.sub(lambda found: self._number(found.group()), value)
            case dict():
                return {key: self._plain(item) for key, item in value.items()}
            case list():
                return [self._plain(item) for item in value]
        return value

    def _number(self, identifier: str) -> str:
        return self._known.setdefault(identifier, f"#{len(self._known)}")

    # -- steps

    def do(self, step: str, eci: str, kind: str, /, **attrs: Any) -> list[Any]:
        """An event; its directives are seen, or that it failed."""
        try:
            told = self.world.event(eci, kind, **attrs)
        except Exception:
            self.see(step, "failed")
            return []
        self.world.settle()
        self.see(step, [{"name": item["name"], "options": item["options"]} for item in told])
        return told

    def ask(self, step: str, eci: str, rid: str, name: str, /, **args: Any) -> Any:
        try:
            value = self.world.query(eci, rid, name, **args)
        except Exception:
            value = "failed"
        self.see(step, value)
        return value

    def tags(self, step: str, eci: str) -> None:
        found = self.world.query(eci, WRANGLER, "channels")
        self.see(step, sorted(",".join(item["tags"]) for item in found))


def play(world: World) -> dict[str, Any]:
    """The script."""
    it = Transcript(world)
    root = world.root()
    it.tags("root: channels", root)
    it.ask("root: rulesets", root, WRANGLER, "installedRIDs")
    it.ask("root: myself", root, WRANGLER, "myself")
    it.ask("root: no parent", root, WRANGLER, "parent_eci")
    url = world.publish("app", APP)
    one, two = (_child(it, name, url) for name in ("one", "two"))
    it.ask("children", root, WRANGLER, "children")
    _channels(it, one)
    _subscribe(it, one, two)
    world.restart()
    _talk(it, one, two)
    _keep(it, one)
    _schedule(it, one)
    _part(it, one, two)
    _refuse(it, one, two)
    _end(it, one, two)
    return it.seen


def _child(it: Transcript, name: str, url: str) -> str:
    (told,) = it.do(f"{name}: made", it.world.root(), "wrangler:new_child_request", name=name)
    eci = str(told["options"]["uiEci"])
    it.tags(f"{name}: channels", eci)
    it.ask(f"{name}: rulesets", eci, WRANGLER, "installedRIDs")
    it.ask(f"{name}: myself", eci, WRANGLER, "myself")
    it.do(f"{name}: install", eci, "wrangler:install_ruleset_request", url=url, config={"a": 1})
    it.ask(f"{name}: config", eci, WRANGLER, "rulesetConfig", rid="app")
    it.ask(f"{name}: module", eci, "app", "who")
    return eci


def _channels(it: Transcript, eci: str) -> None:
    asked = {"tags": ["B", "a c"], "eventPolicy": ALL, "queryPolicy": ALL_QUERIES}
    (told,) = it.do("channel: made", eci, "wrangler:new_channel_request", **asked)
    channel = told["options"]["channel"]["id"]
    it.ask("channel: found by tags", eci, WRANGLER, "channels", tags="A-C,b")
    it.ask("channel: is used", channel, "app", "heard")
    it.do("channel: removed", eci, "wrangler:channel_deletion_request", eci=channel)
    it.ask("channel: is gone", channel, "app", "heard")
    it.do("channel: unknown", eci, "wrangler:channel_deletion_request", eci="nobody")
    it.do("channel: incomplete", eci, "wrangler:new_channel_request", tags=["x"])


def _request(it: Transcript, step: str, asker: str, asked: str, **more: Any) -> Any:
    known = it.world.query(asked, SUBSCRIPTION, "wellKnown_Rx")["id"]
    given = {"wellKnown_Tx": known, "Rx_role": "pupil", "Tx_role": "teacher", "name": "lesson"}
    it.do(step, asker, "wrangler:subscription", **{**given, **more})
    it.ask(f"{step}: outbound", asker, SUBSCRIPTION, "outbound")
    return it.ask(f"{step}: inbound", asked, SUBSCRIPTION, "inbound")


def _subscribe(it: Transcript, one: str, two: str) -> None:
    (bus,) = _request(it, "asked", one, two)
    it.do("agreed", two, "wrangler:pending_subscription_approval", Id=bus["Id"])
    config = {"friends": {"password": "x", "regexMap": {"Tx_role": "^r"}}}
    it.do("welcome", one, "wrangler:autoAcceptConfigUpdate", config=config)
    it.ask("welcome: config", one, SUBSCRIPTION, "autoAcceptConfig")
    _request(it, "asked back", two, one, Rx_role="right", Tx_role="left", password="x")
    for name, eci in (("one", one), ("two", two)):
        it.ask(f"{name}: established", eci, SUBSCRIPTION, "established")
        it.ask(f"{name}: roles", eci, "app", "roles")
        it.tags(f"{name}: channels of subscriptions", eci)


def _talk(it: Transcript, one: str, two: str) -> None:
    hello = {"domain": "app", "type": "hello"}
    for role in ("teacher", "right", "nobody"):
        attrs = {"n": role}
        it.do(
            f"tell {role}", one, "wrangler:send_event_on_subs", Tx_role=role, attrs=attrs, **hello
        )
    it.do("answer", two, "app:reply", role="pupil", n="back")
    it.ask("one: heard", one, "app", "heard")
    it.ask("two: heard", two, "app", "heard")


def _keep(it: Transcript, eci: str) -> None:
    it.do("keep", eci, "pds:new_data_available", namespace="a", keyvalue="b", value={"c": [1.5]})
    it.do("keep more", eci, "pds:map_item", namespace="a", mapvalues={"d": None, "e": 2})
    it.do("drop", eci, "pds:remove_old_data", namespace="a", keyvalue="e")
    it.ask("kept", eci, PDS, "items", namespace="a")
    it.ask("keys", eci, PDS, "get_keys", namespace="a", sort_opt="reverse", num_to_return=1)
    it.do("profile", eci, "pds:updated_profile", name="Ada")
    it.ask("profile: kept", eci, PDS, "profile")
    data = {"setRID": "app", "setName": "App", "setData": {"level": 3}}
    it.do("setting", eci, "pds:add_settings", **data)
    it.ask("setting: kept", eci, PDS, "get_setting_data_value", setRID="app", setKey="level")
    it.ask("setting: names", eci, PDS, "settings_names")


def _schedule(it: Transcript, eci: str) -> None:
    it.do("schedule", eci, "app:soon", n="soon")
    it.world.wait(1.5)
    it.ask("schedule: fired", eci, "app", "heard")
    for days in (1, 2):
        it.do(f"schedule in {days} days", eci, "app:later", days=days)
    it.do("schedule: one is removed", eci, "app:forget")
    it.ask("schedule: entries left", eci, "app", "entries")


def _part(it: Transcript, one: str, two: str) -> None:
    (bus, other) = it.world.query(one, SUBSCRIPTION, "established")
    it.do("cancel", one, "wrangler:subscription_cancellation", Id=bus["Id"])
    it.do("cancel by channel", other["Rx"], "wrangler:subscription_cancellation")
    for name, eci in (("one", one), ("two", two)):
        it.ask(f"{name}: established no more", eci, SUBSCRIPTION, "established")
        it.tags(f"{name}: channels after all", eci)


def _refuse(it: Transcript, one: str, two: str) -> None:
    (bus,) = _request(it, "asked again", one, two)
    it.do("refused", two, "wrangler:inbound_rejection", Id=bus["Id"])
    (bus,) = _request(it, "asked a third time", one, two)
    it.do("taken back", one, "wrangler:outbound_cancellation", Id=bus["Id"])
    it.do("nobody to ask", one, "wrangler:subscription", name="x")
    known = it.world.query(two, SUBSCRIPTION, "wellKnown_Rx")["id"]
    it.do("no roles", one, "wrangler:subscription", wellKnown_Tx=known, name="x")
    it.ask("no roles: outbound", one, SUBSCRIPTION, "outbound")
    it.ask("no roles: inbound", two, SUBSCRIPTION, "inbound")
    it.do("all end", two, "wrangler:cancel_subscriptions")
    for name, eci in (("one", one), ("two", two)):
        it.ask(f"{name}: told", eci, "app", "told")
        it.ask(f"{name}: inbound at the end", eci, SUBSCRIPTION, "inbound")
        it.ask(f"{name}: outbound at the end", eci, SUBSCRIPTION, "outbound")


def _end(it: Transcript, one: str, two: str) -> None:
    root = it.world.root()
    it.do("rename", one, "wrangler:name_changed", name="uno")
    it.ask("renamed", root, WRANGLER, "children")
    it.do("uninstall", two, "wrangler:uninstall_ruleset_request", rid="app")
    it.ask("uninstalled", two, WRANGLER, "installedRIDs")
    it.do("uninstall a module in use", one, "wrangler:uninstall_ruleset_request", rid=WRANGLER)
    it.do("wants to end", two, "wrangler:intent_to_delete")
    it.ask("one is left", root, WRANGLER, "children")
    left = it.world.query(root, WRANGLER, "children")
    it.do("delete", root, "wrangler:child_deletion_request", eci=left[0]["eci"])
    it.do("delete nobody", root, "wrangler:child_deletion_request", eci="nobody")
    it.ask("none is left", root, WRANGLER, "children")
    it.ask("deleted", one, WRANGLER, "name")
