/* training: what a network computes. The library runs without Python's lock; signals are looked
 * at every 20 ms, so that Ctrl-C ends a fit with the network as good as it got. */
#include "network.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* --------------------------------------------------------------------------------- data */

static void widen(const float *from, double *to, Py_ssize_t count)
{
    for (Py_ssize_t k = 0; k < count; k++) to[k] = (double)from[k];
}

int bnorm_py_data(py_call *c, PyObject *object, const char *name, bnorm_mat_f64 *m)
{
    *m = (bnorm_mat_f64){.layout = BNORM_ROW_MAJOR};
    if (object == Py_None) return 0;
    py_array *a = bnorm_py_take(c, object, name, 2);
    if (!a) return -1;
    const py_array *const arrays[] = {a};
    bnorm_layout layout = a->f32 ? BNORM_ROW_MAJOR : bnorm_py_layout(arrays, 1);
    if (bnorm_py_matrix(c, a, layout, m)) return -1;
    if (!a->f32) return 0;
    double *wide = bnorm_py_block(c, (size_t)(m->rows * m->cols) * sizeof *wide);
    if (!wide) return -1;
    const float *narrow = (const float *)(const void *)m->data;
    for (Py_ssize_t i = 0; i < m->rows; i++)
        widen(narrow + i * m->ld, wide + i * m->cols, m->cols);
    *m = bnorm_view_f64(wide, m->rows, m->cols, BNORM_ROW_MAJOR);
    return 0;
}

typedef struct data {
    bnorm_mat_f64 x, y;
    const void *weights;
} data;

/* x, y and weights from three arguments, with the suffix of their names. */
static int take_data(py_call *c, PyObject *const *args, const char *const names[3], data *d)
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
static const char *const valid[3] = {"x_valid", "y_valid", "weights_valid"};

/* Raises what went wrong, if anything did; an exception of a layer may come with BNORM_OK. */
static int failed(py_call *c, bnorm_status status)
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
    data d;
    Py_ssize_t seed, step;
    ptrdiff_t length = 0;
    double value = 0, *out = NULL;
    PyObject *made[2] = {NULL, NULL};
    if (bnorm_py_count(count, 6) || bnorm_py_whole(args[3], "seed", 0, &seed) ||
        bnorm_py_whole(args[4], "step", 0, &step))
        return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, args[5]);
    int done = net && !take_data(&c, args, usual, &d);
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
        done = !failed(&c, status) && (made[0] = PyFloat_FromDouble(value));
    }
    bnorm_py_net_end(self, &c);
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
    data d;
    double value = 0;
    if (bnorm_py_count(count, 4)) return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, args[3]);
    int done = net && !take_data(&c, args, usual, &d);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_loss(c.ctx, net, d.x, d.y, d.weights, bnorm_model_loss(self->model),
                                &value);
        Py_END_ALLOW_THREADS;
        done = !failed(&c, status);
    }
    bnorm_py_net_end(self, &c);
    return done ? PyFloat_FromDouble(value) : NULL;
}

