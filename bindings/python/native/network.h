/* network: the type Network behind bnorm.Net. Invariant: `busy` while the library works on the
 * network without Python's lock, and then every method refuses. */
#ifndef BNORM_PYTHON_NETWORK_H
#define BNORM_PYTHON_NETWORK_H

#include "native.h"

/* A layer written in Python: `object` is bnorm._net._Adapter, which has the shapes. */
typedef struct py_user_layer {
    bnorm_layer layer;
    PyObject *object;
    char *name;
    py_state *state;
} py_user_layer;

typedef struct py_network {
    PyObject ob_base;
    bnorm_model *model; /* owns the network */
    py_user_layer **users;
    Py_ssize_t user_count;
    int busy;
} py_network;

/* The net of a network that is built and idle, or NULL with an exception; start also opens the
 * call. Every start is followed by bnorm_py_net_end. */
bnorm_net *bnorm_py_net_start(py_network *self, py_call *c, PyObject *threads);
void bnorm_py_net_end(py_network *self, py_call *c);

/* A matrix of double, row- or column-major, widened when it is of float; None gives no data. */
int bnorm_py_data(py_call *c, PyObject *object, const char *name, bnorm_mat_f64 *m);

/* Adds a list of (name, adapter) to the network's own. */
int bnorm_py_users(py_network *self, PyObject *module, PyObject *pairs);
void bnorm_py_users_free(py_network *self);

/* The methods that compute: gradient, predict, fit, ... */
PyObject *bnorm_py_net_gradient(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_predict(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_table(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_loss(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_population(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_check(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_fit(PyObject *self, PyObject *const *args, Py_ssize_t count);

#endif
