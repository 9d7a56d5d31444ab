/* matrix: forward, backward, inference, moments. Arguments come by position from
 * bnorm/_matrix.py, which has the signatures, and None where they are absent. */
#include "native.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS "one value a column"
#define ROWS    "one value a row"

static double total_of(const double *weights, Py_ssize_t rows)
{
    double n = weights ? 0 : (double)rows;
    for (Py_ssize_t i = 0; weights && i < rows; i++) n += weights[i];
    return n;
}

/* ------------------------------------------------------------------------------- forward */

typedef struct forward_args {
    const void *gamma, *beta, *weights;
    bnorm_rule rule;
    bnorm_mat_f64 x, y;
    double n, *mean, *m2, *var, *rstd;
    PyObject *objects[6]; /* y, n, mean, m2, var, rstd */
} forward_args;

static bnorm_status forward_run(py_call *c, forward_args *f, int f32)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    if (f32)
        status = bnorm_forward_stats_f32(c->ctx, bnorm_py_f32(f->x), f->weights, f->gamma,
                                         f->beta, f->rule, bnorm_py_f32(f->y), &f->n, f->mean,
                                         f->m2, f->rstd);
    else
        status = bnorm_forward_stats_f64(c->ctx, f->x, f->weights, f->gamma, f->beta, f->rule,
                                         f->y, &f->n, f->mean, f->m2, f->rstd);
    if (!status) bnorm_py_deliver(c);
    Py_END_ALLOW_THREADS;
    return status;
}

static int forward_vectors(py_call *c, PyObject *const *args, const py_array *x,
                           forward_args *f)
{
    Py_ssize_t rows = x->shape[0], cols = x->shape[1];
    return bnorm_py_vector(c, args[1], "gamma", cols, COLUMNS, x->f32, &f->gamma) ||
           bnorm_py_vector(c, args[2], "beta", cols, COLUMNS, x->f32, &f->beta) ||
           bnorm_py_vector(c, args[3], "weights", rows, ROWS, 0, &f->weights) ||
           bnorm_py_number(args[4], "eps", &f->rule.eps) ||
           bnorm_py_number(args[5], "ddof", &f->rule.ddof);
}

static int forward_outputs(py_call *c, PyObject *given, const py_array *x, forward_args *f)
{
    py_array *out = NULL;
    if (given != Py_None && !(out = bnorm_py_take_out(c, given, "out", x, x, NULL))) return -1;
    bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x, out}, 2);
    Py_ssize_t cols = x->shape[1];
    return bnorm_py_matrix(c, x, layout, &f->x) ||
           bnorm_py_output(c, given, x, layout, out, &f->y, &f->objects[0]) ||
           !(f->mean = bnorm_py_make_vector(c, cols, 0, &f->objects[2])) ||
           !(f->m2 = bnorm_py_make_vector(c, cols, 0, &f->objects[3])) ||
           !(f->var = bnorm_py_make_vector(c, cols, 0, &f->objects[4])) ||
           !(f->rstd = bnorm_py_make_vector(c, cols, 0, &f->objects[5]));
}

/* forward(x, gamma, beta, weights, eps, ddof, out, threads) -> y, n, mean, m2, var, rstd */
static PyObject *forward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    forward_args f = {.n = 0};
    if (bnorm_py_count(count, 8) || bnorm_py_call_start(&c, module, args[7])) return NULL;
    py_array *x = bnorm_py_take(&c, args[0], "x", 2);
    int done = x && !forward_vectors(&c, args, x, &f) && !forward_outputs(&c, args[6], x, &f);
    if (done) {
        f.n = total_of(f.weights, x->shape[0]);
        bnorm_status status = forward_run(&c, &f, x->f32);
        if (status) bnorm_py_raise(&c, status);
        done = !status && (f.objects[1] = PyFloat_FromDouble(f.n));
        for (Py_ssize_t j = 0; done && j < x->shape[1]; j++)
            f.var[j] = f.m2[j] / (f.n - f.rule.ddof);
    }
    return bnorm_py_finish(&c, done, f.objects, 6);
}

/* ------------------------------------------------------------------------------ backward */

typedef struct backward_args {
    const void *gamma, *weights, *mean, *scale; /* scale: rstd, or var of inference */
    bnorm_rule rule;
    bnorm_mat_f64 x, dy, dx;
    void *dgamma, *dbeta;
    PyObject *objects[3]; /* dx, dgamma, dbeta */
} backward_args;

