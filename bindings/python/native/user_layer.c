/* user_layer: layers written in Python. The library calls on the thread that called it; arrays
 * are copied both ways, so that one kept by the caller never points at memory that has gone.
 * An exception stays set on that thread, and the call that set out raises it. */
#include "network.h"

#include <stdlib.h>
#include <string.h>

/* A NumPy copy of values; NULL with an exception. */
static PyObject *copied(py_state *state, int ndim, Py_ssize_t rows, Py_ssize_t cols,
                        const double *values)
{
    py_call c = {.state = state};
    Py_ssize_t shape[2] = {rows, cols};
    PyObject *object;
    py_array *a = bnorm_py_make(&c, ndim, shape, 0, BNORM_ROW_MAJOR, &object);
    size_t bytes = (size_t)(ndim == 2 ? rows * cols : rows) * sizeof *values;
    if (a && bytes) memcpy(a->data, values, bytes);
    if (!a) Py_CLEAR(object);
    bnorm_py_call_end(&c);
    return object;
}

static PyObject *copied_matrix(py_state *state, bnorm_mat_f64 m)
{
    return copied(state, 2, m.rows, m.cols, m.data);
}

/* Copies an array of doubles, rows x cols (ndim 1: rows values), to `out`, added when `add`. */
static int put(PyObject *object, const char *name, int ndim, Py_ssize_t rows, Py_ssize_t cols,
               double *out, int add)
{
    py_array a;
    if (bnorm_py_array_open(&a, object, name)) return -1;
    int right =
        a.ndim == ndim && !a.f32 && a.shape[0] == rows && (ndim == 1 || a.shape[1] == cols);
    if (!right) PyErr_Format(PyExc_ValueError, "%s: the layer returned another shape", name);
    Py_ssize_t width = ndim == 1 ? 1 : cols;
    for (Py_ssize_t i = 0; right && i < rows * width; i++) {
        double value;
        memcpy(&value,
               a.data + i / width * a.strides[0] + (ndim == 1 ? 0 : i % width * a.strides[1]),
               sizeof value);
        out[i] = add ? out[i] + value : value;
    }
    bnorm_py_array_release(&a);
    return right ? 0 : -1;
}

static const py_shapes *shapes_of(const py_user_layer *u, ptrdiff_t inputs)
{
    for (int k = 0; k < u->shape_count; k++)
        if (u->shapes[k].inputs == inputs) return &u->shapes[k];
    return NULL;
}

/* What the library made room for, whatever the layer says by now; -1 with an exception. */
static Py_ssize_t params_of(const py_user_layer *u, ptrdiff_t inputs)
{
    const py_shapes *shapes = shapes_of(u, inputs);
    if (shapes) return shapes->size;
    PyErr_Format(PyExc_ValueError, "layer %s: its parameters for %zd inputs are unknown",
                 u->name, (Py_ssize_t)inputs);
    return -1;
}

static int same_blocks(const py_shapes *a, const py_shapes *b)
{
    int same = a->count == b->count;
    for (int k = 0; same && k < a->count; k++)
        same = a->blocks[k].rows == b->blocks[k].rows && a->blocks[k].cols == b->blocks[k].cols;
    return same;
}

/* Keeps the first answer, and refuses another one. */
static int freeze(py_user_layer *u, py_shapes *answer)
{
    const py_shapes *known = shapes_of(u, answer->inputs);
    if (known && same_blocks(known, answer)) return 0;
    if (known) {
        PyErr_Format(PyExc_ValueError, "layer %s: its parameters changed", u->name);
        return -1;
    }
    for (int k = 0; k < answer->count; k++) {
        ptrdiff_t size;
        if (__builtin_mul_overflow(answer->blocks[k].rows, answer->blocks[k].cols, &size) ||
            __builtin_add_overflow(answer->size, size, &answer->size)) {
            PyErr_Format(PyExc_ValueError, "layer %s: its parameters are too many", u->name);
            return -1;
        }
    }
    py_shapes *more = realloc(u->shapes, ((size_t)u->shape_count + 1) * sizeof *more);
    if (!more) {
        PyErr_NoMemory();
        return -1;
    }
    u->shapes = more;
    u->shapes[u->shape_count++] = *answer;
    return 0;
}

