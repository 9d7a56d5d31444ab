/* panel: the types Panel and Vcov, and how they are made; panel_read.c reads them, panel_fit.c fits,
 * panel_infer.c makes covariances, margins and predictions. */
#include "panel.h"

/* ------------------------------------------------------------------------------ life span */

bnorm_panel *bnorm_py_panel_enter(py_panel *self, py_call *c, PyObject *threads)
{
    PyObject *module = PyType_GetModule(Py_TYPE((PyObject *)self));
    c->ctx = NULL;
    c->array_count = c->block_count = c->pending_count = 0;
    if (!module || bnorm_py_call_start(c, module, threads)) return NULL;
    c->rows_of = "";
    if (bnorm_py_lock_acquire(&self->lock) == 0) return self->panel;
    bnorm_py_call_end(c);
    return NULL;
}

void bnorm_py_panel_leave(py_panel *self, py_call *c)
{
    int held = c->ctx != NULL; /* without a context the call never had the panel */
    bnorm_py_call_end(c);
    if (held) bnorm_py_lock_release(&self->lock);
}

static void release_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = __extension__(freefunc) PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static void panel_dealloc(PyObject *object)
{
    py_panel *self = (py_panel *)object;
    bnorm_panel_destroy(self->panel);
    bnorm_py_lock_free(&self->lock);
    release_object(object);
}

static void vcov_dealloc(PyObject *object)
{
    bnorm_vcov_destroy(((py_vcov *)object)->vcov);
    release_object(object);
}

static PyObject *allocate(PyObject *type)
{
    allocfunc f = __extension__(allocfunc) PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    return f((PyTypeObject *)type, 0);
}

/* A new object that owns panel, which it destroys on failure. */
static PyObject *new_panel(py_state *state, bnorm_panel *panel)
{
    py_panel *self = (py_panel *)allocate(state->panel_type);
    if (!self) {
        bnorm_panel_destroy(panel);
        return NULL;
    }
    self->panel = panel;
    if (bnorm_py_lock_make(&self->lock, "panel")) Py_CLEAR(self);
    return (PyObject *)self;
}

PyObject *bnorm_py_vcov_new(py_state *state, bnorm_vcov *vcov)
{
    PyObject *self = allocate(state->vcov_type);
    if (self)
        ((py_vcov *)self)->vcov = vcov;
    else
        bnorm_vcov_destroy(vcov);
    return self;
}

int bnorm_py_vcov_of(PyObject *object, const bnorm_vcov **vcov)
{
    *vcov = NULL;
    if (object == Py_None) return 0;
    PyTypeObject *type = Py_TYPE(object);
    if (PyType_GetSlot(type, Py_tp_dealloc) != __extension__(void *) vcov_dealloc) {
        PyErr_SetString(PyExc_TypeError, "vcov: expected a Vcov or None");
        return -1;
    }
    *vcov = ((py_vcov *)object)->vcov;
    return 0;
}

/* -------------------------------------------------------------------------------- options */

int bnorm_py_hidden(py_call *c, PyObject *list, const ptrdiff_t **units, ptrdiff_t *layers)
{
    Py_ssize_t count = PyList_Size(list);
    ptrdiff_t *sizes =
        count < 0 ? NULL : bnorm_py_block(c, ((size_t)count + 1) * sizeof *sizes);
    if (!sizes) return -1;
    for (Py_ssize_t k = 0; k < count; k++) {
        Py_ssize_t size;
        if (bnorm_py_whole(PyList_GetItem(list, k), "hidden", 1, &size)) return -1;
        sizes[k] = size;
    }
    *units = sizes; /* not NULL, which would stand for the default */
    *layers = count;
    return 0;
}

static const py_field fields[] = {
    {"loss", offsetof(bnorm_panel_options, loss), PY_TEXT, 0},
    {"activation", offsetof(bnorm_panel_options, activation), PY_ACTIVATION, 0},
    {"batchnorm", offsetof(bnorm_panel_options, batchnorm), PY_FLAG, 0},
    {"eps", offsetof(bnorm_panel_options, rule.eps), PY_REAL, 0},
    {"ddof", offsetof(bnorm_panel_options, rule.ddof), PY_REAL, 0},
    {"dropout", offsetof(bnorm_panel_options, dropout), PY_REAL, 0},
    {"penalty", offsetof(bnorm_panel_options, penalty), PY_REAL, 0},
    {"penalty_top", offsetof(bnorm_panel_options, penalty_top), PY_REAL, 0},
    {"penalty_linear", offsetof(bnorm_panel_options, penalty_linear), PY_REAL, 0},
    {"unit", offsetof(bnorm_panel_options, unit), PY_TEXT, 0},
    {"period", offsetof(bnorm_panel_options, period), PY_TEXT, 0},
    {"na_error", offsetof(bnorm_panel_options, na_error), PY_FLAG, 0},
    {"keep_singletons", offsetof(bnorm_panel_options, keep_singletons), PY_FLAG, 0},
    {"dot_without", offsetof(bnorm_panel_options, dot_without), PY_TEXT, 0},
    {"tolerance", offsetof(bnorm_panel_options, tolerance), PY_REAL, 0},
    {"seed", offsetof(bnorm_panel_options, seed), PY_SEED, 0}};

enum { FIELDS = sizeof fields / sizeof *fields };

int bnorm_py_panel_options(py_call *c, PyObject *dict, PyObject *hidden,
                           bnorm_panel_options *options)
{
    bnorm_panel_defaults(options);
    if (hidden == Py_None) return bnorm_py_fields(dict, "PanelNet", fields, FIELDS, options);
    return bnorm_py_fields(dict, "PanelNet", fields, FIELDS, options) ||
                   bnorm_py_hidden(c, hidden, &options->hidden, &options->layers)
               ? -1
               : 0;
}

