ruleset bench.work {
  meta {
    name "Work"
    description <<Rules that compute and keep nothing.>>
    author "picomesh"
    shares fib
  }
  global {
    fib = function(n) { n < 2 => n | fib(n - 1) + fib(n - 2) }
    chain = function(n) {
      0.range(n - 1)
        .map(function(x) { x * 2 + 1 })
        .filter(function(x) { x % 3 == 0 })
        .reduce(function(sum, x) { sum + x }, 0)
    }
    text = function(n) {
      all = 1.range(n).reduce(function(so_far, at) { so_far + <<item-#{at};>> }, "")
      all.split(re#;#)
        .filter(function(word) { word.match(re#^item-\d*7$#) })
        .map(function(word) { word.replace(re#item-(\d+)#, "x$1").uc() })
        .join(",")
        .length()
    }
  }
  rule fib {
    select when work fib
    send_directive("done", {"result": fib(event:attrs{"n"})})
  }
  rule chain {
    select when work chain
    send_directive("done", {"result": chain(event:attrs{"n"})})
  }
  rule text {
    select when work text
    send_directive("done", {"result": text(event:attrs{"n"})})
  }
}
