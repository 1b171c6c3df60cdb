"""detloss beside torch, torchvision and torch.compile: forward and backward through autograd.

Every opponent is a process of its own, since settings of the allocator and numbers of threads are. They take turns,
step by step, so that whatever else the machine does hits all alike. Before anything is timed, values and gradients
have to agree.

    python crates/detloss-python/benches/peers.py --markdown docs/python-performance.md
    python crates/detloss-python/benches/peers.py --quick
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy
import page
from cases import CASES, Case
from results import PARTS, Result, Times

TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296", "THP_MEM_ALLOC_ENABLE": "1"}
"""The allocator keeps memory instead of giving it back, and torch asks for huge pages."""

OPPONENTS = (("detloss", False), ("detloss", True), ("eager", False), ("eager", True), ("compile", True))

VALUES_WITHIN, GRADIENTS_WITHIN = 1e-4, 1e-5
"""How far two values, and two gradients (the norm of the difference over the norm), may be apart.

This is rounding: torch.compile adds up millions of values in float32.
"""

PAUSE = 0.01
"""Seconds between two opponents: the threads of the last one spin for a while before they sleep."""


class Opponent:
    """A process that runs one implementation with one setting of the allocator."""

    def __init__(self, implementation: str, tuned: bool, threads: int) -> None:
        self.implementation, self.tuned = implementation, tuned
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), implementation, str(threads)]
        environment = {**os.environ, **(TUNED if tuned else {}), "OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def tell(self, method: str, *arguments: Any) -> None:
        """Begins something; the answer has to be heard."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, *arguments]) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """The answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.implementation} ended with status {self._process.wait()}: see above")
        return json.loads(line)

    def ask(self, method: str, *arguments: Any) -> Any:
        """One after the other, so that nobody disturbs what is timed."""
        self.tell(method, *arguments)
        return self.hear()

    def end(self) -> None:
        """Waits for the end of the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def run(case: Case, opponents: list[Opponent], threads: int, rounds: int, quick: bool) -> Result:
    """One case, all opponents in turn."""
    runners = [o for o in opponents if o.implementation != "compile" or case.functions.compilable is not None]
    for opponent in runners:
        opponent.tell("prepare", case.name, quick)
    for opponent in runners:
        opponent.hear()
    difference = agreement(case, runners)
    memory = {}
    if threads == 1 and not case.is_small:
        for opponent in runners:
            if not opponent.tuned or opponent.implementation == "compile":
                opponent.ask("warm_up")
                memory[opponent.implementation, opponent.tuned] = opponent.ask("memory")
    times: dict[tuple[str, bool], Times] = {(o.implementation, o.tuned): Times() for o in runners}
    for opponent in runners:
        opponent.ask("warm_up")
    for turn in range(rounds):
        first = turn % len(runners)
        for opponent in runners[first:] + runners[:first]:
            time.sleep(PAUSE)
            times[opponent.implementation, opponent.tuned].add(opponent.ask("time", "step"))
    parts = anatomy(runners, rounds) if threads == 1 and case.is_detailed else {}
    return Result(case, threads, difference, times, memory, parts)


def anatomy(runners: list[Opponent], rounds: int) -> dict[tuple[str, bool], Times]:
    """Where the time of our own step goes."""
    ours = [opponent for opponent in runners if opponent.implementation == "detloss"]
    parts = {(part, opponent.tuned): Times() for part in PARTS for opponent in ours}
    for _ in range(rounds):
        for part in PARTS:
            for opponent in ours:
                parts[part, opponent.tuned].add(opponent.ask("time", part))
    return parts


def agreement(case: Case, runners: list[Opponent]) -> float:
    """The largest difference from eager's gradient; a ``RuntimeError`` if somebody computes something else."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{index}.npy" for index in range(len(runners))]
        for opponent, path in zip(runners, paths, strict=True):
            opponent.tell("check", path)
        found = [(opponent.hear(), numpy.load(path)) for opponent, path in zip(runners, paths, strict=True)]
    value, grad = next(f for f, opponent in zip(found, runners, strict=True) if opponent.implementation == "eager")
    norm, worst = float(numpy.linalg.norm(grad)), 0.0
    for (other, other_grad), opponent in zip(found, runners, strict=True):
        of_values = abs(other - value) / abs(value)
        of_gradients = float(numpy.linalg.norm(other_grad - grad)) / norm
        if not (of_values <= VALUES_WITHIN and of_gradients <= GRADIENTS_WITHIN):
            apart = f"{of_values:.0e} (value) and {of_gradients:.0e} (gradient)"
            raise RuntimeError(f"{case.name}: {opponent.implementation} is {apart} away from eager: it is another function")
        worst = max(worst, of_gradients)
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small inputs and two rounds: to try the script out")
    parser.add_argument("--rounds", type=int, default=5, help="how often everybody takes a turn")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--threads", type=int, nargs="+", choices=(1, 2), default=(1, 2), help="numbers of threads")
    parser.add_argument("--markdown", type=Path, help="where to write the page")
    options = parser.parse_args()
    rounds = 2 if options.quick else options.rounds
    results = []
    for threads in options.threads:
        opponents = [Opponent(implementation, tuned, threads) for implementation, tuned in OPPONENTS]
        for case in CASES:
            if options.only in case.name and not (case.is_small and threads > 1):
                results.append(run(case, opponents, threads, rounds, options.quick))
                print(page.line(results[-1]), flush=True)
        for opponent in opponents:
            opponent.end()
    given = (f"--only '{options.only}'" if options.only else "", "--quick" if options.quick else "")
    threads_given = "" if tuple(options.threads) == (1, 2) else f"--threads {options.threads[0]}"
    shown = " ".join(filter(None, (*given, threads_given, "--markdown docs/python-performance.md")))
    text = page.page(results, rounds, shown)
    if options.markdown:
        before = options.markdown.read_text() if options.markdown.exists() else ""
        options.markdown.write_text(text + page.rotated_of(before))
    else:
        print(text)


if __name__ == "__main__":
    main()
