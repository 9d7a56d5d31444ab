/* rows: layer and group normalisation. A stack N x C x S of samples is seen as the matrix N x (C
 * S) of the library. */
#include "native.h"

#include <string.h>

#define COLUMNS "one value a column"

typedef struct rows_args {
    const void *gamma, *beta, *mean, *rstd;
    double eps, *mean_out, *rstd_out;
    Py_ssize_t channels, groups; /* 0: layer normalisation */
    bnorm_mat_f64 x, dy, out;
    void *dgamma, *dbeta;
    PyObject *objects[3]; /* y, mean, rstd; or dx, dgamma, dbeta */
} rows_args;

static bnorm_status forward_run(py_call *c, rows_args *r, int f32)
{
    bnorm_mat_f32 x = bnorm_py_f32(r->x), y = bnorm_py_f32(r->out);
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    if (r->groups && f32)
        status = bnorm_groupnorm_forward_f32(c->ctx, x, r->channels, r->groups, r->gamma,
                                             r->beta, r->eps, y, r->mean_out, r->rstd_out);
    else if (r->groups)
        status = bnorm_groupnorm_forward_f64(c->ctx, r->x, r->channels, r->groups, r->gamma,
                                             r->beta, r->eps, r->out, r->mean_out, r->rstd_out);
    else if (f32)
        status = bnorm_layernorm_forward_f32(c->ctx, x, r->gamma, r->beta, r->eps, y,
                                             r->mean_out, r->rstd_out);
    else
        status = bnorm_layernorm_forward_f64(c->ctx, r->x, r->gamma, r->beta, r->eps, r->out,
                                             r->mean_out, r->rstd_out);
    Py_END_ALLOW_THREADS;
    return status;
}

static bnorm_status backward_run(py_call *c, rows_args *r, int f32)
{
    bnorm_mat_f32 x = bnorm_py_f32(r->x), dy = bnorm_py_f32(r->dy), dx = bnorm_py_f32(r->out);
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    if (r->groups && f32)
        status = bnorm_groupnorm_backward_f32(c->ctx, x, dy, r->channels, r->groups, r->gamma,
                                              r->mean, r->rstd, dx, r->dgamma, r->dbeta);
    else if (r->groups)
        status =
            bnorm_groupnorm_backward_f64(c->ctx, r->x, r->dy, r->channels, r->groups, r->gamma,
                                         r->mean, r->rstd, r->out, r->dgamma, r->dbeta);
    else if (f32)
        status = bnorm_layernorm_backward_f32(c->ctx, x, dy, r->gamma, r->mean, r->rstd, dx,
                                              r->dgamma, r->dbeta);
    else
        status = bnorm_layernorm_backward_f64(c->ctx, r->x, r->dy, r->gamma, r->mean, r->rstd,
                                              r->out, r->dgamma, r->dbeta);
    Py_END_ALLOW_THREADS;
    return status;
}

/* ------------------------------------------------------------------- layer normalisation */

/* layer_norm(x, gamma, beta, eps) -> y, mean, rstd */
static PyObject *layer_norm(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    rows_args r = {.groups = 0};
    if (bnorm_py_count(count, 4) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *x = bnorm_py_take(&c, args[0], "x", 2);
    const py_array *const arrays[] = {x};
    int done = x &&
               !bnorm_py_vector(&c, args[1], "gamma", x->shape[1], COLUMNS, x->f32, &r.gamma) &&
               !bnorm_py_vector(&c, args[2], "beta", x->shape[1], COLUMNS, x->f32, &r.beta) &&
               !bnorm_py_number(args[3], "eps", &r.eps);
    if (done) {
        bnorm_layout layout = bnorm_py_layout(arrays, 1);
        done = !bnorm_py_matrix(&c, x, layout, &r.x) &&
               !bnorm_py_output(&c, Py_None, x, layout, NULL, &r.out, &r.objects[0]) &&
               (r.mean_out = bnorm_py_make_vector(&c, x->shape[0], 0, &r.objects[1])) &&
               (r.rstd_out = bnorm_py_make_vector(&c, x->shape[0], 0, &r.objects[2]));
    }
    bnorm_status status = done ? forward_run(&c, &r, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, r.objects, 3);
}

static int layer_arguments(py_call *c, PyObject *const *args, const py_array *dy,
                           const py_array *x, rows_args *r)
{
    Py_ssize_t rows = x->shape[0], cols = x->shape[1];
    bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x, dy}, 2);
    return bnorm_py_vector(c, args[2], "gamma", cols, COLUMNS, x->f32, &r->gamma) ||
           bnorm_py_need_vector(c, args[3], "stats.mean", rows, "one value a row", &r->mean) ||
           bnorm_py_need_vector(c, args[4], "stats.rstd", rows, "one value a row", &r->rstd) ||
           bnorm_py_matrix(c, x, layout, &r->x) || bnorm_py_matrix(c, dy, layout, &r->dy) ||
           bnorm_py_output(c, Py_None, x, layout, NULL, &r->out, &r->objects[0]) ||
           !(r->dgamma = bnorm_py_make_vector(c, cols, x->f32, &r->objects[1])) ||
           !(r->dbeta = bnorm_py_make_vector(c, cols, x->f32, &r->objects[2]));
}

