"""Does an engine that is killed lose what it acknowledged, or do anything twice?

A child process serves events as fast as it can, and is killed with SIGKILL at a random moment,
again and again on the same home. After each kill the home is opened and everything that waits is
run: the ledger must verify, every acknowledged event must have happened exactly once, on the pico
it was sent to and on the one that this pico sends it on to, and a request to the outside must
have been made under one key, and never before its receipt was durable. When a home is done with,
what still waits to be delivered is delivered, so that a request which was lost shows as well.

Goals: no problem in 200 kills; the counts say how much was at stake.

Non-goals: power cuts (a killed process leaves what it wrote to the operating system), speed.
`problems` is the hash of the texts of all problems: of nothing when there are none.

    python bench/crash.py              # 200 kills, about five minutes
    python bench/crash.py --small      # four kills (the test suite asks this)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import picomesh
from picomesh.engine.answers import Answerer
from picomesh.engine.history import verify_home
from picomesh.engine.options import Options
from picomesh.engine.service import Service
from picomesh.ledger.value import Value
from picomesh.server.worker import Worker

ROUNDS_PER_HOME = 10
ROUNDS, ROUNDS_SMALL = 200, 4
DRAIN_S = 60.0
LIFE_S = (0.05, 0.6)  # after the first acknowledgement
RULESET = """
ruleset crash {
  meta { shares seen }
  global { seen = function() { ent:seen.defaultsTo({}) } }
  rule first {
    select when t add
    every {
      event:send({"eci": event:attrs{"next"}, "domain": "t", "type": "copy", "attrs": event:attrs})
      http:post("http://sink.test/" + event:attrs{"n"}, autosend = {"domain": "t", "type": "told"})
    }
    fired { ent:seen{event:attrs{"n"}} := ent:seen{event:attrs{"n"}}.defaultsTo(0) + 1 }
  }
  rule second {
    select when t copy
    fired {
      ent:seen{event:attrs{"n"}} := ent:seen{event:attrs{"n"}}.defaultsTo(0) + 1;
      log info "copied"
    }
  }
}
"""


class FileNetwork:
    """Requests end in a file, one line each, which outlives the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def request(
        self, method: str, url: str, headers: dict[str, str], body: str | None, follow: bool
    ) -> dict[str, Value]:
        line = json.dumps([url.rpartition("/")[2], headers.get("idempotency-key")])
        os.write(self._file, line.encode() + b"\n")
        return {"status_code": 200}


@dataclass(slots=True)
class Found:
    """What all rounds came to."""

    rounds: int = 0
    acknowledged: int = 0
    requests: int = 0
    repeated_requests: int = 0
    problems: list[str] = field(default_factory=list)


def open_home(folder: Path) -> Service:
    network = FileNetwork(folder.parent / f"{folder.name}.sink")
    return Service.open(folder, Options(backend="winch", answerer=Answerer(network)))


def prepare(folder: Path) -> None:
    from picomesh.engine.library import compile_krl

    with open_home(folder) as engine:
        module = compile_krl(RULESET)
        for name in ("first", "second"):
            engine.create(name)
            engine.install_module(name, module)


def serve(folder: Path, first: int) -> None:
    """The child: sends itself events and says which are acknowledged."""
    engine = open_home(folder)
    worker = Worker(engine)
    following = engine.eci(engine.find("second"))
    worker.start()
    number = first
    while True:
        attrs: dict[str, Value] = {"n": f"n{number}", "next": following}

        def accept(owner: Service, attrs: dict[str, Value] = attrs) -> int:
            return owner.accept("first", "t", "add", attrs)

        worker.call(accept).result()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


