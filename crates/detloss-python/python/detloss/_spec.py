"""What the list says of every loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from detloss import _core

OPTIONS = ("weight", "class_weight", "ignore_index", "groups")
REDUCTIONS = ("none", "mean", "sum", "weighted_mean")

BACKENDS = ("auto", "fused", "decomposed")
"""What there is for whatever takes tensors."""


MAX_LABEL: float = _core.MAX_LABEL
LEFT_OUT: float = _core.LEFT_OUT

_TYPES: dict[str, Callable[[float], float]] = {"real": float, "count": int, "switch": bool}


@dataclass(frozen=True)
class Param:
    """A parameter of a loss: a number with a default and a range.

    ``kind``: "real", "count" (a whole number) or "switch" (true or false).
    """

    name: str
    kind: str
    default: float
    low: float
    high: float
    doc: str

    def typed(self, value: float) -> float:
        """A value as people write it: a float, an int or a bool."""
        return _TYPES[self.kind](value)


@dataclass(frozen=True)
class Operand:
    """What one prediction or one target is: its fields.

    ``is_row``: one is a whole row of these. ``is_label``: a class index will do instead. ``is_probability``: they lie between 0
    and ``MAX_LABEL``. ``can_be_left_out``: one may be ``LEFT_OUT`` instead.
    """

    fields: tuple[str, ...]
    is_row: bool
    is_label: bool
    is_probability: bool
    can_be_left_out: bool


class Description(NamedTuple):
    """The call of a loss in words. Shapes stand in parentheses."""

    pred: str
    target: str
    weight: str
    rows: str
    """The shape of what is one per row."""
    unit: str
    """What has a value of its own."""
    values: str
    """The shape of one value per unit."""


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

    ``scope``: what one value is of, "unit", "row" or "set" (a whole batch, or each group in it). ``state``: what goes from one batch
    of a training run to the next, "none", "fixed" (as many numbers as the parameters say) or "per_column". ``has_exact_gradient``:
    at the defaults, the gradient is the derivative of the value; that of ranking losses is not, nor is one of a loss that detaches a
    part of itself. ``options``: which of weight, class_weight, ignore_index and groups make sense. ``has_columns``: a dimension of
    the prediction is one of columns (classes, coordinates), not of fields or pixels. ``is_elementwise``: every number of the
    prediction has a target of its own. ``row_dims``: how many dimensions of a prediction count rows, by the number of all.
    """

    name: str
    label: str
    family: str
    doc: str
    params: tuple[Param, ...]
    scope: str
    pred: Operand
    target: Operand
    symmetric: bool
    components: tuple[str, ...]
    state: str
    is_formula: bool
    has_exact_gradient: bool
    class_name: str
    options: tuple[str, ...]
    has_columns: bool
    is_elementwise: bool
    is_mask: bool
    row_dims: tuple[int, ...]
    description: Description
    cases: tuple[Case, ...]
    _defaults: tuple[float, ...] = field(repr=False)

    @property
    def is_stateful(self) -> bool:
        """Something goes from one batch of a training run to the next."""
        return self.state != "none"

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


def _param(name: str, kind: str, default: float, *rest: Any) -> Param:
    return Param(name, kind, _TYPES[kind](default), *rest)


def _operand(fields: list[str], *facts: bool) -> Operand:
    return Operand(tuple(fields), *facts)


def _spec(written: str) -> Spec:
    loss = _core.Loss(written)
    params = tuple(_param(*param) for param in loss.params)
    return Spec(
        name=loss.name,
        label=loss.label,
        family=loss.family,
        doc=loss.doc,
        params=params,
        scope=loss.scope,
        pred=_operand(*loss.pred),
        target=_operand(*loss.target),
        symmetric=loss.symmetric,
        components=tuple(loss.components),
        state=loss.state,
        is_formula=loss.trace(False) is not None,
        has_exact_gradient=loss.has_exact_gradient,
        class_name=loss.class_name,
        options=tuple(loss.options),
        has_columns=loss.has_columns,
        is_elementwise=loss.is_elementwise,
        is_mask=loss.is_mask,
        row_dims=tuple(loss.row_dims),
        description=Description(*loss.description),
        cases=tuple(
            Case(what, tuple(pred), tuple(target), value, dict(given)) for what, pred, target, value, given in loss.cases
        ),
        _defaults=tuple(float(param.default) for param in params),
    )


SPECS: dict[str, Spec] = {name: _spec(name) for name in _core.names()}


def find(name: str) -> Spec:
    """The loss called ``name``, or written as ``inner(ciou(gate=0.5), ratio=0.8)``; a ``ValueError`` names the remedy."""
    return SPECS.get(name) or _written(name)


_written = lru_cache(maxsize=512)(_spec)


# A parameter that changes in every step of a training run does not fill the memory.
@lru_cache(maxsize=512)
def loss(name: str, values: tuple[float, ...]) -> _core.Loss:
    """The loss with these values of its parameters."""
    return _core.Loss(name, values)


def check_backend(backend: str, backends: tuple[str, ...] = BACKENDS) -> None:
    """An error for a backend that there is not."""
    if backend not in backends:
        raise ValueError(f"backend is {backend!r}: give one of {', '.join(map(repr, backends))}")


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