/* --------------------------------------------------------------------------------- making */

/* panel(formula, columns, rows, weights, options, hidden, threads) */
static PyObject *panel(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    Py_ssize_t rows;
    const char *formula;
    const void *weights;
    bnorm_panel_options options;
    bnorm_panel *made = NULL;
    if (bnorm_py_count(count, 7) || !PyArg_Parse(args[0], "s", &formula) ||
        bnorm_py_whole(args[2], "rows", 0, &rows) || bnorm_py_call_start(&c, module, args[6]))
        return NULL;
    c.rows_of = "";
    bnorm_table *table = bnorm_py_panel_options(&c, args[4], args[5], &options)
                             ? NULL
                             : bnorm_py_table(&c, args[1], rows);
    if (table &&
        !bnorm_py_vector(&c, args[3], "weights", rows, "one value a row", 0, &weights)) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_create(c.ctx, formula, table, weights, &options, &made);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
    }
    bnorm_table_destroy(table);
    PyObject *object = made ? new_panel(c.state, made) : NULL;
    bnorm_py_call_end(&c);
    return object;
}

/* panel_load(path) -> Panel, Vcov or None */
static PyObject *panel_load(PyObject *module, PyObject *path)
{
    py_call c;
    PyObject *bytes = NULL, *result = NULL;
    bnorm_panel *made = NULL;
    bnorm_vcov *vcov = NULL;
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    if (bnorm_py_call_start(&c, module, NULL) == 0) {
        bnorm_status status = bnorm_panel_load(c.ctx, PyBytes_AsString(bytes), &made, &vcov);
        if (status) {
            bnorm_py_raise(&c, status);
        } else {
            PyObject *second = vcov ? bnorm_py_vcov_new(c.state, vcov) : Py_None;
            if (second == Py_None) Py_INCREF(second);
            PyObject *first = new_panel(c.state, made);
            if (first && second) result = PyTuple_Pack(2, first, second);
            Py_XDECREF(first);
            Py_XDECREF(second);
        }
        bnorm_py_call_end(&c);
    }
    Py_DECREF(bytes);
    return result;
}

/* ----------------------------------------------------------------------------------- types */

#define FAST(name, f)                                                                          \
    {                                                                                          \
        name, (PyCFunction)(void (*)(void))f, METH_FASTCALL, NULL                              \
    }

static PyMethodDef panel_methods[] = {
    {"describe", bnorm_py_panel_describe, METH_NOARGS, NULL},
    {"names", bnorm_py_panel_names, METH_O, NULL},
    {"about", bnorm_py_panel_about, METH_NOARGS, NULL},
    {"rows", bnorm_py_panel_rows, METH_NOARGS, NULL},
    {"coefficients", bnorm_py_panel_coefficients, METH_NOARGS, NULL},
    {"members", bnorm_py_panel_members, METH_NOARGS, NULL},
    {"effects", bnorm_py_panel_effects, METH_O, NULL},
    {"blocks", bnorm_py_panel_blocks, METH_NOARGS, NULL},
    {"residuals", bnorm_py_panel_residuals, METH_NOARGS, NULL},
    {"values", bnorm_py_panel_values, METH_O, NULL},
    FAST("save", bnorm_py_panel_save),
    FAST("fit", bnorm_py_panel_fit),
    FAST("check", bnorm_py_panel_check),
    FAST("design", bnorm_py_panel_design),
    FAST("vcov", bnorm_py_panel_vcov),
    FAST("margins", bnorm_py_panel_margins),
    FAST("profile", bnorm_py_panel_profile),
    FAST("predict", bnorm_py_panel_predict),
    {NULL, NULL, 0, NULL}};

static PyMethodDef vcov_methods[] = {
    {"describe", bnorm_py_vcov_describe, METH_NOARGS, NULL},
    FAST("matrix", bnorm_py_vcov_matrix),
    {"unidentified", bnorm_py_vcov_unidentified, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyType_Slot panel_slots[] = {
    {Py_tp_dealloc, __extension__(void *) panel_dealloc},
    {Py_tp_methods, panel_methods},
    {Py_tp_doc, "A structured model of the library; bnorm.PanelNet is its face."},
    {0, NULL}};

static PyType_Slot vcov_slots[] = {{Py_tp_dealloc, __extension__(void *) vcov_dealloc},
                                   {Py_tp_methods, vcov_methods},
                                   {Py_tp_doc, "A covariance of the parameters of a Panel."},
                                   {0, NULL}};

static PyType_Spec panel_spec = {.name = "bnorm._core.Panel",
                                 .basicsize = sizeof(py_panel),
                                 .flags =
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = panel_slots};

static PyType_Spec vcov_spec = {.name = "bnorm._core.Vcov",
                                .basicsize = sizeof(py_vcov),
                                .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                .slots = vcov_slots};

static PyObject *panel_cv(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    return bnorm_py_panel_cv(module, args, count);
}

static PyMethodDef makers[] = {BNORM_PY_METHOD(panel),
                               BNORM_PY_METHOD(panel_cv),
                               {"panel_load", panel_load, METH_O, NULL},
                               {NULL, NULL, 0, NULL}};

int bnorm_py_add_panel(PyObject *module)
{
    py_state *state = bnorm_py_state(module);
    state->panel_type = PyType_FromModuleAndSpec(module, &panel_spec, NULL);
    state->vcov_type = PyType_FromModuleAndSpec(module, &vcov_spec, NULL);
    return state->panel_type && state->vcov_type && !PyModule_AddFunctions(module, makers) ? 0
                                                                                           : -1;
}
