"""The personal data store over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from system.served import PDS, WRANGLER, Refused, Served


def items(served: Served, **args: Any) -> Any:
    return served.query(served.root(), PDS, "items", **args)


def test_data_is_kept_by_namespace_and_key(served: Served) -> None:
    root = served.root()
    assert items(served) == {}
    served.event(root, "pds:new_data_available", namespace="a", keyvalue="x", value={"n": [1]})
    served.event(root, "pds:new_data_available", namespace="a", keyvalue="y", value=2)
    served.event(root, "pds:new_data_available", domain="b", key="z", value="3")
    served.restart()
    assert items(served) == {"a": {"x": {"n": [1]}, "y": 2}, "b": {"z": "3"}}
    assert items(served, namespace="a", keyvalue="y") == items(served, domain="a", key="y") == 2
    served.event(root, "pds:updated_data_available", namespace="a", keyvalue="y", value=4)
    served.event(root, "pds:remove_old_data", namespace="a", keyvalue="x")
    assert items(served, namespace="a") == {"y": 4}
    served.event(root, "pds:map_item", namespace="a", mapvalues={"y": 5, "w": 6})
    assert items(served, namespace="a") == {"y": 5, "w": 6}
    served.event(root, "pds:remove_namespace", namespace="b")
    assert items(served) == {"a": {"y": 5, "w": 6}}
    served.event(root, "pds:clear_all_data")
    served.restart()
    assert items(served) == {}


def test_keys_are_listed_sorted_and_some_of_them(served: Served) -> None:
    for key in ("c", "a", "b"):
        served.event(
            served.root(), "pds:new_data_available", namespace="n", keyvalue=key, value=key
        )
    ask = {"namespace": "n"}
    query = served.query
    assert query(served.root(), PDS, "get_keys", **ask) == ["c", "a", "b"]
    assert query(served.root(), PDS, "get_keys", **ask, sort_opt="default") == ["a", "b", "c"]
    two = {**ask, "sort_opt": "reverse", "num_to_return": 2}
    assert query(served.root(), PDS, "get_keys", **two) == ["c", "b"]
    assert query(served.root(), PDS, "get_keys", **{**two, "num_to_return": 9}) == ["c", "b", "a"]
    assert query(served.root(), PDS, "get_keys") == ["n"]
    assert query(served.root(), PDS, "get_keys", namespace="none") == []


def test_a_profile_grows_and_holds_no_headers(served: Served) -> None:
    served.event(served.root(), "pds:updated_profile", name="Ada", mail="a@example.com")
    served.event(served.root(), "pds:updated_profile", mail="ada@example.com")
    profile = {"name": "Ada", "mail": "ada@example.com"}
    assert served.query(served.root(), PDS, "profile") == profile
    assert served.query(served.root(), PDS, "profile", key="name") == "Ada"


def test_settings_are_kept_for_rulesets(served: Served) -> None:
    given = {
        "setName": "Lamp",
        "setRID": "io.example.lamp",
        "setSchema": ["level"],
        "setData": {"level": 3},
    }
    served.event(served.root(), "pds:add_settings", **given)
    query = served.query
    assert query(served.root(), PDS, "settings") == {"io.example.lamp": given}
    assert query(served.root(), PDS, "settings", setRID="io.example.lamp") == given
    assert query(served.root(), PDS, "settings_names") == [
        {"setRID": "io.example.lamp", "setName": "Lamp"}
    ]
    asked = {"setRID": "io.example.lamp", "setKey": "level"}
    for name in ("get_setting_data_value", "get_config_value", "config_value"):
        assert query(served.root(), PDS, name, **asked) == 3


def test_its_channel_is_made_once_and_lets_nothing_else_through(served: Served) -> None:
    eci = served.query(served.root(), PDS, "getChannelEci")
    served.event(eci, "pds:new_data_available", namespace="a", keyvalue="b", value=1)
    assert served.query(eci, PDS, "items") == {"a": {"b": 1}}
    with pytest.raises(Refused):
        served.query(eci, WRANGLER, "children")
    with pytest.raises(Refused):
        served.event(eci, "wrangler:new_child_request", name="no")
    url = "picomesh:system/io.picolabs.pds.krl"
    for _ in range(2):
        served.event(served.root(), "wrangler:install_ruleset_request", url=url)
        served.restart()
    assert served.query(served.root(), PDS, "getChannelEci") == eci
    assert len(served.query(served.root(), WRANGLER, "channels", tags="pds")) == 1
