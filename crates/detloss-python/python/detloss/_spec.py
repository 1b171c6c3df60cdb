"""What the list says of every loss, and how shapes become a batch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import inf, prod
from typing import NamedTuple

from detloss import _core

OPTIONS = ("weight", "class_weight", "ignore_index", "groups")
REDUCTIONS = ("none", "mean", "sum", "weighted_mean")


@dataclass(frozen=True)
class Param:
    """A parameter of a loss: a number with a default and a range."""

    name: str
    default: float
    low: float
    high: float
    doc: str


@dataclass(frozen=True)
class Fields:
    """What one prediction or one target consists of.

    ``is_row``: one is a whole row of these. ``is_label``: a class index will do instead.
    """

    names: tuple[str, ...]
    is_row: bool
    is_label: bool


@dataclass(frozen=True)
class Case:
    """A worked case: the numbers of prediction and target as they lie in memory, and the value the loss has there.

    ``params``: those that are not at their defaults.
    """

    what: str
    pred: tuple[float, ...]
    target: tuple[float, ...]
    value: float
    params: Mapping[str, float]


@dataclass(frozen=True)
class Spec:
    """A line of the list of losses.

    ``scope``: what one value is of, "unit", "row" or "set" (a whole batch, or each group in it). ``is_slope``: at the defaults,
    the gradient is the slope of the value; that of ranking losses is not, nor is one of a loss that holds a part of itself still.
    """

    name: str
    label: str
    family: str
    doc: str
    params: tuple[Param, ...]
    scope: str
    pred: Fields
    target: Fields
    symmetric: bool
    parts: tuple[str, ...]
    remembers: bool
    is_formula: bool
    is_slope: bool
    cases: tuple[Case, ...]
    _defaults: tuple[float, ...] = field(repr=False)

    @cached_property
    def class_name(self) -> str:
        """The label as the name of a class."""
        letters = unicodedata.normalize("NFKD", self.label.replace("α", "alpha"))
        words = re.findall(r"[A-Za-z0-9]+", "".join(c for c in letters if not unicodedata.combining(c)))
        return "".join(word[0].upper() + word[1:] for word in words) + "Loss"

    @property
    def has_columns(self) -> bool:
        """The last dimension of the prediction is one of columns (classes, coordinates), not of fields or pixels."""
        return len(self.pred.names) == 1 and not self.is_mask

    @property
    def is_mask(self) -> bool:
        """All dimensions of the prediction but the first are pixels of one mask."""
        return self.family == "masks" and self.scope == "row"

    @cached_property
    def options(self) -> tuple[str, ...]:
        """Which of weight, class_weight, ignore_index and groups make sense for the loss."""
        is_set = self.scope == "set"
        can_weigh_columns = self.has_columns and not is_set and (self.target.is_label or not self.pred.is_row)
        makes_sense = {
            "weight": True,
            "class_weight": can_weigh_columns,
            "ignore_index": self.has_columns and self.target.is_label,
            "groups": is_set,
        }
        return tuple(option for option in OPTIONS if makes_sense[option])

    def check_options(self, **options: object) -> None:
        """A ``TypeError`` for what is given (is not None) and makes no sense."""
        for option, given in options.items():
            if given is not None and option not in self.options:
                raise TypeError(f"{self.name} takes no {option}: it takes {', '.join(self.options)}")

    @property
    def summary(self) -> str:
        """The first sentence of the documentation."""
        return " ".join(self.doc.split("\n\n")[0].split())

    def values(self, params: Mapping[str, float]) -> tuple[float, ...]:
        """The values of all parameters in their order, those that are not given at their defaults."""
        if not params:
            return self._defaults
        known = [param.name for param in self.params]
        for name in params:
            if name not in known:
                has = ", ".join(known) if known else "none"
                raise TypeError(f"{self.name}() has no parameter {name!r}: it has {has}")
        return tuple(self._value(param.name, params.get(param.name, param.default)) for param in self.params)

    def _value(self, name: str, given: object) -> float:
        """A parameter as a number."""
        try:
            return float(given)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            per_class = "; a factor per class is class_weight" if "class_weight" in self.options else ""
            raise TypeError(f"{self.name}: {name} is a {type(given).__name__}: give one number{per_class}") from None


def _spec(name: str) -> Spec:
    loss = _core.Loss(name)
    params = tuple(Param(*param) for param in loss.params)
    names, is_row, is_label = loss.pred
    target_names, target_is_row, target_is_label = loss.target
    return Spec(
        name=name,
        label=loss.label,
        family=loss.family,
        doc=loss.doc,
        params=params,
        scope=loss.scope,
        pred=Fields(tuple(names), is_row, is_label),
        target=Fields(tuple(target_names), target_is_row, target_is_label),
        symmetric=loss.symmetric,
        parts=tuple(loss.parts),
        # Rows of three columns are as good as any to see whether anything is remembered.
        remembers=len(loss.initial_state(3)) > 0,
        is_formula=loss.trace(False) is not None,
        is_slope=loss.is_slope,
        cases=tuple(
            Case(what, tuple(pred), tuple(target), value, dict(given)) for what, pred, target, value, given in loss.cases
        ),
        _defaults=tuple(param.default for param in params),
    )


SPECS: dict[str, Spec] = {name: _spec(name) for name in _core.names()}


def find(name: str) -> Spec:
    """The loss called ``name``; a ``ValueError`` names the nearest one there is."""
    try:
        return SPECS[name]
    except KeyError:
        _core.Loss(name)  # Raises, with the remedy.
        raise


# A parameter that changes in every step of a training run does not fill the memory.
@lru_cache(maxsize=512)
def loss(name: str, values: tuple[float, ...]) -> _core.Loss:
    """The loss with these values of its parameters."""
    return _core.Loss(name, values)


class Form(NamedTuple):
    """How the arrays of one call make up a batch."""

    columns: int
    """How many units make a row."""
    units: tuple[int, ...]
    """The shape of the values, one per unit. Losses of whole batches have a unit per group."""
    rows: tuple[int, ...]
    """The shape of what is one per row: class indices, groups, weights per row."""
    classes: bool
    """The target is class indices."""
    per_row: bool
    """The weight is one per row."""


def form(
    spec: Spec,
    pred: Sequence[int],
    target: Sequence[int],
    target_is_integer: bool,
    weight: Sequence[int] | None = None,
    class_weight: Sequence[int] | None = None,
    groups: Sequence[int] | None = None,
) -> Form:
    """Checks the shapes of one call. ``ValueError`` says what was expected."""
    pred, target = tuple(pred), tuple(target)
    name, fields, is_row, is_label = spec.name, len(spec.pred.names), spec.pred.is_row, spec.target.is_label
    if is_row:
        if not pred:
            raise ValueError(f"{name}: the prediction has no dimensions: it is a row of {spec.pred.names[0]}s")
        lead = pred[:1] if spec.is_mask and len(pred) > 1 else pred[:-1]
        columns, rows, units = prod(pred[len(lead) :]), lead, lead
        fits = pred if spec.target.is_row else lead
    elif fields > 1:
        if not pred or pred[-1] != fields:
            names = ", ".join(spec.pred.names)
            raise ValueError(f"{name}: the prediction has shape {pred}: its last dimension is {fields} ({names})")
        columns, rows, units = 1, pred[:-1], pred[:-1]
        fits = units if len(spec.target.names) == 1 else (*units, len(spec.target.names))
    else:
        columns = pred[-1] if len(pred) > 1 else 1
        rows = pred[:-1] if len(pred) > 1 else pred
        units, fits = pred, pred
    # Labels of the shape of the prediction are labels, integers or not.
    classes = is_label and target_is_integer and target == rows and (is_row or target != fits)
    if not classes and target != fits:
        wanted = f"{fits}, like the prediction" if fits == pred else str(fits)
        if is_label and rows != fits:
            wanted += f", or class indices (integers) of shape {rows}"
        raise ValueError(f"{name}: the target has shape {target}: with a prediction of shape {pred} it is {wanted}")
    per_row = False
    if weight is not None:
        weight = tuple(weight)
        per_row = weight == rows
        if not per_row and weight != units:
            wanted = str(units) if units == rows else f"{units} (one per value) or {rows} (one per row)"
            raise ValueError(f"{name}: the weight has shape {weight}: give {wanted}")
    if class_weight is not None and tuple(class_weight) != (columns,):
        raise ValueError(f"{name}: class_weight has shape {tuple(class_weight)}: give ({columns},), one per column")
    if groups is not None and tuple(groups) != rows:
        raise ValueError(f"{name}: groups have shape {tuple(groups)}: give {rows}, one per row")
    return Form(columns, units, rows, classes, per_row)


def check_reduction(reduction: str, divisor: object, keyword: str) -> None:
    """A reduction has one of four names, and only a mean has a divisor."""
    if reduction not in REDUCTIONS:
        names = ", ".join(map(repr, REDUCTIONS))
        raise ValueError(f"reduction is {reduction!r}: give one of {names}")
    if divisor is not None and reduction != "mean":
        raise ValueError(f"{keyword} divides a mean: leave it out, or use reduction=\"mean\" instead of {reduction!r}")


def check_divisor(divisor: float, keyword: str) -> float:
    """A divisor as a positive number; 0, that of a batch without positives, counts as 1."""
    divisor = float(divisor)
    if not 0.0 <= divisor < inf:
        raise ValueError(f"{keyword} is {divisor}: give a positive number, such as the number of positives")
    return divisor or 1.0
