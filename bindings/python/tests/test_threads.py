"""Threads of the caller, the lock of the interpreter, and fork."""
import os
import pickle
import sys
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


def in_threads(work, count=4):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_one_network_predicts_for_many_threads():
    x = draw(5000, 8)
    net = bnorm.Net([bnorm.Dense(16), bnorm.BatchNorm(), "tanh", bnorm.Dense(1)], inputs=8)
    expected, right, interval = net.predict(x), [], sys.getswitchinterval()

    def work():
        for _ in range(50):
            right.append((net.predict(x) == expected).all())

    sys.setswitchinterval(1e-5)
    try:
        in_threads(work)
    finally:
        sys.setswitchinterval(interval)
    assert len(right) == 200 and all(right)


def test_a_call_waits_for_the_fit_of_another_thread():
    x = draw(200, 4)
    net = bnorm.Net([bnorm.Dense(4), bnorm.BatchNorm(), "tanh", bnorm.Dense(1)], inputs=4)
    begun, order = threading.Event(), []

    def progress(told):
        if told.epoch == 1:
            begun.set()
            time.sleep(0.2)  # the other thread comes to wait
        order.append("epoch")

    def fit():
        net.fit(x, x[:, 0], optimizer="adam", epochs=3, progress=progress)

    thread = threading.Thread(target=fit)
    thread.start()
    begun.wait()
    net.predict(x)
    order.append("prediction")
    thread.join()
    assert order == ["epoch"] * 3 + ["prediction"]


def test_a_forked_child_does_not_wait_for_a_thread_it_has_not():
    x = draw(50, 4)
    net = bnorm.Net([bnorm.Dense(1)], inputs=4)
    children = []

    def progress(told):
        child = os.fork()
        if child == 0:
            try:
                net.predict(x)
                os._exit(1)
            except RuntimeError as error:
                os._exit(0 if "in use" in str(error) else 2)
            except BaseException:
                os._exit(3)
        children.append(os.waitpid(child, 0)[1])

    net.fit(x, x[:, 0], optimizer="adam", epochs=1, progress=progress)
    assert [os.waitstatus_to_exitcode(status) for status in children] == [0]


def test_running_statistics_lose_no_update():
    stats = bnorm.forward(draw(10, 4))[1]
    running, interval = bnorm.RunningStats(4, "merge"), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(lambda: [running.update(stats) for _ in range(5000)])
    finally:
        sys.setswitchinterval(interval)
    assert running._count == 4 * 5000 * 10
    again = pickle.loads(pickle.dumps(running))
    again.update(stats)
    assert again._count == running._count + 10


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
