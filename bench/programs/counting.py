"""Events to the counter for some seconds and nothing else: something to hold a profiler to.

py-spy record --native -r 500 -f raw -o stacks.txt -- python bench/programs/counting.py
python bench/programs/phases.py stacks.txt
"""

from __future__ import annotations

import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sides.cases import counter, source
from sides.comparison import OUTSTANDING
from sides.processes import pin
from sides.worker import Worker

SECONDS = 12
EVERY_S = 0.002
_ROOTS = re.compile(r".*/(?=(?:picomesh|sides)/)")


@contextmanager
def sampled(every_s: float) -> Iterator[Counter[str]]:
    """Stacks, outermost frame first, and how often each was met; none when that is never."""
    found: Counter[str] = Counter()

    def note(number: int, frame: FrameType | None) -> None:
        frames = []
        while frame is not None:
            code = frame.f_code
            place = f"{_ROOTS.sub('', code.co_filename)}:{frame.f_lineno}"
            frames.append(f"{code.co_qualname} ({place})")
            frame = frame.f_back
        found[";".join(reversed(frames))] += 1

    before = signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, every_s, every_s)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def main() -> None:
    pin()
    case = counter()
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker()
        worker.open(str(Path(folder) / "home"))
        worker.create(1)
        worker.install(source(case.ruleset), [0])
        worker.check(case.setup)
        worker.run(case.calls, 1_000, OUTSTANDING, 0)
        with sampled(EVERY_S if len(sys.argv) > 1 else 0) as stacks:
            done = worker.run(case.calls, 1_000 * SECONDS, OUTSTANDING, 0)
        sys.stdout.write(f"{1e6 * done['cpu_s'] / done['done']:.1f} µs of processor an event\n")
        worker.quit()
    if stacks:
        lines = (f"{stack} {count}\n" for stack, count in stacks.items())
        Path(sys.argv[1]).write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main()
