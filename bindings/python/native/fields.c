/* fields: structs of options from dicts of Python, by tables of their members. */
#include "native.h"

#include <string.h>

static const char *const optimizers[] = {"auto", "lbfgs", "sgd", "rmsprop", "adam"};

const char *bnorm_py_optimizer_name(bnorm_optimizer optimizer)
{
    return optimizers[optimizer];
}

static const char *text_of(PyObject *value)
{
    return PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
}

static int read_optimizer(PyObject *value, bnorm_optimizer *to)
{
    const char *name = text_of(value);
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

static int read_activation(PyObject *value, const char *name, const bnorm_activation **to)
{
    const char *text = text_of(value);
    *to = text ? bnorm_activation_find(text) : NULL;
    if (*to || PyErr_Occurred()) return *to ? 0 : -1;
    PyErr_Format(PyExc_ValueError,
                 "%s: expected an activation (identity, relu, leaky_relu, tanh, logistic, "
                 "softplus, gelu), got %R",
                 name, value);
    return -1;
}

static int read_text(PyObject *value, const char *name, const char **to)
{
    *to = text_of(value);
    if (*to || value == Py_None) return 0;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "%s: expected a str, got %R", name, value);
    return -1;
}

static int read_field(char *to, const py_field *field, PyObject *value)
{
    Py_ssize_t whole;
    void *at = to + field->offset;
    switch (field->kind) {
    case PY_OPTIMIZER:
        return read_optimizer(value, at);
    case PY_ACTIVATION:
        return read_activation(value, field->name, at);
    case PY_TEXT:
        return read_text(value, field->name, at);
    case PY_REAL:
        return bnorm_py_number(value, field->name, at);
    default:
        break;
    }
    if (bnorm_py_whole(value, field->name, field->least, &whole)) return -1;
    if (field->kind == PY_SIZE) *(ptrdiff_t *)at = whole;
    if (field->kind == PY_SEED) *(uint64_t *)at = (uint64_t)whole;
    if (field->kind == PY_FLAG) *(int *)at = whole != 0;
    if (field->kind == PY_CHOICE) *(int *)at = (int)whole;
    return 0;
}

int bnorm_py_fields(PyObject *dict, const char *whose, const py_field *fields, size_t count,
                    void *to)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        size_t k = 0;
        while (k < count && PyUnicode_CompareWithASCIIString(key, fields[k].name) != 0) k++;
        if (k == count) {
            PyErr_Format(PyExc_TypeError, "%s has no option %R", whose, key);
            return -1;
        }
        if (read_field(to, &fields[k], value)) return -1;
    }
    return 0;
}

static const py_field fit_fields[] = {
    {"optimizer", offsetof(bnorm_fit_options, optimizer), PY_OPTIMIZER, 0},
    {"epochs", offsetof(bnorm_fit_options, epochs), PY_SIZE, 1}, /* 0 is the default */
    {"batch", offsetof(bnorm_fit_options, batch), PY_SIZE, 0},
    {"rate", offsetof(bnorm_fit_options, rate), PY_REAL, 0},
    {"momentum", offsetof(bnorm_fit_options, momentum), PY_REAL, 0},
    {"nesterov", offsetof(bnorm_fit_options, nesterov), PY_FLAG, 0},
    {"decay", offsetof(bnorm_fit_options, decay), PY_REAL, 0},
    {"beta1", offsetof(bnorm_fit_options, beta1), PY_REAL, 0},
    {"beta2", offsetof(bnorm_fit_options, beta2), PY_REAL, 0},
    {"weight_decay", offsetof(bnorm_fit_options, weight_decay), PY_REAL, 0},
    {"tolerance", offsetof(bnorm_fit_options, tolerance), PY_REAL, 0},
    {"memory", offsetof(bnorm_fit_options, memory), PY_SIZE, 0},
    {"patience", offsetof(bnorm_fit_options, patience), PY_SIZE, 0},
    {"running", offsetof(bnorm_fit_options, running), PY_FLAG, 0},
    {"update", offsetof(bnorm_fit_options, update), PY_REAL, 0},
    {"running_ddof", offsetof(bnorm_fit_options, running_ddof), PY_REAL, 0},
    {"seed", offsetof(bnorm_fit_options, seed), PY_SEED, 0}};

int bnorm_py_fit_fields(PyObject *dict, bnorm_fit_options *options)
{
    return bnorm_py_fields(dict, "fit", fit_fields, sizeof fit_fields / sizeof *fit_fields,
                           options);
}
