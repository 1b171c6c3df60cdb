"""``yolo`` on the command line, with the losses of this package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from detloss.compat.ultralytics import install

SWITCHES = {"true": True, "false": False}

KEYS = {"box_loss": "box", "cls_loss": "cls", "dfl_loss": "dfl", "assigner": "assigner", "assigner_overlap": "assigner_overlap"}
"""The words of the command line, and what each sets."""

USAGE = """\
yolo with the losses of detloss:

    python -m detloss.compat.ultralytics train box_loss="inner(siou, ratio=0.8)" model=yolo11n.yaml data=coco8.yaml

    box_loss=siou                   the loss of boxes, in the place of CIoU or ProbIoU
    cls_loss="varifocal(gamma=2)"   the loss of scores, in the place of binary cross entropy
    dfl_loss=False                  without the loss of the four sides
    assigner=task_aligned           the assigner of detloss
    assigner_overlap=siou           what its overlap is 1 minus of

All else is yolo's own.
"""


def main(arguments: Sequence[str]) -> None:
    """``yolo`` with these arguments, of which those of ``KEYS`` are ours."""
    ours, theirs = {}, []
    for argument in arguments:
        key, has_value, value = argument.partition("=")
        if key in KEYS and has_value:
            ours[KEYS[key]] = value
        else:
            theirs.append(argument)
    if not theirs or theirs[0] == "help":
        print(USAGE)
    # In place: it was looked up when Ultralytics was imported, if it was.
    sys.argv[:] = ["yolo", *theirs]
    entrypoint = importlib.import_module("ultralytics.cfg").entrypoint
    try:
        installed = install(**ours | {"dfl": _switch(ours["dfl"]) if "dfl" in ours else None})  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    with installed:
        entrypoint()


def _switch(value: str) -> bool:
    if value.lower() not in SWITCHES:
        raise ValueError(f"dfl_loss is {value!r}: give True or False")
    return SWITCHES[value.lower()]


if __name__ == "__main__":
    main(sys.argv[1:])
