/* views: arguments as the vectors and matrices of the library: the caller's memory where its
 * strides allow, else one copy. */
#include "native.h"

#include <string.h>

/* ---------------------------------------------------------------------- vectors, matrices */

static double read_value(const py_array *a, const char *from)
{
    if (a->f32) {
        float value;
        memcpy(&value, from, sizeof value);
        return value;
    }
    double value;
    memcpy(&value, from, sizeof value);
    return value;
}

static void write_value(int f32, char *to, double value)
{
    float narrow = (float)value;
    memcpy(to, f32 ? (void *)&narrow : (void *)&value, f32 ? sizeof narrow : sizeof value);
}

static int aligned(const py_array *a)
{
    return (uintptr_t)a->data % (uintptr_t)bnorm_py_itemsize(a->f32) == 0;
}

int bnorm_py_vector(py_call *c, PyObject *object, const char *name, Py_ssize_t count,
                    const char *what, int f32, const void **values)
{
    *values = NULL;
    if (object == Py_None) return 0;
    py_array *a = bnorm_py_take(c, object, name, 0);
    if (!a) return -1;
    if (a->ndim != 1 || a->shape[0] != count) {
        PyObject *got = bnorm_py_shape_text(a);
        if (got)
            PyErr_Format(PyExc_ValueError, "%s: expected shape (%zd,), %s, got %R", name, count,
                         what, got);
        Py_XDECREF(got);
        return -1;
    }
    Py_ssize_t size = bnorm_py_itemsize(f32);
    if (a->f32 == f32 && a->strides[0] == size && aligned(a) && a->data) {
        *values = a->data;
        return 0;
    }
    char *copy = bnorm_py_block(c, (size_t)count * (size_t)size);
    if (!copy) return -1;
    for (Py_ssize_t k = 0; k < count; k++)
        write_value(f32, copy + k * size, read_value(a, a->data + k * a->strides[0]));
    *values = copy;
    return 0;
}

/* Whether lines along the axis `inner` are contiguous and apart: a view without a copy. */
static int lies_along(const py_array *a, int inner)
{
    Py_ssize_t size = bnorm_py_itemsize(a->f32);
    Py_ssize_t width = a->shape[inner], lines = a->shape[1 - inner];
    if (width == 0 || lines == 0) return 1;
    if (!aligned(a) || (width > 1 && a->strides[inner] != size)) return 0;
    return lines == 1 ||
           (a->strides[1 - inner] % size == 0 && a->strides[1 - inner] >= width * size);
}

bnorm_layout bnorm_py_layout(const py_array *const *arrays, int count)
{
    /* One column and one row have both layouts: always the faster, so that strides change no bit. */
    if (arrays[0]->shape[1] == 1) return BNORM_COL_MAJOR;
    if (arrays[0]->shape[0] == 1) return BNORM_ROW_MAJOR;
    int rows = 0, cols = 0;
    for (int k = 0; k < count; k++) {
        if (!arrays[k]) continue;
        rows += lies_along(arrays[k], 1);
        cols += lies_along(arrays[k], 0);
    }
    return rows >= cols ? BNORM_ROW_MAJOR : BNORM_COL_MAJOR;
}

static void view_of(const py_array *a, bnorm_layout layout, bnorm_mat_f64 *m)
{
    int inner = layout == BNORM_ROW_MAJOR;
    Py_ssize_t size = bnorm_py_itemsize(a->f32), width = a->shape[inner];
    Py_ssize_t lines = a->shape[1 - inner], step = a->strides[1 - inner] / size;
    *m = (bnorm_mat_f64){(double *)(void *)a->data, a->shape[0], a->shape[1],
                         lines > 1 && width > 0 ? step : width, layout};
}

/* Contiguous memory of a matrix's size behind m. */
static int memory_for(py_call *c, const py_array *a, bnorm_layout layout, bnorm_mat_f64 *m)
{
    Py_ssize_t size = bnorm_py_itemsize(a->f32), limit = PY_SSIZE_T_MAX / size;
    if (a->shape[1] > 0 && a->shape[0] > limit / a->shape[1]) {
        PyErr_NoMemory();
        return -1;
    }
    void *block = bnorm_py_block(c, (size_t)(a->shape[0] * a->shape[1] * size));
    *m = bnorm_view_f64(block, a->shape[0], a->shape[1], layout);
    return block ? 0 : -1;
}

/* Copies between an array of any strides and contiguous memory of either layout, in the order
 * of the latter. */
static void transfer(const py_array *a, char *block, bnorm_layout layout, int to_array)
{
    int inner = layout == BNORM_ROW_MAJOR;
    Py_ssize_t size = bnorm_py_itemsize(a->f32), width = a->shape[inner];
    for (Py_ssize_t i = 0; i < a->shape[1 - inner]; i++) {
        char *line = a->data + i * a->strides[1 - inner];
        for (Py_ssize_t j = 0; j < width; j++, block += size)
            memcpy(to_array ? line + j * a->strides[inner] : block,
                   to_array ? block : line + j * a->strides[inner], (size_t)size);
    }
}

int bnorm_py_matrix(py_call *c, const py_array *a, bnorm_layout layout, bnorm_mat_f64 *m)
{
    if (lies_along(a, layout == BNORM_ROW_MAJOR)) {
        view_of(a, layout, m);
        return 0;
    }
    if (memory_for(c, a, layout, m)) return -1;
    transfer(a, (char *)m->data, layout, 0);
    return 0;
}

int bnorm_py_result(py_call *c, const py_array *a, bnorm_layout layout, bnorm_mat_f64 *m)
{
    if (lies_along(a, layout == BNORM_ROW_MAJOR)) {
        view_of(a, layout, m);
        return 0;
    }
    if (memory_for(c, a, layout, m)) return -1;
    c->pending[c->pending_count].to = a;
    c->pending[c->pending_count].layout = layout;
    c->pending[c->pending_count++].from = m->data;
    return 0;
}

void bnorm_py_deliver(py_call *c)
{
    for (int k = 0; k < c->pending_count; k++)
        transfer(c->pending[k].to, c->pending[k].from, c->pending[k].layout, 1);
    c->pending_count = 0;
}

bnorm_mat_f32 bnorm_py_f32(bnorm_mat_f64 m)
{
    return (bnorm_mat_f32){(float *)(void *)m.data, m.rows, m.cols, m.ld, m.layout};
}

int bnorm_py_need_vector(py_call *c, PyObject *object, const char *name, Py_ssize_t count,
                         const char *what, const void **values)
{
    if (object != Py_None) return bnorm_py_vector(c, object, name, count, what, 0, values);
    PyErr_Format(PyExc_TypeError, "%s: expected an array of %zd values, %s, got None", name,
                 count, what);
    return -1;
}
