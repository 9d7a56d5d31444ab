/* array: the memory of a Python object by the buffer protocol, __array_interface__ or DLPack.
 * Nothing is copied here; whoever lends the memory is held until the release. */
#include "native.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------- messages */

static int refuse_type(const char *name, const char *got)
{
    PyErr_Format(PyExc_TypeError, "%s: expected float32 or float64, got %s", name, got);
    return -1;
}

/* The exception in flight becomes the reason of a TypeError that names the argument. */
static int refuse_because(const char *name, PyObject *object)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (type && !PyErr_GivenExceptionMatches(type, PyExc_Exception)) {
        PyErr_Restore(type, value, trace);
        return -1;
    }
    PyObject *kind = PyType_GetName(Py_TYPE(object));
    PyErr_Format(PyExc_TypeError, "%s: expected an array of float32 or float64, got %U: %S",
                 name, kind, value ? value : Py_None);
    Py_XDECREF(kind);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return -1;
}

static const char *kind_of(char letter)
{
    static const struct {
        const char *letters, *name;
    } kinds[] = {{"bhilqn", "int"}, {"BHILQN", "uint"}, {"efdg", "float"}, {"FDGZ", "complex"},
                 {"?", "bool"},     {"O", "object"},    {"scUSwu", "text"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (strchr(kinds[k].letters, letter)) return kinds[k].name;
    return "values of another type";
}

/* Reads a format of the struct module, such as "d" or "<f". */
static int read_format(py_array *a, const char *format, Py_ssize_t itemsize)
{
    const int one = 1;
    const char native = *(const char *)&one ? '<' : '>';
    const char *p = format ? format : "B";
    int swapped = *p == '!' || ((*p == '<' || *p == '>') && *p != native);
    if (*p && strchr("@=<>!", *p)) p++;
    a->f32 = *p == 'f';
    if ((*p == 'd' || *p == 'f') && !p[1] && itemsize == bnorm_py_itemsize(a->f32)) {
        if (swapped && itemsize > 1) return refuse_type(a->name, "the other byte order");
        return 0;
    }
    char got[64];
    const char *kind = *p ? kind_of(*p) : "nothing";
    if (*p && strchr("bhilqnBHILQNefdg", *p) && !p[1])
        snprintf(got, sizeof got, "%s%d", kind, (int)(8 * itemsize));
    else
        snprintf(got, sizeof got, "%s", p[0] && p[1] && *p != 'Z' ? "records" : kind);
    return refuse_type(a->name, got);
}

static int set_dims(py_array *a, Py_ssize_t ndim)
{
    if (ndim <= ARRAY_DIMS) {
        a->ndim = (int)ndim;
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "%s: expected at most %d dimensions, got %zd", a->name,
                 ARRAY_DIMS, ndim);
    return -1;
}

/* Strides of contiguous rows. */
static void set_contiguous(py_array *a)
{
    Py_ssize_t step = bnorm_py_itemsize(a->f32);
    for (int k = a->ndim; k-- > 0;) {
        a->strides[k] = step;
        if (__builtin_mul_overflow(step, a->shape[k], &step)) step = 0; /* see check_data */
    }
}

/* -------------------------------------------------------------------------------- buffers */

static int open_buffer(py_array *a, PyObject *object)
{
    if (PyObject_GetBuffer(object, &a->buffer, PyBUF_RECORDS_RO) != 0)
        return refuse_because(a->name, object);
    a->has_buffer = 1;
    a->data = a->buffer.buf;
    a->readonly = a->buffer.readonly;
    if (read_format(a, a->buffer.format, a->buffer.itemsize) || set_dims(a, a->buffer.ndim))
        return -1;
    if (a->ndim > 0 && !a->buffer.shape) return refuse_type(a->name, "a buffer without shape");
    for (int k = 0; k < a->ndim; k++) a->shape[k] = a->buffer.shape[k];
    set_contiguous(a); /* arrays of ctypes, say, have no strides */
    for (int k = 0; a->buffer.strides && k < a->ndim; k++) a->strides[k] = a->buffer.strides[k];
    return 0;
}

/* -------------------------------------------------------------------- __array_interface__ */

static int read_sizes(py_array *a, PyObject *tuple, Py_ssize_t *out)
{
    if (!tuple || !PyTuple_Check(tuple) || PyTuple_Size(tuple) > ARRAY_DIMS) {
        PyErr_Format(PyExc_ValueError,
                     "%s: expected at most %d dimensions in "
                     "__array_interface__",
                     a->name, ARRAY_DIMS);
        return -1;
    }
    for (Py_ssize_t k = 0; k < PyTuple_Size(tuple); k++) {
        out[k] = PyLong_AsSsize_t(PyTuple_GetItem(tuple, k));
        if (out[k] == -1 && PyErr_Occurred()) return -1;
    }
    return (int)PyTuple_Size(tuple);
}

static int read_typestr(py_array *a, PyObject *typestr)
{
    Py_ssize_t length;
    const char *text =
        typestr && PyUnicode_Check(typestr) ? PyUnicode_AsUTF8AndSize(typestr, &length) : NULL;
    if (!text) return refuse_type(a->name, "an __array_interface__ without typestr");
    const int one = 1;
    const char order = *(const char *)&one ? '<' : '>';
    a->f32 = length == 3 && text[2] == '4';
    if (length == 3 && (text[0] == order || text[0] == '=') && text[1] == 'f' &&
        (text[2] == '4' || text[2] == '8'))
        return 0;
    return refuse_type(a->name, text);
}

static int read_data(py_array *a, PyObject *data)
{
    if (!data || !PyTuple_Check(data) || PyTuple_Size(data) != 2) {
        PyErr_Format(PyExc_TypeError,
                     "%s: expected (pointer, read-only) under data in "
                     "__array_interface__",
                     a->name);
        return -1;
    }
    a->data = PyLong_AsVoidPtr(PyTuple_GetItem(data, 0));
    if (!a->data && PyErr_Occurred()) return -1;
    PyObject *flag = PyTuple_GetItem(data, 1);
    Py_INCREF(flag); /* its truth is foreign code, which may empty the dict */
    a->readonly = PyObject_IsTrue(flag);
    Py_DECREF(flag);
    return a->readonly < 0 ? -1 : 0;
}

static int read_interface(py_array *a, PyObject *d)
{
    if (!PyDict_Check(d)) return refuse_type(a->name, "an __array_interface__ that is no dict");
    if (read_typestr(a, PyDict_GetItemString(d, "typestr"))) return -1;
    a->ndim = read_sizes(a, PyDict_GetItemString(d, "shape"), a->shape);
    if (a->ndim < 0 || read_data(a, PyDict_GetItemString(d, "data"))) return -1;
    set_contiguous(a);
    PyObject *strides = PyDict_GetItemString(d, "strides"); /* read_data ran foreign code */
    if (!strides || strides == Py_None) return 0;
    int count = read_sizes(a, strides, a->strides);
    if (count == a->ndim) return 0;
    if (count >= 0)
        PyErr_Format(PyExc_ValueError, "%s: expected as many strides as dimensions", a->name);
    return -1;
}

/* --------------------------------------------------------------------------------- DLPack */

/* The ABI of DLPack, version 0: github.com/dmlc/dlpack. */
typedef struct dl_tensor {
    void *data;
    struct {
        int32_t type, id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} dl_tensor;
enum { DL_CPU = 1, DL_FLOAT = 2, DL_BFLOAT = 4 };

static int read_tensor(py_array *a, const dl_tensor *t)
{
    static const char *const codes[] = {"int",       "uint",   "float",
                                        "a pointer", "bfloat", "complex"};
    char got[64];
    if (t->device.type != DL_CPU)
        return refuse_type(a->name, "a tensor that is not on the CPU");
    if (t->dtype.code != DL_FLOAT || t->dtype.lanes != 1 ||
        (t->dtype.bits != 64 && t->dtype.bits != 32)) {
        snprintf(got, sizeof got, "%s%d", t->dtype.code < 6 ? codes[t->dtype.code] : "type ",
                 t->dtype.bits);
        return refuse_type(a->name, got);
    }
    a->f32 = t->dtype.bits == 32;
    a->data = (char *)t->data + t->byte_offset;
    if (set_dims(a, t->ndim)) return -1;
    for (int k = 0; k < a->ndim; k++) a->shape[k] = (Py_ssize_t)t->shape[k];
    set_contiguous(a);
    for (int k = 0; t->strides && k < a->ndim; k++)
        a->strides[k] = (Py_ssize_t)t->strides[k] * bnorm_py_itemsize(a->f32);
    return 0;
}

/* The capsule stays ours, and gives the tensor back when it is released. */
static int open_dlpack(py_array *a, PyObject *object)
{
    PyObject *device = PyObject_CallMethod(object, "__dlpack_device__", NULL);
    if (!device) return refuse_because(a->name, object);
    PyObject *first = PySequence_GetItem(device, 0);
    long type = first ? PyLong_AsLong(first) : -1;
    Py_XDECREF(first);
    Py_DECREF(device);
    if (type == -1 && PyErr_Occurred()) return refuse_because(a->name, object);
    if (type != DL_CPU) return refuse_type(a->name, "a tensor that is not on the CPU");
    a->owner = PyObject_CallMethod(object, "__dlpack__", NULL);
    if (!a->owner) return refuse_because(a->name, object);
    const dl_tensor *t = PyCapsule_GetPointer(a->owner, "dltensor");
    return t ? read_tensor(a, t) : refuse_because(a->name, object);
}

/* ------------------------------------------------------------------------------- dispatch */

static int open_other(py_array *a, PyObject *object)
{
    PyObject *interface = PyObject_GetAttrString(object, "__array_interface__");
    if (interface) {
        int bad = read_interface(a, interface);
        a->owner = PyTuple_Pack(2, object, interface);
        Py_DECREF(interface);
        return bad || !a->owner ? -1 : 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return refuse_because(a->name, object);
    PyErr_Clear();
    if (PyObject_HasAttrString(object, "__dlpack__")) return open_dlpack(a, object);
    PyObject *kind = PyType_GetName(Py_TYPE(object));
    PyErr_Format(PyExc_TypeError,
                 "%s: expected an array (buffer, __array_interface__ or DLPack) of float32 or "
                 "float64, got %U",
                 a->name, kind);
    Py_XDECREF(kind);
    return -1;
}

/* No data behind a shape that needs some would be a crash. */
static int check_data(const py_array *a)
{
    int empty = 0;
    for (int k = 0; k < a->ndim; k++) {
        if (a->shape[k] < 0) {
            PyErr_Format(PyExc_ValueError, "%s: dimension %d is negative", a->name, k);
            return -1;
        }
        empty |= a->shape[k] == 0;
    }
    Py_ssize_t bytes = bnorm_py_itemsize(a->f32), reach;
    for (int k = 0; !empty && k < a->ndim; k++)
        if (__builtin_mul_overflow(bytes, a->shape[k], &bytes) ||
            __builtin_mul_overflow(a->shape[k] - 1, a->strides[k], &reach)) {
            PyErr_Format(PyExc_ValueError, "%s: its shape is larger than any memory", a->name);
            return -1;
        }
    if (a->data || empty) return 0;
    PyErr_Format(PyExc_ValueError, "%s: expected data, got a null pointer", a->name);
    return -1;
}

/* A masked array of NumPy lends also what its mask hides. Types of C, such as ndarray, are none. */
static int check_mask(const char *name, PyObject *object)
{
    if (!(PyType_GetFlags(Py_TYPE(object)) & Py_TPFLAGS_HEAPTYPE) ||
        !PyObject_HasAttrString(object, "mask") || !PyObject_HasAttrString(object, "filled"))
        return 0;
    PyObject *mask = PyObject_GetAttrString(object, "mask");
    PyObject *any = mask ? PyObject_CallMethod(mask, "any", NULL) : NULL;
    int masked = any ? PyObject_IsTrue(any) : -1;
    Py_XDECREF(any);
    Py_XDECREF(mask);
    if (masked > 0)
        PyErr_Format(PyExc_ValueError,
                     "%s: expected no masked values, got some: fill them first", name);
    return masked ? -1 : 0;
}

int bnorm_py_array_open(py_array *a, PyObject *object, const char *name)
{
    *a = (py_array){.name = name};
    if (check_mask(name, object)) return -1;
    int bad = PyObject_CheckBuffer(object) ? open_buffer(a, object) : open_other(a, object);
    if (!bad && check_data(a) == 0) return 0;
    bnorm_py_array_release(a);
    return -1;
}

void bnorm_py_array_release(py_array *a)
{
    if (a->has_buffer) PyBuffer_Release(&a->buffer);
    a->has_buffer = 0;
    Py_CLEAR(a->owner);
}
