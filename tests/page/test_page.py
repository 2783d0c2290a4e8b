"""The page in a real browser: what a person does with it, by mouse, by keyboard and by ear."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from page.browser import Browser
from page.conftest import PICTURES
from page.served import EXAMPLES, Served
from picomesh.engine.audit import audit
from picomesh.engine.checked import CheckedModules
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.interface import Sandbox
from picomesh.sandbox.machine import WasmtimeSandbox

BROKEN = """ruleset my.lamp {
  meta {
    shares status
  }
  global {
    status = function(room) {
      ent:on.defaultsTo({}){room}
    }
  }
  rule switch {
    select when lamp switched room re#^(\\w+)$# setting(room)
    pre {
      on = ent:on.defaultsTo({}){rom}
    }
    if not on then
      send_directive("on", {"room": room})
    fired {
      ent:on{room} := true;
      log info "lamp in " + room
    }
  }
}
"""
# An answer as an engine gives it that finds a receipt wrong.
LYING = """(() => {
    const real = window.fetch;
    const differs = { field: 'fuel', recorded: '12', replayed: '13' };
    const answer = { seq: 3, agrees: false, differs, problem: null, fuel: 12, ms: 1, backend: 'x' };
    window.fetch = (...given) => String(given[0]).includes('/replay')
        ? Promise.resolve(new Response(JSON.stringify(answer))) : real(...given);
})()"""
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def to(browser: Browser, pico: str, tab: str) -> None:
    """Goes to a tab of a pico, as a link would."""
    browser.run(f"location.hash = '#/{pico}/{tab}'")
    browser.wait(
        f"document.querySelector('#tab-{tab}').getAttribute('aria-selected') === 'true'"
        f" && document.querySelector('#panel .part')?.children.length"
    )
    browser.wait(f"document.querySelector('[aria-selected=true][data-pico=\"{pico}\"]')")
    browser.wait("!document.querySelector('#panel[aria-busy]')")


def write(browser: Browser, text: str) -> None:
    browser.fill("#editor", text)


def test_a_ruleset_goes_from_its_first_mistake_to_a_receipt_that_is_run_again(
    browser: Browser, served: Served
) -> None:
    pico = served.make("lamp")
    to(browser, pico, "rulesets")
    write(browser, BROKEN)
    browser.wait_text("undefined id: rom", ".problems")
    browser.wait_text("line 13, column", ".problems")
    assert "room" in browser.text(".diagnostics .hint"), "the name that was meant"
    assert browser.text(".excerpt .here mark") == "rom"
    assert browser.text(".gutter .error") == "13"
    browser.picture(PICTURES / "diagnostics.png")
    browser.click("[data-key=install]")
    browser.wait_text("Not installed: 1 error", "#verdict")
    browser.click(".diagnostics button", "line 13")
    chosen = "e.value.slice(e.selectionStart, e.selectionEnd)"
    assert browser.focused(chosen) == "rom", "the cursor is where the mistake is"
    browser.type("room")
    browser.wait_text("my.lamp compiles", "#verdict")
    browser.click("[data-key=install]")
    browser.wait_text("Installed, by receipt 1.", "#verdict")
    browser.wait_text("my.lamp", "[data-key='ruleset my.lamp']")

    to(browser, pico, "send")
    choose(browser, ".sender select", "lamp:switched")
    browser.wait("document.querySelector('[aria-label=\"value of room\"]')")
    browser.fill("[aria-label='value of room']", "hall")
    browser.click("[data-key=send]")
    browser.wait_text("directive on", ".answer")
    browser.picture(PICTURES / "send.png")
    browser.fill("[aria-label='value of room']", "hall")
    browser.click("[data-key=send]")
    browser.wait_text("No directives.", ".answer")
    browser.fill("[aria-label='value of room']", "no room!")
    browser.click("[data-key=send]")
    browser.wait_text("receipt 4", ".answer")

    to(browser, pico, "state")
    browser.wait_text("ent:on", ".variables")
    assert '{"hall":true}' in browser.text(".variables")
    see_the_rules(browser, pico)
    see_the_receipts(browser, pico)

    to(browser, pico, "send")
    browser.wait("document.querySelector('[data-key=ask]')")
    browser.fill("[aria-label='value of room']", "hall")
    browser.run("document.querySelectorAll('[aria-label=\"value of room\"]')[0].value")
    browser.click("[data-key=ask]")
    browser.wait("document.querySelectorAll('.answer')[1].innerText.trim() === 'true'")


def choose(browser: Browser, selector: str, value: str) -> None:
    browser.wait(f"document.querySelector({json.dumps(selector)})")
    browser.run(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
        f"e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change')); }})()"
    )


def see_the_rules(browser: Browser, pico: str) -> None:
    to(browser, pico, "log")
    browser.wait("document.querySelectorAll('.log .group').length >= 4")
    groups = browser.run("[...document.querySelectorAll('.log .group')].map((e) => e.innerText)")
    refused, again, first = groups[0], groups[1], groups[2]
    assert "not selected" in refused
    assert 'room is "no room!", which does not match re#^(\\w+)$#' in refused
    assert "not fired" in again and "It does not hold that not on. Read: on = " in again
    assert "fired" in first and "lamp in hall" in first and "directive on" in first
    browser.picture(PICTURES / "log.png")
    browser.fill("[type=search]", "info hall")
    browser.wait("document.querySelectorAll('.log .group').length === 1")
    browser.fill("[type=search]", "nothing like this")
    browser.wait_text("The filter leaves nothing.", ".log")
    browser.run("document.querySelector('[type=search]').value = ''")
    choose(browser, ".controls .field:nth-child(3) select", "rule")
    browser.wait_text("considered 3, fired 1", ".log")


def see_the_receipts(browser: Browser, pico: str) -> None:
    to(browser, pico, "receipts")
    browser.wait("document.querySelectorAll('.timeline > li').length === 5")
    browser.click("[data-seq='2'] .again")
    browser.wait_text("agrees", "[data-seq='2'] .verdict")
    choose(browser, ".controls select", "pulley")
    browser.click("[data-seq='4'] .again")
    browser.wait_text("(pulley,", "[data-seq='4'] .verdict")
    assert "agrees" in browser.text("[data-seq='4'] .verdict")
    browser.click("[data-seq='2'] summary")
    browser.wait_text("The receipt", "[data-seq='2']")
    browser.run(LYING)
    browser.click("[data-seq='3'] .again")
    browser.wait_text("differs in fuel", "[data-seq='3'] .verdict")
    browser.wait_text("recorded 12", "[data-seq='3'] .verdict")
    browser.wait_text("now 13", "[data-seq='3'] .verdict")
    browser.run("scrollTo(0, 0)")
    browser.picture(PICTURES / "receipts.png")


def test_a_ruleset_comes_from_a_file_and_from_a_url(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    pico = served.make("fetcher")
    to(browser, pico, "rulesets")
    path = tmp_path / "lamp.krl"
    path.write_text(BROKEN.replace("rom}", "room}"))
    browser.choose_file("input[type=file]", path)
    browser.wait_text("my.lamp compiles", "#verdict")
    browser.fill("input[type=url]", "file:///etc/passwd")
    browser.click("button", "Fetch")
    browser.wait_text("is not in the folder of rulesets", "#verdict")
    browser.fill("input[type=url]", (EXAMPLES / "door.krl").as_uri())
    browser.click("button", "Fetch")
    browser.wait_text("examples.door compiles", "#verdict")
    browser.click("[data-key=install]")
    browser.wait_text("Installed, by receipt 1.", "#verdict")
    browser.click("[data-key='ruleset examples.door'] summary")
    browser.wait_text((EXAMPLES / "door.krl").as_uri(), "[data-key='ruleset examples.door']")
    browser.click("[data-key='source examples.door'] summary")
    browser.wait_text("ruleset examples.door {", ".source")
    browser.click("button", "Change it")
    browser.wait("document.activeElement.id === 'editor'")
    assert browser.focused("e.value") == (EXAMPLES / "door.krl").read_text()
    browser.click("button", "Remove…")
    browser.click("button.danger", "Remove")
    browser.wait_text("None yet.", "#panel")
    browser.wrong.clear()  # the browser's own line about the 400


def test_a_subscription_names_the_other_side_and_a_schedule_its_time(
    browser: Browser, served: Served
) -> None:
    for name in ("Alice", "Bob"):
        served.send("root", "wrangler", "new_child_request", name=name)
    browser.wait("document.querySelector('[role=treeitem][aria-label=Bob]')")
    picos = {item["name"]: item["pico"] for item in served.ask("/tree")["picos"]}
    subscription = {"rid": "io.picolabs.subscription", "name": "wellKnown_Rx"}
    known = served.ask(f"/picos/{picos['Bob']}/queries", subscription)["answer"]["id"]
    to(browser, picos["Alice"], "overview")
    roles = {"Rx_role": "student", "Tx_role": "teacher", "name": "class"}
    served.send(picos["Alice"], "wrangler", "subscription", wellKnown_Tx=known, **roles)
    browser.wait_text("asked by this pico", "#panel")
    entities = served.ask(f"/picos/{picos['Bob']}/entities")["entities"]
    (asked,) = entities["io.picolabs.subscription"]["inbound"]
    served.send(picos["Bob"], "wrangler", "pending_subscription_approval", Id=asked["Id"])
    browser.wait_text("established", "#panel")
    browser.wait_text("student ↔ teacher", "#panel")
    served.install(
        picos["Alice"],
        """ruleset timed { rule r { select when a b fired {
        schedule c event "d" repeat "0 3 * * *" attributes {"kind": "nightly"} } } }""",
    )
    served.send(picos["Alice"], "a", "b")
    browser.wait_text("0 3 * * *", "#panel")
    browser.picture(PICTURES / "overview.png")
    browser.click("td a", "Bob")
    browser.wait_text("Bob", "h1")
    browser.wait_text("teacher ↔ student", "#panel")


def test_what_happens_is_seen_while_it_happens(browser: Browser, served: Served) -> None:
    pico = served.make("counter", None, "counter")
    to(browser, pico, "state")
    browser.wait_text("live", "#live")
    served.send(pico, "counter", "incremented")
    browser.wait_text("ent:", "#panel .variables")
    to(browser, pico, "log")
    served.send(pico, "counter", "incremented")
    served.send(pico, "counter", "unheard_of")
    browser.wait_text("No rule of this pico selects this event.", ".log")
    to(browser, pico, "receipts")
    browser.wait("document.querySelectorAll('.timeline > li').length === 5")
    browser.run("document.querySelector('[data-seq=\"3\"] .again').focus()")
    served.send(pico, "counter", "incremented")
    browser.wait("document.querySelectorAll('.timeline > li').length === 6")
    assert browser.focused("e.closest('li').dataset.seq") == "3", "nothing takes the focus away"
    row = f"document.querySelector('[data-pico=\"{pico}\"]')"
    browser.run(f"window.kept = {row}")
    served.send(pico, "counter", "incremented")
    browser.wait(f"{row}.querySelector('.seq').textContent === '7'")
    assert browser.run(f"window.kept === {row}"), "what is in the tree stays under the hand"
    child = served.make("its child", pico)
    browser.wait(f"document.querySelector('[data-pico=\"{child}\"]')")
    served.ask(f"/picos/{child}", method="DELETE")
    browser.wait(f"!document.querySelector('[data-pico=\"{child}\"]')")


def test_a_pico_in_trouble_says_what_and_a_receipt_can_be_taken_away(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    pico = served.make("unlucky", None)
    served.install(pico, 'ruleset u { rule r { select when a b fired { ent:x := "x" - 1 } } }')
    to(browser, pico, "log")
    served.send(pico, "a", "b")
    browser.wait_text("The transition ended here at line 1", ".log")
    browser.wait(f"document.querySelector('[data-pico=\"{pico}\"] .trouble')")
    assert browser.run(f"document.querySelector('[data-pico=\"{pico}\"]').ariaLabel") == (
        "unlucky, in trouble"
    )
    to(browser, pico, "overview")
    browser.wait_text("cannot be subtracted", "#panel")
    to(browser, pico, "receipts")
    browser.save_to(tmp_path)
    browser.click("[data-seq='2'] summary")
    browser.click("[data-seq='2'] button", "Save a proof of it")
    browser.wait_text("the proof is saved", "#said")
    for _ in range(100):
        if any(path.suffix == ".car" for path in tmp_path.iterdir()):
            break
        time.sleep(0.05)
    (proof,) = tmp_path.iterdir()
    done = audit(proof.read_bytes(), _sandbox, CheckedModules())
    assert done.is_proved and done.core is not None
    assert (done.core.pico, done.core.outcome) == (pico, "throw")


def _sandbox(backend: str) -> Sandbox:
    return WasmtimeSandbox(BackendOptions("winch", plain=True))


def test_whatever_a_pico_holds_is_text_and_never_markup(browser: Browser, served: Served) -> None:
    source = """ruleset evil {
      meta { name "NAME" description "NAME" author "NAME" shares back }
      global { back = function(x) { {}.put(x, x) } }
      rule r { select when a b
        send_directive(event:attrs{"x"}, {"k": event:attrs{"x"}})
        fired { ent:held := {}.put(event:attrs{"x"}, [event:attrs{"x"}]);
          raise a event event:attrs{"x"} attributes {"x": event:attrs{"x"}};
          log warn event:attrs{"x"}; x = event:attrs{"x"}.klog(event:attrs{"x"}) } }
    }""".replace("NAME", HOSTILE.replace('"', '\\"'))
    pico = served.make(HOSTILE)
    served.install(pico, source)
    assert served.send(pico, "a", "b", x=HOSTILE)["outcome"] == "ok"
    for tab in ("overview", "rulesets", "state", "send", "receipts", "log"):
        to(browser, pico, tab)
        browser.run("document.querySelectorAll('#panel summary').forEach((e) => e.click())")
        browser.run("new Promise((done) => setTimeout(done, 150))")
        browser.run("document.querySelectorAll('#panel details:not([open]) > summary')"
                    ".forEach((e) => e.click())")  # fmt: skip
    browser.wait_text(HOSTILE, "h1")
    browser.wait_text(HOSTILE, ".log")
    assert browser.run("document.querySelectorAll('main img, main script, nav img').length") == 0
    assert browser.run("document.title") != "taken"
    injected = "document.body.innerHTML = '<b>x</b>'"
    policy = f"(() => {{ try {{ {injected}; return 'written' }} catch {{ return 'refused' }} }})()"
    assert browser.run(policy) == "refused", "the engine's policy would stop it as well"
    browser.run("0")
    browser.wrong.clear()  # the complaint about the line above


def test_a_page_that_a_ruleset_serves_does_not_reach_the_token(
    browser: Browser, served: Served
) -> None:
    script = "let t; try { t = sessionStorage.length } catch { t = 'nothing' } document.title = t"
    source = f"""ruleset host {{ meta {{ shares thief }}
      global {{ thief = function() {{ "<script>{script}</script>" }} }} }}"""
    pico = served.make("host of a page")
    served.install(pico, source)
    eci = served.ask(f"/picos/{pico}")["eci"]
    browser.open(f"{served.base}/c/{eci}/query/host/thief.html")
    browser.wait("document.title && document.title !== 'root · picomesh'")
    assert browser.run("document.title") == "nothing"
    browser.wrong.clear()  # there is no icon for it


def test_everything_is_within_reach_of_the_keyboard(browser: Browser, served: Served) -> None:
    parent = served.make("keys", None, "counter")
    served.make("keys child", parent)
    browser.wait("document.querySelector('[aria-label=keys] [aria-label=\"keys child\"]')")
    browser.run("document.body.focus()")
    browser.key("Tab")
    assert browser.focused("e.id") == "skip"
    browser.key("Tab")
    assert browser.focused("e.getAttribute('role')") == "treeitem"
    for letter in "keys":
        browser.key(letter)
    assert browser.focused("e.ariaLabel") == "keys"
    assert seen(browser), "the focus can be seen"
    browser.key("ArrowRight")
    assert browser.focused("e.ariaLabel") == "keys child"
    browser.key("ArrowLeft", "ArrowLeft")
    assert browser.focused("[e.ariaLabel, e.ariaExpanded]") == ["keys", "false"]
    browser.key("Enter")
    browser.wait_text("keys", "h1")
    tab_until(browser, "e.getAttribute('role') === 'tab'")
    for _ in range(3):
        browser.key("ArrowRight")
    assert browser.focused("e.textContent") == "Send"
    browser.wait("document.querySelector('[data-key=send]')")
    tab_until(browser, "e.tagName === 'SELECT'")
    browser.key("ArrowDown")
    tab_until(browser, "e.dataset.key === 'send'")
    assert seen(browser)
    browser.key("Enter")
    browser.wait_text("receipt 3", ".answer")
    tab_until(browser, "e.textContent === 'receipt 3'")
    browser.key("Enter")
    browser.wait("document.querySelectorAll('.timeline > li').length === 4")
    tab_until(browser, "e.dataset.key === 'again 3'")
    browser.key("Enter")
    browser.wait_text("agrees", "[data-seq='3'] .verdict")
    assert browser.focused("e.dataset.key") == "again 3"


def tab_until(browser: Browser, wanted: str) -> None:
    for _ in range(60):
        if browser.focused(wanted):
            return
        browser.key("Tab")
        assert browser.focused("e !== document.body"), f"the way to {wanted} ends"
    raise AssertionError(f"Tab does not come to {wanted}")


def seen(browser: Browser) -> bool:
    """Whether what has the focus is marked, by itself or by its row."""
    style = "getComputedStyle(e).outlineStyle !== 'none'"
    row = "e.firstElementChild && getComputedStyle(e.firstElementChild).outlineStyle !== 'none'"
    return bool(browser.focused(f"({style}) || ({row})"))


def test_the_editor_keeps_tab_for_itself_until_escape(browser: Browser, served: Served) -> None:
    to(browser, served.make("tabbing"), "rulesets")
    write(browser, "ruleset x {}")
    browser.run("document.querySelector('#editor').setSelectionRange(0, 0)")
    browser.key("Tab")
    assert browser.focused("e.value") == "  ruleset x {}"
    browser.key("Escape", "Tab")
    assert browser.focused("e.id") != "editor"


def test_a_screen_reader_hears_names_roles_and_states(browser: Browser, served: Served) -> None:
    pico = served.make("spoken", None, "counter")
    served.send(pico, "counter", "incremented")
    for tab in ("overview", "rulesets", "state", "send", "receipts", "log"):
        to(browser, pico, tab)
        browser.wait("document.querySelector('#panel').innerText.length > 20")
        nodes = browser.accessible()
        roles = {node["role"] for node in nodes}
        assert {"banner", "navigation", "main", "tree", "treeitem", "tablist", "tab"} <= roles
        for node in nodes:
            if node["role"] in ("button", "textbox", "combobox", "checkbox", "searchbox", "link"):
                assert node["name"], (tab, node)
        tabs = [node for node in nodes if node["role"] == "tab"]
        assert [node["name"] for node in tabs if node.get("selected")] == [tab.capitalize()]
        panel = next(node for node in nodes if node["role"] == "tabpanel")
        assert panel["name"] == tab.capitalize()
    log = next(node for node in nodes if node["role"] == "log")
    assert (log["live"], log["name"]) == ("polite", "Rules, newest first")
    chosen = [node for node in nodes if node["role"] == "treeitem" and node.get("selected")]
    assert [node["name"] for node in chosen] == ["spoken"]


CONTRAST = Path(__file__).with_name("contrast.js").read_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_by_day_and_by_night(browser: Browser, served: Served, dark: bool) -> None:
    name = f"contrast {dark}"
    pico = served.make(name, None, "door")
    served.send(pico, "lock", "code_chosen", code="1234")
    served.send(pico, "lock", "code_chosen", code="x")
    served.send(pico, "door", "pushed")
    browser.scheme(dark)
    for tab in ("overview", "rulesets", "state", "send", "receipts", "log"):
        to(browser, pico, tab)
        if tab == "rulesets":
            write(browser, BROKEN)
            browser.wait_text("undefined id", ".problems")
        browser.wait("document.querySelector('#panel').innerText.length > 20")
        weak: Any = browser.run(CONTRAST)
        assert weak == [], (tab, weak)
        browser.picture(PICTURES / f"{tab}-{'dark' if dark else 'light'}.png")


def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    browser: Browser, served: Served
) -> None:
    pico = served.make("pocket", None, "door")
    served.send(pico, "lock", "code_chosen", code="1234")
    browser.size(375, 720, 2)
    for tab in ("overview", "rulesets", "state", "send", "receipts", "log"):
        to(browser, pico, tab)
        browser.wait("document.querySelector('#panel').innerText.length > 20")
        wide = browser.run("document.documentElement.scrollWidth")
        assert wide <= 375, f"{tab} is {wide} wide"
        browser.picture(PICTURES / f"{tab}-phone.png")
    browser.click("#menu")
    browser.wait("document.querySelector('.menu-open [role=tree]')?.offsetParent")
    browser.click("[role=treeitem] .name", "root")
    browser.wait_text("root", "h1")
    assert not browser.run("document.body.classList.contains('menu-open')")


def test_the_token_is_asked_for_once_and_stays_in_the_tab(
    chromium: Browser, served: Served
) -> None:
    chromium.wrong.clear()
    chromium.open("about:blank")
    chromium.open(f"{served.base}/")
    chromium.wait("document.querySelector('form.token') || document.querySelector('.tree')")
    chromium.run("sessionStorage.clear()")
    chromium.open("about:blank")
    chromium.open(f"{served.base}/")
    chromium.wait("document.querySelector('form.token input') === document.activeElement")
    assert "root" not in chromium.text(), "nothing is shown before"
    chromium.fill("[type=password]", "wrong")
    chromium.key("Enter")
    chromium.wait_text("The engine does not know this token.")
    chromium.wait("document.activeElement.type === 'password'")
    chromium.fill("[type=password]", served.token)
    chromium.key("Enter")
    chromium.wait("document.querySelector('.tree')")
    chromium.open("about:blank")
    chromium.open(f"{served.base}/#/nobody/state")
    chromium.wait("document.querySelector('.tree')")
    assert served.token not in chromium.run("location.href + document.cookie")
    chromium.open("about:blank")
    chromium.open(f"{served.base}/#token={served.token}")
    chromium.wait("document.querySelector('.tree')")
    assert served.token not in chromium.run("location.href")
    chromium.run("0")
    chromium.wrong.clear()  # the browser's own line about the 401


def test_long_names_and_values_do_not_widen_a_phone(browser: Browser, served: Served) -> None:
    long = "w" * 400
    pico = served.make(long, None)
    served.install(
        pico,
        f"""ruleset {long[:100]} {{ meta {{ name "{long}" shares f }} global {{ f = 1 }}
      rule {long} {{ select when {long} b x re#({long})#
        send_directive("{long}", {{"{long}": event:attrs{{"x"}}}})
        fired {{ ent:{long} := event:attrs; log info "{long}" }} }} }}""",
    )
    for value in (long, "short"):
        served.send(pico, long, "b", x=value, **{long: long})
    browser.size(375, 720, 1)
    for tab in ("overview", "rulesets", "state", "send", "receipts", "log"):
        to(browser, pico, tab)
        browser.run("document.querySelectorAll('#panel summary').forEach((e) => e.click())")
        if tab == "send":
            choose(browser, ".sender select", f"{long}:b")
        wide = browser.run("document.documentElement.scrollWidth")
        assert wide <= 375, f"{tab} is {wide} wide"


def test_an_engine_that_comes_back_is_followed_again(
    chromium: Browser, program: str, tmp_path: Path
) -> None:
    served = Served(tmp_path / "home", EXAMPLES)
    pico = served.make("phoenix", None, "counter")
    chromium.size(1200, 900)
    chromium.open("about:blank")
    chromium.open(f"{served.base}/#token={served.token}")
    chromium.wait_text("live", "#live")
    to(chromium, pico, "receipts")
    served.stop()
    chromium.wait_text("not connected", "#live")
    again = Served(tmp_path / "home", EXAMPLES, served.port)
    again.send(pico, "counter", "incremented")
    chromium.wait_text("live", "#live")
    chromium.wait("document.querySelectorAll('.timeline > li').length === 3")
    again.stop()
    chromium.open("about:blank")
    chromium.wrong.clear()
