ruleset examples.cart {
  meta {
    name "Shopping cart"
    description <<
A cart with quantities, a voucher and a checkout. Prices are whole cents: a number of cents adds up
exactly, a fraction of a euro does not. Shows actions of your own, `every`, and `last`.
    >>
    author "picomesh"
    shares lines, total, price_text
  }

  global {
    vouchers = {"WELCOME": 10, "FRIENDS": 25}

    lines = function() { ent:lines.defaultsTo({}) }

    // Asked with a code, it says what the cart would cost with that voucher.
    total = function(code = ent:voucher) {
      discount = vouchers{code}.defaultsTo(0);
      full = lines().values()
        .reduce(function(sum, line) { sum + line{"cents"} * line{"quantity"} }, 0);
      math:round(full * (100 - discount) / 100)
    }

    price_text = function(cents) {
      rest = cents % 100;
      <<EUR #{math:int(cents / 100)}.#{rest < 10 => "0" | ""}#{rest}>>
    }

    show = defaction(cents) {
      send_directive("total", {"cents": cents, "text": price_text(cents)})
    }
  }

  rule add_line {
    select when cart line_added
      sku re#^([A-Z]+-\d+)$#
      quantity re#^([1-9]\d{0,2})?$# setting(sku, quantity)
      where event:attrs{"cents"} > 0
    pre {
      line = lines(){sku}.defaultsTo({"cents": event:attrs{"cents"}, "quantity": 0})
      more = quantity.defaultsTo(1).as("Number")
    }
    send_directive("line", {"sku": sku, "quantity": line{"quantity"} + more})
    fired {
      ent:lines{sku} := line.put("quantity", line{"quantity"} + more)
    }
  }

  rule remove_line {
    select when cart line_removed where lines() >< event:attrs{"sku"}
    always { clear ent:lines{event:attrs{"sku"}} }
  }

  rule use_voucher {
    select when cart voucher_entered where vouchers >< event:attrs{"code"}
    show(total(event:attrs{"code"}))
    fired { ent:voucher := event:attrs{"code"} }
  }

  // `last` ends this ruleset's turn for the event, so the rule below never sees an empty cart.
  rule refuse_empty_checkout {
    select when cart checked_out
    if lines().isEmpty() then send_directive("empty")
    fired { last }
  }

  rule check_out {
    select when cart checked_out
    every {
      send_directive("order", {"lines": lines(), "voucher": ent:voucher})
      show(total())
    }
    always {
      ent:turnover := ent:turnover.defaultsTo(0) + total();
      clear ent:lines;
      clear ent:voucher
    }
  }
}
