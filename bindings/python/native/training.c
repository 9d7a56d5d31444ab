/* training: what a network computes but for the fit (fit.c), without Python's lock. */
#include "network.h"

#include <math.h>
#include <string.h>

/* --------------------------------------------------------------------------------- data */

/* Any strides, and any alignment. */
static void widen(const py_array *a, double *to)
{
    Py_ssize_t rows = a->shape[0], cols = a->shape[1];
    for (Py_ssize_t i = 0; i < rows; i++)
        for (Py_ssize_t j = 0; j < cols; j++) {
            float value;
            memcpy(&value, a->data + i * a->strides[0] + j * a->strides[1], sizeof value);
            to[i * cols + j] = (double)value;
        }
}

int bnorm_py_data(py_call *c, PyObject *object, const char *name, bnorm_mat_f64 *m)
{
    *m = (bnorm_mat_f64){.layout = BNORM_ROW_MAJOR};
    if (object == Py_None) return 0;
    py_array *a = bnorm_py_take(c, object, name, 2);
    if (!a) return -1;
    const py_array *const arrays[] = {a};
    if (!a->f32) return bnorm_py_matrix(c, a, bnorm_py_layout(arrays, 1), m);
    Py_ssize_t size;
    if (__builtin_mul_overflow(a->shape[0], a->shape[1], &size) ||
        size > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(double)) {
        PyErr_NoMemory();
        return -1;
    }
    double *wide = bnorm_py_block(c, (size_t)size * sizeof *wide);
    if (!wide) return -1;
    widen(a, wide);
    *m = bnorm_view_f64(wide, a->shape[0], a->shape[1], BNORM_ROW_MAJOR);
    return 0;
}

int bnorm_py_take_data(py_call *c, PyObject *const *args, const char *const names[3],
                       py_data *d)
{
    if (bnorm_py_data(c, args[0], names[0], &d->x) ||
        bnorm_py_data(c, args[1], names[1], &d->y) ||
        bnorm_py_vector(c, args[2], names[2], d->x.rows, "one value a row", 0, &d->weights))
        return -1;
    if (args[1] == Py_None || d->y.rows == d->x.rows) return 0;
    PyErr_Format(PyExc_ValueError, "%s: expected %zd rows as %s, got %zd", names[1],
                 (Py_ssize_t)d->x.rows, names[0], (Py_ssize_t)d->y.rows);
    return -1;
}

static const char *const usual[3] = {"x", "y", "weights"};

int bnorm_py_failed(py_call *c, bnorm_status status)
{
    if (status) bnorm_py_raise(c, status);
    return status || PyErr_Occurred();
}

/* ----------------------------------------------------------------------- gradient and loss */

/* gradient(x, y, weights, seed, step, threads) -> value, gradient */
PyObject *bnorm_py_net_gradient(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    py_data d;
    Py_ssize_t seed, step;
    ptrdiff_t length = 0;
    double value = 0, *out = NULL;
    PyObject *made[2] = {NULL, NULL};
    if (bnorm_py_count(count, 6) || bnorm_py_whole(args[3], "seed", 0, &seed) ||
        bnorm_py_whole(args[4], "step", 0, &step))
        return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[5]);
    int done = net && !bnorm_py_take_data(&c, args, usual, &d);
    if (done) {
        (void)bnorm_net_parameters(net, &length);
        out = bnorm_py_make_vector(&c, length, 0, &made[1]);
        done = out != NULL;
    }
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status =
            bnorm_net_gradient(c.ctx, net, d.x, d.y, d.weights, bnorm_model_loss(self->model),
                               (uint64_t)seed, (uint64_t)step, &value, out);
        Py_END_ALLOW_THREADS;
        done = !bnorm_py_failed(&c, status) && (made[0] = PyFloat_FromDouble(value));
    }
    bnorm_py_net_leave(self, &c);
    if (done) return Py_BuildValue("(NN)", made[0], made[1]);
    Py_XDECREF(made[0]);
    Py_XDECREF(made[1]);
    return NULL;
}

/* loss(x, y, weights, threads): R in inference. */
PyObject *bnorm_py_net_loss(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    py_data d;
    double value = 0;
    if (bnorm_py_count(count, 4)) return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[3]);
    int done = net && !bnorm_py_take_data(&c, args, usual, &d);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_loss(c.ctx, net, d.x, d.y, d.weights, bnorm_model_loss(self->model),
                                &value);
        Py_END_ALLOW_THREADS;
        done = !bnorm_py_failed(&c, status);
    }
    bnorm_py_net_leave(self, &c);
    return done ? PyFloat_FromDouble(value) : NULL;
}

/* population(x, weights, threads) */
PyObject *bnorm_py_net_population(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    py_data d;
    if (bnorm_py_count(count, 3)) return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[2]);
    PyObject *const three[] = {args[0], Py_None, args[1]};
    int done = net && !bnorm_py_take_data(&c, three, usual, &d);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_population(c.ctx, net, d.x, d.weights);
        Py_END_ALLOW_THREADS;
        done = !bnorm_py_failed(&c, status);
    }
    bnorm_py_net_leave(self, &c);
    if (!done) return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------ prediction */

