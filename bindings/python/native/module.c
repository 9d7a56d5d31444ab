/* module: _core, the extension behind the package. Its state is the module's, so that each
 * interpreter has its own. */
#include "native.h"

static PyObject *set_threads(PyObject *module, PyObject *object)
{
    Py_ssize_t threads;
    if (bnorm_py_whole(object, "threads", 0, &threads)) return NULL;
    if (threads > 1024)
        return PyErr_Format(PyExc_ValueError, "threads: expected at most 1024, got %zd",
                            threads);
    bnorm_py_state(module)->threads = (int)threads;
    Py_RETURN_NONE;
}

static PyObject *get_threads(PyObject *module, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(bnorm_py_state(module)->threads);
}

static PyObject *version(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(bnorm_version());
}

static PyObject *isa(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(bnorm_isa());
}

static PyMethodDef methods[] = {{"set_threads", set_threads, METH_O, NULL},
                                {"get_threads", get_threads, METH_NOARGS, NULL},
                                {"version", version, METH_NOARGS, NULL},
                                {"isa", isa, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};

py_state *bnorm_py_state(PyObject *module)
{
    return PyModule_GetState(module);
}

static int fill(PyObject *module)
{
    py_state *s = bnorm_py_state(module);
    s->threads = 1;
    s->orders[0] = PyUnicode_InternFromString("C");
    s->orders[1] = PyUnicode_InternFromString("F");
    if (!s->orders[0] || !s->orders[1]) return -1;
    return PyModule_AddFunctions(module, bnorm_py_matrix_methods) ||
                   PyModule_AddFunctions(module, bnorm_py_rows_methods) ||
                   PyModule_AddFunctions(module, bnorm_py_space_methods) ||
                   PyModule_AddFunctions(module, bnorm_py_within_methods) ||
                   bnorm_py_add_network(module) || bnorm_py_add_panel(module)
               ? -1
               : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    py_state *s = bnorm_py_state(module);
    Py_VISIT(s->empty);
    Py_VISIT(s->dtypes[0]);
    Py_VISIT(s->dtypes[1]);
    Py_VISIT(s->array_type);
    Py_VISIT(s->network_type);
    Py_VISIT(s->panel_type);
    Py_VISIT(s->vcov_type);
    return 0;
}

static int clear(PyObject *module)
{
    py_state *s = bnorm_py_state(module);
    for (int k = 0; k < 2; k++) {
        Py_CLEAR(s->dtypes[k]);
        Py_CLEAR(s->orders[k]);
    }
    Py_CLEAR(s->empty);
    Py_CLEAR(s->array_type);
    Py_CLEAR(s->network_type);
    Py_CLEAR(s->panel_type);
    Py_CLEAR(s->vcov_type);
    return 0;
}

static void release(void *module)
{
    (void)clear(module);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, __extension__(void *) fill}, {0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                 .m_name = "bnorm._core",
                                 .m_doc = "The C library bnorm; the package bnorm is its face.",
                                 .m_size = sizeof(py_state),
                                 .m_methods = methods,
                                 .m_slots = slots,
                                 .m_traverse = traverse,
                                 .m_clear = clear,
                                 .m_free = release};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
