"""A criterion on a device: match, weigh, lose, normalise."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from detloss import _core
from detloss._criteria import FLOATS, Outputs
from detloss._matching import Matches
from detloss.torch._call import as_integers
from detloss.torch._criteria.check import fits
from detloss.torch._criteria.decoder import Decoder
from detloss.torch._criteria.divisors import divisor
from detloss.torch._criteria.layer import Layer, Truths, layer_of, united
from detloss.torch._criteria.pairs import Pairs
from detloss.torch._criteria.terms import Term


class Result(NamedTuple):
    """What a batch is worth, all of it on the device."""

    total: Tensor
    terms: dict[str, Tensor]
    indices: list[Tensor]


def evaluate(criterion: _core.Criterion, outputs: Sequence[Outputs], truths: Sequence[Any], labels: Sequence[Any]) -> Result | None:
    """The terms of a batch. None where something does not fit: the core has the words for what is wrong."""
    data = _data(criterion)
    heads = {head["name"]: head for head in data["heads"]}
    tensors = [getattr(one, name) for one in outputs for name in FLOATS if isinstance(getattr(one, name), Tensor)]
    dtype = functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
    device = tensors[0].device
    decoders = {name: Decoder(criterion, head) for name, head in heads.items()}
    first = data["heads"][0]["name"]
    if not fits(heads, decoders, outputs, truths, labels, device):
        return None
    layers = [
        layer_of(heads[one.head or first], decoders[one.head or first], one, dtype, len(truths)) for one in outputs
    ]
    found_truths = _truths(truths, labels, layers[0].decoder.width, dtype, device)
    matches = [layer.matched(found_truths) for layer in layers]
    union = _union(layers, matches)
    terms = {(head["name"], term["name"]): torch.zeros((), dtype=dtype, device=device) for head in data["heads"] for term in head["terms"]}
    scale = len(truths) if data["times_images"] else 1
    for place, layer in enumerate(layers):
        own = Pairs(layer, found_truths, matches[place])
        is_united = union is not None and layer.head["matcher"] is not None
        of_union = Pairs(layer, found_truths, Matches(union, None)) if is_united else own
        teacher = next((last for last in reversed(layers[place + 1 :]) if last.head is layer.head), None)
        for term in layer.head["terms"]:
            factor = _first(layer.head["weight"]) * term["weight"] * scale
            if factor == 0.0 or (term["layers"] == "all_but_last" and teacher is None):
                continue
            pairs = of_union if term["pairs"] == "union" else own
            value = Term(term, layer, teacher, pairs, divisor(term, layer, pairs, union)).value()
            terms[layer.head["name"], term["name"]] = terms[layer.head["name"], term["name"]] + factor * value
    total = torch.stack(list(terms.values())).sum()
    named = {f"{head}.{term}" if len(heads) > 1 else term: value.detach() for (head, term), value in terms.items()}
    return Result(total, named, [one.indices for one in matches])


@functools.lru_cache(maxsize=64)
def _data(criterion: _core.Criterion) -> dict[str, Any]:
    """The criterion as it is written down. It never changes."""
    data: dict[str, Any] = json.loads(criterion.json())
    return data


def _truths(truths: Sequence[Any], labels: Sequence[Any], width: int, dtype: torch.dtype, device: torch.device) -> Truths:
    boxes = [torch.as_tensor(one, device=device).to(dtype).reshape(-1, width) for one in truths]
    classes = [as_integers(torch.as_tensor(one, device=device)).reshape(-1) for one in labels]
    starts = [0]
    for one in boxes[:-1]:
        starts.append(starts[-1] + len(one))
    # Written there, and not copied there: the host would wait for a copy.
    places = torch.stack([torch.full((), start, dtype=torch.int64, device=device) for start in starts])
    return Truths(boxes, classes, torch.cat(boxes), torch.cat(classes), places)


def _union(layers: Sequence[Layer], matches: Sequence[Matches]) -> Tensor | None:
    """The union over all layers with a matcher; None if no term asks for it."""
    terms = [term for layer in layers for term in layer.head["terms"]]
    if not any(term["pairs"] == "union" or term["normalizer"] == "roots_of_union" for term in terms):
        return None
    matched = [one.indices for layer, one in zip(layers, matches, strict=True) if layer.head["matcher"] is not None]
    return united(matched) if matched else None


def _first(weight: float | dict[str, float]) -> float:
    """A weight at the beginning of a run."""
    return weight["from"] if isinstance(weight, dict) else weight
