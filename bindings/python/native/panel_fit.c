/* panel_fit: fits of structured models, without Python's lock. */
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
