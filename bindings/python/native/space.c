/* space: folding, weight space (W1-W4), and the Jacobians of the reference. */
#include "native.h"

#define COLUMNS "one value a column"
#define ROWS    "one value a row"

/* ---------------------------------------------------------------------------------- fold */

typedef struct fold_args {
    const void *bias, *v[4]; /* gamma, beta, mean, var */
    double eps;
    bnorm_mat_f64 g1, out;
    void *bias_out;
    PyObject *objects[2];
} fold_args;

static bnorm_status fold_run(py_call *c, fold_args *f, int f32)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = f32 ? bnorm_fold_f32(c->ctx, bnorm_py_f32(f->g1), f->bias, f->v[0], f->v[1],
                                  f->v[2], f->v[3], f->eps, bnorm_py_f32(f->out), f->bias_out)
                 : bnorm_fold_f64(c->ctx, f->g1, f->bias, f->v[0], f->v[1], f->v[2], f->v[3],
                                  f->eps, f->out, f->bias_out);
    Py_END_ALLOW_THREADS;
    return status;
}

/* fold(g1, bias, gamma, beta, mean, var, eps) -> g1, bias */
static PyObject *fold(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"gamma", "beta", "mean", "var"};
    py_call c;
    fold_args f = {.bias = NULL};
    if (bnorm_py_count(count, 7) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *g1 = bnorm_py_take(&c, args[0], "g1", 2);
    Py_ssize_t cols = g1 ? g1->shape[1] : 0;
    int done = g1 && !bnorm_py_vector(&c, args[1], "bias", cols, COLUMNS, g1->f32, &f.bias) &&
               !bnorm_py_number(args[6], "eps", &f.eps);
    for (int k = 0; done && k < 4; k++)
        done =
            k < 2 ? !bnorm_py_vector(&c, args[2 + k], names[k], cols, COLUMNS, g1->f32, &f.v[k])
                  : !bnorm_py_need_vector(&c, args[2 + k], names[k], cols, COLUMNS, &f.v[k]);
    if (done) {
        bnorm_layout layout = bnorm_py_layout((const py_array *const[]){g1}, 1);
        done = !bnorm_py_matrix(&c, g1, layout, &f.g1) &&
               !bnorm_py_output(&c, Py_None, g1, layout, NULL, &f.out, &f.objects[0]) &&
               (f.bias_out = bnorm_py_make_vector(&c, cols, g1->f32, &f.objects[1]));
    }
    bnorm_status status = done ? fold_run(&c, &f, g1->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, f.objects, 2);
}

/* --------------------------------------------------------------------------- weight space */

