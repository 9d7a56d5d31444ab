/* fit: training a network. The library runs without Python's lock; signals are looked at every
 * 20 ms, so that Ctrl-C ends a fit with the network as good as it got. */
#include "network.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

static const char *const usual[3] = {"x", "y", "weights"};
static const char *const valid[3] = {"x_valid", "y_valid", "weights_valid"};

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
    int least = to == (char *)&options->epochs; /* 0 would stand for the default */
    if (bnorm_py_whole(value, fields[k].name, least, &whole)) return -1;
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

static bnorm_status fit_run(py_call *c, py_network *self, bnorm_net *net, const py_data *d,
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
    py_data d[2];
    bnorm_fit_options options;
    bnorm_fit_report r = {.epochs = 0};
    if (bnorm_py_count(count, 9) || !PyDict_Check(args[6]) || read_options(args[6], &options))
        return NULL;
    watch w = {.progress = args[7], .last = now()};
    options.progress = progress;
    options.progress_user = &w;
    options.interrupted = interrupted;
    options.interrupted_user = &w;
    bnorm_net *net = bnorm_py_net_enter(self, &c, args[8]);
    int done = net && !bnorm_py_take_data(&c, args, usual, &d[0]) &&
               !bnorm_py_take_data(&c, args + 3, valid, &d[1]);
    if (done) {
        bnorm_status status = fit_run(&c, self, net, d, &options, &r);
        done = !bnorm_py_failed(&c,
                                status == BNORM_E_INTERRUPTED && w.stopped ? BNORM_OK : status);
    }
    bnorm_py_net_leave(self, &c);
    if (!done) return NULL;
    return Py_BuildValue("(snnddOdO)", optimizers[r.optimizer], (Py_ssize_t)r.epochs,
                         (Py_ssize_t)r.best_epoch, r.loss, r.validation,
                         r.converged ? Py_True : Py_False, r.seconds,
                         w.stopped ? Py_True : Py_False);
}
