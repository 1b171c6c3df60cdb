"""Finite in, finite out: for any shape, any type, and the ugliest numbers there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detloss
from samples import ordinary

SPECS = detloss.losses()
HUGE = float(np.finfo(np.float32).max)

COORDINATES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-6, 1e6, -1e6, 1e30, HUGE, -HUGE]),
    st.floats(-HUGE, HUGE, width=32),
    st.floats(-2, 2, width=16),
)
LOGITS = st.one_of(
    st.sampled_from([0.0, -0.0, 1e-6, 16.5, 40.0, 87.5, -87.5, 89.0, -104.0, 1e4, -1e4]),
    st.floats(-1e4, 1e4, width=32),
    st.floats(-4, 4, width=16),
)
FIELDS = {
    **dict.fromkeys(("x1", "y1", "z1", "x2", "y2", "z2", "value"), COORDINATES),
    **dict.fromkeys(("cx", "cy", "cz", "w", "h", "dx", "dy", "dz", "angle", "yaw"), COORDINATES),
    "logit": LOGITS,
    "log_variance": LOGITS,
    "error": st.floats(0, 1e6, width=32),
    "label": st.sampled_from([0.0, 1.0, 0.0, 1.0, 0.5, 2.0**-20]),
}
"""What a number may be, by the name of its field."""


@st.composite
def batches(draw, spec):
    """Prediction and target of any shape, and options. A few ugly numbers, spread over the arrays by chance."""
    rows, columns = draw(st.integers(0, 9)), draw(st.integers(1, 20))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))

    def numbers(names):
        shape = (rows, columns) if len(spec.pred.fields) == 1 else (rows,)
        few = [draw(st.lists(FIELDS[name], min_size=1, max_size=5)) for name in names]
        fields = [random.choice(np.array(numbers, kind), shape) for numbers in few]
        return fields[0] if len(fields) == 1 else np.stack(fields, axis=-1)

    pred = numbers(spec.pred.fields)
    places = random.integers(0, columns, rows)
    match spec.target.fields[0]:
        case "probability" | "class":
            target = places
        case "position":
            target = (places * draw(st.sampled_from([1.0, 0.75, 1.5]))).astype(kind)
        case _:
            target = numbers(spec.target.fields)
    options = {"reduction": draw(st.sampled_from(["mean", "sum", "weighted_mean", "none"]))}
    if draw(st.booleans()):
        factors = [0.0, 1.0] if spec.scope == "set" else [0.0, 1.0, 0.5, 1e3]
        options["weight"] = random.choice(np.array(factors, kind), rows)
    if spec.scope == "set" and draw(st.booleans()):
        options["groups"] = random.integers(-2, 3, rows)
    return pred, target, options


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_finite_in_finite_out(spec):
    seen = []

    @settings(max_examples=60)
    @given(batches(spec))
    def check(batch):
        pred, target, options = batch
        value, grad = detloss.value_and_grad(spec.name, pred, target, **options)
        assert np.isfinite(value).all(), value
        assert np.isfinite(grad).all(), grad
        assert grad.shape == pred.shape and grad.dtype == pred.dtype
        seen.append(pred.size)

    check()
    assert max(seen) > 10, "the examples are no batches"


@pytest.mark.parametrize("spec", [s for s in SPECS if s.scope != "set"], ids=lambda spec: spec.name)
def test_a_nan_stays_in_its_row(spec):
    """It does not hide, and it does not spread to other units."""
    pred, target = ordinary(spec, 5)
    pred[2, 0] = np.nan
    values, grad = detloss.value_and_grad(spec.name, pred, target, reduction="none")
    rows = np.isnan(values.reshape(5, -1)).any(axis=1)
    assert rows.tolist() == [False, False, True, False, False]
    assert not np.isnan(grad[[0, 1, 3, 4]]).any()
    assert np.isnan(detloss.value_and_grad(spec.name, pred, target)[0])
