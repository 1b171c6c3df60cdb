"""Matching: which prediction is to find which truth.

A matcher is made once, and called with one image or a batch of them, in NumPy arrays or PyTorch tensors::

    >>> from detloss import matching
    >>> matcher = matching.MaxIou(high=0.6)
    >>> anchors = [[0, 0, 8, 8], [8, 0, 16, 8], [0, 8, 8, 16]]
    >>> matcher([[1, 0, 9, 8]], anchors=anchors).indices
    array([ 0, -1, -1])

Nothing is differentiated: tensors are detached, and what comes out is constant. Tensors on a device are matched there by tensor operations,
or, by matchers that have no such form, on the CPU, with one copy each way. Ctrl-C ends a long call.

:func:`union` joins the matches of several layers, :mod:`detloss.matching.sampling` leaves some of them out, and :class:`CenterHeatmap`
draws the maps of detectors without anchors.
"""

from __future__ import annotations

from typing import Any as _Any

from detloss import _core
from detloss._functions import signature as _signature
from detloss._matching import BACKGROUND, IGNORED, CenterHeatmap, Matcher, Matches, get_matcher, matchers, union
from detloss._matching import params_of as _params_of
from detloss.matching import sampling

__all__ = [
    "BACKGROUND",
    "IGNORED",
    "CenterHeatmap",
    "Matcher",
    "Matches",
    "get_matcher",
    "matchers",
    "sampling",
    "union",
]


def _make(name: str) -> type[Matcher]:
    """The class of a matcher of the list."""
    line = _core.Matcher(name)
    defaults = {param.name: param.typed(param.default) for param in _params_of(line)}
    keywords = defaults | ({} if line.overlap is None else {"overlap": line.overlap})

    def init(self: Matcher, **params: _Any) -> None:
        Matcher.__init__(self, name, **params)

    init.__signature__ = _signature(("self",), keywords)  # type: ignore[attr-defined]
    lines = [text.removeprefix(" ") for text in line.doc.splitlines()]
    page = "\n".join(text for text in lines if not text.startswith("```")).strip()
    described = [f"    {param.name}: {' '.join(param.doc.split())}" for param in _params_of(line)]
    described += [] if line.overlap is None else ["    overlap: the loss of boxes that the overlap is 1 minus of."]
    needs = ", ".join(["truths", *line.inputs])
    doc = "\n\n".join([page, "# Arguments", "\n".join(described), "# Needs", f"    {needs}"]) + "\n"
    return type(line.class_name, (Matcher,), {"__init__": init, "__doc__": doc, "__module__": __name__})


for _name in _core.matchers():
    _class = _make(_name)
    globals()[_class.__name__] = _class
    __all__.append(_class.__name__)
