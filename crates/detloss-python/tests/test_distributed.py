"""Several processes have the loss and the gradients of one process with the whole batch.

Three processes are spawned once. All of them, and then the first two as a group of their own, run a list of steps
through a real ``DistributedDataParallel`` and leave what they found in a file. The steps are then run again here, in
one process, without anything of ``detloss.torch.distributed``.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import torch.distributed as dist  # noqa: E402

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
import detloss.torch.criteria  # noqa: E402
from detloss.torch.distributed import DataParallelLoss, avg_factor  # noqa: E402
from samples import COLUMNS, classes, ordinary, sized, takes_classes  # noqa: E402

SPECS = detloss.losses()
SPLITS = {2: ((9, 14), (23, 0), (0, 0)), 3: ((5, 0, 18), (1, 20, 2))}
"""How many rows the ranks have."""

FEATURES = 3
PATIENCE = datetime.timedelta(seconds=30)
"""A collective that waits for longer waits for a rank that will not come, and fails."""

DEADLINE = 300.0
"""Seconds for everything, on a busy machine."""


@dataclass(frozen=True)
class Step:
    """One loss of one batch, in every process. ``rows`` says how many of its rows each rank has."""

    name: str
    rows: tuple[int, ...]
    reduction: str = "mean"
    weighs: str = ""
    """What the weight is one per: "row" or "unit"."""
    classes: bool = False
    """Class indices, a weight for each class, and an index that is ignored."""
    groups: bool = False
    counts: tuple[float, ...] = ()
    """What each rank gives as the factor."""
    as_tensor: bool = False
    backend: str = "auto"
    lead: bool = False
    """The rows are those of one image, in one more dimension."""
    steps: int = 1
    loss_weight: float = 1.0
    dtype: Any = torch.float64
    params: dict[str, float] = field(default_factory=dict)

    @property
    def spec(self):
        return next(spec for spec in SPECS if spec.name == self.name)

    def module(self):
        make = getattr(detloss.torch, self.spec.class_name)
        columns = sized(self.spec)
        return make(self.reduction, self.loss_weight, self.backend, **columns, **self.params)


def steps(ranks):
    """What is worth a try with every loss."""
    split = SPLITS[ranks][0]
    for spec in SPECS:
        def step(rows=split, **options):
            return Step(spec.name, rows, **options)  # noqa: B023

        yield from (step(rows=rows) for rows in SPLITS[ranks])
        if ranks > 2:
            yield step(weighs="row", reduction="weighted_mean", groups="groups" in spec.options)
            continue
        yield step(reduction="sum", weighs="row", loss_weight=0.5)
        yield step(reduction="weighted_mean", weighs="unit")
        yield step(counts=(2.0, 5.0), lead=not spec.is_mask)
        yield step(counts=(0.0, 3.0), as_tensor=True, weighs="row")
        yield step(counts=(0.0, 0.0))
        yield step(backend="decomposed", reduction="weighted_mean", weighs="row")
        yield step(dtype=torch.bfloat16)
        if takes_classes(spec):
            yield step(classes=True, reduction="weighted_mean", weighs="row")
            yield step(classes=True, rows=split[::-1])
        if "groups" in spec.options:
            for reduction in ("mean", "sum") if spec.is_stateful else ("mean", "sum", "none"):
                yield step(groups=True, reduction=reduction)
            yield step(groups=True, reduction="weighted_mean", weighs="row")
            yield step(groups=True, counts=(4.0, 3.0))
            yield step(groups=True, rows=SPLITS[ranks][1])
        if spec.is_stateful:
            params = {param.name: 0.9 for param in spec.params if param.name == "momentum"}
            yield step(steps=3, params=params)
            yield step(steps=3, params=params, groups="groups" in spec.options, reduction="sum")


def batch(step, seed):
    """The whole batch as one process has it: features, prediction at zero weights, target, options."""
    spec, rows = step.spec, sum(step.rows)
    random = np.random.default_rng(seed)
    arrays = classes(spec, rows, seed) if step.classes else ordinary(spec, rows, seed)
    pred, target = (torch.from_numpy(array) for array in arrays)
    target = target.to(step.dtype) if target.is_floating_point() else target
    options = {}
    if step.weighs:
        is_unit = step.weighs == "unit" and spec.has_columns and not spec.pred.is_row
        shape = pred.shape if is_unit else (rows,)
        weights = random.integers(0, 2, shape) if spec.scope == "set" else random.uniform(0, 2, shape)
        options["weight"] = torch.from_numpy(weights).to(step.dtype)
    if step.classes:
        options["ignore_index"] = 1
        if "class_weight" in spec.options:
            options["class_weight"] = torch.from_numpy(random.uniform(0, 2, COLUMNS))
    if step.groups:
        # Ids that begin anew on every rank; in one process they are all different.
        options["groups"] = torch.from_numpy(random.integers(3, 6, rows))
    return torch.from_numpy(random.normal(0, 1, (rows, FEATURES))).to(step.dtype), pred.to(step.dtype), target, options


def model(step):
    """Adds a little to a prediction, so that it depends on what is learned."""
    torch.manual_seed(7)
    width = ordinary(step.spec, 1)[0].shape[1]
    return torch.nn.Linear(FEATURES, width, bias=False).to(step.dtype)


def run(step, wrapped, loss, part, factor, offsets=False):
    """Values, gradients and state after some steps on a part of every batch."""
    values, grads = [], []
    for seed in range(step.steps):
        features, base, target, options = batch(step, seed)
        if offsets:
            rank_of_row = torch.repeat_interleave(torch.arange(len(step.rows)), torch.tensor(step.rows))
            options |= {name: ids + 100 * rank_of_row for name, ids in options.items() if name == "groups"}

        def own(rows):
            rows = rows[part]
            return rows.unsqueeze(0) if step.lead else rows

        per_row = {name: own(option) for name, option in options.items() if name in ("weight", "groups")}
        pred = own(base) + wrapped(features[part]).reshape(own(base).shape) / 4
        wrapped.zero_grad()
        value = loss(pred, own(target), avg_factor=factor, **options | per_row)
        # Something else than a sum, in which every value has the same slope.
        value.square().sum().backward()
        values.append(value.detach())
        grads += [parameter.grad.clone() for parameter in wrapped.parameters()]
        with torch.no_grad():
            for parameter in wrapped.parameters():
                parameter -= 0.1 * parameter.grad
    state = [buffer.clone() for buffer in loss.buffers()]
    return {"value": values, "gradient": grads, "state": state}


def in_one_process(step):
    factor = sum(step.counts) if step.counts else None
    return run(step, model(step), step.module(), slice(None), factor, offsets=True)


def on_rank(step, rank, group):
    first = sum(step.rows[:rank])
    factor = step.counts[rank] if step.counts else None
    if step.as_tensor:
        factor = torch.tensor([factor])
    wrapped = torch.nn.parallel.DistributedDataParallel(model(step), process_group=group)
    return run(step, wrapped, DataParallelLoss(step.module(), group), slice(first, first + step.rows[rank]), factor)


def part_of(step, rank):
    """Prediction and target of one rank's rows, both differentiable."""
    _, pred, target, _ = batch(step, 0)
    first = sum(step.rows[:rank])
    return [rows[first : first + step.rows[rank]].clone().requires_grad_() for rows in (pred, target)]


