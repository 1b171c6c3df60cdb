"""The losses of other libraries under their own names and signatures, computed by :mod:`detloss.torch`; and losses in the detectors of others.

:mod:`detloss.compat.torchvision` is four functions, :mod:`detloss.compat.mmdet` the loss classes of MMDetection,
:mod:`detloss.compat.mmrotate` those of MMRotate. None needs the library that it stands in for.

:mod:`detloss.compat.ultralytics` puts losses into the training of YOLO, :mod:`detloss.compat.torchvision.detection` into torchvision's
detectors, and :mod:`detloss.compat.transformers` into DETR-like models.
"""
