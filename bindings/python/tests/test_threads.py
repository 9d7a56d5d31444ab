"""Threads of the caller, the lock of the interpreter, and fork."""
import os
import threading
import time

import numpy as np
import pytest

import bnorm
from support import draw


def test_calls_from_many_threads_at_once():
    inputs = [draw(400, 30, seed=k) for k in range(8)]
    expected = [bnorm.forward(x)[0] for x in inputs]
    wrong = []

    def work(k):
        for turn in range(20):
            y, stats = bnorm.forward(inputs[k], threads=1 + turn % 3)
            if not (y == expected[k]).all():
                wrong.append(k)
            try:
                bnorm.forward(inputs[k], np.ones(3))
            except ValueError as error:
                if "gamma" not in str(error):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_lock_is_released():
    """Another thread runs while the library works: it counts during one long call."""
    x, counted, done = draw(4000, 500), [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    while counted[0] == 0:
        time.sleep(0.001)
    before = counted[0]
    for _ in range(20):
        bnorm.forward(x, out=x)
    during = counted[0] - before
    done.set()
    thread.join()
    assert during > 0


def test_fork_with_threads():
    """A child of a process whose threads have run uses one, does not hang, and gets the same bits."""
    x = draw(3000, 64)
    y = bnorm.forward(x, threads=4)[0]
    child = os.fork()
    if child == 0:
        try:
            same = (bnorm.forward(x, threads=4)[0] == y).all()
            net = bnorm.Net([bnorm.Dense(8), bnorm.BatchNorm(), "tanh", bnorm.Dense(1)])
            net.fit(x[:200, :4], y[:200, 0], epochs=3, threads=4)
            os._exit(0 if same else 1)
        except BaseException:
            os._exit(2)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")