def walk(rank, ranks, group):
    """All steps of so many ranks."""
    return [on_rank(step, rank, group) for step in steps(ranks)]


def normaliser(rank, ranks, group):
    counts = (2, torch.tensor(5), torch.tensor([4.0]))
    return [avg_factor(counts[rank], group), avg_factor((0, torch.tensor(0), 0.0)[rank], group)]


def evaluation(rank, ranks, group):
    loss = DataParallelLoss(EVALUATED.module(), group).eval()
    with torch.no_grad():
        return [loss(*part_of(EVALUATED, rank)), *loss.buffers()]


def backward_on_one_rank(rank, ranks, group):
    """The way back asks nothing of the other ranks. If it did, it would wait for them in vain."""
    grads = []
    for step in BY_PRED:
        pred, target = part_of(step, rank)
        value = DataParallelLoss(step.module(), group)(pred, target.detach())
        if rank == 0:
            value.backward()
            grads.append(pred.grad)
    return grads


def by_target(rank, ranks, group):
    """Gradients by both, of losses that are the same both ways round."""
    grads = []
    for step in BY_BOTH:
        pred, target = part_of(step, rank)
        DataParallelLoss(step.module(), group)(pred, target).backward()
        grads += [pred.grad, target.grad]
    return grads


def misfits(rank, ranks, group):
    """What the ranks' errors say when their tensors do not fit together."""
    said = []
    for columns, dtype, options in (
        (5 + rank, torch.float64, {}),
        (5, (torch.float32, torch.float64)[rank], {}),
        (5, torch.float64, {"weight": torch.ones(4)} if rank else {}),
        (5, torch.float64, {} if rank else {"groups": torch.arange(4)}),
    ):
        pred = torch.zeros(4, columns, dtype=dtype)
        with pytest.raises(ValueError) as error:
            DataParallelLoss(detloss.torch.APLoss(), group)(pred, pred + 1.0, **options)
        said.append(str(error.value))
    return said


