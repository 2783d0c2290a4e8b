ruleset io.picolabs.wrangler {
  meta {
    name "Wrangler"
    description <<
What a pico and its owner manage it with: children, channels, rulesets, its name, its end.
    >>
    author "picomesh"
    provides skyQuery, picoQuery, channels, rulesetConfig, rulesetMeta, installedRIDs,
      children, parent_eci, name, myself, createChannel, deleteChannel
    shares skyQuery, picoQuery, channels, rulesetConfig, rulesetMeta, installedRIDs,
      children, parent_eci, name, id, myself, introduction
  }

  global {
    system_rids = ["io.picolabs.wrangler", "io.picolabs.pds", "io.picolabs.subscription"]

    // What clients of the reference engine's administration channel ask for, in wrangler's words.
    requests = {
      "install": "install_ruleset_request", "uninstall": "uninstall_ruleset_request",
      "new": "new_child_request", "del": "child_deletion_request",
      "new_channel": "new_channel_request", "del_channel": "channel_deletion_request"
    }

    // -- asking other picos

    skyQuery = function(eci, mod, func, params, _host, _path, _root_url) {
      root = _root_url || (_host || meta:host) + (_path || "/sky/cloud/");
      answer = http:get(root + [eci, mod, func].join("/"), qs = params.defaultsTo({}));
      content = answer{"content"}.decode();
      said = content.typeof() == "Map" => content{"error"} | null;
      answer{"status_code"} == 200 && said.isnull() => content |
        no_answer(answer{"status_code"}, said || answer{"status_line"}, content)
    }

    no_answer = function(code, line, content) {
      {"error": line || "no answer", "status_code": code, "content": content}
    }

    // A pico of this engine is asked directly, one elsewhere over HTTP.
    picoQuery = function(eci, mod, func, params, _host, _path, _root_url) {
      is_here = not _root_url && (not _host || _host == meta:host);
      eci.as("String").startsWith("did:") => no_answer(501, "a DID cannot be asked here", null) |
      is_here && is_own(eci) => no_answer(400, "a pico asks itself by calling functions", null) |
      is_here => ctx:query(eci, mod, func, params.defaultsTo({})) |
        skyQuery(eci, mod, func, params, _host, _path, _root_url)
    }

    is_own = function(eci) { ctx:channels.any(function(channel) { channel{"id"} == eci }) }

    // -- this pico

    tags_of = function(tags) {
      list = tags.typeof() == "String" => tags.split(",") | tags;
      list.map(function(tag) { tag.trim().lc() }).sort()
    }

    channels = function(tags) {
      tags.isnull() || tags == "" => ctx:channels |
        ctx:channels.filter(function(channel) { channel{"tags"}.sort() == tags_of(tags) })
    }

    ruleset_of = function(rid) {
      ctx:rulesets.filter(function(item) { item{"rid"} == rid }).head()
    }
    rulesetConfig = function(rid) { ruleset_of(rid){"config"} }
    rulesetMeta = function(rid) { ruleset_of(rid){["meta", "krlMeta"]} }
    installedRIDs = function() { ctx:rulesets.map(function(item) { item{"rid"} }) }

    children = function() {
      ctx:children.map(function(eci) {
        ent:children{eci}.defaultsTo({"eci": eci, "name": null, "parent_eci": null})
      })
    }
    parent_eci = function() { ctx:parent }
    name = function() { ent:name }
    id = function() { ctx:picoId }
    myself = function() { {"name": ent:name, "id": ctx:picoId, "eci": ent:eci} }

    // What a parent asks of its new child.
    introduction = function() { {"uiEci": ent:ui_eci, "parent_eci": ctx:parent} }

    child_behind = function(channel) {
      ent:children.defaultsTo({}).values().filter(function(child) {
        child{"parent_eci"} == channel
      }).head()
    }

    createChannel = defaction(tags, eventPolicy, queryPolicy) {
      ctx:newChannel(tags, eventPolicy, queryPolicy) setting(channel)
      return channel
    }
    deleteChannel = defaction(eci) {
      ctx:delChannel(eci)
    }

    // -- attributes: typed over JSON, texts from a form

    value_of = function(given) { given.typeof() == "String" => given.decode() | given }
    beside = function(url, rid) { url.replace(re#[^/]*$#, rid + ".krl") }
  }

  // -- rulesets

  rule find_ruleset {
    select when wrangler install_ruleset_request where not event:attrs{"url"}
    if event:attrs{"absoluteURL"} && event:attrs{"rid"} then noop()
    fired {
      raise wrangler event "install_ruleset_request" attributes
        event:attrs.put("url", beside(event:attrs{"absoluteURL"}, event:attrs{"rid"}))
    }
  }

  rule install_ruleset {
    select when wrangler install_ruleset_request where event:attrs{"url"}
    pre {
      config = value_of(event:attrs{"config"})
    }
    every {
      ctx:flush(event:attrs{"url"})
      ctx:install(event:attrs{"url"}, config) setting(rid)
    }
    fired {
      raise wrangler event "ruleset_installed" attributes event:attrs.put("rids", [rid])
    }
  }

  rule uninstall_ruleset {
    select when wrangler uninstall_ruleset_request where event:attrs{"rid"}
    if installedRIDs() >< event:attrs{"rid"} then ctx:uninstall(event:attrs{"rid"})
    fired {
      raise wrangler event "ruleset_uninstalled" attributes event:attrs
    }
  }

  rule flush_rulesets {
    select when wrangler rulesets_need_flushing
    foreach ctx:rulesets.filter(function(item) { item{"url"} }) setting(item)
    ctx:flush(item{"url"})
    fired {
      raise wrangler event "rulesets_flushed" attributes event:attrs on final
    }
  }

  // -- channels

  rule create_channel {
    select when wrangler new_channel_request
    pre {
      tags = event:attrs{"tags"}
      list = tags.typeof() == "String" => tags.split(",") | tags
      events = value_of(event:attrs{"eventPolicy"})
      queries = value_of(event:attrs{"queryPolicy"})
    }
    if tags && events && queries then every {
      ctx:newChannel(list, events, queries) setting(channel)
      send_directive("channel_created", {"channel": channel})
    }
    fired {
      raise wrangler event "channel_created" attributes event:attrs.put("channel", channel)
    } else {
      log warn "a channel needs tags, eventPolicy and queryPolicy"
    }
  }

  rule delete_channel {
    select when wrangler channel_deletion_request where event:attrs{"eci"}
    ctx:delChannel(event:attrs{"eci"})
    fired {
      raise wrangler event "channel_deleted" attributes event:attrs
    }
  }

  // -- children

  rule create_child {
    select when wrangler new_child_request
    pre {
      given = event:attrs.delete("_headers")
      attrs = {"name": random:word(), "backgroundColor": "#87CEFA"}.put(given)
      rulesets = system_rids.map(function(rid) { {"url": beside(ctx:rid_url, rid), "config": {}} })
    }
    every {
      ctx:newPico(rulesets) setting(eci)
      ctx:eventQuery(eci, "wrangler", "pico_created", attrs, system_rids[0], "introduction")
        setting(child)
      send_directive("new_child_created", attrs.put({"eci": eci, "uiEci": child{"uiEci"}}))
    }
    fired {
      ent:children{eci} :=
        {"eci": eci, "name": attrs{"name"}, "parent_eci": child{"parent_eci"}};
      raise wrangler event "new_child_created" attributes
        attrs.put({"eci": eci, "uiEci": child{"uiEci"}})
    }
  }

  // The first event of a child: nobody but its parent knows a channel to it yet.
  rule begin {
    select when wrangler pico_created
    pre {
      parent = ctx:parent
      myself = {"name": event:attrs{"name"}, "id": ctx:picoId, "eci": event:eci}
    }
    if parent && ent:id.isnull() then every {
      ctx:newChannel(["engine", "ui"]) setting(tools)
      event:send({"eci": parent, "domain": "wrangler", "type": "child_initialized",
        "attrs": event:attrs.put(myself)})
    }
    fired {
      ent:id := ctx:picoId;
      ent:eci := event:eci;
      ent:parent_eci := parent;
      ent:name := event:attrs{"name"};
      ent:ui_eci := tools{"id"};
      raise wrangler event "ruleset_installed" attributes
        {"rids": system_rids, "is_new": true};
      raise wrangler event "pico_initialized" attributes event:attrs
    }
  }

  rule delete_child {
    select when wrangler child_deletion_request where event:attrs{"eci"}
    ctx:delPico(event:attrs{"eci"})
    fired {
      clear ent:children{event:attrs{"eci"}};
      raise wrangler event "child_deleted" attributes event:attrs
    }
  }

  rule let_child_go {
    select when wrangler ready_for_deletion
    pre {
      child = child_behind(event:eci)
    }
    if child then noop()
    fired {
      raise wrangler event "child_deletion_request" attributes event:attrs.put("eci", child{"eci"})
    }
  }

  // -- other words for the same

  rule understand_tools {
    select when engine_ui install or engine_ui uninstall or engine_ui new or engine_ui del
      or engine_ui new_channel or engine_ui del_channel
    pre {
      request = requests{event:name}
    }
    always {
      raise wrangler event request attributes event:attrs
    }
  }

  // -- names

  rule rename {
    select when wrangler name_changed where event:attrs{"name"}
    if ctx:parent then
      event:send({"eci": ctx:parent, "domain": "wrangler", "type": "child_renamed",
        "attrs": {"name": event:attrs{"name"}}})
    always {
      ent:name := event:attrs{"name"}
    }
  }

  rule know_new_name {
    select when wrangler child_renamed
    pre {
      child = child_behind(event:eci)
    }
    if child then noop()
    fired {
      ent:children{[child{"eci"}, "name"]} := event:attrs{"name"}
    }
  }

  rule be_root {
    select when engine started or engine_ui setup
    if ctx:parent.isnull() && ent:id.isnull() then noop()
    fired {
      ent:id := ctx:picoId;
      ent:eci := event:eci;
      ent:name := event:attrs{"name"}.defaultsTo("Root Pico")
    }
  }
}