/* layer_norm_backward(dy, x, gamma, mean, rstd) -> dx, dgamma, dbeta */
static PyObject *layer_norm_backward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    rows_args r = {.groups = 0};
    if (bnorm_py_count(count, 5) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *dy = bnorm_py_take(&c, args[0], "dy", 2);
    py_array *x = dy ? bnorm_py_take(&c, args[1], "x", 2) : NULL;
    int done = x && !bnorm_py_check_like(dy, x) && !layer_arguments(&c, args, dy, x, &r);
    bnorm_status status = done ? backward_run(&c, &r, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, r.objects, 3);
}

/* ------------------------------------------------------------------- group normalisation */

/* N x C x S as N x (C S), copied unless each sample is contiguous. */
static int flat(py_call *c, const py_array *a, bnorm_mat_f64 *m)
{
    Py_ssize_t size = bnorm_py_itemsize(a->f32), n = a->shape[0], ch = a->shape[1];
    Py_ssize_t s = a->shape[2];
    int empty = n == 0 || ch == 0 || s == 0;
    if (!empty && s > PY_SSIZE_T_MAX / size / ch / n) {
        PyErr_NoMemory();
        return -1;
    }
    py_array rows = *a; /* one sample a line, if its values follow one another */
    rows.ndim = 2;
    rows.shape[1] = ch * s;
    rows.strides[1] = size;
    int follow =
        empty || ((s == 1 || a->strides[2] == size) && (ch == 1 || a->strides[1] == s * size));
    if (follow) return bnorm_py_matrix(c, &rows, BNORM_ROW_MAJOR, m);
    char *block = bnorm_py_block(c, (size_t)(n * ch * s * size));
    if (!block) return -1;
    *m = bnorm_view_f64((double *)(void *)block, n, ch * s, BNORM_ROW_MAJOR);
    for (Py_ssize_t i = 0; i < n * ch; i++) {
        const char *from = a->data + i / ch * a->strides[0] + i % ch * a->strides[1];
        for (Py_ssize_t k = 0; k < s; k++, block += size)
            memcpy(block, from + k * a->strides[2], (size_t)size);
    }
    return 0;
}

static int read_groups(PyObject *object, const py_array *x, rows_args *r)
{
    r->channels = x->shape[1];
    if (bnorm_py_whole(object, "groups", 1, &r->groups)) return -1;
    if (r->channels % r->groups == 0) return 0;
    PyErr_Format(PyExc_ValueError,
                 "groups: expected a divisor of the %zd channels of x, got %zd", r->channels,
                 r->groups);
    return -1;
}

/* mean and rstd, N x groups. */
static int new_statistics(py_call *c, const py_array *x, rows_args *r)
{
    Py_ssize_t shape[2] = {x->shape[0], r->groups};
    py_array *mean = bnorm_py_make(c, 2, shape, 0, BNORM_ROW_MAJOR, &r->objects[1]);
    py_array *rstd =
        mean ? bnorm_py_make(c, 2, shape, 0, BNORM_ROW_MAJOR, &r->objects[2]) : NULL;
    if (!rstd) return -1;
    r->mean_out = (double *)(void *)mean->data;
    r->rstd_out = (double *)(void *)rstd->data;
    return 0;
}

