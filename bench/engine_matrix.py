"""Do releases of wasmtime from 25 to 50 agree on a history, to the last byte and unit of fuel?

A history of 1,000 transitions is recorded once: the ten examples, their recorded events over and
over. Then releases of wasmtime are installed, each into a scratch folder of its own, and each
replays every guest of the history with a script that needs nothing else (programs/replay_alone.py).

Goals: one digest, over answers, host calls, fuel and memory, on at least eight releases from 25 to
50. Exits with 1 if there are two.

Non-goals: speed (the seconds are there to see that work was done), the engine around the guests,
other backends (stops.py).

    python bench/engine_matrix.py                     # the table of bench/README.md
    python bench/engine_matrix.py --releases 25.0.0 50.0.1
    python bench/engine_matrix.py --small             # only the release that is installed
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from picomesh.cli.circumstances import circumstances
from picomesh.sandbox.recording import Answer, RecordedGuest
from picomesh.scenario.world import STEP_MS
from programs.recorded import Recorder, example_paths

RELEASES = (
    "25.0.0",
    "27.0.2",
    "29.0.0",
    "31.0.0",
    "33.0.0",
    "36.0.0",
    "39.0.0",
    "42.0.0",
    "45.0.0",
    "47.0.1",
    "49.0.0",
    "50.0.1",
)
TRANSITIONS, TRANSITIONS_SMALL = 1_000, 20
SCRIPT = Path(__file__).parent / "programs" / "replay_alone.py"


def lives(path: Path) -> Iterator[list[RecordedGuest]]:
    """The guests of one transition after the other of an example, without end."""
    recorder = Recorder(path)
    case = json.loads(path.with_suffix(".json").read_text("utf-8"))
    while True:
        for step in case["steps"]:
            recorder.world.clock_ms += step.get("wait_ms", STEP_MS)
            if "event" not in step:
                continue
            event = step["event"]
            recorder.sandbox.machines.clear()
            recorder.engine.send(recorder.pico, event["domain"], event["name"], event["attrs"])
            yield recorder.sandbox.machines[-1]


def record(folder: Path, transitions: int) -> str:
    """Writes a history and its modules; returns its hash."""
    paths = example_paths()
    guests: list[dict[str, Any]] = []
    modules: set[str] = set()
    for at, path in enumerate(paths):
        count = transitions * (at + 1) // len(paths) - transitions * at // len(paths)
        for machine in islice(lives(path), count):
            for guest in machine:
                name = hashlib.sha256(guest.metered).hexdigest()
                if name not in modules:
                    modules.add(name)
                    (folder / f"{name}.wasm").write_bytes(guest.metered)
                guests.append({"module": name, "messages": _messages(guest)})
    text = json.dumps({"modules": sorted(modules), "guests": guests})
    (folder / "history.json").write_text(text, "utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def _messages(guest: RecordedGuest) -> list[dict[str, Any]]:
    return [
        {
            "export": item.export,
            "message": item.message.hex(),
            "calls": [
                {"function": call.function, "answer": _answer(call.answer)} for call in item.calls
            ],
        }
        for item in guest.messages
        if item.answer is not None
    ]


def _answer(answer: Answer) -> Any:
    match answer:
        case bytes():
            return answer.hex()
        case list():
            return [[path.hex(), value.hex()] for path, value in answer]
        case None:
            return None


def install(release: str, folder: Path) -> None:
    """One release of wasmtime, and what it needs, in a folder of its own."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
    subprocess.run([*command, f"wasmtime=={release}"], check=True, stdout=sys.stderr)


def replay(history: Path, packages: Path | None) -> dict[str, Any]:
    """The history on the wasmtime of a folder, or on the one that is installed here."""
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(history)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure_all(releases: Sequence[str], transitions: int, scratch: Path) -> dict[str, object]:
    """The history on every release, as the JSON line shows it."""
    history = scratch / "history"
    history.mkdir(parents=True, exist_ok=True)
    name = record(history, transitions)
    rows = []
    for release in releases:
        packages = scratch / release
        if not packages.exists():
            install(release, packages)
        rows.append(replay(history, packages))
        assert rows[-1]["wasmtime"] == release, f"asked for {release}"
        print(json.dumps(rows[-1]), file=sys.stderr)
    if not releases:
        rows.append(replay(history, None))
    return {
        "bench": "engine_matrix",
        "transitions": transitions,
        "history": name,
        "releases": rows,
        "digests": sorted({row["digest"] for row in rows}),
        **circumstances(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="few transitions, nothing installed")
    parser.add_argument("--releases", nargs="+", default=RELEASES)
    parser.add_argument("--transitions", type=int, default=TRANSITIONS)
    parser.add_argument("--scratch", type=Path, help="keep the environments here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = options.scratch or Path(folder)
        releases = () if options.small else options.releases
        transitions = TRANSITIONS_SMALL if options.small else options.transitions
        result = measure_all(releases, transitions, scratch)
    print(json.dumps(result))
    digests = result["digests"]
    sys.exit(0 if isinstance(digests, list) and len(digests) == 1 else 1)


if __name__ == "__main__":
    main()
