ruleset examples.todo {
  meta {
    name "To-do list"
    description <<
Things to do, kept in a map from id to item. Shows paths into a stored map, `filter` and `map` over
one, ids that are never used twice, and a rule that runs once for every item.
    >>
    author "picomesh"
    shares items, open_items, progress
  }

  global {
    items = function() {
      ent:items.defaultsTo({})
    }

    open_items = function() {
      items()
        .filter(function(item) { not item{"done"} })
        .map(function(item) { item{"title"} })
        .values()
    }

    progress = function() {
      total = items().length();
      done = total - open_items().length();
      {"done": done, "total": total, "percent": math:round(100 * done / total)}
    }
  }

  rule add {
    select when todo added
      title re#^\s*(\S.*?)\s*$# setting(title)
    pre {
      id = "item-" + (ent:last_number.defaultsTo(0) + 1)
    }
    send_directive("added", {"id": id, "title": title})
    fired {
      ent:last_number := ent:last_number.defaultsTo(0) + 1;
      ent:items{id} := {"title": title, "done": false}
    }
  }

  rule complete {
    select when todo completed
    pre {
      id = event:attrs{"id"}
    }
    if items() >< id then
      send_directive("completed", {"id": id})
    fired {
      ent:items{[id, "done"]} := true
    } else {
      raise todo event "id_unknown" attributes {"id": id}
    }
  }

  rule remove {
    select when todo removed where items() >< event:attrs{"id"}
    always { clear ent:items{event:attrs{"id"}} }
  }

  rule sweep {
    select when todo swept
    foreach items() setting(item, id)
    if item{"done"} then
      send_directive("swept", {"title": item{"title"}})
    fired { clear ent:items{id} }
  }

  rule report_unknown_id {
    select when todo id_unknown
    send_directive("unknown", {"id": event:attrs{"id"}})
  }
}
