ruleset io.picolabs.wrangler {
  meta { provides children shares children }
  global { children = function() { [] } }
  rule named {
    select when wrangler name_changed
    always {
      ent:name := event:attrs{"name"}
      ent:of_the_reference_alone := 1
    }
  }
}
