/* call: what every function of the module does around its call of the library. Invariant: all
 * that a call takes is in its py_call, and bnorm_py_call_end gives it back. */
#include "native.h"

#include <stdlib.h>
#include <string.h>

static int threads_of(const py_state *state, PyObject *object, int *threads)
{
    *threads = state->threads;
    if (!object || object == Py_None) return 0;
    PyObject *index = PyNumber_Index(object);
    long value = index ? PyLong_AsLong(index) : -1;
    Py_XDECREF(index);
    if (value >= 0 && value <= 1024) {
        *threads = (int)value;
        return 0;
    }
    if (!PyErr_Occurred() || !index || PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_Format(index ? PyExc_ValueError : PyExc_TypeError,
                     "threads: expected an int from 0 (all processors) to 1024, got %R",
                     object);
    return -1;
}

int bnorm_py_call_start(py_call *c, PyObject *module, PyObject *threads)
{
    c->state = bnorm_py_state(module);
    c->ctx = NULL;
    c->array_count = c->block_count = c->pending_count = 0;
    c->rows_of = "x: ";
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    if (threads_of(c->state, threads, &options.threads)) return -1;
    if (bnorm_ctx_create(&options, &c->ctx) == BNORM_OK) return 0;
    PyErr_NoMemory();
    return -1;
}

void bnorm_py_call_end(py_call *c)
{
    while (c->array_count > 0) bnorm_py_array_release(&c->arrays[--c->array_count]);
    while (c->block_count > 0) free(c->blocks[--c->block_count]);
    bnorm_ctx_destroy(c->ctx);
    c->ctx = NULL;
}

PyObject *bnorm_py_raise(py_call *c, bnorm_status status)
{
    if (PyErr_Occurred()) return NULL; /* of a function of the caller's */
    const char *text = bnorm_ctx_message(c->ctx);
    PyObject *type = PyExc_ValueError;
    if (status == BNORM_E_MEMORY) type = PyExc_MemoryError;
    if (status == BNORM_E_IO) type = PyExc_OSError;
    if (status == BNORM_E_USER) type = PyExc_RuntimeError;
    if (status == BNORM_E_INTERRUPTED) type = PyExc_KeyboardInterrupt;
    const char *whose = status == BNORM_E_DOMAIN ? c->rows_of : "";
    if (strncmp(text, "the weight of row", 17) == 0) whose = "weights: ";
    PyErr_Format(type, "%s%s", whose, *text ? text : bnorm_status_text(status));
    return NULL;
}

void *bnorm_py_block(py_call *c, size_t bytes)
{
    void *block = c->block_count < CALL_BLOCKS ? malloc(bytes ? bytes : 1) : NULL;
    if (block)
        c->blocks[c->block_count++] = block;
    else
        PyErr_NoMemory();
    return block;
}

/* ------------------------------------------------------------------------------ arguments */

py_array *bnorm_py_take(py_call *c, PyObject *object, const char *name, int ndim)
{
    if (c->array_count == CALL_ARRAYS) {
        PyErr_SetString(PyExc_SystemError, "too many arrays in one call");
        return NULL;
    }
    py_array *a = &c->arrays[c->array_count];
    if (bnorm_py_array_open(a, object, name)) return NULL;
    c->array_count++;
    if (ndim == 0 || a->ndim == ndim) return a;
    PyErr_Format(PyExc_ValueError, "%s: expected %d dimension%s, got %d", name, ndim,
                 ndim == 1 ? "" : "s", a->ndim);
    return NULL;
}

PyObject *bnorm_py_shape_text(const py_array *a)
{
    PyObject *tuple = PyTuple_New(a->ndim);
    for (int k = 0; tuple && k < a->ndim; k++) {
        PyObject *size = PyLong_FromSsize_t(a->shape[k]);
        if (!size || PyTuple_SetItem(tuple, k, size)) Py_CLEAR(tuple);
    }
    return tuple;
}

static int check_shape(const py_array *a, const py_array *like)
{
    int same = a->ndim == like->ndim;
    for (int k = 0; same && k < a->ndim; k++) same = a->shape[k] == like->shape[k];
    if (same) return 0;
    PyObject *got = bnorm_py_shape_text(a), *expected = bnorm_py_shape_text(like);
    if (got && expected)
        PyErr_Format(PyExc_ValueError, "%s: expected shape %R as %s, got %R", a->name, expected,
                     like->name, got);
    Py_XDECREF(got);
    Py_XDECREF(expected);
    return -1;
}

int bnorm_py_check_like(const py_array *a, const py_array *like)
{
    if (check_shape(a, like)) return -1;
    if (a->f32 == like->f32) return 0;
    PyErr_Format(PyExc_TypeError, "%s: expected %s as %s, got %s", a->name,
                 like->f32 ? "float32" : "float64", like->name, a->f32 ? "float32" : "float64");
    return -1;
}

static int is_empty(const py_array *a)
{
    for (int k = 0; k < a->ndim; k++)
        if (a->shape[k] == 0) return 1;
    return 0;
}

/* The bytes from the lowest to the highest, as an interval. */
static void extent(const py_array *a, uintptr_t *begin, uintptr_t *end)
{
    *begin = *end = (uintptr_t)a->data;
    for (int k = 0; k < a->ndim; k++) {
        Py_ssize_t reach = (a->shape[k] - 1) * a->strides[k];
        *(reach < 0 ? begin : end) += (uintptr_t)reach;
    }
    *end += (uintptr_t)bnorm_py_itemsize(a->f32);
}

static int same_view(const py_array *a, const py_array *b)
{
    int same = a->data == b->data && a->ndim == b->ndim && a->f32 == b->f32;
    for (int k = 0; same && k < a->ndim; k++)
        same =
            a->shape[k] == b->shape[k] && (a->shape[k] <= 1 || a->strides[k] == b->strides[k]);
    return same;
}

/* Two matrices of one line distance, such as columns 1-3 and 4-6 of one array: apart when their
 * lines do not meet inside a period. */
static int interleaved(const py_array *a, const py_array *b)
{
    for (int k = 0; a->ndim == 2 && b->ndim == 2 && k < 2; k++) {
        Py_ssize_t period = a->strides[k];
        Py_ssize_t wide_a = (a->shape[1 - k] - 1) * a->strides[1 - k];
        Py_ssize_t wide_b = (b->shape[1 - k] - 1) * b->strides[1 - k];
        if (period <= 0 || b->strides[k] != period || wide_a < 0 || wide_b < 0) continue;
        wide_a += bnorm_py_itemsize(a->f32);
        wide_b += bnorm_py_itemsize(b->f32);
        uintptr_t p = (uintptr_t)period, from_a = (uintptr_t)a->data,
                  from_b = (uintptr_t)b->data;
        uintptr_t shift =
            from_b >= from_a ? (from_b - from_a) % p : (p - (from_a - from_b) % p) % p;
        if ((uintptr_t)wide_a <= shift && shift + (uintptr_t)wide_b <= p) return 1;
    }
    return 0;
}

static int overlap(const py_array *a, const py_array *b)
{
    uintptr_t begin_a, end_a, begin_b, end_b;
    if (is_empty(a) || is_empty(b)) return 0;
    extent(a, &begin_a, &end_a);
    extent(b, &begin_b, &end_b);
    return begin_a < end_b && begin_b < end_a && !interleaved(a, b);
}

/* One element must not stand for two: taken by rising strides, each dimension steps over all that
 * those before it span. */
static int folds(const py_array *a)
{
    Py_ssize_t span = bnorm_py_itemsize(a->f32), last = 0;
    int left = (1 << a->ndim) - 1;
    while (left && !is_empty(a)) {
        int least = -1;
        for (int k = 0; k < a->ndim; k++) {
            if (!(left & 1 << k)) continue;
            if (least < 0 || llabs(a->strides[k]) < llabs(a->strides[least])) least = k;
        }
        left &= ~(1 << least);
        if (a->shape[least] == 1) continue;
        last = (Py_ssize_t)llabs(a->strides[least]);
        if (last < span) return 1;
        span += (a->shape[least] - 1) * last;
    }
    return 0;
}

py_array *bnorm_py_take_out(py_call *c, PyObject *object, const char *name,
                            const py_array *like, const py_array *replaces1,
                            const py_array *replaces2)
{
    int before = c->array_count;
    py_array *a = bnorm_py_take(c, object, name, 0);
    if (!a || bnorm_py_check_like(a, like)) return NULL;
    if (a->readonly) {
        PyErr_Format(PyExc_ValueError, "%s: expected a writable array, got a read-only one",
                     name);
        return NULL;
    }
    for (int k = 0; k < before; k++) {
        const py_array *b = &c->arrays[k];
        if (!overlap(a, b)) continue;
        int replaces = replaces1 && same_view(b, replaces1);
        replaces |= replaces2 && same_view(b, replaces2);
        if (replaces && same_view(a, b)) continue;
        PyErr_Format(PyExc_ValueError,
                     "%s: expected memory of its own%s, got memory that overlaps %s", name,
                     replaces1 ? " or the very view it replaces" : "", b->name);
        return NULL;
    }
    if (folds(a)) {
        PyErr_Format(PyExc_ValueError,
                     "%s: expected memory of its own for each value, got a view in which some "
                     "share it",
                     name);
        return NULL;
    }
    return a;
}

/* ---------------------------------------------------------------------------- new objects */

static int load_numpy(py_state *s)
{
    if (s->empty) return 0;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) {
        if (PyErr_ExceptionMatches(PyExc_ImportError)) {
            PyErr_Clear();
            PyErr_SetString(PyExc_ImportError, "a new matrix needs NumPy: install it, or give "
                                               "out= an array to write to");
        }
        return -1;
    }
    Py_XDECREF(s->dtypes[0]);
    Py_XDECREF(s->dtypes[1]);
    s->dtypes[0] = PyObject_CallMethod(numpy, "dtype", "s", "float64");
    s->dtypes[1] = PyObject_CallMethod(numpy, "dtype", "s", "float32");
    if (s->dtypes[0] && s->dtypes[1]) s->empty = PyObject_GetAttrString(numpy, "empty");
    Py_DECREF(numpy);
    return s->empty ? 0 : -1;
}

