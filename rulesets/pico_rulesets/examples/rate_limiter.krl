ruleset examples.rate_limiter {
  meta {
    name "Rate limiter"
    description <<
Lets through a number of requests of each client in a sliding window of time, and shuts out for a
while who keeps knocking. Shows `event:time`, which is the only clock a ruleset has, `repeat` with
an aggregator, and configuration with defaults.
    >>
    author "picomesh"
    configure using
      requests_max = 3
      window_ms = 10000
    shares standing, limits
  }

  global {
    limits = function() {
      {"requests_max": requests_max, "window_ms": window_ms}
    }

    recent = function(client, now) {
      ent:served{client}.defaultsTo([]).filter(function(time) { time > now - window_ms })
    }

    standing = function(client) {
      {
        "served": ent:served{client}.defaultsTo([]).length(),
        "refused": ent:refused{client}.defaultsTo(0),
        "shut_out_until": ent:shut_out_until{client}
      }
    }
  }

  rule serve {
    select when request arrived
      client re#^([\w.:-]+)$# setting(client)
    pre {
      served = recent(client, event:time)
      free_at = served.length() < requests_max => 0 | served.head() + window_ms
      open_at = [free_at, ent:shut_out_until{client}].sort("ciremun").head()
    }
    if event:time >= open_at then
      send_directive("served", {"client": client, "left": requests_max - served.length() - 1})
    fired {
      ent:served{client} := served.append(event:time)
    } else {
      ent:refused{client} := ent:refused{client}.defaultsTo(0) + 1;
      raise request event "refused"
        attributes {"client": client, "wait_ms": open_at - event:time}
    }
  }

  rule refuse {
    select when request refused
    send_directive("refused", event:attrs)
  }

  // `push` keeps the clients of the last five refusals; if all are one, that one is shut out.
  rule shut_out {
    select when repeat 5 (request refused client re#(.+)#) push(clients) within 1 minute
    if clients.unique().length() == 1 then
      send_directive("shut_out", {"client": clients.head()})
    fired { ent:shut_out_until{clients.head()} := event:time + 10 * window_ms }
  }

  rule pardon {
    select when request pardoned
      client re#(.+)# setting(client)
    always {
      clear ent:shut_out_until{client};
      clear ent:served{client};
      clear ent:refused{client}
    }
  }
}
