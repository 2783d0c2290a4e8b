ruleset examples.counter {
  meta {
    name "Counter"
    description <<
A number that events move. Read this one first: a stored value, a query, an attribute match, a
guard, and one rule that raises an event for another.
    >>
    author "picomesh"
    shares value, summary
  }

  global {
    value = function() {
      ent:value.defaultsTo(0)
    }

    summary = function() {
      {
        "value": value(),
        "changes": ent:changes.defaultsTo(0),
        "highest": ent:highest.defaultsTo(0)
      }
    }
  }

  // Without `by` the capture is empty and the step is 1; with anything but a whole number in
  // it the pattern does not match, and the rule is not selected at all.
  rule increment {
    select when counter incremented
      by re#^(\d+)?$# setting(by)
    pre {
      next = value() + by.defaultsTo(1).as("Number")
    }
    send_directive("counted", {"value": next})
    fired {
      raise counter event "record_broken" attributes {"value": next}
        if next > ent:highest.defaultsTo(0);
      ent:value := next;
      ent:changes := ent:changes.defaultsTo(0) + 1
    }
  }

  rule decrement {
    select when counter decremented
    if value() > 0 then
      send_directive("counted", {"value": value() - 1})
    fired {
      ent:value := value() - 1;
      ent:changes := ent:changes.defaultsTo(0) + 1
    } else {
      log warn "a counter does not go below zero"
    }
  }

  rule remember_record {
    select when counter record_broken
    always { ent:highest := event:attrs{"value"} }
  }

  rule reset {
    select when counter reset
    send_directive("counted", {"value": 0})
    always {
      clear ent:value;
      clear ent:changes
    }
  }
}
