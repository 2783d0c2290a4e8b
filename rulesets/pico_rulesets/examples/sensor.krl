ruleset examples.sensor {
  meta {
    name "Sensor with thresholds"
    description <<
Takes heartbeats of a sensor, keeps the latest readings, and raises an event when one leaves its
limits. Shows `foreach` over a map, `on final`, and event expressions with `count` and `within`.
    >>
    author "picomesh"
    shares readings, latest, statistics
  }

  global {
    kept = 20

    readings = function(kind) {
      ent:readings{kind}.defaultsTo([])
    }

    latest = function(kind) {
      readings(kind).reverse().head()
    }

    statistics = function(kind) {
      values = readings(kind).sort("numeric");
      sum = values.reduce(function(a, b) { a + b }, 0);
      values.isEmpty() => null | {
        "readings": values.length(),
        "lowest": values.head(),
        "highest": values.reverse().head(),
        "average": math:round(sum / values.length(), 2)
      }
    }

    side = function(value, limits) {
      limits.isnull() => null
        | value < limits{"lower"} => "below"
        | value > limits{"upper"} => "above"
        | null
    }
  }

  rule set_threshold {
    select when sensor threshold_set
      kind re#^(\w+)$# setting(kind)
      where event:attrs{"lower"} <= event:attrs{"upper"}
    always {
      ent:thresholds{kind} := {"lower": event:attrs{"lower"}, "upper": event:attrs{"upper"}}
    }
  }

  rule record {
    select when sensor heartbeat
    foreach event:attrs{"readings"} setting(value, kind)
    pre {
      values = readings(kind).append(value)
      found = side(value, ent:thresholds{kind})
    }
    always {
      ent:readings{kind} := values.length() > kept => values.tail() | values;
      raise sensor event "limit_left" attributes {"kind": kind, "value": value, "side": found}
        if found;
      ent:heartbeats := ent:heartbeats.defaultsTo(0) + 1 on final
    }
  }

  rule report {
    select when sensor limit_left
    send_directive("limit_left", event:attrs)
  }

  // Three in a row within ten minutes are more than noise. An event that does not match, here one
  // of another kind, starts the count anew.
  rule alarm {
    select when count 3 (sensor limit_left kind re#^temperature$#) within 10 minutes
    send_directive("alarm", {"kind": "temperature", "value": event:attrs{"value"}})
    fired { ent:alarms := ent:alarms.defaultsTo([]).append(event:attrs{"value"}) }
  }
}
