"""SSD's matching, which is maximum IoU."""

from __future__ import annotations

from detloss.torch._matching.base import Found, Params, Scene, matcher
from detloss.torch._matching.max_iou import max_iou


@matcher("ssd")
def ssd(scene: Scene, params: Params) -> Found:
    threshold = params["threshold"]
    rule = {"high": threshold, "low": threshold, "low_quality": True, "claim": True, "all_best": False, "min_best": 0.0}
    return max_iou(scene, rule)
