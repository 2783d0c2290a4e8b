ruleset io.picolabs.subscription {
  meta {
    name "Subscriptions"
    description <<
Two picos that know each other by a channel on either side, each in a role. One asks, the other
agrees or does not, either may end it.
    >>
    author "picomesh"
    provides established, outbound, inbound, wellKnown_Rx, autoAcceptConfig
    shares established, outbound, inbound, wellKnown_Rx, autoAcceptConfig
  }

  global {
    well_known_tags = ["wellknown_rx", "tx_rx"]
    well_known_events = {"allow": [
      {"domain": "wrangler", "name": "subscription"},
      {"domain": "wrangler", "name": "new_subscription_request"},
      {"domain": "wrangler", "name": "inbound_removal"}
    ], "deny": []}
    well_known_queries = {"allow": [
      {"rid": "io.picolabs.subscription", "name": "wellKnown_Rx"}
    ], "deny": []}

    // -- what others may ask

    matching = function(buses, key, value) {
      all = buses.defaultsTo([]);
      key.isnull() => all | all.filter(function(bus) { bus{key} == value })
    }
    established = function(key, value) { matching(ent:established, key, value) }
    outbound = function(key, value) { matching(ent:outbound, key, value) }
    inbound = function(key, value) { matching(ent:inbound, key, value) }

    wellKnown_Rx = function() {
      ctx:channels.filter(function(channel) {
        channel{"tags"}.sort() == well_known_tags.sort()
      }).head()
    }

    // A peer that asks over its channel does not learn the passwords.
    autoAcceptConfig = function() {
      config = ent:autoAcceptConfig.defaultsTo({});
      is_peer(meta:eci) => config.map(function(entry) { entry.delete("password") }) | config
    }

    // -- buses

    without = function(buses, id) {
      buses.defaultsTo([]).filter(function(bus) { bus{"Id"} != id })
    }
    with_id = function(buses, id) { matching(buses, "Id", id).head() }

    everyone = function() { established().append(inbound()).append(outbound()) }
    is_peer = function(eci) {
      everyone().any(function(bus) { bus{"Rx"} == eci })
    }

    // The bus that an event speaks of: by Id, else Rx, else Tx, else the channel it came by.
    find_bus = function(buses, attrs, eci) {
      attrs{"Id"} => with_id(buses, attrs{"Id"}) |
        attrs{"Rx"} => matching(buses, "Rx", attrs{"Rx"}).head() |
        attrs{"Tx"} => matching(buses, "Tx", attrs{"Tx"}).head() |
        matching(buses, "Rx", eci).head()
    }

    // A host is only kept when it is not this engine's: a pico may move.
    elsewhere = function(host) { host && host != meta:host => {"Tx_host": host} | {} }

    // Attributes that go to another pico, without what came with a request over HTTP.
    portable = function(attrs) { attrs.delete("_headers") }

    // -- acceptance without asking

    accepted_by = function(config, attrs) {
      password = config{"password"};
      (not password || password == attrs{"password"}) &&
        config{"regexMap"}.defaultsTo({}).map(function(pattern, key) {
          attrs{key}.defaultsTo("").match(pattern.as("RegExp"))
        }).values().all(function(matches) { matches })
    }
    is_welcome = function(attrs) {
      ent:autoAcceptConfig.defaultsTo({}).values().any(function(config) {
        accepted_by(config, attrs)
      })
    }

    // Subscriptions by identifier or roles: what is named must fit.
    addressees = function(attrs) {
      named = {"Id": attrs{"subID"}, "Tx_role": attrs{"Tx_role"}, "Rx_role": attrs{"Rx_role"}}
        .filter(function(value) { value });
      named.isEmpty() => [] | established().filter(function(bus) {
        named.map(function(value, key) { bus{key} == value }).values().all(function(fits) { fits })
      })
    }
    value_of = function(given) { given.typeof() == "String" => given.decode() | given }
  }

  // -- the channel that strangers use

  rule open_well_known {
    select when wrangler ruleset_installed where event:attrs{"rids"} >< "io.picolabs.subscription"
      or engine started
    if event:attrs{"is_new"} || wellKnown_Rx().isnull() then
      ctx:newChannel(well_known_tags, well_known_events, well_known_queries) setting(channel)
    fired {
      raise wrangler event "wellKnown_Rx_created" attributes {"channel": channel}
    }
  }

  // -- asking

  rule request {
    select when wrangler subscription
    pre {
      attrs = {"name": random:word(), "channel_type": "Tx_Rx"}.put(portable(event:attrs))
      well_known = attrs{"wellKnown_Tx"}
      id = random:uuid()
    }
    if well_known then
      ctx:newChannel([attrs{"name"}, attrs{"channel_type"}]) setting(channel)
    fired {
      bus = {
        "Id": id, "Rx": channel{"id"}, "wellKnown_Tx": well_known,
        "Rx_role": attrs{"Rx_role"}, "Tx_role": attrs{"Tx_role"}
      }.put(elsewhere(attrs{"Tx_host"}));
      ent:outbound := outbound().append(bus);
      raise wrangler event "subscription_request_needed" attributes attrs.put(bus);
      raise wrangler event "outbound_pending_subscription_added" attributes attrs.put(bus)
    } else {
      raise wrangler event "wellKnown_Tx_format_failure" attributes attrs
    }
  }

  rule send_request {
    select when wrangler subscription_request_needed
    pre {
      bus = with_id(ent:outbound, event:attrs{"Id"})
      attrs = event:attrs.delete("wellKnown_Tx").delete("Rx").put({
        "Rx_role": bus{"Tx_role"}, "Tx_role": bus{"Rx_role"},
        "Tx": bus{"Rx"}, "Tx_host": meta:host
      })
    }
    if bus then
      event:send({"eci": bus{"wellKnown_Tx"}, "domain": "wrangler",
        "type": "new_subscription_request", "attrs": attrs}, bus{"Tx_host"})
  }

  rule receive_request {
    select when wrangler new_subscription_request
    pre {
      attrs = {"name": random:word(), "channel_type": "Tx_Rx"}.put(portable(event:attrs))
      is_new = not everyone().any(function(bus) { bus{"Id"} == attrs{"Id"} })
    }
    if attrs{"Id"} && attrs{"Tx"} && is_new then
      ctx:newChannel([attrs{"name"}, attrs{"channel_type"}]) setting(channel)
    fired {
      bus = {
        "Id": attrs{"Id"}, "Rx": channel{"id"}, "Tx": attrs{"Tx"},
        "Rx_role": attrs{"Rx_role"}, "Tx_role": attrs{"Tx_role"}
      }.put(elsewhere(attrs{"Tx_host"}));
      ent:inbound := inbound().append(bus);
      raise wrangler event "inbound_pending_subscription_added" attributes attrs.put(bus)
    }
  }

  rule accept_welcome {
    select when wrangler inbound_pending_subscription_added
    if is_welcome(event:attrs) then noop()
    fired {
      raise wrangler event "pending_subscription_approval" attributes {"Id": event:attrs{"Id"}}
    }
  }

  rule configure_acceptance {
    select when wrangler autoAcceptConfigUpdate
    pre {
      config = value_of(event:attrs{"config"})
      name = event:attrs{"configName"}
      entry = {"password": event:attrs{"password"}, "regexMap": value_of(event:attrs{"regexMap"})}
    }
    if config || name then noop()
    fired {
      ent:autoAcceptConfig := config if config;
      clear ent:autoAcceptConfig{name} if name && event:attrs{"delete"};
      ent:autoAcceptConfig{name} := entry if name && not event:attrs{"delete"};
      raise wrangler event "auto_accept_config_updated" attributes {"configName": name}
    }
  }

  // -- agreeing

  rule approve {
    select when wrangler pending_subscription_approval
    pre {
      bus = find_bus(ent:inbound, event:attrs, event:eci)
    }
    if bus then
      event:send({"eci": bus{"Tx"}, "domain": "wrangler",
        "type": "outbound_pending_subscription_approved",
        "attrs": {"Id": bus{"Id"}, "Tx": bus{"Rx"}, "Tx_host": meta:host}}, bus{"Tx_host"})
    fired {
      raise wrangler event "inbound_pending_subscription_approved" attributes
        portable(event:attrs).put("Id", bus{"Id"})
    }
  }

  rule begin_as_asked {
    select when wrangler inbound_pending_subscription_approved
    pre {
      bus = find_bus(ent:inbound, event:attrs, event:eci)
    }
    if bus then noop()
    fired {
      ent:inbound := without(ent:inbound, bus{"Id"});
      ent:established := established().append(bus);
      raise wrangler event "subscription_added" attributes event:attrs.put("bus", bus)
    }
  }

  rule begin_as_asker {
    select when wrangler outbound_pending_subscription_approved
    pre {
      pending = find_bus(ent:outbound, event:attrs.delete("Tx"), event:eci)
      bus = pending => pending.delete("wellKnown_Tx").put("Tx", event:attrs{"Tx"}) | null
    }
    if bus && event:attrs{"Tx"} then noop()
    fired {
      ent:outbound := without(ent:outbound, bus{"Id"});
      ent:established := established().append(bus);
      raise wrangler event "subscription_added" attributes
        portable(event:attrs).put("bus", bus)
    }
  }

  // -- ending

  rule cancel {
    select when wrangler subscription_cancellation
    pre {
      bus = find_bus(ent:established, event:attrs, event:eci)
    }
    if bus then
      event:send({"eci": bus{"Tx"}, "domain": "wrangler", "type": "established_removal",
        "attrs": {"Id": bus{"Id"}}}, bus{"Tx_host"})
    fired {
      raise wrangler event "established_removal" attributes
        portable(event:attrs).put("Id", bus{"Id"})
    }
  }

  rule end_established {
    select when wrangler established_removal
    pre {
      bus = find_bus(ent:established, event:attrs, event:eci)
    }
    if bus then ctx:delChannel(bus{"Rx"})
    fired {
      ent:established := without(ent:established, bus{"Id"});
      raise wrangler event "subscription_removed" attributes
        portable(event:attrs).put("bus", bus)
    }
  }

  rule reject {
    select when wrangler inbound_rejection
    pre {
      bus = find_bus(ent:inbound, event:attrs, event:eci)
    }
    if bus then
      event:send({"eci": bus{"Tx"}, "domain": "wrangler", "type": "outbound_removal",
        "attrs": {"Id": bus{"Id"}}}, bus{"Tx_host"})
    fired {
      raise wrangler event "inbound_removal" attributes
        portable(event:attrs).put("Id", bus{"Id"})
    }
  }

  // The asker may have given up while it was agreed to: then the subscription ends as well.
  rule end_inbound {
    select when wrangler inbound_removal
    pre {
      bus = find_bus(ent:inbound, event:attrs, event:eci)
      late = bus => null | with_id(ent:established, event:attrs{"Id"})
    }
    if bus then ctx:delChannel(bus{"Rx"})
    fired {
      ent:inbound := without(ent:inbound, bus{"Id"});
      raise wrangler event "inbound_subscription_cancelled" attributes
        portable(event:attrs).put("bus", bus)
    } else {
      raise wrangler event "established_removal" attributes {"Id": late{"Id"}} if late
    }
  }

  rule give_up {
    select when wrangler outbound_cancellation
    pre {
      bus = find_bus(ent:outbound, event:attrs, event:eci)
    }
    if bus then
      event:send({"eci": bus{"wellKnown_Tx"}, "domain": "wrangler", "type": "inbound_removal",
        "attrs": {"Id": bus{"Id"}}}, bus{"Tx_host"})
    fired {
      raise wrangler event "outbound_removal" attributes
        portable(event:attrs).put("Id", bus{"Id"})
    }
  }

  rule end_outbound {
    select when wrangler outbound_removal
    pre {
      bus = find_bus(ent:outbound, event:attrs, event:eci)
    }
    if bus then ctx:delChannel(bus{"Rx"})
    fired {
      ent:outbound := without(ent:outbound, bus{"Id"});
      raise wrangler event "outbound_subscription_cancelled" attributes
        portable(event:attrs).put("bus", bus)
    }
  }

  rule cancel_all {
    select when wrangler cancel_subscriptions
    foreach everyone() setting(bus)
    pre {
      id = bus{"Id"}
      kind =
        with_id(ent:established, id) => "subscription_cancellation" |
        with_id(ent:inbound, id) => "inbound_rejection" | "outbound_cancellation"
    }
    always {
      raise wrangler event kind attributes {"Id": id}
    }
  }

  rule prepare_end {
    select when wrangler intent_to_delete
    pre {
      bus = find_bus(ent:established, event:attrs, event:eci)
    }
    if ctx:parent then
      event:send({"eci": ctx:parent, "domain": "wrangler", "type": "ready_for_deletion",
        "attrs": portable(event:attrs)})
    always {
      raise wrangler event "subscription_cancellation" attributes {"Id": bus{"Id"}} if bus
    }
  }

  // -- what subscriptions are for

  rule send_by_role {
    select when wrangler send_event_on_subs
    foreach addressees(event:attrs) setting(bus)
    event:send({"eci": bus{"Tx"}, "domain": event:attrs{"domain"}, "type": event:attrs{"type"},
      "attrs": value_of(event:attrs{"attrs"})}, bus{"Tx_host"})
  }
}
