/* network: making, reading and writing networks; training.c computes with them. */
#include "network.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------ life span */

bnorm_net *bnorm_py_net_start(py_network *self, py_call *c, PyObject *threads)
{
    PyObject *module = PyType_GetModule(Py_TYPE((PyObject *)self));
    c->ctx = NULL;
    c->array_count = c->block_count = c->pending_count = 0;
    if (!module) return NULL;
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the network is in use: by another thread, or by the call that this "
                        "function was called from");
        return NULL;
    }
    if (bnorm_py_call_start(c, module, threads)) return NULL;
    self->busy = 1;
    return bnorm_model_net(self->model);
}

void bnorm_py_net_end(py_network *self, py_call *c)
{
    if (c->ctx) self->busy = 0; /* without a context the call never had the network */
    bnorm_py_call_end(c);
}

static void dealloc(PyObject *object)
{
    py_network *self = (py_network *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    bnorm_model_destroy(self->model);
    bnorm_py_users_free(self);
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
    return (py_network *)allocate(type, 0);
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

/* ------------------------------------------------------------------------------- accessors */

static PyObject *save(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    PyObject *path = NULL;
    if (bnorm_py_count(count, 1) || !PyUnicode_FSConverter(args[0], &path)) return NULL;
    bnorm_status status = BNORM_E_USER;
    if (bnorm_py_net_start(self, &c, NULL)) {
        status = bnorm_model_save(c.ctx, self->model, PyBytes_AsString(path));
        if (status) bnorm_py_raise(&c, status);
    }
    bnorm_py_net_end(self, &c);
    Py_DECREF(path);
    if (status) return NULL;
    Py_RETURN_NONE;
}

static int append(PyObject *list, PyObject *entry)
{
    int bad = !entry || PyList_Append(list, entry);
    Py_XDECREF(entry);
    return bad ? -1 : 0;
}

/* blocks() -> [(name, rows, cols, offset, penalty)] */
static PyObject *blocks(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    PyObject *list = net ? PyList_New(0) : NULL;
    for (ptrdiff_t k = 0; list && k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        (void)bnorm_net_block(c.ctx, net, k, &b);
        if (append(list, Py_BuildValue("(snnnd)", b.name, (Py_ssize_t)b.rows,
                                       (Py_ssize_t)b.cols, (Py_ssize_t)b.offset, b.penalty)))
            Py_CLEAR(list);
    }
    bnorm_py_net_end(self, &c);
    return list;
}

/* layers() -> [(kind, name, inputs, outputs, bias, eps, ddof, rate)] */
static PyObject *layers(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    PyObject *list = net ? PyList_New(0) : NULL;
    for (ptrdiff_t k = 0; list && k < bnorm_net_layer_count(net); k++) {
        bnorm_layer_info i;
        (void)bnorm_net_layer_info(c.ctx, net, k, &i);
        if (append(list, Py_BuildValue("(isnniddd)", (int)i.kind, i.name, (Py_ssize_t)i.inputs,
                                       (Py_ssize_t)i.outputs, i.bias, i.rule.eps, i.rule.ddof,
                                       i.rate)))
            Py_CLEAR(list);
    }
    bnorm_py_net_end(self, &c);
    return list;
}

/* about() -> inputs, outputs, loss, formula or None */
static PyObject *about(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    PyObject *made = NULL;
    if (net) {
        const bnorm_frame *frame = bnorm_model_frame(self->model);
        made = Py_BuildValue(
            "(nnszn)", (Py_ssize_t)bnorm_net_inputs(net), (Py_ssize_t)bnorm_net_outputs(net),
            bnorm_model_loss(self->model)->name, frame ? bnorm_frame_formula(frame) : NULL,
            (Py_ssize_t)(frame ? bnorm_frame_classes(frame) : 0));
    }
    bnorm_py_net_end(self, &c);
    return made;
}

/* A vector that the library owns, copied out (values None) or in. */
static PyObject *exchange(py_call *c, double *own, Py_ssize_t count, PyObject *values,
                          const char *name)
{
    PyObject *made = NULL;
    const void *given;
    if (values == Py_None) {
        void *data = bnorm_py_make_vector(c, count, 0, &made);
        if (data) memcpy(data, own, (size_t)count * sizeof *own);
        if (!data) Py_CLEAR(made);
        return made;
    }
    if (bnorm_py_vector(c, values, name, count, "as the network has", 0, &given)) return NULL;
    memmove(own, given, (size_t)count * sizeof *own);
    Py_INCREF(Py_None);
    return Py_None;
}

/* parameters(values or None) */
static PyObject *parameters(PyObject *object, PyObject *values)
{
    py_network *self = (py_network *)object;
    py_call c;
    ptrdiff_t count = 0;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    PyObject *made = NULL;
    if (net) {
        double *own = bnorm_net_parameters(net, &count);
        made = exchange(&c, own, count, values, "parameters");
    }
    bnorm_py_net_end(self, &c);
    return made;
}

/* statistics(layer, mean or None, var or None): both out as a pair, or in. */
static PyObject *statistics(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    Py_ssize_t k;
    bnorm_layer_info info = {.mean = NULL};
    if (bnorm_py_count(count, 3) || bnorm_py_whole(args[0], "layer", 0, &k)) return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    PyObject *mean = NULL, *var = NULL;
    int done = net && k < bnorm_net_layer_count(net) &&
               !bnorm_net_layer_info(c.ctx, net, k, &info) && info.mean;
    if (net && !done) PyErr_SetString(PyExc_ValueError, "layer: expected a batchnorm");
    done = done && (mean = exchange(&c, info.mean, info.outputs, args[1], "mean")) &&
           (var = exchange(&c, info.var, info.outputs, args[2], "var"));
    bnorm_py_net_end(self, &c);
    if (done) return Py_BuildValue("(NN)", mean, var);
    Py_XDECREF(mean);
    Py_XDECREF(var);
    return NULL;
}

/* penalty(name or None, lambda) */
static PyObject *penalty(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    double lambda;
    const char *name = NULL;
    if (bnorm_py_count(count, 2) || !PyArg_Parse(args[0], "z", &name) ||
        bnorm_py_number(args[1], "penalty", &lambda))
        return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    bnorm_status status = net ? bnorm_net_set_penalty(c.ctx, net, name, lambda) : BNORM_E_USER;
    if (net && status) bnorm_py_raise(&c, status);
    bnorm_py_net_end(self, &c);
    if (status) return NULL;
    Py_RETURN_NONE;
}

/* start(seed) */
static PyObject *start(PyObject *object, PyObject *seed)
{
    py_network *self = (py_network *)object;
    py_call c;
    Py_ssize_t value;
    if (bnorm_py_whole(seed, "seed", 0, &value)) return NULL;
    bnorm_net *net = bnorm_py_net_start(self, &c, NULL);
    bnorm_status status = net ? bnorm_net_start(c.ctx, net, (uint64_t)value) : BNORM_E_USER;
    if (net && status) bnorm_py_raise(&c, status);
    bnorm_py_net_end(self, &c);
    if (status || PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

/* note(key, value): a float or a str about the training, kept in the file. */
static PyObject *note(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    const char *key, *text = NULL;
    double number = 0;
    if (bnorm_py_count(count, 2) || !PyArg_Parse(args[0], "s", &key)) return NULL;
    if (PyUnicode_Check(args[1]) ? !(text = PyUnicode_AsUTF8AndSize(args[1], NULL))
                                 : bnorm_py_number(args[1], "value", &number))
        return NULL;
    bnorm_status status = BNORM_E_USER;
    if (bnorm_py_net_start(self, &c, NULL)) {
        status = text ? bnorm_model_set_text(c.ctx, self->model, key, text)
                      : bnorm_model_set_number(c.ctx, self->model, key, number);
        if (status) bnorm_py_raise(&c, status);
    }
    bnorm_py_net_end(self, &c);
    if (status) return NULL;
    Py_RETURN_NONE;
}

/* notes() -> {key: value} */
static PyObject *notes(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    PyObject *dict = bnorm_py_net_start(self, &c, NULL) ? PyDict_New() : NULL;
    for (ptrdiff_t k = 0; dict && k < bnorm_model_note_count(self->model); k++) {
        double number;
        const char *text, *key = bnorm_model_note(self->model, k, &number, &text);
        PyObject *value = text ? PyUnicode_FromString(text) : PyFloat_FromDouble(number);
        if (!value || PyDict_SetItemString(dict, key, value)) Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    bnorm_py_net_end(self, &c);
    return dict;
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
                                FAST("save", save),
                                FAST("statistics", statistics),
                                FAST("penalty", penalty),
                                FAST("note", note),
                                {"parameters", parameters, METH_O, NULL},
                                {"start", start, METH_O, NULL},
                                {"blocks", blocks, METH_NOARGS, NULL},
                                {"layers", layers, METH_NOARGS, NULL},
                                {"about", about, METH_NOARGS, NULL},
                                {"notes", notes, METH_NOARGS, NULL},
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
