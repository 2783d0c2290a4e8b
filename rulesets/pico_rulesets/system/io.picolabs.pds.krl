ruleset io.picolabs.pds {
  meta {
    name "Personal data store"
    description <<
What a pico's owner wants kept: data by namespace and key, a profile, and settings of rulesets.
    >>
    author "picomesh"
    provides items, get_keys, profile, settings, settings_names, get_config_value, config_value,
      get_setting_data_value, getChannelEci
    shares items, get_keys, profile, settings, settings_names, get_config_value, config_value,
      get_setting_data_value, getChannelEci
  }

  global {
    own_tags = ["pds"]
    own_events = {"allow": [{"domain": "pds", "name": "*"}], "deny": []}
    own_queries = {"allow": [{"rid": "io.picolabs.pds", "name": "*"}], "deny": []}

    at = function(whole, first, second) {
      first.isnull() => whole.defaultsTo({}) |
        second.isnull() => whole{first} | whole{[first, second]}
    }

    // `domain` and `key` are other names of `namespace` and `keyvalue`.
    items = function(namespace, keyvalue, domain, key) {
      at(ent:items, namespace.defaultsTo(domain), keyvalue.defaultsTo(key))
    }

    get_keys = function(namespace, sort_opt, num_to_return) {
      keys = at(ent:items, namespace).keys();
      sorted = sort_opt => keys.sort(sort_opt) | keys;
      wanted = num_to_return.as("Number");
      wanted && wanted < keys.length() => sorted.slice(wanted - 1) | sorted
    }

    profile = function(key) { at(ent:profile, key) }

    settings = function(setRID, setKey) {
      setKey.isnull() => at(ent:settings, setRID) | ent:settings{[setRID, setKey]}
    }
    settings_names = function() {
      ent:settings.defaultsTo({}).map(function(entry, rid) {
        {"setRID": rid, "setName": entry{"setName"}}
      }).values()
    }
    get_setting_data_value = function(setRID, setKey) { ent:settings{[setRID, "setData", setKey]} }

    // Who calls is not known to a module, so the ruleset is named.
    get_config_value = function(setKey, setRID) { get_setting_data_value(setRID, setKey) }
    config_value = function(setKey, setRID) { get_setting_data_value(setRID, setKey) }

    channel = function() {
      ctx:channels.filter(function(item) { item{"tags"} == own_tags }).head()
    }
    getChannelEci = function() { channel(){"id"} }

    // -- what events bring

    namespace_of = function(attrs) { attrs{"namespace"}.defaultsTo(attrs{"domain"}) }
    key_of = function(attrs) { attrs{"keyvalue"}.defaultsTo(attrs{"key"}) }
    place_of = function(attrs) { {"namespace": namespace_of(attrs), "keyvalue": key_of(attrs)} }
    is_place = function(attrs) { namespace_of(attrs) && not key_of(attrs).isnull() }
    value_of = function(given) { given.typeof() == "String" => given.decode() | given }
  }

  rule open_channel {
    select when wrangler ruleset_installed where event:attrs{"rids"} >< "io.picolabs.pds"
      or engine started
    if event:attrs{"is_new"} || channel().isnull() then
      ctx:newChannel(own_tags, own_events, own_queries)
  }

  // -- data

  rule add {
    select when pds new_data_available where is_place(event:attrs)
    always {
      ent:items{[namespace_of(event:attrs), key_of(event:attrs)]} := event:attrs{"value"};
      raise pds event "data_added" attributes
        place_of(event:attrs).put("value", event:attrs{"value"})
    }
  }

  rule update {
    select when pds updated_data_available where is_place(event:attrs)
    always {
      ent:items{[namespace_of(event:attrs), key_of(event:attrs)]} := event:attrs{"value"};
      raise pds event "data_updated" attributes
        place_of(event:attrs).put("value", event:attrs{"value"})
    }
  }

  rule remove {
    select when pds remove_old_data where is_place(event:attrs)
    always {
      clear ent:items{[namespace_of(event:attrs), key_of(event:attrs)]};
      raise pds event "data_deleted" attributes place_of(event:attrs)
    }
  }

  rule remove_all_of {
    select when pds remove_namespace where namespace_of(event:attrs)
    always {
      clear ent:items{namespace_of(event:attrs)};
      raise pds event "namespace_deleted" attributes {"namespace": namespace_of(event:attrs)}
    }
  }

  rule add_many {
    select when pds map_item where namespace_of(event:attrs)
    pre {
      namespace = namespace_of(event:attrs)
      given = value_of(event:attrs{"mapvalues"}.defaultsTo(event:attrs{"value"}))
    }
    if given.typeof() == "Map" then noop()
    fired {
      ent:items{namespace} := items(namespace).defaultsTo({}).put(given);
      raise pds event "data_added" attributes {"namespace": namespace, "mapvalues": given}
    }
  }

  // -- the owner

  rule update_profile {
    select when pds updated_profile
    pre {
      given = event:attrs.delete("_headers")
    }
    always {
      ent:profile := profile().put(given);
      raise pds event "profile_updated" attributes given
    }
  }

  // -- settings of rulesets

  rule add_settings {
    select when pds add_settings where event:attrs{"setRID"}
    pre {
      attrs = event:attrs
      entry = {
        "setName": attrs{"setName"}, "setRID": attrs{"setRID"},
        "setSchema": value_of(attrs{"setSchema"}), "setData": value_of(attrs{"setData"})
      }
    }
    always {
      ent:settings{attrs{"setRID"}} := entry;
      raise pds event "settings_added" attributes entry
    }
  }

  rule clear {
    select when pds clear_all_data
    always {
      clear ent:items;
      clear ent:profile;
      clear ent:settings;
      raise pds event "data_cleared" attributes {}
    }
  }
}
