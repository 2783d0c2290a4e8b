ruleset bench.keyed {
  meta {
    name "Keyed"
    description <<A large map, of which an event or a query needs one entry.>>
    author "picomesh"
    shares entry, size
  }
  global {
    entry = function(key) { ent:all{key} }
    size = function() { ent:all.length() }
  }
  rule fill {
    select when keyed fill
    always { ent:all := event:attrs{"all"} }
  }
  rule more {
    select when keyed more
    foreach event:attrs{"all"} setting(value, key)
    always { ent:all{key} := value }
  }
  rule touch {
    select when keyed touch
    pre { key = event:attrs{"key"} }
    send_directive("touched", {"before": ent:all{[key, "number"]}})
    always { ent:all{[key, "number"]} := event:attrs{"number"} }
  }
}
