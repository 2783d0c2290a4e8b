ruleset test.words {
  meta {
    configure using greeting = "Hello"
    provides greet
    shares greet
  }
  global {
    greet = function(name) { greeting + ", " + name.defaultsTo(ent:default.defaultsTo("you")) }
  }
  rule default { select when words default always { ent:default := event:attrs{"name"} } }
}
