/* fit: training a network without Python's lock; Ctrl-C ends a fit with the network as good as it
 * got. */
#include "network.h"

static const char *const usual[3] = {"x", "y", "weights"};
static const char *const valid[3] = {"x_valid", "y_valid", "weights_valid"};

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
    py_watch w;
    bnorm_fit_defaults(&options);
    if (bnorm_py_count(count, 9) || !PyDict_Check(args[6]) ||
        bnorm_py_fit_fields(args[6], &options))
        return NULL;
    bnorm_py_watch(&w, args[7], &options);
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
    return Py_BuildValue("(snnddOdO)", bnorm_py_optimizer_name(r.optimizer),
                         (Py_ssize_t)r.epochs, (Py_ssize_t)r.best_epoch, r.loss, r.validation,
                         r.converged ? Py_True : Py_False, r.seconds,
                         w.stopped ? Py_True : Py_False);
}