/* gram(x, weights, ddof) -> n, xbar and what its rounding left, s */
static PyObject *gram(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    const void *weights = NULL;
    bnorm_mat_f64 m;
    bnorm_gram g = {.n = 0};
    double ddof, *xbar = NULL;
    PyObject *objects[3] = {0};
    if (bnorm_py_count(count, 3) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *s = NULL, *x = bnorm_py_take(&c, args[0], "x", 2);
    int done = x && !bnorm_py_vector(&c, args[1], "weights", x->shape[0], ROWS, 0, &weights) &&
               !bnorm_py_number(args[2], "ddof", &ddof) &&
               !bnorm_py_matrix(&c, x, bnorm_py_layout((const py_array *const[]){x}, 1), &m) &&
               (xbar = bnorm_py_make_vector(&c, 2 * x->shape[1], 0, &objects[1]));
    if (done) {
        Py_ssize_t shape[2] = {x->shape[1], x->shape[1]};
        s = bnorm_py_make(&c, 2, shape, 0, BNORM_ROW_MAJOR, &objects[2]);
    }
    done = done && s;
    if (done) {
        double *to = (double *)(void *)s->data;
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = x->f32 ? bnorm_gram_f32(c.ctx, bnorm_py_f32(m), weights, ddof, xbar, to, &g)
                        : bnorm_gram_f64(c.ctx, m, weights, ddof, xbar, to, &g);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status && (objects[0] = PyFloat_FromDouble(g.n));
    }
    return bnorm_py_finish(&c, done, objects, 3);
}

typedef struct dense_args {
    bnorm_gram gram;
    bnorm_mat_f64 x, g1, b, dg1;
    const void *gamma, *beta, *rstd;
    double eps, *mean_out, *rstd_out;
    void *dgamma, *dbeta;
    PyObject *objects[3];
} dense_args;

/* s, p1 x p1 and contiguous. */
static int take_s(py_call *c, PyObject *object, Py_ssize_t cols, dense_args *d)
{
    py_array *s = bnorm_py_take(c, object, "gram.s", 2);
    if (!s) return -1;
    Py_ssize_t wide = (Py_ssize_t)sizeof(double);
    int right = !s->f32 && s->shape[0] == cols && s->shape[1] == cols;
    right = right && (cols < 2 || (s->strides[1] == wide && s->strides[0] == cols * wide));
    d->gram.s = (const double *)(const void *)s->data;
    if (right) return 0;
    PyErr_Format(PyExc_ValueError,
                 "gram: expected one of the %zd columns of x, got one of another matrix", cols);
    return -1;
}

/* x and the five parts of its gram: n, ddof, weights, xbar, s. */
static int take_gram(py_call *c, const py_array *x, PyObject *const *args, dense_args *d)
{
    const void *weights, *xbar;
    Py_ssize_t rows = x->shape[0], cols = x->shape[1];
    if (bnorm_py_number(args[0], "gram.n", &d->gram.n) ||
        bnorm_py_number(args[1], "gram.ddof", &d->gram.ddof) ||
        bnorm_py_vector(c, args[2], "gram.weights", rows, ROWS, 0, &weights) ||
        bnorm_py_vector(c, args[3], "gram.xbar", 2 * cols, "two a column", 0, &xbar) ||
        take_s(c, args[4], cols, d))
        return -1;
    if (!weights && d->gram.n != (double)rows) {
        PyErr_Format(PyExc_ValueError,
                     "gram: expected one of the %zd rows of x, got one of another x", rows);
        return -1;
    }
    d->gram.rows = rows;
    d->gram.cols = cols;
    d->gram.weights = weights;
    d->gram.xbar = xbar;
    return 0;
}

/* x and g1, that can be multiplied. */
static int take_factors(py_call *c, PyObject *const *args, py_array **x, py_array **g1)
{
    if (!(*x = bnorm_py_take(c, args[0], "x", 2)) ||
        !(*g1 = bnorm_py_take(c, args[1], "g1", 2)))
        return -1;
    if ((*g1)->f32 != (*x)->f32) {
        PyErr_Format(PyExc_TypeError, "g1: expected %s as x, got %s",
                     (*x)->f32 ? "float32" : "float64", (*g1)->f32 ? "float32" : "float64");
        return -1;
    }
    if ((*g1)->shape[0] == (*x)->shape[1]) return 0;
    PyErr_Format(PyExc_ValueError, "g1: expected %zd rows, one a column of x, got %zd",
                 (*x)->shape[1], (*g1)->shape[0]);
    return -1;
}

static int forward_outputs(py_call *c, const py_array *x, const py_array *g1, dense_args *d)
{
    bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x, g1}, 2);
    py_array like = *x;
    like.shape[1] = g1->shape[1];
    return bnorm_py_matrix(c, x, layout, &d->x) || bnorm_py_matrix(c, g1, layout, &d->g1) ||
           bnorm_py_output(c, Py_None, &like, layout, NULL, &d->b, &d->objects[0]) ||
           !(d->mean_out = bnorm_py_make_vector(c, g1->shape[1], 0, &d->objects[1])) ||
           !(d->rstd_out = bnorm_py_make_vector(c, g1->shape[1], 0, &d->objects[2]));
}

/* dense_forward(x, g1, n, ddof, weights, xbar, s, gamma, beta, eps) -> b, mean, rstd */
static PyObject *dense_forward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    py_array *x, *g1 = NULL;
    dense_args d = {.eps = 0};
    if (bnorm_py_count(count, 10) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    int done =
        !take_factors(&c, args, &x, &g1) && !take_gram(&c, x, args + 2, &d) &&
        !bnorm_py_vector(&c, args[7], "gamma", g1->shape[1], COLUMNS, x->f32, &d.gamma) &&
        !bnorm_py_vector(&c, args[8], "beta", g1->shape[1], COLUMNS, x->f32, &d.beta) &&
        !bnorm_py_number(args[9], "eps", &d.eps) && !forward_outputs(&c, x, g1, &d);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = x->f32 ? bnorm_dense_forward_f32(c.ctx, bnorm_py_f32(d.x), bnorm_py_f32(d.g1),
                                                  &d.gram, d.gamma, d.beta, d.eps,
                                                  bnorm_py_f32(d.b), d.mean_out, d.rstd_out)
                        : bnorm_dense_forward_f64(c.ctx, d.x, d.g1, &d.gram, d.gamma, d.beta,
                                                  d.eps, d.b, d.mean_out, d.rstd_out);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    return bnorm_py_finish(&c, done, d.objects, 3);
}

/* w has the shape of b. */
static int backward_outputs(py_call *c, PyObject *object, const py_array *x, const py_array *g1,
                            dense_args *d)
{
    py_array like = *x;
    like.name = "x g1";
    like.shape[1] = g1->shape[1];
    py_array *w = bnorm_py_take(c, object, "w", 2);
    if (!w || bnorm_py_check_like(w, &like)) return -1;
    bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x, w, g1}, 3);
    return bnorm_py_matrix(c, x, layout, &d->x) || bnorm_py_matrix(c, g1, layout, &d->g1) ||
           bnorm_py_matrix(c, w, layout, &d->b) ||
           bnorm_py_output(c, Py_None, g1, layout, NULL, &d->dg1, &d->objects[0]) ||
           !(d->dgamma = bnorm_py_make_vector(c, g1->shape[1], x->f32, &d->objects[1])) ||
           !(d->dbeta = bnorm_py_make_vector(c, g1->shape[1], x->f32, &d->objects[2]));
}

