"""Takes the pictures of docs/page anew: `PYTHONPATH=tests python -m page.pictures docs/page`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from page.browser import Browser, find_browser
from page.served import EXAMPLES, Served

LAMP = """ruleset home.lamp {
  meta { name "Lamps" shares status }
  global {
    status = function(room) { ent:on.defaultsTo({}){room} }
  }
  rule switch {
    select when lamp switched room re#^(\\w+)$# setting(room)
    pre { was = status(room) }
    if not was then
      send_directive("on", {"room": room})
    fired {
      ent:on{room} := true;
      raise home event "lit" attributes {"room": room}
    } else {
      log info "it is on already"
    }
  }
  rule welcome {
    select when home lit room re#hall#
    send_directive("welcome")
  }
}
"""


def house(served: Served) -> dict[str, str]:
    """A few picos with something to see."""
    for name in ("hall", "garden"):
        served.send("root", "wrangler", "new_child_request", name=name)
    for _ in range(50):
        picos = {item["name"]: str(item["pico"]) for item in served.ask("/tree")["picos"]}
        if {"hall", "garden"} <= set(picos):
            break
    served.install(picos["hall"], LAMP)
    for room in ("hall", "no room!", "hall", "attic"):
        served.send(picos["hall"], "lamp", "switched", room=room)
    return picos


def take(browser: Browser, served: Served, folder: Path) -> None:
    """Four pictures, small enough to be kept."""
    hall = house(served)["hall"]
    browser.size(980, 640)
    browser.open(f"{served.base}/#token={served.token}")
    browser.wait("document.querySelector('.tree')")
    for tab, dark in (("log", False), ("receipts", True), ("rulesets", False)):
        browser.scheme(dark)
        browser.run(f"location.hash = '#/{hall}/{tab}'")
        browser.wait(f"document.querySelector('#tab-{tab}').ariaSelected === 'true'")
        browser.wait("!document.querySelector('#panel[aria-busy]')")
        match tab:
            case "log":
                browser.wait("document.querySelectorAll('.log .group').length > 4")
            case "receipts":
                browser.click("[data-seq='2'] .again")
                browser.wait_text("agrees", "[data-seq='2'] .verdict")
                browser.run("document.activeElement.blur()")
            case _:
                browser.fill("#editor", LAMP.replace("setting(room)", "setting(rom)"))
                browser.wait_text("undefined", ".problems")
                browser.run("document.querySelector('#editor').scrollTop = 0")
                browser.run("document.querySelector('.editor').style.height = '15rem'")
                browser.run("document.activeElement.blur()")
                browser.run("scrollTo(0, 110)")
        browser.run("new Promise((done) => setTimeout(done, 300))")
        browser.picture(folder / f"{tab}.png")


def main() -> None:
    program = find_browser()
    assert program is not None, "a browser takes them"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        served = Served(Path(place) / "home", EXAMPLES)
        browser = Browser(program, Path(place) / "profile")
        try:
            take(browser, served, Path(sys.argv[1]))
        finally:
            browser.close()
            served.stop()


if __name__ == "__main__":
    main()
