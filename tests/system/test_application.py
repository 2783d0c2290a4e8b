"""An application as they are written for the reference engine runs here as it stands.

A manager makes sensors as children, installs on each the ruleset that lies beside its own, lets
itself be introduced and subscribed to, and asks them over their subscriptions. It uses wrangler
and subscription as modules and by events, and nothing of picomesh.
"""

from __future__ import annotations

from typing import Any

import pytest

from system.served import SUBSCRIPTION, WRANGLER, Served

MANAGER = """
ruleset manager {
  meta {
    name "Manager"
    use module io.picolabs.wrangler alias wrangler
    use module io.picolabs.subscription alias subs
    shares sensors, temperatures, by_http
  }
  global {
    sensors = function() { ent:sensors.defaultsTo({}) }
    temperatures = function() {
      subs:established("Tx_role", "sensor").map(function(bus) {
        host = bus{"Tx_host"}.defaultsTo(meta:host)
        wrangler:picoQuery(bus{"Tx"}, "sensor", "last", {}, host)
      })
    }
    by_http = function(eci) { wrangler:skyQuery(eci, "sensor", "last", {}) }
  }
  rule new_sensor {
    select when manager new_sensor
    pre {
      name = event:attrs{"name"}
      is_known = sensors() >< name
    }
    if is_known then send_directive("sensor_exists", {"name": name})
    notfired {
      ent:sensors := sensors().put(name, "pending")
      raise wrangler event "new_child_request"
        attributes {"name": name, "backgroundColor": "#13A169"}
    }
  }
  rule store_new_sensor {
    select when wrangler new_child_created
    foreach ["sensor"] setting(rid)
    pre {
      eci = event:attrs{"eci"}
      name = event:attrs{"name"}
    }
    if name then
      event:send({
        "eci": eci, "eid": "install-ruleset",
        "domain": "wrangler", "type": "install_ruleset_request",
        "attrs": {
          "absoluteURL": meta:rulesetURI, "rid": rid, "config": {"unit": "C"}, "name": name
        }
      })
    fired { ent:sensors{name} := eci }
  }
  rule subscribe_to_sensor {
    select when manager identify where event:attrs{"wellKnown_eci"}
    always {
      raise wrangler event "subscription" attributes {
        "wellKnown_Tx": event:attrs{"wellKnown_eci"}, "Rx_role": "manager", "Tx_role": "sensor",
        "name": event:attrs{"name"} + "-sensor", "channel_type": "subscription"
      }
    }
  }
  rule remove_sensor {
    select when manager unneeded_sensor
    pre {
      name = event:attrs{"name"}
      eci = sensors(){name}
    }
    if eci then send_directive("deleting", {"name": name})
    fired {
      raise wrangler event "child_deletion_request" attributes {"eci": eci};
      clear ent:sensors{name}
    }
  }
}
"""
SENSOR = """
ruleset sensor {
  meta {
    use module io.picolabs.wrangler alias wrangler
    use module io.picolabs.subscription alias subs
    shares last, state
  }
  global {
    last = function() { ent:last }
    state = function() { {"unit": meta:rulesetConfig{"unit"}, "name": ent:name} }
  }
  rule begin {
    select when wrangler ruleset_installed where event:attrs{"rids"} >< meta:rid
    pre {
      well_known = subs:wellKnown_Rx(){"id"}
    }
    every {
      wrangler:createChannel(["sensor", "input"],
        {"allow": [{"domain": "sensor", "name": "*"}], "deny": []},
        {"allow": [{"rid": meta:rid, "name": "*"}], "deny": []}) setting(channel)
      event:send({"eci": wrangler:parent_eci(), "domain": "manager", "type": "identify",
        "attrs": {"name": event:attrs{"name"}, "wellKnown_eci": well_known}})
    }
    fired {
      ent:name := wrangler:name();
      ent:channel := channel
    }
  }
  rule accept {
    select when wrangler inbound_pending_subscription_added
    pre {
      mine = event:attrs{"Rx_role"}
      theirs = event:attrs{"Tx_role"}
    }
    if mine == "sensor" && theirs == "manager" then noop()
    fired {
      raise wrangler event "pending_subscription_approval" attributes event:attrs;
      ent:manager := event:attrs{"Tx"}
    } else {
      raise wrangler event "inbound_rejection" attributes event:attrs
    }
  }
  rule measure {
    select when sensor heartbeat
      temperature re#^(.+)$# setting(temperature)
    always { ent:last := temperature.as("Number") }
  }
}
"""


@pytest.fixture
def root(served: Served) -> str:
    served.publish("sensor", SENSOR)
    url = served.publish("manager", MANAGER)
    served.event(served.root(), "wrangler:install_ruleset_request", url=url)
    return served.root()


def input_of(served: Served, name: str) -> str:
    """The channel that a sensor made for its input, found as its owner finds it."""
    picos = [item["pico"] for item in served.ask("GET", "/api/v1/picos")]
    for pico in picos:
        seen = served.ask("GET", f"/api/v1/picos/{pico}")
        found = [item for item in seen["channels"] if item["tags"] == ["sensor", "input"]]
        if found and served.query(found[0]["id"], "sensor", "state")["name"] == name:
            return str(found[0]["id"])
    raise AssertionError(f"no sensor {name}")


def test_sensors_are_made_subscribed_asked_and_removed(served: Served, root: str) -> None:
    for name in ("kitchen", "cellar"):
        served.event(root, "manager:new_sensor", name=name)
        served.settle()
    (told,) = served.event(root, "manager:new_sensor", name="cellar")
    assert (told["name"], told["options"]) == ("sensor_exists", {"name": "cellar"})
    served.restart()
    buses = served.query(root, SUBSCRIPTION, "established")
    assert [bus["Tx_role"] for bus in buses] == ["sensor", "sensor"]
    for name, temperature in (("kitchen", "21.5"), ("cellar", 9)):
        served.event(input_of(served, name), "sensor:heartbeat", temperature=temperature)
    assert served.query(root, "manager", "temperatures") == [21.5, 9]
    unit: Any = served.query(input_of(served, "cellar"), "sensor", "state")
    assert unit == {"unit": "C", "name": "cellar"}
    served.event(root, "manager:unneeded_sensor", name="kitchen")
    assert [item["name"] for item in served.query(root, WRANGLER, "children")] == ["cellar"]
    assert list(served.query(root, "manager", "sensors")) == ["cellar"]


def test_a_stranger_with_another_role_is_refused(served: Served, root: str) -> None:
    served.event(root, "manager:new_sensor", name="attic")
    served.settle()
    (sensor,) = served.query(root, SUBSCRIPTION, "established")
    attic = input_of(served, "attic")
    (told,) = served.event(sensor["Tx"], "wrangler:new_child_request", name="stranger")
    stranger = told["options"]["uiEci"]
    known = served.query(sensor["Tx"], SUBSCRIPTION, "wellKnown_Rx")["id"]
    served.event(stranger, "wrangler:subscription", wellKnown_Tx=known, Rx_role="spy")
    served.settle()
    for kind in ("outbound", "established"):
        assert served.query(stranger, SUBSCRIPTION, kind) == []
    assert len(served.query(sensor["Tx"], SUBSCRIPTION, "established")) == 1
    assert served.query(attic, "sensor", "last") is None
