ruleset examples.payments {
  meta {
    name "Ledger of payments"
    description <<
Accounts that never go below zero and entries that are never changed. A transition happens as a
whole or not at all, so no payment is ever half done. Shows `every`, paths, `finally` and `error`.
    >>
    author "picomesh"
    shares balance, statement, is_balanced
  }

  global {
    balance = function(account) { ent:balances{account}.defaultsTo(0) }

    entries = function() { ent:entries.defaultsTo([]) }

    statement = function(account) {
      entries().filter(function(entry) { entry.values() >< account })
    }

    // What was paid in and never out again is what the accounts hold together.
    is_balanced = function() {
      held = ent:balances.values().reduce(function(a, b) { a + b }, 0);
      held == ent:paid_in.defaultsTo(0)
    }

    is_amount = function(cents) {
      cents.typeof() == "Number" && cents > 0 && math:int(cents) == cents
    }
  }

  rule deposit {
    select when payment deposited
      account re#^(\w+)$# setting(account)
      where is_amount(event:attrs{"cents"})
    pre { cents = event:attrs{"cents"} }
    always {
      ent:balances{account} := balance(account) + cents;
      ent:paid_in := ent:paid_in.defaultsTo(0) + cents;
      ent:entries := entries().append({"from": "(outside)", "to": account, "cents": cents})
    }
  }

  // An order that comes twice, because its sender never saw the answer, is carried out once.
  rule answer_repeated_order {
    select when payment ordered where ent:orders{event:attrs{"order"}}
    send_directive("paid_before", {"order": event:attrs{"order"}})
    always { last }
  }

  rule pay {
    select when payment ordered
      from re#^(\w+)$#
      to re#^(\w+)$# setting(from, to)
      where from != to && is_amount(event:attrs{"cents"})
    pre {
      cents = event:attrs{"cents"}
      order = event:attrs{"order"}
    }
    if balance(from) >= cents then every {
      send_directive("paid", {"order": order, "cents": cents, "to": to})
      send_directive("balance", {"account": from, "balance": balance(from) - cents})
    }
    fired {
      ent:balances{from} := balance(from) - cents;
      ent:balances{to} := balance(to) + cents;
      ent:entries := entries().append({"from": from, "to": to, "cents": cents});
      ent:orders{order} := true if order
    } else {
      error warn <<#{from} holds #{balance(from)} cents and cannot pay #{cents}>>
    } finally {
      ent:attempts := ent:attempts.defaultsTo(0) + 1
    }
  }

  rule refuse {
    select when system error
    send_directive("refused", {"why": event:attrs{"data"}})
  }
}