static bnorm_status backward_run(py_call *c, backward_args *b, int f32)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    if (f32)
        status = bnorm_backward_f32(c->ctx, bnorm_py_f32(b->x), bnorm_py_f32(b->dy), b->weights,
                                    b->gamma, b->mean, b->scale, b->rule, bnorm_py_f32(b->dx),
                                    b->dgamma, b->dbeta);
    else
        status = bnorm_backward_f64(c->ctx, b->x, b->dy, b->weights, b->gamma, b->mean,
                                    b->scale, b->rule, b->dx, b->dgamma, b->dbeta);
    if (!status) bnorm_py_deliver(c);
    Py_END_ALLOW_THREADS;
    return status;
}

static bnorm_status infer_backward_run(py_call *c, backward_args *b, int f32)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    if (f32)
        status = bnorm_infer_backward_f32(c->ctx, bnorm_py_f32(b->x), bnorm_py_f32(b->dy),
                                          b->gamma, b->mean, b->scale, b->rule.eps,
                                          bnorm_py_f32(b->dx), b->dgamma, b->dbeta);
    else
        status = bnorm_infer_backward_f64(c->ctx, b->x, b->dy, b->gamma, b->mean, b->scale,
                                          b->rule.eps, b->dx, b->dgamma, b->dbeta);
    Py_END_ALLOW_THREADS;
    return status;
}

/* dy and x, of one shape and precision. */
static int backward_pair(py_call *c, PyObject *const *args, py_array **dy, py_array **x)
{
    if (!(*dy = bnorm_py_take(c, args[0], "dy", 2)) ||
        !(*x = bnorm_py_take(c, args[1], "x", 2)))
        return -1;
    return bnorm_py_check_like(*dy, *x);
}

static int backward_outputs(py_call *c, PyObject *given, const py_array *dy, const py_array *x,
                            backward_args *b)
{
    py_array *out = NULL;
    if (given != Py_None && !(out = bnorm_py_take_out(c, given, "out", x, x, dy))) return -1;
    bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x, dy, out}, 3);
    Py_ssize_t cols = x->shape[1];
    return bnorm_py_matrix(c, x, layout, &b->x) || bnorm_py_matrix(c, dy, layout, &b->dy) ||
           bnorm_py_output(c, given, x, layout, out, &b->dx, &b->objects[0]) ||
           !(b->dgamma = bnorm_py_make_vector(c, cols, x->f32, &b->objects[1])) ||
           !(b->dbeta = bnorm_py_make_vector(c, cols, x->f32, &b->objects[2]));
}

/* The weights must be those of forward: at least their sum is, in whatever order it was taken. */
static int check_weights(const double *weights, Py_ssize_t rows, double n)
{
    double sum = total_of(weights, rows);
    double bound = 4 * 0x1p-52 * ((double)rows + 1) * n;
    if (!(sum - n > bound || n - sum > bound)) return 0;
    char text[64];
    snprintf(text, sizeof text, "n = %g, got those of n = %g", sum, n);
    PyErr_Format(PyExc_ValueError, "stats: expected those of these weights, %s: %s", text,
                 weights ? "give those of forward" : "give the weights of forward");
    return -1;
}

/* backward(dy, x, gamma, weights, mean, rstd, eps, ddof, out, n) -> dx, dgamma, dbeta */
static PyObject *backward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    py_array *dy, *x = NULL;
    backward_args b = {.gamma = NULL};
    double n;
    if (bnorm_py_count(count, 10) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    int done = !backward_pair(&c, args, &dy, &x);
    Py_ssize_t rows = done ? x->shape[0] : 0, cols = done ? x->shape[1] : 0;
    done = done && !bnorm_py_vector(&c, args[2], "gamma", cols, COLUMNS, x->f32, &b.gamma) &&
           !bnorm_py_vector(&c, args[3], "weights", rows, ROWS, 0, &b.weights) &&
           !bnorm_py_need_vector(&c, args[4], "stats.mean", cols, COLUMNS, &b.mean) &&
           !bnorm_py_need_vector(&c, args[5], "stats.rstd", cols, COLUMNS, &b.scale) &&
           !bnorm_py_number(args[6], "stats.eps", &b.rule.eps) &&
           !bnorm_py_number(args[7], "stats.ddof", &b.rule.ddof) &&
           !bnorm_py_number(args[9], "stats.n", &n) && !check_weights(b.weights, rows, n) &&
           !backward_outputs(&c, args[8], dy, x, &b);
    bnorm_status status = done ? backward_run(&c, &b, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, b.objects, 3);
}

