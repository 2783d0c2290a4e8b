"""One case: rulesets, then steps, each with its result; expressions; texts to compile.

Keys of a case, all optional: name, rulesets, steps, exprs, compile, options (start, stepMs, seed,
logs, baseUrl). The steps that exist here are event, query, eventQuery, advance, install,
uninstall, setKrl, flush, restart and dump; a step may carry `time`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from picomesh.engine import Engine, Options
from picomesh.engine.engine import Response
from picomesh.engine.entities import ENTITIES, read_entities
from picomesh.engine.errors import OperatorError
from picomesh.engine.family import channels_of, children_of, parent_of
from picomesh.engine.options import DEFAULT_HOST
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import decode_value
from picomesh.scenario.compiler import CompileError, compile_for_engine, compile_text
from picomesh.scenario.expressions import run_expressions
from picomesh.scenario.shape import BadCase, BadStep, check_case, check_step
from picomesh.scenario.values import error_of, resolve_refs, result_of
from picomesh.scenario.world import START_MS, STEP_MS, VirtualWorld
from picomesh.transition import Transition

# The numbers that the reference's log lines have.
LOG_LEVELS = {"error": 10, "warn": 20, "info": 30, "klog": 40, "debug": 50}

_RID = re.compile(r"ruleset\s+([^\s{]+)")
FIRED_MAX = 100_000  # entries of schedules in one step
_BASE_URL = "http://case.test/krl/"


def run_case(
    case: Mapping[str, Any], cache: Path | None = None, backend: str = "cranelift"
) -> dict[str, Any]:
    """Runs a case; the result has the shape of the recordings, whatever the backend."""
    check_case(case)
    options = case.get("options") or {}
    world = VirtualWorld(options.get("start", START_MS), options.get("seed", 1))
    texts: dict[str, str] = {}
    engine_options = Options(
        world=world,
        cache=cache,
        host=options.get("baseUrl", DEFAULT_HOST),
        backend=backend,
        fetch=lambda url: _fetch(texts, url),
        compile=compile_for_engine,
    )
    result: dict[str, Any] = {}
    if "name" in case:
        result["name"] = case["name"]
    if "exprs" in case:
        result["exprs"] = run_expressions(case["exprs"], engine_options)
    if "compile" in case:
        result["compile"] = [_compile_one(text) for text in case["compile"]]
    if "rulesets" in case or "steps" in case:
        with Engine.ephemeral(engine_options) as engine:
            result |= _Case(engine, world, options, texts).run(case)
    return result


def _compile_one(text: str) -> dict[str, Any]:
    try:
        compiled = compile_text(text, "case.krl")
    except CompileError as problem:
        return problem.result
    return {"rid": compiled.rid, "warnings": compiled.warnings}


class _Case:
    """The pico of a case, its sources by URL, and the results so far."""

    def __init__(
        self,
        engine: Engine,
        world: VirtualWorld,
        options: Mapping[str, Any],
        texts: dict[str, str],
    ) -> None:
        self.engine = engine
        self.world = world
        self.options = options
        self.pico = engine.create().pico
        self.url_by_rid: dict[str, str] = {}
        self.text_by_url = texts
        self.results: list[Any] = []
        self.logs: list[dict[str, Any]] = []

    def run(self, case: Mapping[str, Any]) -> dict[str, Any]:
        installed = [self._add(row) for row in case.get("rulesets") or []]
        for step in case.get("steps") or []:
            self.results.append(self._timed_step(step))
        entities = self.entities()
        return {
            "install": [row for row in installed if row is not None],
            "results": self.results,
            "ent": entities,
            "rootId": self.pico,
        }

    def _add(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        text = row["krl"] if "krl" in row else _read_file(row["file"])
        found = _RID.search(text)
        rid = row.get("rid") or (found.group(1) if found else "undefined")
        url = row.get("url") or f"{_BASE_URL}{rid}.krl"
        self.url_by_rid[rid] = url
        self.text_by_url[url] = text
        return None if row.get("install") is False else self.install(url, row.get("config"))

    def install(self, url: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if url not in self.text_by_url:
            return error_of(f"Error: Got a statusCode=404 for: {url}", "install")
        try:
            compiled = compile_text(self.text_by_url[url], url)
            self.engine.module(url)  # from now on, what rulesets get for this URL
            source = self.text_by_url[url]
            response = self.engine.install_module(
                self.pico, compiled.raw, source=source, url=url, config=config or {}
            )
        except CompileError as problem:
            return problem.result
        except OperatorError as problem:
            return error_of(f"Error: {problem}", "install")
        if response.transition.outcome != "ok":
            return error_of(_error_text(response), "install")
        return compiled.summary()

    def _timed_step(self, step: Mapping[str, Any]) -> Any:
        if "time" in step:
            self.world.clock_ms = step["time"]
        else:
            self._run_until(self.world.clock_ms + self.options.get("stepMs", STEP_MS))
        self.logs.clear()
        try:
            result = self._step(resolve_refs(step, self.results))
        except CompileError as problem:
            result = problem.result
        except (OperatorError, BadStep, CodecError) as problem:
            result = error_of(f"Error: {problem}", "run")
        if self.options.get("logs") and self.logs and isinstance(result, dict):
            result["logs"] = list(self.logs)
        return result

    def _run_until(self, time_ms: int) -> None:
        """Moves the clock, and fires what is due on the way at its own time."""
        for _ in range(FIRED_MAX):
            due = self.engine.next_due()
            if due is None or due.at_ms > time_ms:
                break
            self.world.clock_ms = max(self.world.clock_ms, due.at_ms)
            self.engine.fire(due)
        self.world.clock_ms = max(self.world.clock_ms, time_ms)

    def _step(self, step: Mapping[str, Any]) -> Any:
        for name, action in _STEPS.items():
            if name in step:
                check_step(name, step[name])
                return action(self, step[name])
        raise BadStep(f"unknown step {sorted(step)}")

    # -- steps

    def event(self, given: Mapping[str, Any]) -> dict[str, Any]:
        response = self._send(given)
        if response.transition.outcome != "ok":
            return error_of(_error_text(response), "run")
        if given.get("nowait"):
            return {"eid": response.eid}
        return {"eid": response.eid, "directives": list(response.directives)}

    def _send(self, given: Mapping[str, Any]) -> Response:
        domain, name = given.get("domain"), given.get("name") or given.get("type")
        attrs = given.get("attrs")
        if not isinstance(domain, str) or not domain.strip():
            raise BadStep("missing event.domain")
        if not isinstance(name, str) or not name.strip():
            raise BadStep("missing event.name")
        if not isinstance(attrs, dict | None):
            raise BadStep("Expected a JSON map for event.data.attrs")
        pico, eci = self._channel(given.get("eci"))
        response = self.engine.send(pico, domain.strip(), name.strip(), attrs, eci=eci)
        self._note_logs(response.transition, response.eid)
        return response

    def _note_logs(self, transition: Transition, eid: str) -> None:
        """Log lines as recordings show them: a `log` statement has its value for a message."""
        for line in transition.logs:
            level = LOG_LEVELS.get(line.level, LOG_LEVELS["debug"])
            if level >= LOG_LEVELS["debug"] and not self.options.get("debugLogs"):
                continue
            shown: dict[str, Any] = {"level": level, "picoId": self.pico, "rid": line.rid}
            shown["txnId"] = eid
            if line.message:
                shown |= {"val": line.value, "msg": line.message}
            else:
                shown["msg"] = line.value
            self.logs.append(shown)

    def _channel(self, name: str | None) -> tuple[str, str | None]:
        """The pico that is meant and the channel to it."""
        if name in (None, "root"):
            return self.pico, None
        if name == "self":
            return self.pico, self.pico
        pico = self.engine.pico_of(str(name))
        if pico is None:
            raise BadStep(f"ECI not found {name}")
        return pico, name

    def query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        pico, eci = self._channel(given.get("eci"))
        args = given.get("args") or {}
        done = self.engine.run_query(pico, given["rid"], given["name"], args, eci=eci)
        self._note_logs(done, "query")
        if done.outcome != "ok":
            return error_of(f"Error: {done.message}", "run")
        return result_of(decode_value(done.answer))

    def event_query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        response = self._send(given)
        if response.transition.outcome != "ok":
            return error_of(_error_text(response), "run")
        return self.query({**given, "name": given["qname"]})

    def advance(self, duration_ms: int) -> dict[str, Any]:
        self._run_until(self.world.clock_ms + duration_ms)
        moment = datetime.fromtimestamp(self.world.clock_ms / 1000, UTC)
        return {"now": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}

    def install_step(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return self.install(self._url(given.get("url") or given.get("rid")), given.get("config"))

    def uninstall(self, rid: str) -> dict[str, Any]:
        self.engine.uninstall(self.pico, rid)
        return {"uninstalled": rid}

    def set_krl(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.text_by_url[self._url(given.get("url") or given.get("rid"))] = given["krl"]
        return {}

    def flush(self, name: str) -> dict[str, Any]:
        """Compiles again, and installs again where it is installed and has changed."""
        url = self._url(name)
        if url not in self.text_by_url:
            raise BadStep(f"Got a statusCode=404 for: {url}")
        records = [item for item in self.engine.state(self.pico).rulesets() if item.url == url]
        compiled = compile_text(self.text_by_url[url], url)
        self.engine.module(url, fresh=True)
        for record in records:
            config = decode_value(record.config)
            self.install(url, config if isinstance(config, dict) else {})
        digest = hashlib.sha256(self.text_by_url[url].encode()).hexdigest()
        return {"flushed": compiled.rid, "hash": digest}

    def restart(self, _: Any) -> dict[str, Any]:
        return {"restarted": True}  # a pico's state is all in its tree: there is nothing to lose

    def dump(self, what: str) -> dict[str, Any]:
        if what == "ent":
            found = {pico: self.entities(pico) for pico, _ in self.engine.store.picos()}
            return {"ent": {pico: entities for pico, entities in found.items() if entities}}
        if what == "picos":
            return {"picos": [self._pico(pico) for pico, _ in self.engine.store.picos()]}
        raise BadStep(f"unknown step dump {what}")

    def _url(self, name: Any) -> str:
        return self.url_by_rid.get(name, str(name))

    def _pico(self, pico: str) -> dict[str, Any]:
        """A pico as the reference shows it: its family, channels and rulesets."""
        state = self.engine.state(pico)
        parent = parent_of(state)
        return {
            "id": pico,
            "parent": None if parent is None else parent.eci,
            "children": [child.eci for child in children_of(state)],
            "channels": channels_of(state, pico),
            "rulesets": [
                {"rid": item.rid, "config": {"url": item.url, "config": decode_value(item.config)}}
                for item in state.rulesets()
            ],
        }

    def entities(self, pico: str | None = None) -> dict[str, Any]:
        """Entity variables by ruleset and name."""
        return dict(read_entities(self.engine.state(pico or self.pico).items(ENTITIES)))


_STEPS: dict[str, Callable[[_Case, Any], Any]] = {
    "event": _Case.event,
    "query": _Case.query,
    "eventQuery": _Case.event_query,
    "advance": _Case.advance,
    "install": _Case.install_step,
    "uninstall": _Case.uninstall,
    "setKrl": _Case.set_krl,
    "flush": _Case.flush,
    "restart": _Case.restart,
    "dump": _Case.dump,
}


def _fetch(texts: Mapping[str, str], url: str) -> bytes:
    if url not in texts:
        raise OperatorError(f"Got a statusCode=404 for: {url}")
    return texts[url].encode()


def _read_file(name: str) -> str:
    try:
        return Path(name).read_text("utf-8")
    except (OSError, ValueError) as problem:
        raise BadCase(f"cannot read the ruleset {name}: {problem}") from problem


def _error_text(response: Response) -> str:
    done = response.transition
    return f"Error: {done.message or done.outcome}"
