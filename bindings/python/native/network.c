/* network: the type, and how networks are made; access.c reads and writes them, training.c and fit.c
 * compute. */
#include "network.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------ life span */

bnorm_net *bnorm_py_net_enter(py_network *self, py_call *c, PyObject *threads)
{
    PyObject *module = PyType_GetModule(Py_TYPE((PyObject *)self));
    c->ctx = NULL;
    c->array_count = c->block_count = c->pending_count = 0;
    if (!module) return NULL;
    if (bnorm_py_call_start(c, module, threads)) return NULL;
    if (bnorm_py_lock_acquire(&self->lock) == 0) return bnorm_model_net(self->model);
    bnorm_py_call_end(c);
    return NULL;
}

void bnorm_py_net_leave(py_network *self, py_call *c)
{
    int held = c->ctx != NULL; /* without a context the call never had the network */
    bnorm_py_call_end(c);
    if (!held) return;
    bnorm_py_lock_release(&self->lock);
}

static void dealloc(PyObject *object)
{
    py_network *self = (py_network *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    bnorm_model_destroy(self->model);
    bnorm_py_users_free(self);
    bnorm_py_lock_free(&self->lock);
    freefunc release = __extension__(freefunc) PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    py_network *self = (py_network *)object;
    Py_VISIT(Py_TYPE(object));
    for (Py_ssize_t k = 0; k < self->user_count; k++) Py_VISIT(self->users[k]->object);
    return 0;
}

static py_network *new_object(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)bnorm_py_state(module)->network_type;
    allocfunc allocate = __extension__(allocfunc) PyType_GetSlot(type, Py_tp_alloc);
    py_network *self = (py_network *)allocate(type, 0);
    if (!self || bnorm_py_lock_make(&self->lock, "network") == 0) return self;
    Py_DECREF(self);
    return NULL;
}

/* -------------------------------------------------------------------------------- building */

/* One of ("dense", units), ("batchnorm", eps, ddof), ("dropout", rate), ("activation", name),
 * ("user", index). */
static bnorm_status add_layer(py_network *self, bnorm_ctx *ctx, bnorm_net *net, PyObject *spec)
{
    const char *kind, *name;
    PyObject *a, *b = NULL;
    if (!PyArg_ParseTuple(spec, "sO|O", &kind, &a, &b)) return BNORM_E_USER;
    if (strcmp(kind, "dense") == 0) {
        Py_ssize_t units;
        if (bnorm_py_whole(a, "units", 1, &units)) return BNORM_E_USER;
        return bnorm_net_dense(ctx, net, units);
    }
    if (strcmp(kind, "activation") == 0) {
        if (!PyArg_Parse(a, "s", &name)) return BNORM_E_USER;
        const bnorm_activation *found = bnorm_activation_find(name);
        if (found) return bnorm_net_activation(ctx, net, found);
        PyErr_Format(
            PyExc_ValueError,
            "layers: expected an activation (identity, relu, leaky_relu, tanh, logistic, "
            "softplus, gelu), got '%s'",
            name);
        return BNORM_E_USER;
    }
    double value, ddof = 0;
    if (strcmp(kind, "user") == 0) {
        Py_ssize_t k;
        if (bnorm_py_whole(a, "layer", 0, &k) || k >= self->user_count) return BNORM_E_USER;
        return bnorm_net_layer(ctx, net, &self->users[k]->layer);
    }
    if (strcmp(kind, "dropout") == 0)
        return bnorm_py_number(a, "rate", &value) ? BNORM_E_USER
                                                  : bnorm_net_dropout(ctx, net, value);
    if (bnorm_py_number(a, "eps", &value) || bnorm_py_number(b, "ddof", &ddof))
        return BNORM_E_USER;
    return bnorm_net_batchnorm(ctx, net, (bnorm_rule){.eps = value, .ddof = ddof});
}

static bnorm_status build(py_network *self, bnorm_ctx *ctx, Py_ssize_t inputs, PyObject *specs,
                          const bnorm_loss *loss, uint64_t seed)
{
    bnorm_net *net;
    bnorm_status status = bnorm_net_create(ctx, inputs, &net);
    for (Py_ssize_t k = 0; !status && k < PyList_Size(specs); k++)
        status = add_layer(self, ctx, net, PyList_GetItem(specs, k));
    if (!status) status = bnorm_net_start(ctx, net, seed);
    if (!status && PyErr_Occurred()) status = BNORM_E_USER;
    if (!status) status = bnorm_model_create(ctx, net, NULL, loss, &self->model);
    if (status) bnorm_net_destroy(net);
    return status;
}

