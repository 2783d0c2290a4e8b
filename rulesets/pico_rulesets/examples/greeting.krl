ruleset examples.greeting {
  meta {
    name "Greeting"
    description <<
Greets in several languages and remembers whom. Shows chevron strings with beestings, a function
with a default parameter, `choose`, and an alternative with a fallback.
    >>
    author "picomesh"
    shares greeting, languages, greeted
  }

  global {
    words = {
      "de": "Guten Tag",
      "en": "Hello",
      "fr": "Bonjour",
      "ja": "こんにちは"
    }

    languages = function() {
      words.keys()
    }

    greeting = function(name, language = "en") {
      word = words{language} || words{"en"};
      <<#{word}, #{name}!>>
    }

    times = function(name) {
      ent:greeted{name}.defaultsTo(0)
    }

    // Most often greeted first; names that tie keep the order in which they were first greeted.
    greeted = function() {
      by_times = function(a, b) { times(b) <=> times(a) };
      ent:greeted.keys().sort(by_times)
    }
  }

  rule greet {
    select when greeting requested
      name re#^\s*(\S.*?)\s*$# setting(name)
    pre {
      language = event:attrs{"language"}.defaultsTo("en")
      visit = times(name) == 0 => "first" | "again"
    }
    choose visit {
      first => send_directive("greeting", {"text": greeting(name, language)})
      again => send_directive("greeting", {
        "text": greeting(name, language),
        "note": <<Nice to see you for the #{times(name) + 1}. time.>>
      })
    }
    fired { ent:greeted{name} := times(name) + 1 }
  }

  rule ask_for_a_name {
    select when greeting requested where event:attrs{"name"}.defaultsTo("").trim() == ""
    send_directive("question", {"text": "Who are you?"})
  }

  rule forget {
    select when greeting forgotten
      name re#(.+)# setting(name)
    if ent:greeted.keys() >< name then
      send_directive("forgotten", {"name": name})
    fired { clear ent:greeted{name} }
  }
}
