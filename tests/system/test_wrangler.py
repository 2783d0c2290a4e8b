"""Wrangler over HTTP: children, channels, rulesets, names, deletion, and restarts in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from system.served import PDS, SUBSCRIPTION, WRANGLER, Refused, Served

ALL = {"allow": [{"domain": "*", "name": "*"}], "deny": []}
ALL_QUERIES = {"allow": [{"rid": "*", "name": "*"}], "deny": []}
APP = """
ruleset app {
  meta {
    use module io.picolabs.wrangler alias wrangler
    shares who, kids, asked, told, made, config
  }
  global {
    who = function() { wrangler:myself() }
    kids = function() { wrangler:children().map(function(child) { child{"name"} }) }
    asked = function(eci) { wrangler:picoQuery(eci, "io.picolabs.wrangler", "name", {}) }
    told = function() { ent:told.defaultsTo([]) }
    made = function() { ent:made }
    config = function() { ctx:rid_config }
  }
  rule heard { select when wrangler new_child_created or wrangler child_initialized
      or wrangler child_deleted or wrangler channel_created or wrangler channel_deleted
      or wrangler ruleset_installed or wrangler ruleset_uninstalled or wrangler rulesets_flushed
    fired { ent:told := told().append(event:name) } }
  rule open { select when app open
    wrangler:createChannel(["App", "door"], event:attrs{"events"}, event:attrs{"queries"})
      setting(channel)
    fired { ent:made := channel } }
  rule shut { select when app shut wrangler:deleteChannel(ent:made{"id"}) }
}
"""


def child(served: Served, name: str) -> Any:
    """A new child: what the directive says of it."""
    told = served.event(served.root(), "wrangler:new_child_request", name=name)
    return next(item["options"] for item in told if item["name"] == "new_child_created")


def names(served: Served, eci: str) -> list[str]:
    return [item["name"] for item in served.query(eci, WRANGLER, "children")]


def tags(served: Served, eci: str) -> list[str]:
    return sorted(",".join(item["tags"]) for item in served.query(eci, WRANGLER, "channels"))


def test_a_new_home_begins_with_a_root_pico_that_has_the_system_rulesets(served: Served) -> None:
    root = served.root()
    assert served.query(root, WRANGLER, "installedRIDs") == [WRANGLER, PDS, SUBSCRIPTION]
    assert tags(served, root) == ["allow-all", "pds", "system,self", "wellknown_rx,tx_rx"]
    assert served.query(root, SUBSCRIPTION, "wellKnown_Rx")["tags"] == ["wellknown_rx", "tx_rx"]
    assert served.query(root, WRANGLER, "myself")["name"] == "Root Pico"
    assert served.query(root, WRANGLER, "parent_eci") is None
    served.restart()
    assert served.root() == root
    assert tags(served, root) == ["allow-all", "pds", "system,self", "wellknown_rx,tx_rx"]


def test_a_child_is_ready_when_the_request_that_made_it_is_answered(served: Served) -> None:
    made = child(served, "Ada")
    eci = made["uiEci"]
    assert served.query(eci, WRANGLER, "installedRIDs") == [WRANGLER, PDS, SUBSCRIPTION]
    assert tags(served, eci) == [
        "engine,ui",
        "pds",
        "system,child",
        "system,self",
        "wellknown_rx,tx_rx",
    ]
    myself = served.query(eci, WRANGLER, "myself")
    assert (myself["name"], myself["eci"]) == ("Ada", made["eci"])
    assert served.query(eci, WRANGLER, "id") == myself["id"]
    (known,) = served.query(served.root(), WRANGLER, "children")
    assert known == {
        "eci": made["eci"],
        "name": "Ada",
        "parent_eci": served.query(eci, WRANGLER, "parent_eci"),
    }
    history = served.ask("GET", f"/api/v1/picos/{myself['id']}/receipts")
    assert history[0]["seq"] == 0 and len(history) == 2
    assert made["backgroundColor"] == "#87CEFA"


def install(served: Served, eci: str, name: str, text: str, **attrs: Any) -> None:
    path = Path(served.options.files or ".") / f"{name}.krl"
    path.write_text(text)
    served.event(eci, "wrangler:install_ruleset_request", url=path.as_uri(), **attrs)


@pytest.fixture
def app(served: Served) -> str:
    """The channel of a child with an application that uses wrangler as a module."""
    eci = str(child(served, "Ada")["uiEci"])
    install(served, eci, "app", APP, config={"a": 1})
    return eci


def test_a_ruleset_is_installed_by_url_and_uses_wrangler_as_a_module(
    served: Served, app: str
) -> None:
    assert served.query(app, "app", "told") == ["ruleset_installed"]
    assert served.query(app, "app", "config") == {"a": 1}
    assert served.query(app, WRANGLER, "rulesetConfig", rid="app") == {"a": 1}
    meta = served.query(app, WRANGLER, "rulesetMeta", rid="app")
    assert "who" in meta["shares"]
    assert served.query(app, "app", "who")["name"] == "Ada"
    served.restart()
    served.event(app, "wrangler:uninstall_ruleset_request", rid="app")
    assert "app" not in served.query(app, WRANGLER, "installedRIDs")
    rids = served.query(app, WRANGLER, "installedRIDs")
    served.event(app, "wrangler:uninstall_ruleset_request", rid="none")
    assert served.query(app, WRANGLER, "installedRIDs") == rids


def test_a_ruleset_beside_another_is_found_by_its_name(served: Served, app: str) -> None:
    files = Path(served.options.files or ".")
    (files / "other.krl").write_text("ruleset other { rule r { select when a b noop() } }")
    there = (files / "app.krl").as_uri()
    served.event(app, "wrangler:install_ruleset_request", absoluteURL=there, rid="other")
    assert served.query(app, WRANGLER, "installedRIDs")[-1] == "other"
    assert served.query(app, "app", "told") == ["ruleset_installed"] * 2


def test_a_flush_installs_what_is_behind_the_url_now(served: Served, app: str) -> None:
    path = Path(served.options.files or ".") / "app.krl"
    path.write_text(APP.replace("ctx:rid_config", '"newer"'))
    served.event(app, "wrangler:rulesets_need_flushing")
    served.settle()
    assert served.query(app, "app", "config") == "newer"
    assert served.query(app, "app", "told")[-1] == "rulesets_flushed"
    path.write_text("ruleset app {")
    with pytest.raises(Refused):
        served.event(app, "wrangler:rulesets_need_flushing")
    assert served.query(app, "app", "config") == "newer"


def test_a_newer_version_is_installed_once_where_it_is_asked_for_and_elsewhere_as_well(
    served: Served, app: str
) -> None:
    url = (Path(served.options.files or ".") / "app.krl").as_uri()
    other = child(served, "Bea")["uiEci"]
    served.event(other, "wrangler:install_ruleset_request", url=url)
    picos = [served.query(eci, WRANGLER, "id") for eci in (app, other)]
    before = [len(served.ask("GET", f"/api/v1/picos/{pico}/receipts")) for pico in picos]
    install(served, app, "app", APP.replace("ctx:rid_config", '"newer"'))
    served.settle()
    for eci in (app, other):
        assert served.query(eci, "app", "config") == "newer"
    after = [served.ask("GET", f"/api/v1/picos/{pico}/receipts") for pico in picos]
    new = [[item["kind"] for item in rows[had:]] for rows, had in zip(after, before, strict=True)]
    assert [kinds[:1] for kinds in new] == [["event"], ["install"]]
    assert "install" not in new[0]


def test_channels_come_and_go_by_events_and_by_actions(served: Served, app: str) -> None:
    before = tags(served, app)
    for request in (
        {"tags": ["B", "a c"], "eventPolicy": ALL, "queryPolicy": ALL_QUERIES},
        {"tags": "d,e", "eventPolicy": str(ALL).replace("'", '"'), "queryPolicy": ALL_QUERIES},
    ):
        (made,) = served.event(app, "wrangler:new_channel_request", **request)
        channel = made["options"]["channel"]
        assert served.query(channel["id"], "app", "who")["name"] == "Ada"
        assert served.query(app, WRANGLER, "channels", tags=channel["tags"][::-1]) == [channel]
        named = ",".join(channel["tags"]).upper()
        assert served.query(app, WRANGLER, "channels", tags=named) == [channel]
        served.restart()
        served.event(app, "wrangler:channel_deletion_request", eci=channel["id"])
        with pytest.raises(Refused) as refused:
            served.query(channel["id"], "app", "who")
        assert refused.value.status == 404
    served.event(app, "wrangler:new_channel_request", tags=["x"])
    assert tags(served, app) == before
    assert served.query(app, "app", "told")[1:] == ["channel_created", "channel_deleted"] * 2


def test_requests_in_the_words_of_the_reference_s_administration_are_understood(
    served: Served, app: str
) -> None:
    (told,) = served.event(app, "engine_ui:new", name="Cy")
    assert names(served, app) == ["Cy"]
    asked = {"tags": "x,y", "eventPolicy": ALL, "queryPolicy": ALL_QUERIES}
    (made,) = served.event(app, "engine_ui:new_channel", **asked)
    served.event(app, "engine_ui:del_channel", eci=made["options"]["channel"]["id"])
    assert served.query(app, WRANGLER, "channels", tags="x,y") == []
    served.event(app, "engine_ui:uninstall", rid="app")
    assert "app" not in served.query(app, WRANGLER, "installedRIDs")
    url = (Path(served.options.files or ".") / "app.krl").as_uri()
    served.ask("GET", f"/c/{app}/event-wait/engine_ui/install?url={url}")
    assert "app" in served.query(app, WRANGLER, "installedRIDs")
    served.event(app, "engine_ui:del", eci=told["options"]["eci"])
    assert names(served, app) == []


def test_the_actions_of_wrangler_make_and_remove_channels(served: Served, app: str) -> None:
    before = tags(served, app)
    served.event(app, "app:open", events=ALL, queries={"allow": [], "deny": []})
    made = served.query(app, "app", "made")
    assert (made["tags"], made["queryPolicy"]["allow"]) == (["app", "door"], [])
    served.event(app, "app:shut")
    assert tags(served, app) == before


def test_a_name_changes_and_the_parent_knows(served: Served, app: str) -> None:
    served.event(app, "wrangler:name_changed", name="Bea")
    served.restart()
    served.settle()
    assert served.query(app, WRANGLER, "name") == "Bea"
    assert names(served, served.root()) == ["Bea"]


def test_picos_ask_each_other_but_not_themselves(served: Served, app: str) -> None:
    other = child(served, "Bea")
    assert served.query(app, "app", "asked", eci=other["uiEci"]) == "Bea"
    assert served.query(app, "app", "asked", eci=app)["status_code"] == 400
    assert served.query(app, "app", "asked", eci="did:peer:2xyz")["status_code"] == 501
    with pytest.raises(Refused):
        served.query(app, "app", "asked", eci="nobody")


def test_grandchildren_are_deleted_with_their_parent(served: Served, app: str) -> None:
    (told,) = served.event(app, "wrangler:new_child_request", name="Cy")
    grandchild = told["options"]["uiEci"]
    served.settle()
    assert served.query(app, "app", "kids") == ["Cy"]
    assert served.query(app, "app", "told")[1:] == ["new_child_created", "child_initialized"]
    (known,) = served.query(served.root(), WRANGLER, "children")
    served.restart()
    served.event(served.root(), "wrangler:child_deletion_request", eci=known["eci"])
    assert names(served, served.root()) == []
    for gone in (app, grandchild):
        with pytest.raises(Refused) as refused:
            served.query(gone, WRANGLER, "name")
        assert refused.value.status == 404


def test_a_child_asks_to_be_deleted_and_only_its_own_channel_says_which(
    served: Served, app: str
) -> None:
    child(served, "Bea")
    (ada, _) = served.query(served.root(), WRANGLER, "children")
    with pytest.raises(Refused):
        served.event(ada["parent_eci"], "wrangler:ready_for_deletion")
    served.event(served.root(), "wrangler:ready_for_deletion", eci=ada["eci"])
    assert names(served, served.root()) == ["Ada", "Bea"]
    served.event(app, "wrangler:intent_to_delete")
    served.restart()
    served.settle()
    assert names(served, served.root()) == ["Bea"]


def test_what_cannot_be_done_changes_nothing(served: Served) -> None:
    root = served.root()
    before = tags(served, root)
    for kind, attrs in (
        ("child_deletion_request", {"eci": "nobody"}),
        ("channel_deletion_request", {"eci": "nobody"}),
        ("channel_deletion_request", {"eci": served.query(root, WRANGLER, "id")}),
        ("install_ruleset_request", {"url": "file:///nowhere.krl"}),
        ("new_channel_request", {"tags": ["system"], "eventPolicy": ALL, "queryPolicy": ALL}),
    ):
        with pytest.raises(Refused) as refused:
            served.event(root, f"wrangler:{kind}", **attrs)
        assert refused.value.status == 422
    assert tags(served, root) == before
    assert served.query(root, WRANGLER, "installedRIDs") == [WRANGLER, PDS, SUBSCRIPTION]


def test_nobody_but_the_parent_begins_a_child(served: Served, app: str) -> None:
    served.event(app, "wrangler:pico_created", name="Eve")
    served.event(app, "engine:started", name="Eve")
    assert served.query(app, WRANGLER, "name") == "Ada"
    assert tags(served, app).count("engine,ui") == 1
