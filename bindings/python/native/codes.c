/* codes: vectors of int32, the levels of rows. */
#include "native.h"

#include <string.h>

static int refuse(py_codes *codes, PyObject *type, const char *what)
{
    PyErr_Format(type, "%s: %s", codes->name, what);
    bnorm_py_codes_release(codes);
    return -1;
}

int bnorm_py_codes_open(py_codes *codes, PyObject *object, const char *name, Py_ssize_t rows)
{
    *codes = (py_codes){.name = name};
    if (PyObject_GetBuffer(object, &codes->buffer, PyBUF_ND | PyBUF_FORMAT)) return -1;
    codes->held = 1;
    const Py_buffer *b = &codes->buffer;
    if (!b->format || strcmp(b->format, "i") != 0 || b->itemsize != (Py_ssize_t)sizeof(int32_t))
        return refuse(codes, PyExc_TypeError, "expected codes of int32");
    if (b->ndim != 1) return refuse(codes, PyExc_ValueError, "expected 1 dimension");
    codes->values = b->buf;
    codes->count = b->shape[0];
    if (codes->count == rows) return 0;
    PyErr_Format(PyExc_ValueError, "%s: expected %zd values, one a row, got %zd", name, rows,
                 codes->count);
    bnorm_py_codes_release(codes);
    return -1;
}

int bnorm_py_codes_check(const py_codes *codes, Py_ssize_t least, Py_ssize_t levels)
{
    for (Py_ssize_t i = 0; i < codes->count; i++)
        if (codes->values[i] < least || codes->values[i] >= levels) {
            PyErr_Format(PyExc_ValueError, "%s: the code of row %zd is %d: expected %zd to %zd",
                         codes->name, i + 1, (int)codes->values[i], least, levels - 1);
            return -1;
        }
    return 0;
}

void bnorm_py_codes_release(py_codes *codes)
{
    if (codes->held) PyBuffer_Release(&codes->buffer);
    codes->held = 0;
}
