"""Ctrl-C while a kernel runs: the state of a loss shows whether the call was ended or came to its end."""

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
