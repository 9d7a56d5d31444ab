/* panel_fit: fits of structured models, alone and in cross-validation, without Python's lock. */
#include "panel.h"

#include <string.h>

static int read_hold(PyObject *object, const char *name, bnorm_hold *hold)
{
    static const char *const names[] = {"rows", "units", "periods"};
    if (object == Py_None) return 0;
    const char *text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, NULL) : NULL;
    for (int k = 0; text && k < 3; k++)
        if (strcmp(text, names[k]) == 0) {
            *hold = (bnorm_hold)k;
            return 0;
        }
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "%s: expected rows, units or periods, got %R", name,
                     object);
    return -1;
}

int bnorm_py_panel_fit_options(PyObject *const *args, bnorm_panel_fit_options *options)
{
    Py_ssize_t starts, bags;
    bnorm_panel_fit_defaults(options);
    if (!PyDict_Check(args[0]) || bnorm_py_fit_fields(args[0], &options->fit) ||
        bnorm_py_whole(args[1], "starts", 1, &starts) ||
        bnorm_py_number(args[2], "validate", &options->validate) ||
        read_hold(args[3], "hold", &options->hold) || bnorm_py_whole(args[4], "bags", 0, &bags))
        return -1;
    options->starts = starts;
    options->bags = bags;
    return 0;
}

/* fit(options, starts, validate, hold, bags, progress, threads) -> optimizer, epochs, best_epoch,
 * loss, validation, converged, seconds, stopped, starts, best, worst, validation_rmse */
PyObject *bnorm_py_panel_fit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    py_watch w;
    bnorm_panel_fit_options options;
    bnorm_panel_report r = {.starts_done = 0};
    if (bnorm_py_count(count, 7) || bnorm_py_panel_fit_options(args, &options)) return NULL;
    bnorm_py_watch(&w, args[5], &options.fit);
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, args[6]);
    int done = panel != NULL;
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_fit(c.ctx, panel, &options, &r);
        Py_END_ALLOW_THREADS;
        if (status == BNORM_E_INTERRUPTED && w.stopped) status = BNORM_OK;
        if (status) bnorm_py_raise(&c, status);
        done = !status && !PyErr_Occurred();
    }
    bnorm_py_panel_leave(self, &c);
    if (!done) return NULL;
    return Py_BuildValue("(snnddOdOnddd)", bnorm_py_optimizer_name(r.fit.optimizer),
                         (Py_ssize_t)r.fit.epochs, (Py_ssize_t)r.fit.best_epoch, r.fit.loss,
                         r.fit.validation, r.fit.converged ? Py_True : Py_False, r.fit.seconds,
                         w.stopped ? Py_True : Py_False, (Py_ssize_t)r.starts_done, r.best,
                         r.worst, r.validation_rmse);
}

/* ------------------------------------------------------------------------ cross-validation */

/* One of (hidden, penalty, penalty_top). */
static int read_candidate(py_call *c, PyObject *triple, bnorm_panel_candidate *candidate)
{
    PyObject *hidden;
    return !PyArg_ParseTuple(triple, "Odd", &hidden, &candidate->penalty,
                             &candidate->penalty_top) ||
                   bnorm_py_hidden(c, hidden, &candidate->hidden, &candidate->layers)
               ? -1
               : 0;
}

typedef struct cv_args {
    const char *formula;
    bnorm_table *table;
    const void *weights;
    bnorm_panel_options options;
    bnorm_panel_fit_options fit;
    bnorm_hold by;
    Py_ssize_t folds, count;
    bnorm_panel_candidate *candidates;
    double *rmse;
    ptrdiff_t best;
    PyObject *made;
} cv_args;

/* The memory of each candidate is a call's of its own: there may be many. */
static int cv_candidates(cv_args *a, py_call *calls, PyObject *list)
{
    for (Py_ssize_t k = 0; k < a->count; k++)
        if (read_candidate(&calls[k], PyList_GetItem(list, k), &a->candidates[k])) return -1;
    return 0;
}

static bnorm_status cv_run(py_call *c, cv_args *a)
{
    bnorm_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = bnorm_panel_cv(c->ctx, a->formula, a->table, a->weights, &a->options, &a->fit,
                            a->by, a->folds, a->candidates, a->count, a->rmse, &a->best);
    Py_END_ALLOW_THREADS;
    return status;
}

static int cv_read(py_call *c, PyObject *const *args, cv_args *a)
{
    Py_ssize_t rows;
    Py_ssize_t shape[2];
    if (!PyArg_Parse(args[0], "s", &a->formula) || bnorm_py_whole(args[2], "rows", 0, &rows) ||
        bnorm_py_panel_options(c, args[4], args[5], &a->options) ||
        bnorm_py_panel_fit_options(args + 6, &a->fit) || read_hold(args[11], "by", &a->by) ||
        bnorm_py_whole(args[12], "folds", 2, &a->folds) || !PyList_Check(args[13]) ||
        bnorm_py_vector(c, args[3], "weights", rows, "one value a row", 0, &a->weights) ||
        !(a->table = bnorm_py_table(c, args[1], rows)))
        return -1;
    a->count = shape[0] = PyList_Size(args[13]);
    shape[1] = a->folds;
    py_array *rmse = bnorm_py_make(c, 2, shape, 0, BNORM_ROW_MAJOR, &a->made);
    a->candidates =
        rmse ? bnorm_py_block(c, ((size_t)a->count + 1) * sizeof *a->candidates) : NULL;
    a->rmse = rmse ? (double *)(void *)rmse->data : NULL;
    return a->candidates ? 0 : -1;
}

/* panel_cv(formula, columns, rows, weights, options, hidden, fit options, starts, validate, hold,
 * bags, by, folds, [(hidden, penalty, penalty_top)], progress, threads) -> rmse, best */
PyObject *bnorm_py_panel_cv(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    py_watch w;
    cv_args a = {.count = 0};
    if (bnorm_py_count(count, 16) || bnorm_py_call_start(&c, module, args[15])) return NULL;
    c.rows_of = "";
    int done = !cv_read(&c, args, &a);
    py_call *calls = done ? bnorm_py_block(&c, ((size_t)a.count + 1) * sizeof *calls) : NULL;
    for (Py_ssize_t k = 0; calls && k < a.count; k++) calls[k] = (py_call){.state = c.state};
    done = calls && !cv_candidates(&a, calls, args[13]);
    bnorm_py_watch(&w, args[14], &a.fit.fit);
    if (done) {
        bnorm_status status = cv_run(&c, &a);
        if (status == BNORM_E_INTERRUPTED && w.stopped)
            status = BNORM_OK; /* what is left is NaN */
        if (status) bnorm_py_raise(&c, status);
        done = !status && !PyErr_Occurred();
    }
    for (Py_ssize_t k = 0; calls && k < a.count; k++) bnorm_py_call_end(&calls[k]);
    bnorm_table_destroy(a.table);
    bnorm_py_call_end(&c);
    if (done) return Py_BuildValue("(Nn)", a.made, (Py_ssize_t)a.best);
    Py_XDECREF(a.made);
    return NULL;
}