/* population(x, weights, threads) */
PyObject *bnorm_py_net_population(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    data d;
    if (bnorm_py_count(count, 3)) return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, args[2]);
    PyObject *const three[] = {args[0], Py_None, args[1]};
    int done = net && !take_data(&c, three, usual, &d);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_population(c.ctx, net, d.x, d.weights);
        Py_END_ALLOW_THREADS;
        done = !failed(&c, status);
    }
    bnorm_py_net_end(self, &c);
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
    bnorm_net *net = bnorm_py_net_start(self, &c, args[2]);
    int done = net && !bnorm_py_data(&c, args[0], "x", &x) &&
               !new_scores(&c, x.rows, net, &scores, &made);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_predict(c.ctx, net, x, scores);
        if (!status && response) respond(bnorm_model_loss(self->model), scores);
        Py_END_ALLOW_THREADS;
        done = !failed(&c, status);
    }
    bnorm_py_net_end(self, &c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* Adds one column, a vector of doubles or a list of str and None, to a table. */
static int add_column(py_call *c, bnorm_table *table, const char *name, PyObject *values,
                      Py_ssize_t rows)
{
    bnorm_status status;
    if (!PyList_Check(values)) {
        const void *numbers;
        py_call column = {.state = c->state}; /* its memory goes when the table has the copy */
        int bad = bnorm_py_vector(&column, values, name, rows, "one value a row", 0, &numbers);
        status = bad ? BNORM_E_USER : bnorm_table_numbers(c->ctx, table, name, numbers);
        bnorm_py_call_end(&column);
    } else {
        const char **cells = PyMem_Malloc(((size_t)rows + 1) * sizeof *cells);
        if (!cells || PyList_Size(values) != rows) {
            PyMem_Free(cells);
            PyErr_Format(PyExc_ValueError, "%s: expected %zd cells", name, rows);
            return -1;
        }
        for (Py_ssize_t i = 0; i < rows; i++) {
            PyObject *cell = PyList_GetItem(values, i);
            cells[i] = cell == Py_None ? NULL : PyUnicode_AsUTF8AndSize(cell, NULL);
        }
        status = PyErr_Occurred() ? BNORM_E_USER : bnorm_table_text(c->ctx, table, name, cells);
        PyMem_Free(cells);
    }
    if (status) bnorm_py_raise(c, status);
    return status ? -1 : 0;
}

static int fill_table(py_call *c, bnorm_table *table, PyObject *columns, Py_ssize_t rows)
{
    for (Py_ssize_t k = 0; k < PyList_Size(columns); k++) {
        const char *name;
        PyObject *values, *pair = PyList_GetItem(columns, k);
        if (!PyArg_ParseTuple(pair, "sO", &name, &values) ||
            add_column(c, table, name, values, rows))
            return -1;
    }
    return 0;
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
    bnorm_net *net = bnorm_py_net_start(self, &c, args[2]);
    int done = net && PyList_Check(args[0]) && !new_scores(&c, rows, net, &mean, &made);
    if (done) {
        bnorm_status status = bnorm_table_create(c.ctx, rows, &table);
        done = !failed(&c, status) && !fill_table(&c, table, args[0], rows) &&
               !failed(&c, predict_rows(&c, self, table, mean));
    }
    bnorm_table_destroy(table);
    bnorm_py_net_end(self, &c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* ----------------------------------------------------------------------------------- check */

static PyObject *check_list(const bnorm_check_block *report, ptrdiff_t count)
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
    data d;
    Py_ssize_t seed, entries;
    PyObject *list = NULL;
    if (bnorm_py_count(count, 6) || bnorm_py_whole(args[3], "seed", 0, &seed) ||
        bnorm_py_whole(args[4], "entries", 0, &entries))
        return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, args[5]);
    ptrdiff_t blocks = net ? bnorm_net_block_count(net) : 0;
    bnorm_check_block *report =
        net && !take_data(&c, args, usual, &d)
            ? bnorm_py_block(&c, (size_t)blocks * sizeof(bnorm_check_block))
            : NULL;
    if (report) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_net_check(c.ctx, net, d.x, d.y, d.weights, bnorm_model_loss(self->model),
                                 (uint64_t)seed, entries, report);
        Py_END_ALLOW_THREADS;
        if (!failed(&c, status == BNORM_E_CHECK ? BNORM_OK : status))
            list = check_list(report, blocks);
    }
    bnorm_py_net_end(self, &c);
    return list;
}

/* ------------------------------------------------------------------------------------- fit */

typedef struct watch {
    PyObject *progress; /* a function, or None */
    double last;
    int stopped; /* the function asked for the end */
} watch;

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int interrupted(void *user)
{
    watch *w = user;
    double t = now();
    if (t >= w->last && t - w->last < 0.02) return 0;
    w->last = t;
    PyGILState_STATE lock = PyGILState_Ensure();
    int stop = PyErr_Occurred() || PyErr_CheckSignals();
    PyGILState_Release(lock);
    return stop;
}

static int progress(void *user, const bnorm_progress *p)
{
    watch *w = user;
    if (w->progress == Py_None) return 0;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *answer =
        PyErr_Occurred()
            ? NULL
            : PyObject_CallFunction(w->progress, "nnddd", (Py_ssize_t)p->epoch,
                                    (Py_ssize_t)p->epochs, p->loss, p->validation, p->seconds);
    int stop = answer ? PyObject_IsTrue(answer) : 1;
    w->stopped = answer && stop == 1;
    Py_XDECREF(answer);
    PyGILState_Release(lock);
    return stop;
}