/* dense_backward(w, x, g1, n, ddof, weights, xbar, s, gamma, rstd) -> dg1, dgamma, dbeta */
static PyObject *dense_backward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    py_array *x, *g1 = NULL;
    dense_args d = {.eps = 0};
    if (bnorm_py_count(count, 10) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    int done =
        !take_factors(&c, args + 1, &x, &g1) && !take_gram(&c, x, args + 3, &d) &&
        !bnorm_py_vector(&c, args[8], "gamma", g1->shape[1], COLUMNS, x->f32, &d.gamma) &&
        !bnorm_py_need_vector(&c, args[9], "stats.rstd", g1->shape[1], COLUMNS, &d.rstd) &&
        !backward_outputs(&c, args[0], x, g1, &d);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = x->f32 ? bnorm_dense_backward_f32(c.ctx, bnorm_py_f32(d.x), bnorm_py_f32(d.g1),
                                                   &d.gram, bnorm_py_f32(d.b), d.gamma, d.rstd,
                                                   bnorm_py_f32(d.dg1), d.dgamma, d.dbeta)
                        : bnorm_dense_backward_f64(c.ctx, d.x, d.g1, &d.gram, d.b, d.gamma,
                                                   d.rstd, d.dg1, d.dgamma, d.dbeta);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    return bnorm_py_finish(&c, done, d.objects, 3);
}

/* ------------------------------------------------------------------------------- jacobian */

/* A matrix of doubles in its own layout. */
static py_array *take_double(py_call *c, PyObject *object, const char *name, bnorm_mat_f64 *m)
{
    py_array *a = bnorm_py_take(c, object, name, 2);
    if (!a) return NULL;
    if (a->f32) {
        PyErr_Format(PyExc_TypeError, "%s: expected float64, got float32", name);
        return NULL;
    }
    const py_array *const arrays[] = {a};
    return bnorm_py_matrix(c, a, bnorm_py_layout(arrays, 1), m) ? NULL : a;
}

static int jacobian_shape(bnorm_jacobian_kind kind, const py_array *x, const py_array *g1,
                          Py_ssize_t *shape)
{
    Py_ssize_t rows = x->shape[0], inputs = x->shape[1], cols = g1 ? g1->shape[1] : inputs;
    Py_ssize_t most = BNORM_REFERENCE_LIMIT;
    if (rows > most || inputs > most || cols > most) {
        PyErr_SetString(PyExc_ValueError,
                        "x: expected a small matrix: Jacobians are for teaching");
        return -1;
    }
    shape[0] = rows * cols;
    shape[1] = cols;
    if (kind == BNORM_JACOBIAN_Z) shape[1] = rows * cols;
    if (kind == BNORM_JACOBIAN_G1) shape[1] = inputs * cols;
    if (shape[1] == 0 || shape[0] <= most / shape[1]) return 0;
    PyErr_Format(
        PyExc_ValueError,
        "x: the Jacobian would have %zd rows and %zd columns; expected at most %zd values",
        shape[0], shape[1], most);
    return -1;
}

/* jacobian(kind, x, g1, gamma, weights, eps, ddof) -> (matrix,) */
static PyObject *jacobian(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    Py_ssize_t kind, shape[2];
    bnorm_mat_f64 x, g1 = {.data = NULL}, out;
    bnorm_rule rule;
    const void *gamma, *weights;
    PyObject *object = NULL;
    if (bnorm_py_count(count, 7) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *ag = NULL, *ax = take_double(&c, args[1], "x", &x);
    int done = ax && (args[2] == Py_None || (ag = take_double(&c, args[2], "g1", &g1))) &&
               !bnorm_py_whole(args[0], "kind", 0, &kind) &&
               !jacobian_shape((bnorm_jacobian_kind)kind, ax, ag, shape) &&
               !bnorm_py_vector(&c, args[3], "gamma", ag ? ag->shape[1] : ax->shape[1], COLUMNS,
                                0, &gamma) &&
               !bnorm_py_vector(&c, args[4], "weights", ax->shape[0], "one value a row", 0,
                                &weights) &&
               !bnorm_py_number(args[5], "eps", &rule.eps) &&
               !bnorm_py_number(args[6], "ddof", &rule.ddof);
    py_array *result = done ? bnorm_py_make(&c, 2, shape, 0, BNORM_ROW_MAJOR, &object) : NULL;
    done = result && !bnorm_py_matrix(&c, result, BNORM_ROW_MAJOR, &out);
    bnorm_status status = BNORM_OK;
    if (done)
        status = bnorm_jacobian_f64(c.ctx, (bnorm_jacobian_kind)kind, x, g1, weights, gamma,
                                    rule, out);
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, &object, 1);
}

PyMethodDef bnorm_py_space_methods[] = {
    BNORM_PY_METHOD(fold),           BNORM_PY_METHOD(gram),     BNORM_PY_METHOD(dense_forward),
    BNORM_PY_METHOD(dense_backward), BNORM_PY_METHOD(jacobian), {NULL, NULL, 0, NULL}};