def kill_once(folder: Path, first: int, chance: random.Random) -> list[int]:
    """Starts the child, kills it; returns what it acknowledged."""
    command = [sys.executable, __file__, "--serve", str(folder), "--first", str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as child:
        assert child.stdout is not None
        begun = child.stdout.readline()
        time.sleep(chance.uniform(*LIFE_S))
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    lines = (begun + rest).split(b"\n")[:-1]  # the last one may be torn
    return [int(line) for line in lines]


def check(folder: Path, acknowledged: set[int], found: Found, finished: bool) -> None:
    """Opens the home, runs what waits, and compares."""
    with open_home(folder) as engine:
        while engine.settle():
            pass
        for problem in verify_home(engine.store, engine.public_key).problems:
            found.problems.append(f"{problem.place}: {problem.text}")
        wanted = {f"n{number}" for number in acknowledged}
        counts: dict[str, Any] = {}
        for name in ("first", "second"):
            seen = engine.query(name, "crash", "seen")
            assert isinstance(seen, dict), "the ruleset shares a map"
            counts[name] = seen
            lost = wanted - seen.keys()
            repeated = [number for number, count in seen.items() if count != 1]
            found.problems += [f"{name} lost {number}" for number in sorted(lost)]
            found.problems += [f"{name} saw {number} more than once" for number in repeated]
        if counts["first"].keys() != counts["second"].keys():
            found.problems.append("what the first pico sent is not what the second one got")
    if finished:
        deliver_rest(folder)
    _check_sink(folder, set(counts["first"]), found, finished)


def deliver_rest(folder: Path) -> None:
    """Lets an engine live until nothing waits."""
    worker = Worker(open_home(folder))
    worker.start()
    deadline_s = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline_s:
        waiting = worker.call(lambda engine: len(engine.store.outgoing())).result()
        if not waiting:
            break
        time.sleep(0.01)
    worker.stop()


def _check_sink(folder: Path, happened: set[str], found: Found, finished: bool) -> None:
    sink = folder.parent / f"{folder.name}.sink"
    lines = [json.loads(line) for line in sink.read_text().splitlines()]
    keys: dict[str, set[str]] = {}
    for number, key in lines:
        keys.setdefault(number, set()).add(key)
    found.problems += [
        f"{number}: requested without a receipt" for number in keys.keys() - happened
    ]
    found.problems += [f"{number}: more than one key" for number in keys if len(keys[number]) > 1]
    if finished:
        found.problems += [f"{number}: never requested" for number in happened - keys.keys()]
    found.requests = len(lines)
    found.repeated_requests = sum(count - 1 for count in Counter(n for n, _ in lines).values())


def run(rounds: int, seed: int) -> Found:
    """Kills an engine so many times."""
    chance, found = random.Random(seed), Found()
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(rounds):
            folder = Path(scratch) / f"home{number // ROUNDS_PER_HOME}"
            if number % ROUNDS_PER_HOME == 0:
                prepare(folder)
                acknowledged: set[int] = set()
                last = 0
            told = kill_once(folder, last, chance)
            acknowledged |= set(told)
            last = max(told) + 2  # one more may have been accepted and not told
            finished = (number + 1) % ROUNDS_PER_HOME == 0 or number + 1 == rounds
            check(folder, acknowledged, found, finished)
            found.rounds += 1
            found.acknowledged += len(told)
            if finished:
                totals["requests"] += found.requests
                totals["repeated"] += found.repeated_requests
    found.requests, found.repeated_requests = totals["requests"], totals["repeated"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve, given.first)
        return
    found = run(ROUNDS_SMALL if given.small else given.rounds, given.seed)
    result = {
        "bench": "crash",
        "kills": found.rounds,
        "acknowledged": found.acknowledged,
        "requests": found.requests,
        "repeated_under_the_same_key": found.repeated_requests,
        "problem_count": len(found.problems),
        "problems": hashlib.sha256("\n".join(found.problems).encode()).hexdigest(),
        "seed": given.seed,
        "machine": platform.platform(),
        "picomesh": picomesh.__version__,
    }
    print(json.dumps(result))
    for problem in found.problems[:20]:
        print(problem, file=sys.stderr)
    sys.exit(1 if found.problems else 0)


if __name__ == "__main__":
    main()
