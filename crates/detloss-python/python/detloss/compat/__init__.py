"""The losses of other libraries under their own names and signatures, computed by :mod:`detloss.torch`.

:mod:`detloss.compat.torchvision` is four functions, :mod:`detloss.compat.mmdet` the loss classes of MMDetection,
:mod:`detloss.compat.mmrotate` those of MMRotate. None needs the library that it stands in for.
"""
