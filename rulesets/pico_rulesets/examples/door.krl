ruleset examples.door {
  meta {
    name "Door with a lock"
    description <<
A door that opens with a code. Shows a state machine kept in entity variables, and the event
expressions `count .. within` and `before`, whose progress is part of the pico's state.
    >>
    author "picomesh"
    shares state, visits
  }

  global {
    // The code itself is not stored, only its hash.
    secret = function(code) {
      math:hash("sha256", "examples.door " + code)
    }

    state = function() {
      {"open": ent:is_open.defaultsTo(false), "locked": ent:is_locked.defaultsTo(false)}
    }

    visits = function() {
      ent:visits.defaultsTo([])
    }
  }

  rule set_code {
    select when lock code_chosen
      code re#^(\d{4,8})$# setting(code)
    if not ent:is_locked then
      send_directive("code_set")
    fired { ent:secret := secret(code) }
  }

  rule lock {
    select when lock locked where ent:secret && not ent:is_open
    always { ent:is_locked := true }
  }

  rule try_code {
    select when lock code_entered
      code re#^(\d+)$# setting(code)
    if secret(code) == ent:secret then
      send_directive("unlocked")
    fired {
      ent:is_locked := false
    } else {
      raise lock event "code_refused" if ent:is_locked
    }
  }

  // The clock of `within` is the time of the events, so a replay comes to the same alarm.
  rule alarm {
    select when count 3 (lock code_refused) within 1 minute
    send_directive("alarm", {"text": "three wrong codes within a minute"})
  }

  rule open {
    select when door pushed
    if not ent:is_locked then
      send_directive("opened")
    fired {
      ent:is_open := true;
      raise door event "opened"
    } else {
      log info "somebody pushes a locked door"
    }
  }

  rule close {
    select when door closed
    always { ent:is_open := false }
  }

  rule note_visit {
    select when door opened before door closed
    always { ent:visits := visits().append(event:time) }
  }
}
