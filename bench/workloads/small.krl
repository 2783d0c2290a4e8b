ruleset bench.small {
  meta {
    name "Small"
    description <<Rules that do next to nothing, each by another part of the language.>>
    author "picomesh"
    shares greet
  }
  global {
    greet = function(name) { "Hello " + name }
  }
  rule noop {
    select when small noop
  }
  rule first {
    select when small raise
    fired { raise small event "raised" attributes event:attrs }
  }
  rule second {
    select when small raised
    send_directive("raised", {})
  }
  rule hundred {
    select when small hundred
    foreach 1.range(100) setting(x)
    send_directive("x", {"x": x})
  }
  rule attributes {
    select when small attributes
      first re#^(\w+)-(\d+)$# setting(word, digits)
      where event:attrs{"second"} == "two"
    pre { sum = event:attrs{"third"} + event:attrs{"fourth"} }
    send_directive("got", {
      "word": word, "digits": digits, "sum": sum, "count": event:attrs.keys().length()
    })
  }
  rule payload {
    select when small payload
    send_directive("got", {"length": event:attrs{"payload"}.length()})
  }
}
