/* access: what a network is made of, read and written. */
#include "network.h"

#include <string.h>

PyObject *bnorm_py_net_save(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    PyObject *path = NULL;
    if (bnorm_py_count(count, 1) || !PyUnicode_FSConverter(args[0], &path)) return NULL;
    bnorm_status status = BNORM_E_USER;
    if (bnorm_py_net_enter(self, &c, NULL)) {
        status = bnorm_model_save(c.ctx, self->model, PyBytes_AsString(path));
        if (status) bnorm_py_raise(&c, status);
    }
    bnorm_py_net_leave(self, &c);
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
PyObject *bnorm_py_net_blocks(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    PyObject *list = net ? PyList_New(0) : NULL;
    for (ptrdiff_t k = 0; list && k < bnorm_net_block_count(net); k++) {
        bnorm_block b;
        (void)bnorm_net_block(c.ctx, net, k, &b);
        if (append(list, Py_BuildValue("(snnnd)", b.name, (Py_ssize_t)b.rows,
                                       (Py_ssize_t)b.cols, (Py_ssize_t)b.offset, b.penalty)))
            Py_CLEAR(list);
    }
    bnorm_py_net_leave(self, &c);
    return list;
}

/* layers() -> [(kind, name, inputs, outputs, bias, eps, ddof, rate)] */
PyObject *bnorm_py_net_layers(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    PyObject *list = net ? PyList_New(0) : NULL;
    for (ptrdiff_t k = 0; list && k < bnorm_net_layer_count(net); k++) {
        bnorm_layer_info i;
        (void)bnorm_net_layer_info(c.ctx, net, k, &i);
        if (append(list, Py_BuildValue("(isnniddd)", (int)i.kind, i.name, (Py_ssize_t)i.inputs,
                                       (Py_ssize_t)i.outputs, i.bias, i.rule.eps, i.rule.ddof,
                                       i.rate)))
            Py_CLEAR(list);
    }
    bnorm_py_net_leave(self, &c);
    return list;
}

/* about() -> inputs, outputs, loss, formula or None */
PyObject *bnorm_py_net_about(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    PyObject *made = NULL;
    if (net) {
        const bnorm_frame *frame = bnorm_model_frame(self->model);
        made = Py_BuildValue(
            "(nnszn)", (Py_ssize_t)bnorm_net_inputs(net), (Py_ssize_t)bnorm_net_outputs(net),
            bnorm_model_loss(self->model)->name, frame ? bnorm_frame_formula(frame) : NULL,
            (Py_ssize_t)(frame ? bnorm_frame_classes(frame) : 0));
    }
    bnorm_py_net_leave(self, &c);
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
PyObject *bnorm_py_net_parameters(PyObject *object, PyObject *values)
{
    py_network *self = (py_network *)object;
    py_call c;
    ptrdiff_t count = 0;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    PyObject *made = NULL;
    if (net) {
        double *own = bnorm_net_parameters(net, &count);
        made = exchange(&c, own, count, values, "parameters");
    }
    bnorm_py_net_leave(self, &c);
    return made;
}

/* statistics(layer, mean or None, var or None): both out as a pair, or in. */
PyObject *bnorm_py_net_statistics(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    Py_ssize_t k;
    bnorm_layer_info info = {.mean = NULL};
    if (bnorm_py_count(count, 3) || bnorm_py_whole(args[0], "layer", 0, &k)) return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    PyObject *mean = NULL, *var = NULL;
    int done = net && k < bnorm_net_layer_count(net) &&
               !bnorm_net_layer_info(c.ctx, net, k, &info) && info.mean;
    if (net && !done) PyErr_SetString(PyExc_ValueError, "layer: expected a batchnorm");
    done = done && (mean = exchange(&c, info.mean, info.outputs, args[1], "mean")) &&
           (var = exchange(&c, info.var, info.outputs, args[2], "var"));
    bnorm_py_net_leave(self, &c);
    if (done) return Py_BuildValue("(NN)", mean, var);
    Py_XDECREF(mean);
    Py_XDECREF(var);
    return NULL;
}

/* penalty(name or None, lambda) */
PyObject *bnorm_py_net_penalty(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_network *self = (py_network *)object;
    py_call c;
    double lambda;
    const char *name = NULL;
    if (bnorm_py_count(count, 2) || !PyArg_Parse(args[0], "z", &name) ||
        bnorm_py_number(args[1], "penalty", &lambda))
        return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    bnorm_status status = net ? bnorm_net_set_penalty(c.ctx, net, name, lambda) : BNORM_E_USER;
    if (net && status) bnorm_py_raise(&c, status);
    bnorm_py_net_leave(self, &c);
    if (status) return NULL;
    Py_RETURN_NONE;
}

/* start(seed) */
PyObject *bnorm_py_net_start(PyObject *object, PyObject *seed)
{
    py_network *self = (py_network *)object;
    py_call c;
    Py_ssize_t value;
    if (bnorm_py_whole(seed, "seed", 0, &value)) return NULL;
    bnorm_net *net = bnorm_py_net_enter(self, &c, NULL);
    bnorm_status status = net ? bnorm_net_start(c.ctx, net, (uint64_t)value) : BNORM_E_USER;
    if (net && status) bnorm_py_raise(&c, status);
    bnorm_py_net_leave(self, &c);
    if (status || PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

/* note(key, value): a float or a str about the training, kept in the file. */
PyObject *bnorm_py_net_note(PyObject *object, PyObject *const *args, Py_ssize_t count)
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
    if (bnorm_py_net_enter(self, &c, NULL)) {
        status = text ? bnorm_model_set_text(c.ctx, self->model, key, text)
                      : bnorm_model_set_number(c.ctx, self->model, key, number);
        if (status) bnorm_py_raise(&c, status);
    }
    bnorm_py_net_leave(self, &c);
    if (status) return NULL;
    Py_RETURN_NONE;
}

/* notes() -> {key: value} */
PyObject *bnorm_py_net_notes(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_network *self = (py_network *)object;
    py_call c;
    PyObject *dict = bnorm_py_net_enter(self, &c, NULL) ? PyDict_New() : NULL;
    for (ptrdiff_t k = 0; dict && k < bnorm_model_note_count(self->model); k++) {
        double number;
        const char *text, *key = bnorm_model_note(self->model, k, &number, &text);
        PyObject *value = text ? PyUnicode_FromString(text) : PyFloat_FromDouble(number);
        if (!value || PyDict_SetItemString(dict, key, value)) Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    bnorm_py_net_leave(self, &c);
    return dict;
}
