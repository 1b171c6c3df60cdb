"""Data-parallel training: losses of a whole batch whose rows are spread over processes (ranks).

Each rank holds the rows of its own images. ``DistributedDataParallel`` averages gradients over ranks, but the mean of
the ranks' losses is not the loss of the whole batch: ranks have different numbers of rows and positives, and a ranking
does not fall into parts at all. :class:`DataParallelLoss` makes any loss of the list that of the whole batch, whatever
the number of ranks. :func:`avg_factor` is the normaliser alone, for a training loop that divides sums itself.

**Why the normaliser is averaged, not added up.** Let W ranks have sums S₁ … S_W and positives n₁ … n_W. One process
would take the slope of L = ΣSᵣ / Σnᵣ. Rank r divides by the average n̄ = Σnᵣ / W, and DDP divides the sum of all
gradients by W:

    (1/W) Σ ∇(Sᵣ / n̄) = ∇ΣSᵣ / (W n̄) = ∇ΣSᵣ / Σnᵣ = ∇L

Divided by its own nᵣ, an image would count the more the fewer objects the others on its rank have. Divided by Σnᵣ,
every gradient would be W times too small. A floor of 1 under n̄ would make results depend on W, as it is reached at W
positives in all.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from detloss._spec import check_reduction
from detloss.torch import _decomposed
from detloss.torch._call import Call
from detloss.torch._losses import Tensors, check_factor, compute, prepare
from detloss.torch._modules import Loss

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
"""What tensors are sent as."""

_SENT = ("pred", "target", "weight", "groups")
"""The tensors of rows."""

_ALIGNED = 8
"""No number takes more bytes."""


def avg_factor(count: Tensor | float, process_group: dist.ProcessGroup | None = None) -> Tensor:
    """The mean of ``count`` over the ranks: the normaliser with which DDP has the gradient of the whole batch.

    Args:
        count: this rank's number of positives, or of boxes, or the sum of its weights. A number, or a tensor of one.
        process_group: that of DDP; all ranks by default.

    Returns:
        A tensor of no dimensions, for the keyword ``avg_factor`` of a loss of rows or values. In a single process it is
        ``count``. As everywhere, 0 counts as 1: a whole batch without positives is divided by 1, and that is 1/W for
        each of W ranks.

    All ranks call this, in the same order. One number is sent, and no device is waited for.
    """
    device = count.device if isinstance(count, Tensor) else _device(process_group)
    return _decomposed.or_one(_total(count, "count", device, process_group)) / world_size(process_group)


class DataParallelLoss(nn.Module):
    """Any loss as that of the whole batch: on every rank the value, and its part of the gradient, of one process.

    ``DataParallelLoss(FocalLoss())(pred, target)`` on every rank, with its own rows, and then ``backward()`` through a
    model in ``DistributedDataParallel``. In a single process this is the loss as it is.

    Args:
        loss: a loss of :mod:`detloss.torch`, with its reduction.
        process_group: that of DDP; all ranks by default.

    **Losses of rows and values.** The sum over all ranks is divided by the number of all units ("mean"), the sum of all
    weights ("weighted_mean"), the sum of what the ranks give as ``avg_factor`` (each its own count), or nothing
    ("sum"). Two numbers are sent, for the divisor and for the value. With "none" nothing is: add up the values yourself
    and divide by :func:`avg_factor`.

    **Losses of whole batches** (ranking losses, GHM, seesaw ...), and losses with a state (WIoU v2 and v3), see the rows of all ranks, one rank after the other.
    ``groups`` are images of one rank each: the same id on two ranks is two images, and "mean" divides by the images of
    all ranks. All ranks compute the same, and the state of a loss stays the same on all of them. First the numbers of
    rows are sent and waited for, then the rows. Each rank receives W · (most rows of a rank) · (bytes of a row:
    prediction, target, weight, group), and while the loss runs holds that, the union of the rows, and its gradient. The
    way back takes the own part and sends nothing.

    All ranks call the loss, in the same order and with the same options, in evaluation too. A rank without rows gives
    tensors of 0 rows; its gradients are zeros, which DDP needs.

    The gradient by ``pred`` is W times that in one process, as DDP and FSDP divide by W. If yours adds up, divide by W.
    """

    def __init__(self, loss: Loss, process_group: dist.ProcessGroup | None = None) -> None:
        super().__init__()
        if not isinstance(loss, Loss):
            raise TypeError(f"loss is a {type(loss).__name__}: give a module of detloss.torch, such as FocalLoss()")
        self.loss, self.process_group = loss, process_group

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor:
        """The loss of the rows of all ranks. Shapes are as ever; the number of rows is each rank's own.

        A ``ValueError`` is raised on all ranks if their tensors do not fit together, on one rank if its own do not.
        """
        loss, group = self.loss, self.process_group
        options: dict[str, Any] = {
            "weight": weight,
            "class_weight": class_weight,
            "ignore_index": ignore_index,
            "groups": groups,
        }
        loss.spec.check_options(**options)
        check_reduction(loss.reduction, avg_factor, "avg_factor")
        is_set = loss.spec.scope == "set" or loss.state is not None  # A state is of the units of all ranks.
        if world_size(group) == 1 or (loss.reduction == "none" and not is_set):
            return _tensor(loss(pred, target, avg_factor=avg_factor, **options))
        given = prepare(loss.spec, pred, target, dim=loss.dim, **options)
        if not is_set:
            divisor = self._divisor(given, avg_factor, ignore_index) / world_size(group)
            value = compute(
                loss.spec,
                pred,
                target,
                loss.chosen,
                dim=loss.dim,
                reduction="mean",
                avg_factor=divisor,
                loss_weight=loss.loss_weight,
                backend=loss.backend,
                **options,
            )
            return _tensor(_Mean.apply(value, group))
        if avg_factor is not None:
            avg_factor = _total(avg_factor, "avg_factor", pred.device, group)
        union = _union(loss.spec.name, given, group)
        pred, target = union.pop("pred"), union.pop("target")
        return loss._of(pred, target, -1, options | union | {"avg_factor": avg_factor})

    def _divisor(self, given: Tensors, avg_factor: Tensor | float | None, ignore_index: int | None) -> Tensor:
        """What one process would divide the sum of all ranks by."""
        loss, reduction, pred = self.loss, self.loss.reduction, given.pred
        count: Tensor | float = prod(given.at.units)
        if avg_factor is not None:
            count = avg_factor
        elif reduction == "sum":
            return torch.ones((), dtype=_precision(pred.device), device=pred.device)
        elif reduction == "weighted_mean":
            weights = (given.weight, given.class_weight, ignore_index, given.groups)
            call = Call(loss.chosen, given.at, *weights, avg_factor=None, reduction=reduction, loss_weight=1.0, state=None)
            count = _decomposed.weight_sum(call, pred.to(torch.promote_types(pred.dtype, torch.float32)), given.target)
        return _decomposed.or_one(_total(count, "avg_factor", pred.device, self.process_group))


def world_size(group: dist.ProcessGroup | None) -> int:
    """The number of ranks; 1 in a single process."""
    if not (dist.is_available() and dist.is_initialized()):
        return 1
    return dist.get_world_size(group)


def _device(group: dist.ProcessGroup | None) -> torch.device:
    """Where a number has to be to be sent: in the host's memory if the backend takes it from there."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if world_size(group) == 1 or accelerator is None or "cpu" in dist.get_backend_config(group):
        return torch.device("cpu")
    return accelerator


