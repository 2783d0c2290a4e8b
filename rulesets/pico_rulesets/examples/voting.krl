ruleset examples.voting {
  meta {
    name "Voting"
    description <<
A poll: opened once, one ballot for each voter, which may be changed until the poll is closed.
Shows stages kept in an entity variable, `collect`, `reduce`, and events raised on refusal.
    >>
    author "picomesh"
    shares poll, tally, result
  }

  global {
    poll = function() {
      {
        "question": ent:question,
        "choices": ent:choices.defaultsTo([]),
        "stage": ent:stage.defaultsTo("none"),
        "ballots": ent:ballots.defaultsTo({}).length()
      }
    }

    // How many ballots each choice has, in the order in which the choices stand.
    tally = function() {
      by_choice = ent:ballots.defaultsTo({}).values().collect(function(choice) { choice });
      poll(){"choices"}.reduce(function(counts, choice) {
        counts.put(choice, by_choice{choice}.defaultsTo([]).length())
      }, {})
    }

    // The choices with the most ballots: several if they tie, none if nobody voted.
    result = function() {
      counts = tally();
      most = counts.values().sort("ciremun").head();
      most => counts.filter(function(ballots) { ballots == most }).keys() | []
    }
  }

  rule open_poll {
    select when poll opened
      question re#(.+)# setting(question)
    pre {
      choices = event:attrs{"choices"}.unique()
    }
    if ent:stage != "open" && choices.length() > 1 then
      send_directive("poll_opened", {"question": question, "choices": choices})
    fired {
      ent:question := question;
      ent:choices := choices;
      ent:stage := "open";
      clear ent:ballots
    }
  }

  rule cast_ballot {
    select when poll ballot_cast
      voter re#(.+)#
      choice re#(.+)# setting(voter, choice)
    if ent:stage == "open" && ent:choices >< choice then
      send_directive(ent:ballots{voter} => "ballot_changed" | "ballot_cast", {"voter": voter})
    fired {
      ent:ballots{voter} := choice
    } else {
      raise poll event "ballot_refused" attributes {"voter": voter, "choice": choice}
    }
  }

  rule explain_refusal {
    select when poll ballot_refused
    pre {
      reason = ent:stage == "open" => "there is no such choice" | "the poll is not open"
    }
    send_directive("ballot_refused", event:attrs.put("reason", reason))
  }

  rule close_poll {
    select when poll closed where ent:stage == "open"
    send_directive("poll_closed", {"result": result(), "tally": tally()})
    always { ent:stage := "closed" }
  }
}
