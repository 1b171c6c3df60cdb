"""What was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from cases import Case

PARTS = {
    "kernel": "kernel alone",
    "value": "value only",
    "step": "step",
    "kept": "`x.grad` kept",
    "scaled": "loss times a number",
}
"""Parts and variations of our step, and what a table calls them."""


@dataclass
class Times:
    """Seconds of one step, round by round."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    def add(self, timed: tuple[float, float]) -> None:
        """One more round, wall and CPU."""
        self.walls.append(timed[0])
        self.cpus.append(timed[1])

    @property
    def wall(self) -> float:
        """The least wall time."""
        return min(self.walls)

    @property
    def median(self) -> float:
        """The median of the wall times."""
        return median(self.walls)

    @property
    def cpu(self) -> float:
        """The least CPU time."""
        return min(self.cpus)


@dataclass
class Result:
    """What a case gave with one number of threads. Keys are the implementation (or part), and whether the allocator is tuned."""

    case: Case
    threads: int
    difference: float
    """The norm of the difference between anybody's gradient and that of eager, over its norm, at worst."""
    times: dict[tuple[str, bool], Times]
    memory: dict[tuple[str, bool], float]
    """In multiples of the prediction; by large cases on one thread only."""
    anatomy: dict[tuple[str, bool], Times]
    """By some cases on one thread only."""