static void respond(const bnorm_loss *loss, bnorm_mat_f64 scores)
{
    for (ptrdiff_t i = 0; loss->response && i < scores.rows; i++) {
        double *row = scores.data + i * scores.ld;
        loss->response(loss->user, scores.cols, row, row);
    }
}

/* A new rows x outputs matrix to be filled. */
static int new_scores(py_call *c, Py_ssize_t rows, const bnorm_net *net, bnorm_mat_f64 *m,
                      PyObject **made)
{
    Py_ssize_t shape[2] = {rows, bnorm_net_outputs(net)};
    py_array *a = bnorm_py_make(c, 2, shape, 0, BNORM_ROW_MAJOR, made);
    return a ? bnorm_py_matrix(c, a, BNORM_ROW_MAJOR, m) : -1;
}

/* predict(x, response, threads): scores, or with response true what the loss makes of them. */
PyObject *bnorm_py_net_predict(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_mat_f64 x, scores;
    PyObject *made = NULL;
    if (bnorm_py_count(count, 3)) return NULL;
    int response = PyObject_IsTrue(args[1]);
    if (response < 0) return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[2]);
    int done = net && !bnorm_py_data(&c, args[0], "x", &x) &&
               !new_scores(&c, x.rows, net, &scores, &made);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_predict(c.ctx, net, x, scores);
        if (!status && response) respond(bnorm_model_loss(self->model), scores);
        Py_END_ALLOW_THREADS;
        done = !bnorm_py_failed(&c, status);
    }
    bnorm_py_net_leave(self, &c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* The predictions of all rows; those with missing values get NaN. */
static bnorm_status predict_rows(py_call *c, py_network *self, const bnorm_table *table,
                                 bnorm_mat_f64 mean)
{
    ptrdiff_t count = 0;
    size_t rows = (size_t)mean.rows;
    ptrdiff_t *which = bnorm_py_block(c, rows * sizeof *which);
    double *values = bnorm_py_block(c, rows * (size_t)mean.cols * sizeof *values);
    if (!which || !values) return BNORM_E_MEMORY;
    bnorm_status status =
        bnorm_frame_rows(c->ctx, bnorm_model_frame(self->model), table, 0, which, &count);
    if (!status)
        status = bnorm_model_predict(c->ctx, self->model, table, which, count,
                                     bnorm_view_f64(values, count, mean.cols, BNORM_ROW_MAJOR));
    for (ptrdiff_t i = 0; i < mean.rows * mean.cols; i++) mean.data[i] = (double)NAN;
    for (ptrdiff_t i = 0; !status && i < count; i++)
        memcpy(mean.data + which[i] * mean.cols, values + i * mean.cols,
               (size_t)mean.cols * sizeof *values);
    return status;
}

/* predict_table([(name, values)], rows, threads): in original units. */
PyObject *bnorm_py_net_table(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    Py_ssize_t rows;
    bnorm_table *table = NULL;
    bnorm_mat_f64 mean;
    PyObject *made = NULL;
    if (bnorm_py_count(count, 3) || bnorm_py_whole(args[1], "rows", 0, &rows)) return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[2]);
    int done = net && !new_scores(&c, rows, net, &mean, &made) &&
               (table = bnorm_py_table(&c, args[0], rows)) &&
               !bnorm_py_failed(&c, predict_rows(&c, self, table, mean));
    bnorm_table_destroy(table);
    bnorm_py_net_leave(self, &c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* ----------------------------------------------------------------------------------- check */

PyObject *bnorm_py_check_list(const bnorm_check_block *report, ptrdiff_t count)
{
    PyObject *list = PyList_New(count);
    for (ptrdiff_t k = 0; list && k < count; k++) {
        const bnorm_check_block *b = &report[k];
        PyObject *entry =
            Py_BuildValue("(snnddddN)", b->name, (Py_ssize_t)b->row, (Py_ssize_t)b->col,
                          b->analytic, b->numeric, b->error, b->bound, PyBool_FromLong(b->ok));
        if (!entry || PyList_SetItem(list, k, entry)) Py_CLEAR(list);
    }
    return list;
}

/* check(x, y, weights, seed, entries, threads) -> [(name, row, col, analytic, numeric, error,
 * bound, ok)] */
PyObject *bnorm_py_net_check(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    py_data d;
    Py_ssize_t seed, entries;
    PyObject *list = NULL;
    if (bnorm_py_count(count, 6) || bnorm_py_whole(args[3], "seed", 0, &seed) ||
        bnorm_py_whole(args[4], "entries", 0, &entries))
        return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[5]);
    ptrdiff_t blocks = net ? bnorm_net_block_count(net) : 0;
    bnorm_check_block *report =
        net && !bnorm_py_take_data(&c, args, usual, &d)
            ? bnorm_py_block(&c, (size_t)blocks * sizeof(bnorm_check_block))
            : NULL;
    if (report) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_check(c.ctx, net, d.x, d.y, d.weights, bnorm_model_loss(self->model),
                                 (uint64_t)seed, entries, report);
        Py_END_ALLOW_THREADS;
        if (!bnorm_py_failed(&c, status == BNORM_E_CHECK ? BNORM_OK : status))
            list = bnorm_py_check_list(report, blocks);
    }
    bnorm_py_net_leave(self, &c);
    return list;
}
