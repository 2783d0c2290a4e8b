ruleset test.kids {
  meta { use module io.picolabs.wrangler alias wrangler shares kids }
  global { kids = function() { wrangler:children() } }
  rule count { select when kids count always { ent:count := ent:count.defaultsTo(0) + 1 } }
}