CRITERIA = ("detr", "retinanet")
"""One that divides by means over ranks, and one that does not."""


def scene_of_queries():
    random = torch.Generator().manual_seed(11)
    logits, boxes = torch.randn(4, 20, 6, generator=random).double(), torch.rand(4, 20, 4, generator=random).double()
    truths = [torch.rand(count, 4, generator=random).double() for count in (5, 3, 1, 0)]
    return logits, boxes, truths, [torch.arange(len(of)) for of in truths]


def criterion(rank, ranks, group):
    """The gradients of a criterion by the outputs of a rank's images, and its value without gradients, which one rank asks for alone."""
    own = slice(2 * rank, 2 * rank + 2)
    grads = []
    for name in CRITERIA:
        logits, boxes, truths, labels = scene_of_queries()
        module = detloss.torch.criteria.get_criterion(name)
        module.process_group = group
        logits.requires_grad_()
        anchors = {} if name == "detr" else {"anchors": boxes[0] + torch.tensor([0.0, 0.0, 1.0, 1.0])}
        outputs = detloss.torch.criteria.Outputs(logits[own], boxes[own], **anchors)
        result = module(outputs, truths[own], labels[own])
        result.total.backward()
        grads.append(logits.grad[own])
        if rank == 0:
            with torch.no_grad():
                module(outputs, truths[own], labels[own])
    return grads


EVALUATED = Step("alrp", SPLITS[2][0])
BY_PRED = [Step("ap", SPLITS[2][0]), Step("focal", SPLITS[2][0])]
BY_BOTH = [Step("giou", SPLITS[2][0]), Step("rmse", SPLITS[2][0])]
TASKS = {3: (walk, normaliser), 2: (walk, normaliser, evaluation, backward_on_one_rank, by_target, misfits, criterion)}
"""What is done by groups of so many ranks; the largest comes first, so that nobody has to wait."""


def process(rank, ranks, folder):
    """What one of the processes does."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks, timeout=PATIENCE)
    groups = {2: dist.new_group([0, 1], timeout=PATIENCE), 3: None}
    found = {
        size: {task.__name__: task(rank, size, groups[size]) for task in tasks}
        for size, tasks in TASKS.items()
        if rank < size
    }
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What every rank of a group of ranks found, by the size of the group."""
    folder, ranks = tmp_path_factory.mktemp("ranks"), max(TASKS)
    context = torch.multiprocessing.spawn(process, (ranks, str(folder)), nprocs=ranks, join=False)
    end = time.monotonic() + DEADLINE
    try:
        while not context.join(timeout=1.0):
            if time.monotonic() > end:
                pytest.fail(f"the processes were not done after {DEADLINE} s")
    finally:
        for child in context.processes:
            if child.is_alive():
                child.kill()
    of_process = [torch.load(folder / f"{rank}.pt") for rank in range(ranks)]
    return {size: [found[size] for found in of_process[:size]] for size in TASKS}


def assert_same(got, wanted, step):
    rtol = 1e-12 if step.dtype == torch.float64 else 1e-2
    for what, tensors in wanted.items():
        assert len(got[what]) == len(tensors)
        for one, other in zip(got[what], tensors, strict=True):
            size = max(1.0, other.abs().max().item()) if other.numel() else 1.0
            assert one.shape == other.shape
            assert torch.allclose(one, other, rtol=0.0, atol=rtol * size), f"{what} of {step}: {one}, not {other}"


