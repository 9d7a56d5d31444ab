/* watch: what a fit is asked and told while it runs without Python's lock. Signals are looked at
 * every 20 ms, so that Ctrl-C ends a fit. */
#include "native.h"

#include <time.h>

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int interrupted(void *user)
{
    py_watch *w = user;
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
    py_watch *w = user;
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

void bnorm_py_watch(py_watch *w, PyObject *function, bnorm_fit_options *options)
{
    *w = (py_watch){.progress = function, .last = now()};
    options->progress = progress;
    options->progress_user = w;
    options->interrupted = interrupted;
    options->interrupted_user = w;
}