static PyObject *new_array(py_state *s, int ndim, const Py_ssize_t *shape, int f32,
                           bnorm_layout layout)
{
    PyObject *sizes = PyTuple_New(ndim);
    for (int k = 0; sizes && k < ndim; k++) {
        PyObject *size = PyLong_FromSsize_t(shape[k]);
        if (!size || PyTuple_SetItem(sizes, k, size)) Py_CLEAR(sizes);
    }
    if (!sizes) return NULL;
    PyObject *made = PyObject_CallFunctionObjArgs(s->empty, sizes, s->dtypes[f32],
                                                  s->orders[layout == BNORM_COL_MAJOR], NULL);
    Py_DECREF(sizes);
    return made;
}

py_array *bnorm_py_make(py_call *c, int ndim, const Py_ssize_t *shape, int f32,
                        bnorm_layout layout, PyObject **object)
{
    *object = load_numpy(c->state) ? NULL : new_array(c->state, ndim, shape, f32, layout);
    return *object ? bnorm_py_take(c, *object, "result", ndim) : NULL;
}

/* An array.array of zeros. */
static PyObject *plain_vector(py_state *s, Py_ssize_t count, int f32)
{
    if (!s->array_type) {
        PyObject *module = PyImport_ImportModule("array");
        s->array_type = module ? PyObject_GetAttrString(module, "array") : NULL;
        Py_XDECREF(module);
    }
    if (!s->array_type) return NULL;
    PyObject *one = PyObject_CallFunction(s->array_type, "s(d)", f32 ? "f" : "d", 0.0);
    PyObject *many = one ? PySequence_Repeat(one, count) : NULL;
    Py_XDECREF(one);
    return many;
}