static int new_stack(py_call *c, const py_array *x, rows_args *r)
{
    py_array *out = bnorm_py_make(c, 3, x->shape, x->f32, BNORM_ROW_MAJOR, &r->objects[0]);
    return out ? flat(c, out, &r->out) : -1;
}

/* group_norm(x, groups, gamma, beta, eps) -> y, mean, rstd */
static PyObject *group_norm(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static const char what[] = "one value a channel";
    py_call c;
    rows_args r = {.groups = 0};
    if (bnorm_py_count(count, 5) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *x = bnorm_py_take(&c, args[0], "x", 3);
    int done = x && !read_groups(args[1], x, &r) &&
               !bnorm_py_vector(&c, args[2], "gamma", x->shape[1], what, x->f32, &r.gamma) &&
               !bnorm_py_vector(&c, args[3], "beta", x->shape[1], what, x->f32, &r.beta) &&
               !bnorm_py_number(args[4], "eps", &r.eps) && !flat(&c, x, &r.x) &&
               !new_stack(&c, x, &r) && !new_statistics(&c, x, &r);
    bnorm_status status = done ? forward_run(&c, &r, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, r.objects, 3);
}

/* Statistics of an earlier group_norm, N x groups. */
static const double *statistics(py_call *c, PyObject *object, const char *name,
                                const py_array *x, const rows_args *r)
{
    bnorm_mat_f64 m;
    py_array *a = bnorm_py_take(c, object, name, 2);
    if (!a) return NULL;
    if (a->f32 || a->shape[0] != x->shape[0] || a->shape[1] != r->groups) {
        PyErr_Format(PyExc_ValueError,
                     "%s: expected float64 of shape (%zd, %zd), got (%zd, %zd)", name,
                     x->shape[0], r->groups, a->shape[0], a->shape[1]);
        return NULL;
    }
    if (bnorm_py_matrix(c, a, BNORM_ROW_MAJOR, &m)) return NULL;
    if (m.ld == m.cols) return m.data;
    double *copy = bnorm_py_block(c, (size_t)(m.rows * m.cols) * sizeof *copy);
    for (Py_ssize_t i = 0; copy && i < m.rows; i++)
        memcpy(copy + i * m.cols, m.data + i * m.ld, (size_t)m.cols * sizeof *copy);
    return copy;
}

/* group_norm_backward(dy, x, groups, gamma, mean, rstd) -> dx, dgamma, dbeta */
static PyObject *group_norm_backward(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    rows_args r = {.groups = 0};
    if (bnorm_py_count(count, 6) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_array *dy = bnorm_py_take(&c, args[0], "dy", 3);
    py_array *x = dy ? bnorm_py_take(&c, args[1], "x", 3) : NULL;
    int done = x && !bnorm_py_check_like(dy, x) && !read_groups(args[2], x, &r) &&
               !bnorm_py_vector(&c, args[3], "gamma", r.channels, "one value a channel", x->f32,
                                &r.gamma) &&
               (r.mean = statistics(&c, args[4], "stats.mean", x, &r)) &&
               (r.rstd = statistics(&c, args[5], "stats.rstd", x, &r)) && !flat(&c, x, &r.x) &&
               !flat(&c, dy, &r.dy) && !new_stack(&c, x, &r) &&
               (r.dgamma = bnorm_py_make_vector(&c, r.channels, x->f32, &r.objects[1])) &&
               (r.dbeta = bnorm_py_make_vector(&c, r.channels, x->f32, &r.objects[2]));
    bnorm_status status = done ? backward_run(&c, &r, x->f32) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    return bnorm_py_finish(&c, done && !status, r.objects, 3);
}

PyMethodDef bnorm_py_rows_methods[] = {BNORM_PY_METHOD(layer_norm),
                                       BNORM_PY_METHOD(layer_norm_backward),
                                       BNORM_PY_METHOD(group_norm),
                                       BNORM_PY_METHOD(group_norm_backward),
                                       {NULL, NULL, 0, NULL}};
