ruleset test.notes {
  meta {
    name "Notes"
    use module test.words alias words with greeting = "Moin"
    shares notes, hello, big, log
  }
  global {
    notes = function() { ent:notes }
    hello = function(name) { words:greet(name) }
    big = function(k) { ent:big{k} }
    log = function() { ent:log }
  }
  rule keep {
    select when notes keep
    always {
      ent:notes{event:attrs{"key"}} := event:attrs{"value"}
      ent:log := ent:log.defaultsTo([]).append(event:attrs{"key"})
    }
  }
  rule many {
    select when notes many
    foreach 1.range(80) setting(i)
    always { ent:big{"key " + (100 - i)} := {"i": i, "square": i * i} }
  }
  rule plan {
    select when notes plan
    always {
      schedule notes event "due" at time:add(time:now(), {"days": 3650}) attributes {"what": "once"}
      schedule notes event "due" repeat "5 4 * * 1" attributes {"what": "weekly"}
    }
  }
  rule due {
    select when notes due
    always { ent:due := ent:due.defaultsTo([]).append(event:attrs{"what"}) }
  }
  rule oddities {
    select when notes oddities
    always {
      ent:text := "umlauts äöü, a smile 😀, a quote \" and a backslash \\"
      ent:numbers := [0, -1, 1.5, 9007199254740993, 0.1 + 0.2, 1000000000000000000000]
      ent:mixed := {"b": 1, "10": "ten", "2": "two", "a": {"x": [null, true, {}]}}
      ent:empty := {}
      ent:deep := 1.range(40).reduce(function(inner, i) { {"d": [inner]} }, "bottom")
    }
  }
}
