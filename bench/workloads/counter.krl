ruleset bench.counter {
  meta {
    name "Counter"
    description <<One number that grows: the least that changes a pico.>>
    author "picomesh"
    shares total
  }
  global {
    total = function() { ent:total }
  }
  rule count {
    select when counter count
    send_directive("counted", {"before": ent:total})
    always { ent:total := ent:total + 1 }
  }
  rule clear {
    select when counter clear
    always { ent:total := 0 }
  }
}
