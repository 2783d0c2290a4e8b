ruleset examples.chat {
  meta {
    name "Chat log"
    description <<
The messages of a room, newest last, at most a hundred of them. Shows regular expressions with
`extract` and `replace`, `foreach` over what a function finds, and queries with default arguments.
    >>
    author "picomesh"
    shares messages, search, mentions
  }

  global {
    kept = 100

    everything = function() { ent:messages.defaultsTo([]) }

    messages = function(limit = 10) {
      wanted = limit.as("Number");
      size = everything().length();
      size > wanted => everything().slice(size - wanted, size - 1) | everything()
    }

    search = function(words) {
      everything().filter(function(message) {
        message{"text"}.lc().contains(words.lc())
      })
    }

    mentions = function(name) {
      ent:mentions{name}.defaultsTo([])
    }

    mentioned_in = function(text) {
      text.extract(re#@\w+#g).map(function(word) { word.substr(1) }).unique()
    }

    tidy = function(text) {
      text.trim().replace(re#\s+#g, " ")
    }
  }

  rule post {
    select when chat posted
      author re#^(\w+)$#
      text re#(\S)# setting(author)
    pre {
      number = ent:posted.defaultsTo(0) + 1
      message = {"number": number, "author": author, "text": tidy(event:attrs{"text"})}
      grown = everything().append(message)
    }
    send_directive("posted", message)
    fired {
      ent:posted := number;
      ent:messages := grown.length() > kept => grown.tail() | grown;
      raise chat event "message_kept" attributes message
    }
  }

  rule mention {
    select when chat message_kept
    foreach mentioned_in(event:attrs{"text"}) setting(name)
    if name != event:attrs{"author"} then
      send_directive("mentioned", {"name": name, "by": event:attrs{"author"}})
    fired {
      ent:mentions{name} := mentions(name).append(event:attrs{"number"})
    }
  }

  rule read_mentions {
    select when chat mentions_read
      name re#(.+)# setting(name)
    always { clear ent:mentions{name} }
  }

  rule clear_log {
    select when chat cleared
    always { clear ent:messages }
  }
}