def _precision(device: torch.device) -> torch.dtype:
    """A count in double precision, where every device has it."""
    return torch.float64 if device.type in ("cpu", "cuda") else torch.float32


def _total(count: Tensor | float, keyword: str, device: torch.device, group: dist.ProcessGroup | None) -> Tensor:
    """The sum of the ranks' counts."""
    check_factor(count, keyword)
    if isinstance(count, Tensor):
        total = count.detach().reshape(()).to(device=device, dtype=_precision(device), copy=True)
    else:
        total = torch.full((), count, dtype=_precision(device), device=device)
    if world_size(group) > 1:
        dist.all_reduce(total, group=group)
    return total


def mean_over_ranks(numbers: list[float], group: dist.ProcessGroup | None) -> list[float]:
    """The means of numbers that every rank has as many of."""
    device = _device(group)
    total = torch.tensor(numbers, dtype=_precision(device), device=device)
    dist.all_reduce(total, group=group)
    means: list[float] = (total / world_size(group)).tolist()
    return means


def _tensor(value: Any) -> Tensor:
    """What a module or an autograd function gives, for the type checker."""
    assert isinstance(value, Tensor)
    return value


class _Mean(torch.autograd.Function):
    """The mean of the ranks' values. Its slope is by the own value: DDP takes the mean over the ranks."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        mean = own.to(torch.promote_types(own.dtype, torch.float32), copy=True)
        dist.all_reduce(mean, group=group)
        return (mean / world_size(group)).to(own.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_output: Tensor) -> tuple[Tensor, None]:
        return grad_output[0], None


class _PartOfUnion(torch.autograd.Function):
    """The rows of one of ``ranks`` ranks, as a part of the union of all. DDP divides their gradient by ``ranks``."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: int) -> Tensor:
        ctx.ranks = ranks
        return own.view_as(own)

    @staticmethod
    def backward(ctx: Any, *grad_output: Tensor) -> tuple[Tensor, None]:
        return grad_output[0] * ctx.ranks, None


