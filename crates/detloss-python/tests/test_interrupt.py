"""Ctrl-C while a kernel or a matcher runs.

The state of a loss shows whether the call was ended or came to its end; of the others the time that it took does.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

CALL = """
import os, signal, sys, threading
import numpy as np
import detloss

detloss.set_num_threads(int(sys.argv[1]))
random = np.random.default_rng(0)
count = 1 << 22
labels = (random.random(count) < 0.5).astype(np.float32)
pred = random.random((count, 2), dtype=np.float32)
out = np.empty_like(pred)

def call():
    state = detloss.initial_state("alrp")
    before, raised = state.copy(), False
    try:
        detloss.value_and_grad("alrp", pred, labels, state=state, out=out)
    except KeyboardInterrupt:
        raised = True
    return raised, bool((state != before).any())

print(*call())
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
print(*call())
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(True))
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
print(*call(), *seen)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_call_is_interrupted(threads):
    """By a handler that raises, as Python's own does; another one is called, and the batch goes on."""
    words = subprocess.run([sys.executable, "-c", CALL, str(threads)], capture_output=True, text=True, check=True).stdout
    assert words.splitlines() == ["False True", "True False", "False True True"]


LONG_CALLS = """
import os, signal, sys, threading, time
import numpy as np
import detloss
from detloss import matching, pairwise

detloss.set_num_threads(int(sys.argv[2]))
random = np.random.default_rng(0)

def boxes(*shape):
    corner = random.uniform(0, 500, (*shape, 2))
    return np.concatenate([corner, corner + random.uniform(5, 50, (*shape, 2))], axis=-1)

def hungarian(truths, queries, images):
    given = {
        "boxes": boxes(images, queries),
        "scores": random.normal(0, 2, (images, queries, 9)),
        "labels": [random.integers(0, 9, truths) for _ in range(images)],
    }
    return lambda of=boxes(images, truths): matching.Hungarian()(list(of), **given).indices

rotated = np.concatenate([boxes(2000), random.uniform(-3, 3, (2000, 1))], axis=1)
work = {
    "image": hungarian(4000, 5000, 1),
    "images": hungarian(60, 600, 1500),
    "pairwise": lambda: pairwise.rotated_iou(rotated, rotated),
}[sys.argv[1]]

def call():
    result, start = None, time.perf_counter()
    try:
        result = work()
    except KeyboardInterrupt:
        pass
    return result, time.perf_counter() - start

whole, seconds = call()
threading.Timer(seconds / 8, os.kill, (os.getpid(), signal.SIGINT)).start()
ended, early = call()
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(True))
threading.Timer(seconds / 8, os.kill, (os.getpid(), signal.SIGINT)).start()
again, _ = call()
print(seconds, ended is None, early < 0.6 * seconds, (again == whole).all(), *seen)
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("work", ["image", "images", "pairwise"])
def test_matching_and_matrices_are_interrupted(work, threads):
    """By a handler that raises, in the middle of one image, too."""
    command = [sys.executable, "-c", LONG_CALLS, work, str(threads)]
    seconds, *words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert words == ["True", "True", "True", "True"], seconds