static const bnorm_loss *find_loss(PyObject *name)
{
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, NULL) : "";
    const bnorm_loss *loss = text ? bnorm_loss_find(text) : NULL;
    if (!loss && !PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "loss: expected squared, logistic or softmax, got %R",
                     name);
    return loss;
}

/* network(inputs, specs, loss, seed, users): a started network. */
static PyObject *network(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t inputs, seed;
    py_call c;
    if (bnorm_py_count(count, 5) || bnorm_py_whole(args[0], "inputs", 1, &inputs) ||
        bnorm_py_whole(args[3], "seed", 0, &seed))
        return NULL;
    const bnorm_loss *loss = find_loss(args[2]);
    if (!loss || !PyList_Check(args[1]) || bnorm_py_call_start(&c, module, NULL)) return NULL;
    py_network *self = new_object(module);
    int done = self && !bnorm_py_users(self, module, args[4]);
    if (done) {
        bnorm_status status = build(self, c.ctx, inputs, args[1], loss, (uint64_t)seed);
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_call_end(&c);
    if (!done) Py_CLEAR(self);
    return (PyObject *)self;
}

/* load(path, users) */
static PyObject *load(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    PyObject *path = NULL;
    if (bnorm_py_count(count, 2) || !PyUnicode_FSConverter(args[0], &path)) return NULL;
    if (bnorm_py_call_start(&c, module, NULL)) {
        Py_DECREF(path);
        return NULL;
    }
    py_network *self = new_object(module);
    int done = self && !bnorm_py_users(self, module, args[1]);
    const bnorm_layer **layers =
        done ? bnorm_py_block(&c, ((size_t)self->user_count + 1) * sizeof *layers) : NULL;
    done = done && layers;
    if (done) {
        for (Py_ssize_t k = 0; k < self->user_count; k++) layers[k] = &self->users[k]->layer;
        layers[self->user_count] = NULL;
        bnorm_custom custom = {.layers = layers};
        bnorm_status status =
            bnorm_model_load(c.ctx, PyBytes_AsString(path), &custom, &self->model);
        if (status) bnorm_py_raise(&c, status);
        done = !status && !PyErr_Occurred();
    }
    bnorm_py_call_end(&c);
    Py_DECREF(path);
    if (!done) Py_CLEAR(self);
    return (PyObject *)self;
}

/* ------------------------------------------------------------------------------------ type */

#define FAST(name, f)                                                                          \
    {                                                                                          \
        name, (PyCFunction)(void (*)(void))f, METH_FASTCALL, NULL                              \
    }

static PyMethodDef methods[] = {FAST("gradient", bnorm_py_net_gradient),
                                FAST("predict", bnorm_py_net_predict),
                                FAST("predict_table", bnorm_py_net_table),
                                FAST("loss", bnorm_py_net_loss),
                                FAST("population", bnorm_py_net_population),
                                FAST("check", bnorm_py_net_check),
                                FAST("fit", bnorm_py_net_fit),
                                FAST("save", bnorm_py_net_save),
                                FAST("statistics", bnorm_py_net_statistics),
                                FAST("penalty", bnorm_py_net_penalty),
                                FAST("note", bnorm_py_net_note),
                                {"parameters", bnorm_py_net_parameters, METH_O, NULL},
                                {"start", bnorm_py_net_start, METH_O, NULL},
                                {"blocks", bnorm_py_net_blocks, METH_NOARGS, NULL},
                                {"layers", bnorm_py_net_layers, METH_NOARGS, NULL},
                                {"about", bnorm_py_net_about, METH_NOARGS, NULL},
                                {"notes", bnorm_py_net_notes, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_dealloc, __extension__(void *) dealloc},
                              {Py_tp_traverse, __extension__(void *) traverse},
                              {Py_tp_methods, methods},
                              {Py_tp_doc, "A network of the library; bnorm.Net is its face."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "bnorm._core.Network",
                           .basicsize = sizeof(py_network),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .slots = slots};

static PyMethodDef makers[] = {
    BNORM_PY_METHOD(network), BNORM_PY_METHOD(load), {NULL, NULL, 0, NULL}};

int bnorm_py_add_network(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    bnorm_py_state(module)->network_type = type;
    return type && !PyModule_AddFunctions(module, makers) ? 0 : -1;
}