static ptrdiff_t width(void *user, ptrdiff_t inputs)
{
    py_user_layer *u = user;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *made = PyErr_Occurred()
                         ? NULL
                         : PyObject_CallMethod(u->object, "width", "n", (Py_ssize_t)inputs);
    ptrdiff_t outputs = made ? PyLong_AsSsize_t(made) : 0;
    Py_XDECREF(made);
    PyGILState_Release(lock);
    return outputs;
}

static int read_block(PyObject *tuple, bnorm_block_shape *block)
{
    const char *name;
    Py_ssize_t rows, cols;
    double factor;
    if (!PyTuple_Check(tuple) || !PyArg_ParseTuple(tuple, "snnd", &name, &rows, &cols, &factor))
        return -1;
    *block = (bnorm_block_shape){.rows = rows, .cols = cols, .penalty_factor = factor};
    strncpy(block->name, name, sizeof block->name - 1);
    return 0;
}

static int blocks(void *user, ptrdiff_t inputs, bnorm_block_shape *shapes)
{
    py_user_layer *u = user;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *list = PyErr_Occurred()
                         ? NULL
                         : PyObject_CallMethod(u->object, "blocks", "n", (Py_ssize_t)inputs);
    py_shapes answer = {.inputs = inputs};
    Py_ssize_t count = list && PyList_Check(list) ? PyList_Size(list) : 0;
    if (count > BNORM_LAYER_BLOCKS) {
        PyErr_Format(PyExc_ValueError, "layer %s: expected at most %d parameters, got %zd",
                     u->name, BNORM_LAYER_BLOCKS, count);
        count = 0;
    }
    for (Py_ssize_t k = 0; k < count; k++)
        if (read_block(PyList_GetItem(list, k), &answer.blocks[k])) count = 0;
    answer.count = (int)count;
    if (!list || PyErr_Occurred() || freeze(u, &answer)) answer.count = 0;
    memcpy(shapes, answer.blocks, (size_t)answer.count * sizeof *shapes);
    Py_XDECREF(list);
    PyGILState_Release(lock);
    return answer.count;
}

static void start(void *user, ptrdiff_t inputs, uint64_t seed, uint64_t stream, double *params)
{
    py_user_layer *u = user;
    PyGILState_STATE lock = PyGILState_Ensure();
    Py_ssize_t count = PyErr_Occurred() ? -1 : params_of(u, inputs);
    PyObject *values =
        count < 0 ? NULL
                  : PyObject_CallMethod(u->object, "start", "nKK", (Py_ssize_t)inputs,
                                        (unsigned long long)seed, (unsigned long long)stream);
    if (values) (void)put(values, "start", 1, count, 1, params, 0);
    Py_XDECREF(values);
    PyGILState_Release(lock);
}

/* The arguments that forward and backward share: inputs, params, training, weights. */
static PyObject *shared(const py_user_layer *u, const bnorm_pass *pass, const double *params,
                        bnorm_mat_f64 x)
{
    Py_ssize_t count = params_of(u, x.cols);
    if (count < 0) return NULL;
    PyObject *values = copied(u->state, 1, count, 0, params), *weights = Py_None;
    if (pass->weights)
        weights = copied(u->state, 1, x.rows, 0, pass->weights);
    else
        Py_INCREF(weights);
    PyObject *tuple = values && weights ? Py_BuildValue("(NiNnKK)", values, pass->training,
                                                        weights, (Py_ssize_t)pass->first_row,
                                                        (unsigned long long)pass->seed,
                                                        (unsigned long long)pass->step)
                                        : NULL;
    if (!tuple && !(values && weights)) {
        Py_XDECREF(values);
        Py_XDECREF(weights);
    }
    return tuple;
}

