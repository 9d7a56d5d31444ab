/* table: columns of Python as a table of the library. */
#include "native.h"

#include <string.h>

static int refuse_length(const char *name, Py_ssize_t rows)
{
    PyErr_Format(PyExc_ValueError, "%s: expected %zd cells", name, rows);
    return -1;
}

/* A list of str and None: cells of a text file, in which numbers are read. */
static bnorm_status add_text(py_call *c, bnorm_table *table, const char *name, PyObject *values,
                             Py_ssize_t rows)
{
    if (PyList_Size(values) != rows && refuse_length(name, rows)) return BNORM_E_USER;
    const char **cells = PyMem_Malloc(((size_t)rows + 1) * sizeof *cells);
    if (!cells) return BNORM_E_MEMORY;
    for (Py_ssize_t i = 0; i < rows; i++) {
        PyObject *cell = PyList_GetItem(values, i);
        cells[i] = cell == Py_None ? NULL : PyUnicode_AsUTF8AndSize(cell, NULL);
    }
    bnorm_status status =
        PyErr_Occurred() ? BNORM_E_USER : bnorm_table_text(c->ctx, table, name, cells);
    PyMem_Free(cells);
    return status;
}

/* The texts of a list of str; NULL with an exception. The list keeps them. */
static const char **texts_of(PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    const char **texts = count < 0 ? NULL : PyMem_Malloc(((size_t)count + 1) * sizeof *texts);
    if (!texts && !PyErr_Occurred()) PyErr_NoMemory();
    for (Py_ssize_t k = 0; texts && k < count; k++)
        if (!(texts[k] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, k), NULL))) {
            PyMem_Free(texts);
            return NULL;
        }
    return texts;
}

static bnorm_status add_coded(py_call *c, bnorm_table *table, const char *name,
                              const py_codes *codes, PyObject *levels)
{
    bnorm_status status = BNORM_E_USER;
    const char **texts = texts_of(levels);
    const char **cells =
        texts ? PyMem_Malloc(((size_t)codes->count + 1) * sizeof *cells) : NULL;
    if (texts && !cells) status = BNORM_E_MEMORY;
    if (cells) {
        for (Py_ssize_t i = 0; i < codes->count; i++)
            cells[i] = codes->values[i] < 0 ? NULL : texts[codes->values[i]];
        status = bnorm_table_levels(c->ctx, table, name, cells);
    }
    PyMem_Free(cells);
    PyMem_Free(texts);
    return status;
}

/* (codes, levels): the level of each row, or -1 where it is missing. */
static bnorm_status add_levels(py_call *c, bnorm_table *table, const char *name,
                               PyObject *values, Py_ssize_t rows)
{
    PyObject *given, *levels;
    py_codes codes;
    if (!PyArg_ParseTuple(values, "OO", &given, &levels)) return BNORM_E_USER;
    if (bnorm_py_codes_open(&codes, given, name, rows)) return BNORM_E_USER;
    bnorm_status status = BNORM_E_USER;
    if (!bnorm_py_codes_check(&codes, -1, PyList_Size(levels)))
        status = add_coded(c, table, name, &codes, levels);
    bnorm_py_codes_release(&codes);
    return status;
}

static bnorm_status add_numbers(py_call *c, bnorm_table *table, const char *name,
                                PyObject *values, Py_ssize_t rows)
{
    const void *numbers;
    py_call column = {.state = c->state}; /* its memory goes when the table has the copy */
    int bad = bnorm_py_vector(&column, values, name, rows, "one value a row", 0, &numbers);
    bnorm_status status =
        bad ? BNORM_E_USER : bnorm_table_numbers(c->ctx, table, name, numbers);
    bnorm_py_call_end(&column);
    return status;
}

static int add_column(py_call *c, bnorm_table *table, PyObject *pair, Py_ssize_t rows)
{
    const char *name;
    PyObject *values;
    if (!PyArg_ParseTuple(pair, "sO", &name, &values)) return -1;
    bnorm_status status = PyList_Check(values)    ? add_text(c, table, name, values, rows)
                          : PyTuple_Check(values) ? add_levels(c, table, name, values, rows)
                                                  : add_numbers(c, table, name, values, rows);
    if (status) bnorm_py_raise(c, status);
    return status ? -1 : 0;
}

bnorm_table *bnorm_py_table(py_call *c, PyObject *columns, Py_ssize_t rows)
{
    bnorm_table *table = NULL;
    if (!PyList_Check(columns)) {
        PyErr_SetString(PyExc_TypeError, "columns: expected a list");
        return NULL;
    }
    bnorm_status status = bnorm_table_create(c->ctx, rows, &table);
    if (status) bnorm_py_raise(c, status);
    int done = !status;
    for (Py_ssize_t k = 0; done && k < PyList_Size(columns); k++)
        done = !add_column(c, table, PyList_GetItem(columns, k), rows);
    if (done) return table;
    bnorm_table_destroy(table);
    return NULL;
}
