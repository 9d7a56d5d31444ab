/* network: the type Network behind bnorm.Net. Invariant: whoever works on the network holds its
 * lock. */
#ifndef BNORM_PYTHON_NETWORK_H
#define BNORM_PYTHON_NETWORK_H

#include "native.h"

/* The parameters of a layer for one number of inputs, as they were when first asked for. */
typedef struct py_shapes {
    ptrdiff_t inputs, size; /* size: of all blocks together */
    int count;
    bnorm_block_shape blocks[BNORM_LAYER_BLOCKS];
} py_shapes;

/* A layer written in Python: `object` is bnorm._layers._Adapter. The library's vectors have room
 * for the parameters in `shapes`; another answer later is refused. */
typedef struct py_user_layer {
    bnorm_layer layer;
    py_shapes *shapes;
    int shape_count;
    PyObject *object;
    char *name;
    py_state *state;
} py_user_layer;

typedef struct py_network {
    PyObject ob_base;
    bnorm_model *model; /* owns the network */
    py_user_layer **users;
    Py_ssize_t user_count;
    py_lock lock;
} py_network;

/* The net of a network, once it is idle, or NULL with an exception; enter also opens the
 * call. Every enter is followed by bnorm_py_net_leave. */
bnorm_net *bnorm_py_net_enter(py_network *self, py_call *c, PyObject *threads);
void bnorm_py_net_leave(py_network *self, py_call *c);

/* A matrix of double, row- or column-major, widened when it is of float; None gives no data. */
int bnorm_py_data(py_call *c, PyObject *object, const char *name, bnorm_mat_f64 *m);

typedef struct py_data {
    bnorm_mat_f64 x, y;
    const void *weights;
} py_data;

/* x, y and weights from three arguments and their names. */
int bnorm_py_take_data(py_call *c, PyObject *const *args, const char *const names[3],
                       py_data *d);

/* Raises what went wrong, if anything did; an exception of a layer may come with BNORM_OK. */
int bnorm_py_failed(py_call *c, bnorm_status status);

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

/* The methods that read and write: parameters, notes, the file. */
PyObject *bnorm_py_net_save(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_statistics(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_penalty(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_note(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_net_parameters(PyObject *self, PyObject *value);
PyObject *bnorm_py_net_start(PyObject *self, PyObject *value);
PyObject *bnorm_py_net_blocks(PyObject *self, PyObject *unused);
PyObject *bnorm_py_net_layers(PyObject *self, PyObject *unused);
PyObject *bnorm_py_net_about(PyObject *self, PyObject *unused);
PyObject *bnorm_py_net_notes(PyObject *self, PyObject *unused);

#endif