static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    py_user_layer *u = user;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *given = PyErr_Occurred() ? NULL : shared(u, pass, params, x);
    PyObject *input = given ? copied_matrix(u->state, x) : NULL;
    PyObject *made =
        input ? PyObject_CallMethod(u->object, "forward", "OO", given, input) : NULL;
    int bad = !made || put(made, "forward", 2, y.rows, y.cols, y.data, 0);
    Py_XDECREF(made);
    Py_XDECREF(input);
    Py_XDECREF(given);
    PyGILState_Release(lock);
    return bad;
}

static int put_gradients(const py_user_layer *u, PyObject *made, bnorm_mat_f64 x,
                         double *dparams, bnorm_mat_f64 dx)
{
    if (!PyTuple_Check(made) || PyTuple_Size(made) != 2) return -1;
    Py_ssize_t count = params_of(u, x.cols);
    if (count < 0 || put(PyTuple_GetItem(made, 1), "backward", 1, count, 1, dparams, 1))
        return -1;
    return dx.data ? put(PyTuple_GetItem(made, 0), "backward", 2, dx.rows, dx.cols, dx.data, 0)
                   : 0;
}

static int backward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                    bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    py_user_layer *u = user;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *given = PyErr_Occurred() ? NULL : shared(u, pass, params, x);
    PyObject *arrays[3] = {given ? copied_matrix(u->state, dy) : NULL,
                           given ? copied_matrix(u->state, x) : NULL,
                           given ? copied_matrix(u->state, y) : NULL};
    PyObject *made = NULL;
    if (arrays[0] && arrays[1] && arrays[2])
        made = PyObject_CallMethod(u->object, "backward", "OOOO", given, arrays[0], arrays[1],
                                   arrays[2]);
    int bad = !made || put_gradients(u, made, x, dparams, dx);
    for (int k = 0; k < 3; k++) Py_XDECREF(arrays[k]);
    Py_XDECREF(made);
    Py_XDECREF(given);
    PyGILState_Release(lock);
    return bad;
}

static py_user_layer *new_user(PyObject *module, PyObject *pair)
{
    const char *name;
    PyObject *object;
    if (!PyTuple_Check(pair) || !PyArg_ParseTuple(pair, "sO", &name, &object)) return NULL;
    py_user_layer *u = calloc(1, sizeof *u);
    char *copy = malloc(strlen(name) + 1);
    if (!u || !copy) {
        free(u);
        free(copy);
        PyErr_NoMemory();
        return NULL;
    }
    strcpy(copy, name);
    Py_INCREF(object);
    *u = (py_user_layer){.object = object, .name = copy, .state = bnorm_py_state(module)};
    u->layer = (bnorm_layer){.struct_size = sizeof u->layer,
                             .name = copy,
                             .user = u,
                             .width = width,
                             .blocks = blocks,
                             .start = start,
                             .forward = forward,
                             .backward = backward};
    return u;
}

int bnorm_py_users(py_network *self, PyObject *module, PyObject *pairs)
{
    Py_ssize_t count = PyList_Check(pairs) ? PyList_Size(pairs) : 0;
    self->users = calloc((size_t)count + 1, sizeof *self->users);
    if (!self->users) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t k = 0; k < count; k++) {
        self->users[k] = new_user(module, PyList_GetItem(pairs, k));
        if (!self->users[k]) return -1;
        self->user_count = k + 1;
    }
    return 0;
}

void bnorm_py_users_free(py_network *self)
{
    for (Py_ssize_t k = 0; k < self->user_count; k++) {
        Py_XDECREF(self->users[k]->object);
        free(self->users[k]->shapes);
        free(self->users[k]->name);
        free(self->users[k]);
    }
    free(self->users);
    self->users = NULL;
    self->user_count = 0;
}