@pytest.mark.parametrize("ranks", TASKS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_equals_one_process(found, spec, ranks):
    """Values, gradients and states, with every reduction, weights, groups, and ranks that have no rows."""
    for index, step in enumerate(steps(ranks)):
        if step.name == spec.name:
            wanted = in_one_process(step)
            for of_rank in found[ranks]:
                assert_same(of_rank["walk"][index], wanted, step)


@pytest.mark.parametrize("ranks", TASKS)
def test_normaliser(found, ranks):
    """The mean of the ranks' counts; a batch of none at all is divided by 1."""
    total = {2: 7.0, 3: 11.0}[ranks]
    for of_rank in found[ranks]:
        count, zero = of_rank["normaliser"]
        assert count.shape == zero.shape == ()
        assert (count.item(), zero.item()) == (total / ranks, 1.0 / ranks)


def test_evaluation(found):
    """Without gradients the value is that of the whole batch, and nothing is remembered."""
    _, pred, target, _ = batch(EVALUATED, 0)
    module = EVALUATED.module().eval()
    for of_rank in found[2]:
        value, state = of_rank["evaluation"]
        assert value == module(pred, target)
        assert torch.equal(state, EVALUATED.module().state)


def test_backward_sends_nothing(found):
    """Rank 0 went back alone, and has its part of the gradient, times the number of ranks."""
    assert found[2][1]["backward_on_one_rank"] == []
    for step, got in zip(BY_PRED, found[2][0]["backward_on_one_rank"], strict=True):
        _, pred, target, _ = batch(step, 0)
        step.module()(pred.requires_grad_(), target).backward()
        torch.testing.assert_close(got, 2 * pred.grad[: step.rows[0]], rtol=1e-12, atol=1e-15)


def test_criteria_divide_as_their_originals_do(found):
    """DETR by the mean of all ranks, so that their mean gradient is that of one process; RetinaNet by what each rank has."""
    for place, name in enumerate(CRITERIA):
        logits, boxes, truths, labels = scene_of_queries()
        anchors = {} if name == "detr" else {"anchors": boxes[0] + torch.tensor([0.0, 0.0, 1.0, 1.0])}
        module = detloss.torch.criteria.get_criterion(name)
        for rank in range(2):
            own = slice(2 * rank, 2 * rank + 2)
            images = slice(0, 4) if name == "detr" else own
            leaf = logits.clone().requires_grad_()
            module(detloss.torch.criteria.Outputs(leaf[images], boxes[images], **anchors), truths[images], labels[images]).total.backward()
            factor = 2.0 if name == "detr" else 1.0
            torch.testing.assert_close(found[2][rank]["criterion"][place], factor * leaf.grad[own], rtol=1e-12, atol=1e-15)


def test_gradient_by_the_target(found):
    for place, step in enumerate(BY_BOTH):
        _, pred, target, _ = batch(step, 0)
        step.module()(pred.requires_grad_(), target.requires_grad_()).backward()
        for of, tensor in enumerate((pred, target)):
            got = torch.cat([of_rank["by_target"][2 * place + of] for of_rank in found[2]])
            torch.testing.assert_close(got, 2 * tensor.grad, rtol=1e-12, atol=1e-15)


def test_misfits_are_named_on_every_rank(found):
    for of_rank in found[2]:
        columns, dtype, weight, groups = of_rank["misfits"]
        assert "rows of pred have [5, 6] numbers" in columns and columns.startswith("ap: ")
        assert "pred is of torch.float32, torch.float64" in dtype
        assert "rows of weight have [0, 1] numbers" in weight
        assert "rows of groups have [1, 0] numbers" in groups


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_one_process_is_the_loss_itself(spec):
    """Bit for bit, for every reduction."""
    for reduction in ("mean", "sum", "weighted_mean", "none"):
        step = Step(spec.name, (23,), reduction=reduction, weighs="row", groups="groups" in spec.options)
        if spec.is_stateful and reduction == "none":
            continue
        plain = run(step, model(step), step.module(), slice(None), None)
        wrapped = run(step, model(step), DataParallelLoss(step.module()), slice(None), None)
        for what, tensors in plain.items():
            assert all(map(torch.equal, wrapped[what], tensors))


def test_normaliser_of_one_process():
    assert avg_factor(3).item() == 3.0 and avg_factor(0).item() == 1.0
    assert avg_factor(torch.tensor([2.5])).shape == ()
    with pytest.raises(ValueError, match=r"count has shape \(2,\)"):
        avg_factor(torch.ones(2))


def test_mistakes_are_named():
    with pytest.raises(TypeError, match="loss is a MSELoss: give a module of detloss.torch"):
        DataParallelLoss(torch.nn.MSELoss())
    with pytest.raises(TypeError, match="giou takes no groups"):
        DataParallelLoss(detloss.torch.GIoULoss())(torch.zeros(1, 4), torch.zeros(1, 4), groups=torch.zeros(1))
    with pytest.raises(ValueError, match="avg_factor divides a mean"):
        DataParallelLoss(detloss.torch.GIoULoss("sum"))(torch.zeros(1, 4), torch.zeros(1, 4), avg_factor=2.0)