void *bnorm_py_make_vector(py_call *c, Py_ssize_t count, int f32, PyObject **object)
{
    if (load_numpy(c->state) == 0) {
        py_array *a = bnorm_py_make(c, 1, &count, f32, BNORM_ROW_MAJOR, object);
        return a ? a->data : NULL;
    }
    *object = NULL;
    if (!PyErr_ExceptionMatches(PyExc_ImportError)) return NULL;
    PyErr_Clear();
    *object = plain_vector(c->state, count, f32);
    py_array *a = *object ? bnorm_py_take(c, *object, "result", 1) : NULL;
    if (!a) return NULL;
    return a->data ? a->data : bnorm_py_block(c, 1); /* no values, but not NULL */
}

int bnorm_py_output(py_call *c, PyObject *given, const py_array *like, bnorm_layout layout,
                    const py_array *taken, bnorm_mat_f64 *m, PyObject **object)
{
    if (taken) {
        Py_INCREF(given);
        *object = given;
        return bnorm_py_result(c, taken, layout, m);
    }
    py_array *made = bnorm_py_make(c, 2, like->shape, like->f32, layout, object);
    return made ? bnorm_py_result(c, made, layout, m) : -1;
}

/* --------------------------------------------------------------------- scalars, call, end */

int bnorm_py_number(PyObject *object, const char *name, double *value)
{
    *value = PyFloat_AsDouble(object);
    if (*value == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s: expected a number, got %R", name, object);
        return -1;
    }
    return 0;
}

int bnorm_py_whole(PyObject *object, const char *name, Py_ssize_t least, Py_ssize_t *value)
{
    PyObject *index = PyNumber_Index(object);
    *value = index ? PyLong_AsSsize_t(index) : -1;
    Py_XDECREF(index);
    if (!index) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s: expected an int, got %R", name, object);
        return -1;
    }
    if (!PyErr_Occurred() && *value >= least) return 0;
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "%s: expected an int of at least %zd, got %R", name, least,
                 object);
    return -1;
}

int bnorm_py_count(Py_ssize_t count, Py_ssize_t expected)
{
    if (count == expected) return 0;
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", expected, count);
    return -1;
}

PyObject *bnorm_py_finish(py_call *c, int done, PyObject **objects, int count)
{
    bnorm_py_call_end(c);
    PyObject *result = done ? PyTuple_New(count) : NULL;
    for (int k = 0; k < count; k++) {
        if (result)
            (void)PyTuple_SetItem(result, k, objects[k]);
        else
            Py_XDECREF(objects[k]);
    }
    return result;
}
