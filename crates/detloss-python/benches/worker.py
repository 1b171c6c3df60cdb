"""One opponent in a process of its own: it prepares, runs and times steps as it is told, a line of JSON each way."""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch
from cases import BY_NAME, Case, Inputs, Loss
from torch import Tensor

import detloss

SEED = 5

TURN = 0.1
"""Seconds of a turn. A step that is longer has the turn for itself."""


class Worker:
    """Runs one case at a time. ``implementation``: "detloss", "eager" or "compile"."""

    case: Case
    inputs: Inputs
    loss: Loss

    def __init__(self, implementation: str, threads: int) -> None:
        self.implementation = implementation
        torch.set_num_threads(threads)
        detloss.set_num_threads(threads)

    def prepare(self, name: str, quick: bool) -> None:
        """Makes the inputs, and compiles the loss at the size it will have."""
        torch.compiler.reset()
        self.case = case = BY_NAME[name]
        self.inputs = self._inputs(case.sized(quick))
        functions = case.functions
        if self.implementation == "compile":
            assert functions.compilable is not None
            self.loss = torch.compile(functions.compilable, dynamic=False, fullgraph=True)
        else:
            self.loss = functions.ours if self.implementation == "detloss" else functions.eager

    def _inputs(self, size: int) -> Inputs:
        torch.manual_seed(SEED)
        pred, target = self.case.inputs(size)
        return pred.requires_grad_(), target

    def check(self, path: str) -> float:
        """Writes the gradient into a file and returns the value."""
        kept = self.inputs
        if self.case.sample is not None:
            self.inputs = self._inputs(min(self.case.sample.size, len(kept[0])))
        value = self.step().item()
        grad = self.inputs[0].grad
        assert grad is not None
        numpy.save(path, grad.numpy())
        self.inputs = kept
        return value

    def step(self, *steps: int) -> Tensor:
        """A step of training: forward, backward, a gradient that is new every time. Of a loop, its first steps only."""
        pred, target = self.inputs
        pred.grad = None
        loss = self.loss(pred, target, *steps)
        _backward(loss)
        return loss

    def _sampled(self) -> None:
        """A step, or for a loop as much of it as is timed."""
        sample = self.case.sample
        self.step(*(() if self.implementation != "eager" or sample is None else (sample.steps,)))

    def warm_up(self) -> None:
        """What only the first steps do."""
        for _ in range(2):
            self._sampled()

    def time(self, kind: str) -> tuple[float, float]:
        """Seconds of wall and of CPU time of one step, the mean over a turn."""
        call = self._steps()[kind]
        sample = self.case.sample
        if self.implementation != "eager" or sample is None:
            return _timed(call)
        steps = int((self.inputs[1] > 0).sum())
        timed = min(sample.steps, steps)
        fixed, some = _timed(lambda: self.step(0)), _timed(lambda: self.step(timed))
        wall, cpu = (f + (s - f) * steps / timed for f, s in zip(fixed, some, strict=True))
        return wall, cpu

    def _steps(self) -> dict[str, Callable[[], Any]]:
        """A step, and parts and variations of it: where its time goes."""
        pred, target = self.inputs

        def scaled() -> None:
            pred.grad = None
            _backward(self.loss(pred, target) * 0.5)

        def value() -> None:
            with torch.no_grad():
                self.loss(pred, target)

        def kept() -> None:
            _backward(self.loss(pred, target))

        return {"step": self.step, "scaled": scaled, "kept": kept, "value": value, "kernel": self._kernel}

    def _kernel(self) -> None:
        """Our kernel alone: the gradient goes into memory that is there."""
        pred, target = self.inputs
        if pred.grad is None:
            pred.grad = torch.zeros_like(pred)
        detloss.value_and_grad(self.case.functions.loss, pred.detach().numpy(), target.numpy(), out=pred.grad.numpy())

    def memory(self) -> float:
        """How far a step raises the memory in use, in multiples of the prediction."""
        pred = self.inputs[0]
        pred.grad = None
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        self._sampled()
        return (_status("VmHWM") - before) / (pred.numel() * pred.element_size())


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = _repeated(call, 1)
    # The first of short steps finds caches that belong to the one before, and cores that slept.
    return (wall, cpu) if wall > TURN else _repeated(call, round(TURN / wall))


def _repeated(call: Callable[[], Any], calls: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return (time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls


def _status(what: str) -> float:
    """A line of ``/proc/self/status``, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def main() -> None:
    """Answers until there are no more requests."""
    worker = Worker(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(worker, method)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