def _union(name: str, given: Tensors, group: dist.ProcessGroup | None) -> dict[str, Tensor]:
    """The tensors of all ranks, row after row and rank after rank. They are differentiable by the rows of this rank."""
    rank, ranks = dist.get_rank(group), world_size(group)
    at, own = given.at, {what: tensor for what in _SENT if (tensor := getattr(given, what)) is not None}
    if "groups" in own:
        # Places among the ids of this rank, fewer than it has rows: the rows before it keep the ranks apart.
        own["groups"] = torch.unique(own["groups"], return_inverse=True)[1]
    own = {what: rows.reshape(prod(at.rows), *rows.shape[len(at.rows) :]) for what, rows in own.items()}
    counts = _agree(name, own, group)
    if "groups" in own:
        own["groups"] = own["groups"] + sum(counts[:rank])
    parts = _gather(list(own.values()), counts, group)
    union: dict[str, Tensor] = {}
    for (what, rows), of_ranks in zip(own.items(), parts, strict=True):
        of_ranks[rank] = _PartOfUnion.apply(rows, ranks) if rows.requires_grad else rows
        union[what] = torch.cat(of_ranks)
    return union


def _agree(name: str, own: dict[str, Tensor], group: dist.ProcessGroup | None) -> list[int]:
    """How many rows each rank has; a ``ValueError`` on all of them if they cannot be put together."""
    header = [len(own["pred"])]
    for what in _SENT:
        header += [prod(own[what].shape[1:]), _DTYPES.index(own[what].dtype)] if what in own else [0, 0]
    sent = torch.tensor(header, device=own["pred"].device)
    received = sent.new_empty(world_size(group) * len(sent))
    dist.all_gather_into_tensor(received, sent, group=group)
    counts, *columns = received.reshape(-1, len(sent)).T.tolist()
    for what, widths, kinds in zip(_SENT, columns[::2], columns[1::2], strict=True):
        if len(set(widths)) > 1:
            raise ValueError(
                f"{name}: rows of {what} have {widths} numbers on the ranks (0: none given): give all ranks the same "
                "columns and options"
            )
        if len(set(kinds)) > 1:
            dtypes = ", ".join(str(_DTYPES[kind]) for kind in kinds)
            raise ValueError(f"{name}: {what} is of {dtypes} on the ranks: give all the same dtype")
    return list(counts)


def _gather(own: list[Tensor], counts: list[int], group: dist.ProcessGroup | None) -> list[list[Tensor]]:
    """The rows of every tensor on every rank. All are sent in one piece, as many bytes from each rank."""
    starts = [0]
    for rows in own:
        size = max(counts) * rows.element_size() * prod(rows.shape[1:])
        starts.append(starts[-1] + -(-size // _ALIGNED) * _ALIGNED)
    sent = torch.empty(starts[-1], dtype=torch.uint8, device=own[0].device)
    for rows, start in zip(own, starts, strict=False):
        sent[start : start + rows.nbytes].view(rows.dtype).copy_(rows.detach().reshape(-1))
    received = sent.new_empty(len(counts) * len(sent))
    dist.all_gather_into_tensor(received, sent, group=group)

    def read(rank: int, like: Tensor, start: int) -> Tensor:
        start += rank * len(sent)
        shape = (counts[rank], *like.shape[1:])
        part = received[start : start + like.element_size() * prod(shape)]
        return part.view(like.dtype).reshape(shape)

    return [[read(rank, *at) for rank in range(len(counts))] for at in zip(own, starts, strict=False)]
