"""What autograd makes of the gradient that a criterion has computed: scaled, kept, in halves, on some outputs only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from detloss import criteria  # noqa: E402
from detloss.torch import criteria as modules  # noqa: E402
from detloss.torch.criteria import Outputs  # noqa: E402

POINTS = torch.stack([torch.arange(48) % 8 * 8.0 + 4, torch.arange(48) // 8 * 8.0 + 4], 1)
ANCHORS = torch.cat([POINTS - 10, POINTS + 10], 1)
TRUTHS, LABELS = [torch.tensor([[2.0, 2, 20, 18], [8, 8, 30, 22]]), torch.tensor([[20.0, 20, 44, 40]])], [torch.tensor([1, 2]), torch.tensor([0])]


def leaves(dtype: Any = torch.float32) -> list[Any]:
    made = torch.Generator().manual_seed(0)
    return [torch.randn(2, 48, columns, generator=made).to(dtype).requires_grad_() for columns in (3, 4)]


def total(of: list[Any]) -> Any:
    return modules.get_criterion("retinanet")(Outputs(*of, anchors=ANCHORS), TRUTHS, LABELS).total


def slopes() -> list[Any]:
    """Those of the total itself."""
    of = leaves()
    grads = torch.autograd.grad(total(of), of)
    assert all(grad.any() for grad in grads)
    return list(grads)


def test_a_scaled_total_has_scaled_gradients() -> None:
    of = leaves()
    (3 * total(of) + 1).backward()
    for leaf, slope in zip(of, slopes(), strict=True):
        torch.testing.assert_close(leaf.grad, 3 * slope)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_kept_graph_is_gone_through_again(factor: float) -> None:
    of = leaves()
    scaled = factor * total(of)
    scaled.backward(retain_graph=True)
    for leaf, slope in zip(of, slopes(), strict=True):
        torch.testing.assert_close(leaf.grad, factor * slope)
        leaf.grad = None
    (2 * scaled).backward()
    for leaf, slope in zip(of, slopes(), strict=True):
        torch.testing.assert_close(leaf.grad, 2 * factor * slope)


def test_a_criterion_twice_in_a_graph_adds_up() -> None:
    of = leaves()
    (total(of) + 2 * total(of)).backward()
    for leaf, slope in zip(of, slopes(), strict=True):
        torch.testing.assert_close(leaf.grad, 3 * slope)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_gradients_have_the_types_of_their_tensors(dtype: Any) -> None:
    (logits, _), (_, boxes) = leaves(dtype), leaves()
    result = total([logits, boxes])
    result.backward()
    assert logits.grad.dtype == dtype and boxes.grad.dtype == torch.float32
    tolerance = 0.02 if dtype != torch.float64 else 1e-5
    torch.testing.assert_close(logits.grad.float(), slopes()[0], rtol=tolerance, atol=tolerance)


def test_what_needs_no_gradient_gets_none() -> None:
    logits, boxes = leaves()
    result = total([logits.detach(), boxes])
    result.backward()
    assert logits.grad is None
    torch.testing.assert_close(boxes.grad, slopes()[1])
    assert not total([logits.detach(), boxes.detach()]).requires_grad
    with torch.no_grad():
        assert not total([logits, boxes]).requires_grad


def test_single_precision_is_computed_in_single_precision() -> None:
    arrays = [leaf.detach().numpy() for leaf in leaves()]

    def result(dtype: Any) -> Any:
        of = [array.astype(dtype) for array in arrays]
        given = criteria.Outputs(*of, anchors=ANCHORS.numpy().astype(dtype))
        return criteria.get_criterion("retinanet")(given, [truths.numpy().astype(dtype) for truths in TRUTHS], [of.numpy() for of in LABELS])

    single, double = result(np.float32), result(np.float64)
    assert single.grads[0].logits.dtype == np.float32 and double.grads[0].logits.dtype == np.float64
    assert single.total != double.total and single.total == pytest.approx(double.total, rel=1e-5)


def test_a_seed_chooses_the_samples() -> None:
    data = criteria.get_criterion("retinanet").data
    data["heads"][0]["sampler"] = {"size": 8, "positive": 0.5}
    criterion = modules.get_criterion(data)

    def chosen(seed: int) -> Any:
        outputs = Outputs(*leaves(), anchors=ANCHORS, seed=seed)
        [indices] = criterion(outputs, TRUTHS[:1] * 2, LABELS[:1] * 2).indices
        assert ((indices >= -1).sum(1) == 8).all()
        return indices

    assert torch.equal(chosen(1), chosen(1)) and not torch.equal(chosen(1), chosen(2))
    # Images are sampled each for itself.
    assert not torch.equal(*chosen(1))