/* infer_backward(dy, x, gamma, mean, var, eps) -> dx, dgamma, dbeta */
static PyObject *infer_backward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    py_array *dy, *x = NULL;
    backward_args b = {.gamma = NULL};
    if (bnorm_py_count(count, 6) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    int done = !backward_pair(&c, args, &dy, &x);
    Py_ssize_t cols = done ? x->shape[1] : 0;
    done = done && !bnorm_py_vector(&c, args[2], "gamma", cols, COLUMNS, x->f32, &b.gamma) &&
           !bnorm_py_need_vector(&c, args[3], "mean", cols, COLUMNS, &b.mean) &&
           !bnorm_py_need_vector(&c, args[4], "var", cols, COLUMNS, &b.scale) &&
           !bnorm_py_number(args[5], "eps", &b.rule.eps) &&
           !backward_outputs(&c, Py_None, dy, x, &b);
    bnorm_status status = done ? infer_backward_run(&c, &b, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, b.objects, 3);
}

/* ----------------------------------------------------------------------- infer, moments */

static bnorm_status infer_run(py_call *c, bnorm_mat_f64 x, const void *const *v, double eps,
                              bnorm_mat_f64 y, int f32)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    if (f32)
        status = bnorm_infer_f32(c->ctx, bnorm_py_f32(x), v[0], v[1], v[2], v[3], eps,
                                 bnorm_py_f32(y));
    else
        status = bnorm_infer_f64(c->ctx, x, v[0], v[1], v[2], v[3], eps, y);
    if (!status) bnorm_py_deliver(c);
    Py_END_ALLOW_THREADS;
    return status;
}

/* infer(x, gamma, beta, mean, var, eps, out) -> (y,) */
static PyObject *infer(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"gamma", "beta", "mean", "var"};
    py_call c;
    py_array *out = NULL;
    const void *v[4] = {0};
    bnorm_mat_f64 from, to;
    double eps;
    PyObject *y = NULL;
    if (bnorm_py_count(count, 7) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *x = bnorm_py_take(&c, args[0], "x", 2);
    int done = x && !bnorm_py_number(args[5], "eps", &eps);
    for (int k = 0; done && k < 4; k++)
        done = k < 2 ? !bnorm_py_vector(&c, args[1 + k], names[k], x->shape[1], COLUMNS, x->f32,
                                        &v[k])
                     : !bnorm_py_need_vector(&c, args[1 + k], names[k], x->shape[1], COLUMNS,
                                             &v[k]);
    if (done && args[6] != Py_None)
        done = (out = bnorm_py_take_out(&c, args[6], "out", x, x, NULL)) != NULL;
    if (done) {
        bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x, out}, 2);
        done = !bnorm_py_matrix(&c, x, layout, &from) &&
               !bnorm_py_output(&c, args[6], x, layout, out, &to, &y);
    }
    bnorm_status status = done ? infer_run(&c, from, v, eps, to, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, &y, 1);
}