static const struct {
    const char *name;
    size_t offset;
    enum { REAL, INT, SIZE, SEED, OPTIMIZER } kind;
} fields[] = {{"optimizer", offsetof(bnorm_fit_options, optimizer), OPTIMIZER},
              {"epochs", offsetof(bnorm_fit_options, epochs), SIZE},
              {"batch", offsetof(bnorm_fit_options, batch), SIZE},
              {"rate", offsetof(bnorm_fit_options, rate), REAL},
              {"momentum", offsetof(bnorm_fit_options, momentum), REAL},
              {"nesterov", offsetof(bnorm_fit_options, nesterov), INT},
              {"decay", offsetof(bnorm_fit_options, decay), REAL},
              {"beta1", offsetof(bnorm_fit_options, beta1), REAL},
              {"beta2", offsetof(bnorm_fit_options, beta2), REAL},
              {"weight_decay", offsetof(bnorm_fit_options, weight_decay), REAL},
              {"tolerance", offsetof(bnorm_fit_options, tolerance), REAL},
              {"memory", offsetof(bnorm_fit_options, memory), SIZE},
              {"patience", offsetof(bnorm_fit_options, patience), SIZE},
              {"running", offsetof(bnorm_fit_options, running), INT},
              {"update", offsetof(bnorm_fit_options, update), REAL},
              {"running_ddof", offsetof(bnorm_fit_options, running_ddof), REAL},
              {"seed", offsetof(bnorm_fit_options, seed), SEED}};

static const char *const optimizers[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam"};

static int read_optimizer(PyObject *value, bnorm_optimizer *to)
{
    const char *name = PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
    for (int k = 0; name && k < 5; k++)
        if (strcmp(name, optimizers[k]) == 0) {
            *to = (bnorm_optimizer)k;
            return 0;
        }
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError,
                     "optimizer: expected auto, lbfgs, sgd, rmsprop or adam, got %R", value);
    return -1;
}

static int read_field(bnorm_fit_options *options, size_t k, PyObject *value)
{
    char *to = (char *)options + fields[k].offset;
    Py_ssize_t whole;
    if (fields[k].kind == OPTIMIZER)
        return read_optimizer(value, (bnorm_optimizer *)(void *)to);
    if (fields[k].kind == REAL)
        return bnorm_py_number(value, fields[k].name, (double *)(void *)to);
    if (bnorm_py_whole(value, fields[k].name, 0, &whole)) return -1;
    if (fields[k].kind == SIZE) *(ptrdiff_t *)(void *)to = whole;
    if (fields[k].kind == SEED) *(uint64_t *)(void *)to = (uint64_t)whole;
    if (fields[k].kind == INT) *(int *)(void *)to = whole != 0;
    return 0;
}

static int read_options(PyObject *dict, bnorm_fit_options *options)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    bnorm_fit_defaults(options);
    while (PyDict_Next(dict, &at, &key, &value)) {
        size_t k = 0, count = sizeof fields / sizeof *fields;
        while (k < count && PyUnicode_CompareWithASCIIString(key, fields[k].name) != 0) k++;
        if (k == count) {
            PyErr_Format(PyExc_TypeError, "fit has no option %R", key);
            return -1;
        }
        if (read_field(options, k, value)) return -1;
    }
    return 0;
}

static bnorm_status fit_run(py_call *c, py_network *self, bnorm_net *net, const data *d,
                            const bnorm_fit_options *options, bnorm_fit_report *report)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = bnorm_fit(c->ctx, net, d[0].x, d[0].y, d[0].weights, d[1].x, d[1].y, d[1].weights,
                       bnorm_model_loss(self->model), options, report);
    Py_END_ALLOW_THREADS;
    return status;
}

/* fit(x, y, weights, x_valid, y_valid, weights_valid, options, progress, threads) ->
 * optimizer, epochs, best_epoch, loss, validation, converged, seconds, stopped */
PyObject *bnorm_py_net_fit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    data d[2];
    bnorm_fit_options options;
    bnorm_fit_report r = {.epochs = 0};
    if (bnorm_py_count(count, 9) || !PyDict_Check(args[6]) || read_options(args[6], &options))
        return NULL;
    watch w = {.progress = args[7], .last = now()};
    options.progress = progress;
    options.progress_user = &w;
    options.interrupted = interrupted;
    options.interrupted_user = &w;
    bnorm_net *net = bnorm_py_net_start(self, &c, args[8]);
    int done =
        net && !take_data(&c, args, usual, &d[0]) && !take_data(&c, args + 3, valid, &d[1]);
    if (done) {
        bnorm_status status = fit_run(&c, self, net, d, &options, &r);
        done = !failed(&c, status == BNORM_E_INTERRUPTED && w.stopped ? BNORM_OK : status);
    }
    bnorm_py_net_end(self, &c);
    if (!done) return NULL;
    return Py_BuildValue("(snnddOdO)", optimizers[r.optimizer], (Py_ssize_t)r.epochs,
                         (Py_ssize_t)r.best_epoch, r.loss, r.validation,
                         r.converged ? Py_True : Py_False, r.seconds,
                         w.stopped ? Py_True : Py_False);
}
