# Generated from the list of matchers by `cargo xtask gen`.
from detloss._matching import BACKGROUND as BACKGROUND
from detloss._matching import IGNORED as IGNORED
from detloss._matching import CenterHeatmap as CenterHeatmap
from detloss._matching import Matcher as Matcher
from detloss._matching import Matches as Matches
from detloss._matching import get_matcher as get_matcher
from detloss._matching import matchers as matchers
from detloss._matching import union as union
from detloss.matching import sampling as sampling

__all__: list[str]

class MaxIou(Matcher):
    """Maximum IoU with thresholds: an anchor finds the truth that it overlaps most, if it overlaps it enough."""
    def __init__(
        self,
        *,
        high: float = 0.5,
        low: float = 0.4,
        low_quality: bool = True,
        claim: bool = False,
        all_best: bool = True,
        min_best: float = 0.0,
        ignore: float = 0.5,
    ) -> None: ...

class Ssd(Matcher):
    """SSD's matching: maximum IoU with one threshold, and every truth claims the anchor that overlaps it most."""
    def __init__(self, *, threshold: float = 0.5) -> None: ...

class Atss(Matcher):
    """Adaptive training sample selection: each truth sets its own threshold, by how well the anchors next to it overlap it."""
    def __init__(self, *, topk: int = 9, margin: float = 0.01) -> None: ...

class CenterSampling(Matcher):
    """Centre sampling, of FCOS: a point finds the smallest truth around it whose size fits its level, if it lies near the truth's centre."""
    def __init__(self, *, radius: float = 1.5, lower: float = 4.0, upper: float = 8.0) -> None: ...

class SimOta(Matcher):
    """SimOTA, of YOLOX: a truth takes the predictions that cost least, as many as its largest IoUs add up to."""
    def __init__(
        self,
        *,
        radius: float = 1.5,
        in_box: bool = False,
        topk: int = 10,
        class_weight: float = 1.0,
        iou_weight: float = 3.0,
        eps: float = 1e-8,
    ) -> None: ...

class DynamicSoftLabel(Matcher):
    """Dynamic soft label assignment, of RTMDet: SimOTA with the IoU as the label of the class, and with a cost of the distance from the centre."""
    def __init__(self, *, topk: int = 13, radius: float = 3.0, iou_weight: float = 3.0, eps: float = 1e-7) -> None: ...

class TaskAligned(Matcher):
    """Task-aligned assignment: a truth takes the predictions that are best in class and place at once."""
    def __init__(
        self,
        *,
        topk: int = 10,
        topk2: int = 0,
        alpha: float = 0.5,
        beta: float = 6.0,
        min_side: float = 16.0,
        margin: float = 1e-9,
        among: int = 1,
        eps: float = 1e-9,
        overlap: str = "ciou",
    ) -> None: ...

class Hungarian(Matcher):
    """Hungarian matching: every truth finds one query, so that the costs of all pairs have the least sum."""
    def __init__(
        self,
        *,
        class_weight: float = 2.0,
        l1_weight: float = 5.0,
        overlap_weight: float = 2.0,
        softmax: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        groups: int = 1,
        skip: bool = False,
        overlap: str = "giou",
    ) -> None: ...