/* moments(x, weights) -> n, mean, m2 */
static PyObject *moments(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    const void *weights = NULL;
    bnorm_mat_f64 m;
    double n = 0, *mean = NULL, *m2 = NULL;
    PyObject *objects[3] = {0};
    if (bnorm_py_count(count, 2) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *x = bnorm_py_take(&c, args[0], "x", 2);
    const py_array *const arrays[] = {x};
    int done = x && !bnorm_py_vector(&c, args[1], "weights", x->shape[0], ROWS, 0, &weights) &&
               !bnorm_py_matrix(&c, x, bnorm_py_layout(arrays, 1), &m) &&
               (mean = bnorm_py_make_vector(&c, x->shape[1], 0, &objects[1])) &&
               (m2 = bnorm_py_make_vector(&c, x->shape[1], 0, &objects[2]));
    if (done) {
        bnorm_status status;
        n = total_of(weights, x->shape[0]);
        Py_BEGIN_ALLOW_THREADS;
        status = x->f32 ? bnorm_moments_f32(c.ctx, bnorm_py_f32(m), weights, &n, mean, m2)
                        : bnorm_moments_f64(c.ctx, m, weights, &n, mean, m2);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status && (objects[0] = PyFloat_FromDouble(n));
    }
    return bnorm_py_finish(&c, done, objects, 3);
}

/* merge(n, mean, m2, n_b, mean_b, m2_b, cols) -> n, mean, m2 of the union */
static PyObject *merge(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    Py_ssize_t cols;
    const void *v[4] = {0};
    double n, n_b, *mean = NULL, *m2 = NULL;
    PyObject *objects[3] = {0};
    if (bnorm_py_count(count, 7) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    int done = !bnorm_py_whole(args[6], "cols", 0, &cols) &&
               !bnorm_py_number(args[0], "a.n", &n) && !bnorm_py_number(args[3], "b.n", &n_b) &&
               !bnorm_py_need_vector(&c, args[1], "a.mean", cols, COLUMNS, &v[0]) &&
               !bnorm_py_need_vector(&c, args[2], "a.m2", cols, COLUMNS, &v[1]) &&
               !bnorm_py_need_vector(&c, args[4], "b.mean", cols, COLUMNS, &v[2]) &&
               !bnorm_py_need_vector(&c, args[5], "b.m2", cols, COLUMNS, &v[3]) &&
               (mean = bnorm_py_make_vector(&c, cols, 0, &objects[1])) &&
               (m2 = bnorm_py_make_vector(&c, cols, 0, &objects[2]));
    if (done && cols > 0) {
        memcpy(mean, v[0], (size_t)cols * sizeof *mean);
        memcpy(m2, v[1], (size_t)cols * sizeof *m2);
        bnorm_status status = bnorm_moments_merge(c.ctx, cols, &n, mean, m2, n_b, v[2], v[3]);
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    } else {
        n += n_b;
    }
    done = done && (objects[0] = PyFloat_FromDouble(n));
    return bnorm_py_finish(&c, done, objects, 3);
}

/* running(kind, update, ddof, count, mean, var, m2, n, batch_mean, batch_m2) -> (count,)
 * mean, var and m2 (None unless merging) are changed in place: they are RunningStats' own. */
static PyObject *running(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    Py_ssize_t kind;
    bnorm_running r = {.m2 = NULL};
    double n;
    const void *batch[2] = {0};
    PyObject *object = NULL;
    if (bnorm_py_count(count, 10) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *mean = bnorm_py_take(&c, args[4], "mean", 1);
    py_array *var = mean ? bnorm_py_take(&c, args[5], "var", 1) : NULL;
    py_array *m2 = var && args[6] != Py_None ? bnorm_py_take(&c, args[6], "m2", 1) : NULL;
    int done = var && (m2 || args[6] == Py_None) && !bnorm_py_check_like(var, mean) &&
               (!m2 || !bnorm_py_check_like(m2, mean)) && !mean->f32 && !mean->readonly &&
               !bnorm_py_whole(args[0], "kind", 0, &kind) &&
               !bnorm_py_number(args[1], "update", &r.update) &&
               !bnorm_py_number(args[2], "ddof", &r.ddof) &&
               !bnorm_py_number(args[3], "count", &r.count) &&
               !bnorm_py_number(args[7], "stats.n", &n);
    if (done) {
        Py_ssize_t cols = mean->shape[0];
        r.kind = (bnorm_running_kind)kind;
        r.cols = cols;
        r.mean = (double *)(void *)mean->data;
        r.var = (double *)(void *)var->data;
        r.m2 = m2 ? (double *)(void *)m2->data : NULL;
        done = !bnorm_py_need_vector(&c, args[8], "stats.mean", cols, COLUMNS, &batch[0]) &&
               !bnorm_py_need_vector(&c, args[9], "stats.m2", cols, COLUMNS, &batch[1]);
    }
    if (done && r.cols > 0) {
        bnorm_status status = bnorm_running_update(c.ctx, &r, n, batch[0], batch[1]);
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    done = done && (object = PyFloat_FromDouble(r.count));
    return bnorm_py_finish(&c, done, &object, 1);
}

PyMethodDef bnorm_py_matrix_methods[] = {
    BNORM_PY_METHOD(forward),        BNORM_PY_METHOD(backward), BNORM_PY_METHOD(infer),
    BNORM_PY_METHOD(infer_backward), BNORM_PY_METHOD(moments),  BNORM_PY_METHOD(merge),
    BNORM_PY_METHOD(running),        {NULL, NULL, 0, NULL}};
