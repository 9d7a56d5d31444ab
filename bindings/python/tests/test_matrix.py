"""The matrix functions: laws, layouts, memory, and the formulas in long double."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnorm
import support
from support import draw, seeds, shapes

TOLERANCE = {np.float64: dict(rtol=1e-11, atol=1e-11), np.float32: dict(rtol=2e-5, atol=2e-5)}


@given(shapes, seeds, st.sampled_from([np.float64, np.float32]), st.booleans(), st.sampled_from([0, 1]))
def test_forward_is_its_formula(shape, seed, dtype, weighted, ddof):
    x, gamma, beta = draw(*shape, seed=seed, center=3, dtype=dtype), draw(shape[1], seed=1), draw(shape[1], seed=2)
    weights = np.random.default_rng(seed).integers(1, 4, shape[0]).astype(float) if weighted else None
    y, stats = bnorm.forward(x, gamma, beta, weights=weights, ddof=ddof)
    expected, mean, var = support.forward(x, gamma, beta, weights, ddof=ddof)
    assert y.dtype == dtype and y.shape == x.shape
    np.testing.assert_allclose(y, expected.astype(float), **TOLERANCE[dtype])
    np.testing.assert_allclose(stats.mean, mean.astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(stats.var, var.astype(float), rtol=1e-12)
    np.testing.assert_allclose(stats.rstd, 1 / np.sqrt(stats.var + 1e-5), rtol=1e-12)
    assert stats.mean.dtype == stats.var.dtype == stats.rstd.dtype == np.float64
    assert stats.n == (shape[0] if weights is None else weights.sum())
    assert (stats.eps, stats.ddof) == (1e-5, ddof)


@given(shapes, seeds, st.sampled_from([np.float64, np.float32]))
def test_every_memory_gives_the_same(shape, seed, dtype):
    x, dy = draw(*shape, seed=seed, dtype=dtype), draw(*shape, seed=seed + 1, dtype=dtype)
    gamma = draw(shape[1], seed=3, dtype=dtype)
    y, stats = bnorm.forward(x, gamma)
    back = bnorm.backward(dy, x, gamma, stats)
    for name, view in support.kinds_of(x).items():
        before = view.copy()
        again, other = bnorm.forward(view, gamma)
        np.testing.assert_allclose(again, y, **TOLERANCE[dtype], err_msg=name)
        for other_dy in support.kinds_of(dy).values():
            for a, b in zip(bnorm.backward(other_dy, view, gamma, other), back):
                np.testing.assert_allclose(a, b, rtol=1e-4 if dtype == np.float32 else 1e-9,
                                           atol=1e-4 if dtype == np.float32 else 1e-9, err_msg=name)
        assert (view == before).all()


@given(shapes, seeds)
def test_padding_and_place_change_no_bit(shape, seed):
    x = draw(*shape, seed=seed)
    kinds = support.kinds_of(x)
    y, stats = bnorm.forward(x)
    assert (bnorm.forward(kinds["padded rows"])[0] == y).all()
    place = x.copy()
    assert bnorm.forward(place, out=place)[0] is place and (place == y).all()
    dy = draw(*shape, seed=seed + 1)
    dx = bnorm.backward(dy, x, None, stats)[0]
    for out in (x.copy(), dy.copy()):
        given_x, given_dy = (out, dy) if (out == x).all() else (x, out)
        assert (bnorm.backward(given_dy, given_x, None, stats, out=out)[0] == dx).all()


@given(shapes, seeds)
def test_out_of_any_memory_is_written_and_nothing_else(shape, seed):
    x = draw(*shape, seed=seed)
    y, stats = bnorm.forward(x)
    for name, out in support.kinds_of(np.zeros(shape)).items():
        if not out.flags.writeable:
            continue
        whole = out if out.base is None else out.base
        around = whole.copy()
        answer, _ = bnorm.forward(x, out=out)
        assert answer is out, name
        np.testing.assert_allclose(out, y, rtol=1e-11, atol=1e-12, err_msg=name)
        around_sum, written = (around == 7.0).sum(), (whole == 7.0).sum()
        assert around_sum == written, name


def test_layout_of_the_result_is_that_of_x():
    assert bnorm.forward(draw(9, 4))[0].flags.c_contiguous
    assert bnorm.forward(np.asfortranarray(draw(9, 4)))[0].flags.f_contiguous
    assert bnorm.infer(np.asfortranarray(draw(9, 4)), None, None, np.zeros(4), np.ones(4)).flags.f_contiguous


@pytest.mark.parametrize("order", "CF")
def test_threads_change_no_bit(order):
    x, dy = (np.asarray(draw(3000, 70, seed=k), order=order) for k in (1, 2))
    results = []
    for threads in (1, 2, 3, 4):
        bnorm.set_threads(threads)
        y, stats = bnorm.forward(x)
        results.append((y, stats.mean, stats.var, *bnorm.backward(dy, x, None, stats)))
    bnorm.set_threads(1)
    results.append((*results[0][:1], *results[0][1:]))
    assert bnorm.get_threads() == 1
    assert (bnorm.forward(x, threads=0)[0] == results[0][0]).all()
    for other in results[1:]:
        assert all((a == b).all() for a, b in zip(results[0], other))


@given(st.tuples(st.integers(2, 7), st.integers(1, 3)), seeds, st.booleans())
def test_backward_is_the_derivative(shape, seed, weighted):
    x, dy, gamma = draw(*shape, seed=seed), draw(*shape, seed=seed + 1), draw(shape[1], seed=seed + 2)
    weights = np.random.default_rng(seed).uniform(0.5, 2, shape[0]) if weighted else None
    beta = draw(shape[1], seed=seed + 3)

    def of_x(x):
        return bnorm.forward(x, gamma, beta, weights=weights, eps=1e-2)[0]

    stats = bnorm.forward(x, gamma, beta, weights=weights, eps=1e-2)[1]
    dx, dgamma, dbeta = bnorm.backward(dy, x, gamma, stats, weights=weights)
    np.testing.assert_allclose(dx, support.differences(of_x, x, dy), rtol=2e-6, atol=2e-6)
    for given_, at, gradient in (("gamma", gamma, dgamma), ("beta", beta, dbeta)):
        def of(v, given_=given_):
            parts = {"gamma": gamma, "beta": beta, given_: v}
            return bnorm.forward(x, parts["gamma"], parts["beta"], weights=weights, eps=1e-2)[0]
        np.testing.assert_allclose(gradient, support.differences(of, at, dy), rtol=2e-6, atol=2e-6)


@given(shapes, seeds)
def test_invariants_of_backward(shape, seed):
    """1'dx = 0; z_c'dx = gamma dgamma eps/sigma^2."""
    x, dy, gamma = draw(*shape, seed=seed), draw(*shape, seed=seed + 1), draw(shape[1], seed=seed + 2)
    stats = bnorm.forward(x, gamma, eps=0.1)[1]
    dx, dgamma, dbeta = bnorm.backward(dy, x, gamma, stats)
    scale = np.abs(dx).sum(0) * (1 + np.abs(x).max()) + 1
    assert (np.abs(dx.sum(0)) <= 1e-12 * scale).all()
    radial = ((x - stats.mean) * dx).sum(0) - gamma * dgamma * 0.1 * stats.rstd**2
    assert (np.abs(radial) <= 1e-11 * scale).all()


def test_dgamma_and_dbeta_come_without_gamma():
    x, dy = draw(9, 3), draw(9, 3, seed=1)
    stats = bnorm.forward(x)[1]
    for a, b in zip(bnorm.backward(dy, x, None, stats), bnorm.backward(dy, x, np.ones(3), stats)):
        assert (a == b).all()


def test_whole_weights_are_copies():
    x, dy, weights = draw(6, 3), draw(6, 3, seed=1), np.array([2.0, 1, 0, 3, 1, 1])
    copies = np.repeat(x, weights.astype(int), axis=0)
    y, stats = bnorm.forward(x, weights=weights)
    other, expected = bnorm.forward(copies)
    np.testing.assert_allclose(np.repeat(y, weights.astype(int), axis=0), other, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(stats.var, expected.var, rtol=1e-12)
    with pytest.raises(ValueError, match="weights"):
        bnorm.backward(dy, x, None, stats)


def test_constant_columns_give_beta():
    x = draw(8, 3)
    x[:, 1] = 0.1
    for eps in (0.0, 1e-5):
        y, stats = bnorm.forward(x, draw(3, seed=1), np.array([1.0, 2.5, 3.0]), eps=eps)
        assert (y[:, 1] == 2.5).all() and stats.var[1] == 0
    assert stats.rstd[1] == 1 / np.sqrt(1e-5) and bnorm.forward(x, eps=0)[1].rstd[1] == 0


def test_large_means_cost_no_digits():
    x = draw(500, 2, center=0)
    far = x + 2.0**30
    near = far - 2.0**30  # what remains of x
    np.testing.assert_allclose(bnorm.forward(far)[0], bnorm.forward(near)[0], atol=1e-7)
    narrow = (draw(1000, 2) + 1e5).astype(np.float32)
    expected = support.forward(narrow)[0].astype(float)
    np.testing.assert_allclose(bnorm.forward(narrow)[0], expected, atol=1e-5)


def test_no_columns_and_no_rows():
    y, stats = bnorm.forward(np.ones((3, 0)))
    assert y.shape == (3, 0) and stats.mean.shape == (0,)
    assert [v.shape for v in bnorm.backward(np.ones((3, 0)), np.ones((3, 0)), None, stats)] == [(3, 0), (0,), (0,)]
    assert bnorm.infer(np.ones((0, 2)), None, None, np.zeros(2), np.ones(2)).shape == (0, 2)
    n, mean, m2 = bnorm.moments(np.ones((0, 2)))
    assert n == 0 and (mean == 0).all() and (m2 == 0).all()


@given(shapes, seeds, st.sampled_from([np.float64, np.float32]))
def test_infer_and_its_backward(shape, seed, dtype):
    x, dy = draw(*shape, seed=seed, dtype=dtype), draw(*shape, seed=seed + 1, dtype=dtype)
    gamma, beta, mean = (draw(shape[1], seed=k) for k in (2, 3, 4))
    var = np.abs(draw(shape[1], seed=5)) + 0.5
    scale = gamma / np.sqrt(var + 1e-3)
    y = bnorm.infer(x, gamma, beta, mean, var, eps=1e-3)
    np.testing.assert_allclose(y, (x - mean) * scale + beta, **TOLERANCE[dtype])
    dx, dgamma, dbeta = bnorm.infer_backward(dy, x, gamma, mean, var, eps=1e-3)
    assert dx.dtype == dgamma.dtype == dtype
    np.testing.assert_allclose(dx, dy * scale, **TOLERANCE[dtype])
    np.testing.assert_allclose(dgamma, (dy * (x - mean) / np.sqrt(var + 1e-3)).sum(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dbeta, dy.sum(0, dtype=float), rtol=1e-4, atol=1e-4)
    place = x.copy()
    assert (bnorm.infer(place, gamma, beta, mean, var, eps=1e-3, out=place) == y).all()


def test_fold_is_dense_then_infer():
    x, g1, bias = draw(5, 4), draw(4, 3, seed=1), draw(3, seed=2)
    gamma, beta, mean, var = draw(3, seed=3), draw(3, seed=4), draw(3, seed=5), np.abs(draw(3, seed=6))
    folded, shift = bnorm.fold(g1, bias, gamma, beta, mean, var)
    np.testing.assert_allclose(x @ folded + shift, bnorm.infer(x @ g1 + bias, gamma, beta, mean, var), rtol=1e-12)


@given(seeds, st.integers(0, 9), st.integers(1, 9))
def test_merge_is_the_moments_of_all_rows(seed, rows_a, rows_b):
    a, b = draw(rows_a, 3, seed=seed), draw(rows_b, 3, seed=seed + 1, center=5)
    merged, whole = bnorm.merge(bnorm.moments(a), bnorm.moments(b)), bnorm.moments(np.vstack([a, b]))
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(merged.m2, whole.m2, rtol=1e-11, atol=1e-12)


class TestRunning:
    batches = [draw(n, 3, seed=n, center=2) for n in (5, 4, 7)]

    def run(self, **options):
        running = bnorm.RunningStats(3, **options)
        for batch in self.batches:
            running.update(bnorm.forward(batch)[1])
        return running

    @pytest.mark.parametrize("unbiased", [True, False])
    def test_exponential(self, unbiased):
        running, mean, var = self.run(update=0.3, unbiased=unbiased), np.zeros(3), np.ones(3)
        for batch in self.batches:
            mean = 0.7 * mean + 0.3 * batch.mean(0)
            var = 0.7 * var + 0.3 * batch.var(0, ddof=int(unbiased))
        np.testing.assert_allclose(running.mean, mean, rtol=1e-13)
        np.testing.assert_allclose(running.var, var, rtol=1e-13)

    def test_average_is_the_papers(self):
        running = self.run(update="average")
        np.testing.assert_allclose(running.mean, np.mean([b.mean(0) for b in self.batches], axis=0), rtol=1e-13)
        np.testing.assert_allclose(running.var, np.mean([b.var(0, ddof=1) for b in self.batches], axis=0), rtol=1e-13)

    def test_merge_pools_exactly(self):
        running, whole = self.run(update="merge"), np.vstack(self.batches)
        np.testing.assert_allclose(running.mean, whole.mean(0), rtol=1e-13)
        np.testing.assert_allclose(running.var, whole.var(0, ddof=1), rtol=1e-13)

    def test_moments_and_statistics_of_other_makers(self):
        batch = self.batches[0]
        by_moments, by_parts = bnorm.RunningStats(3), bnorm.RunningStats(3)
        by_moments.update(bnorm.moments(batch))
        stats = bnorm.forward(batch, ddof=1)[1]
        by_parts.update(bnorm.Stats(stats.mean, stats.var, stats.rstd, stats.n, ddof=1))
        np.testing.assert_allclose(by_moments.var, by_parts.var, rtol=1e-14)

    def test_starts(self):
        running = bnorm.RunningStats(2, mean=[1, 2], var=3)
        assert (running.mean == [1, 2]).all() and (running.var == 3).all()
        running.mean[0] = 9  # a copy
        assert running.mean[0] == 1

    def test_what_is_not_finite_changes_nothing(self):
        running = self.run(update=0.1)
        before = running.mean, running.var
        bad = draw(4, 3)
        bad[0, 1] = np.nan
        with pytest.raises(ValueError, match="column 2"):
            running.update(bnorm.forward(bad)[1])
        assert (running.mean == before[0]).all() and (running.var == before[1]).all()


@given(shapes, seeds, st.sampled_from("CF"))
def test_layer_norm_is_batch_norm_of_the_transpose(shape, seed, order):
    x, dy = (np.asarray(draw(*shape, seed=seed + k), order=order) for k in (0, 1))
    gamma = draw(shape[1], seed=2)
    y, stats = bnorm.layer_norm(x, eps=0.01)
    other, expected = bnorm.forward(np.ascontiguousarray(x.T), eps=0.01)
    np.testing.assert_allclose(y, other.T, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(stats.var, expected.var, rtol=1e-9, atol=1e-12)
    assert stats.n == shape[1]
    dx, dgamma, dbeta = bnorm.layer_norm_backward(dy, x, gamma, stats)
    expected_dx = bnorm.backward(np.ascontiguousarray((dy * gamma).T), np.ascontiguousarray(x.T), None, expected)[0]
    np.testing.assert_allclose(dx, expected_dx.T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(dgamma, (dy * y).sum(0), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dbeta, dy.sum(0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_group_norm_is_layer_norm_of_groups(groups, dtype):
    x, dy = draw(4, 6, 5, dtype=dtype), draw(4, 6, 5, seed=1, dtype=dtype)
    gamma, beta = draw(6, seed=2, dtype=dtype), draw(6, seed=3, dtype=dtype)
    y, stats = bnorm.group_norm(x, groups, gamma, beta)
    flat = x.reshape(4 * groups, -1)
    wide = [np.tile(np.repeat(v, 5).reshape(groups, -1), (4, 1)) for v in (gamma, beta)]
    plain, by_row = bnorm.layer_norm(flat)
    np.testing.assert_allclose(y.reshape(4 * groups, -1), plain * wide[0] + wide[1], **TOLERANCE[dtype])
    assert stats.mean.shape == (4, groups) and stats.n == 30 // groups
    np.testing.assert_allclose(stats.mean.ravel(), by_row.mean, rtol=1e-12, atol=1e-12)
    dx, dgamma, dbeta = bnorm.group_norm_backward(dy, x, groups, gamma, stats)
    u = (dy.reshape(4 * groups, -1) * wide[0]).astype(dtype)
    expected = bnorm.layer_norm_backward(u, flat, None, by_row)[0]
    np.testing.assert_allclose(dx.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dbeta, dy.sum((0, 2)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dgamma, (dy * plain.reshape(x.shape)).sum((0, 2)), rtol=1e-4, atol=1e-4)
    for other in (np.asfortranarray(x), x[:, ::-1].copy()[:, ::-1], np.repeat(x, 2, axis=2)[:, :, ::2]):
        assert (bnorm.group_norm(other, groups, gamma, beta)[0] == y).all()


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weight_space_is_the_ordinary_way(order, weighted, dtype):
    x = np.asarray(draw(60, 5, center=10, dtype=dtype), order=order)
    g1, w = (np.asarray(v, order=order) for v in (draw(5, 4, seed=1, dtype=dtype), draw(60, 4, seed=2, dtype=dtype)))
    gamma, beta = draw(4, seed=3), draw(4, seed=4)
    weights = np.random.default_rng(5).uniform(0, 2, 60) if weighted else None
    gram = bnorm.gram(x, weights=weights, ddof=1)
    np.testing.assert_allclose(gram.s, np.cov(x.T.astype(float), aweights=weights, ddof=1)
                               if not weighted else gram.s.T, rtol=1e-4)
    b, stats = bnorm.dense_forward(x, g1, gram, gamma, beta)
    z = x.astype(float) @ g1.astype(float)
    expected, ordinary = bnorm.forward(z, gamma, beta, weights=weights, ddof=1)
    loose = dict(rtol=1e-9, atol=1e-9) if dtype == np.float64 else dict(rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(b, expected, **loose)
    np.testing.assert_allclose(stats.var, ordinary.var, rtol=1e-6)
    dz, dgamma, dbeta = bnorm.backward(w.astype(float), z, gamma, ordinary, weights=weights)
    back = bnorm.dense_backward(w, x, g1, gram, gamma, stats)
    for got, want in zip(back, (x.astype(float).T @ dz, dgamma, dbeta)):
        np.testing.assert_allclose(got, want, **loose)


@pytest.mark.parametrize("kind", ["beta", "gamma", "z", "g1"])
def test_jacobian_times_upstream_is_backward(kind):
    x, g1, w, gamma = draw(7, 3), draw(3, 2, seed=1), draw(7, 2, seed=2), draw(2, seed=3)
    weights = np.random.default_rng(4).uniform(0.5, 2, 7)
    z = x @ g1
    stats = bnorm.forward(z, gamma, weights=weights, ddof=1)[1]
    dz, dgamma, dbeta = bnorm.backward(w, z, gamma, stats, weights=weights)
    expected = {"beta": dbeta, "gamma": dgamma, "z": dz.T.ravel(), "g1": (x.T @ dz).T.ravel()}[kind]
    j = bnorm.jacobian(kind, x, g1, gamma=gamma, weights=weights, ddof=1)
    np.testing.assert_allclose(j.T @ w.T.ravel(), expected, rtol=1e-10, atol=1e-12)


def test_precisions_of_vectors_are_converted():
    x = draw(9, 3, dtype=np.float32)
    y = bnorm.forward(x, np.ones(3) * 2)[0]
    assert (y == bnorm.forward(x, np.ones(3, np.float32) * 2)[0]).all()
    assert (bnorm.forward(draw(9, 3), np.ones(6)[::2] * 2)[0] == bnorm.forward(draw(9, 3), np.ones(3) * 2)[0]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_variances_below_eps(dtype):
    """Of rows, groups and columns of x g1: not what is left of v + eps, but v."""
    x = draw(6, 8, dtype=dtype) * np.array([[1], [1e-6], [1e-9], [0], [30], [1e-4]], dtype)
    np.testing.assert_allclose(bnorm.layer_norm(x)[1].var, x.astype(float).var(1), rtol=1e-10)
    stack = x.reshape(6, 4, 2)
    expected = x.astype(float).reshape(6, 2, 4).var(2)
    np.testing.assert_allclose(bnorm.group_norm(stack, 2)[1].var, expected, rtol=1e-10)
    wide = draw(50, 3)
    g1 = draw(3, 4) * np.array([1, 1e-5, 1e-8, 0])
    weights = np.arange(50.0)
    for w, ddof in ((None, 0), (weights, 1)):
        z = wide @ g1
        n, mean, m2 = bnorm.moments(z, weights=w)
        stats = bnorm.dense_forward(wide, g1, bnorm.gram(wide, weights=w, ddof=ddof))[1]
        np.testing.assert_allclose(stats.var, m2 / (n - ddof), rtol=1e-10)


def test_eps_of_an_array_is_a_number():
    stats = bnorm.forward(draw(4, 2), eps=np.array(1e-3))[1]
    assert stats.eps == 1e-3 and type(stats.eps) is float and "eps=0.001" in repr(stats)
