ruleset bench.compute {
  meta {
    name "Compute"
    description <<One kind of work for each rule; the benches measure them.>>
    author "picomesh"
  }
  global {
    fib = function(n) { n < 2 => n | fib(n - 1) + fib(n - 2) }
    chain = function(n) {
      0.range(n - 1)
        .map(function(x) { x * 2 + 1 })
        .filter(function(x) { x % 3 == 0 })
        .reduce(function(a, x) { a + x }, 0)
    }
    text = function(n) {
      all = 1.range(n).reduce(function(s, i) { s + <<item-#{i};>> }, "")
      all.split(re#;#)
        .filter(function(p) { p.match(re#^item-\d*7$#) })
        .map(function(p) { p.replace(re#item-(\d+)#, "x$1").uc() })
        .join(",")
        .length()
    }
    table = function(n) {
      0.range(n - 1).collect(function(i) { "k" + i })
        .map(function(v, k) { {"name": k, "numbers": v.append([1.5, -2, 100000000000]), "ok": true} })
    }
    sorted = function(n) {
      numbers = 0.range(n - 1).map(function(x) { (x * 7919 + 13) % 10007 })
      up = numbers.sort("numeric")
      down = numbers.sort(function(p, q) { q - p })
      words = numbers.map(function(x) { "w" + x }).sort()
      up[0] + down[0] + words.length()
    }
  }
  rule fib {
    select when compute fib
    send_directive("r", {"r": fib(event:attrs{"n"})})
  }
  rule chain {
    select when compute chain
    send_directive("r", {"r": chain(event:attrs{"n"})})
  }
  rule text {
    select when compute text
    send_directive("r", {"r": text(event:attrs{"n"})})
  }
  rule data {
    select when compute data
    pre {
      all = table(event:attrs{"n"})
      again = all.encode().decode()
    }
    send_directive("r", {"r": again.length()})
    always { ent:data := again }
  }
  rule sort {
    select when compute sort
    send_directive("r", {"r": sorted(event:attrs{"n"})})
  }
}
