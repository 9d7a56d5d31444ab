/* within: the projection Q that removes fixed effects, from arrays. */
#include "native.h"

enum { MOST_FACTORS = 10 };

typedef struct demean_args {
    py_codes codes[MOST_FACTORS];
    bnorm_factor factors[MOST_FACTORS];
    Py_ssize_t count;
    const void *weights;
    double tolerance;
    bnorm_mat_f64 x, y;
    ptrdiff_t sweeps;
    PyObject *objects[2]; /* y, sweeps */
} demean_args;

/* One of (codes, levels, slope or None). */
static int add_factor(py_call *c, demean_args *d, PyObject *triple, Py_ssize_t rows)
{
    PyObject *codes, *slope;
    Py_ssize_t levels;
    const void *values;
    if (!PyArg_ParseTuple(triple, "OnO", &codes, &levels, &slope) ||
        bnorm_py_codes_open(&d->codes[d->count], codes, "factors", rows))
        return -1;
    const py_codes *open = &d->codes[d->count++];
    if (bnorm_py_codes_check(open, 0, levels) ||
        bnorm_py_vector(c, slope, "slopes", rows, "one value a row", 0, &values))
        return -1;
    d->factors[d->count - 1] =
        (bnorm_factor){.codes = open->values, .levels = levels, .slope = values};
    return 0;
}

static int take_factors(py_call *c, demean_args *d, PyObject *list, Py_ssize_t rows)
{
    Py_ssize_t count = PyList_Size(list);
    if (count > MOST_FACTORS) {
        PyErr_Format(PyExc_ValueError, "factors: expected at most %d, got %zd", MOST_FACTORS,
                     count);
        return -1;
    }
    int bad = count < 0;
    for (Py_ssize_t k = 0; !bad && k < count; k++)
        bad = add_factor(c, d, PyList_GetItem(list, k), rows);
    return bad ? -1 : 0;
}

/* x and out as matrices: a vector is one column. */
static int take_matrices(py_call *c, demean_args *d, py_array *x, PyObject *given)
{
    py_array *out = NULL;
    int vector = x->ndim == 1;
    if (given != Py_None && !(out = bnorm_py_take_out(c, given, "out", x, x, NULL))) return -1;
    for (int k = 0; vector && k < 2; k++) {
        py_array *a = k ? out : x;
        if (!a) continue;
        a->shape[1] = 1;
        a->strides[1] = bnorm_py_itemsize(0);
        a->ndim = 2;
    }
    bnorm_layout layout = bnorm_py_layout((const py_array *const[]){x}, 1);
    if (bnorm_py_matrix(c, x, layout, &d->x)) return -1;
    if (out) {
        Py_INCREF(given);
        d->objects[0] = given;
        return bnorm_py_result(c, out, bnorm_py_layout((const py_array *const[]){out}, 1),
                               &d->y);
    }
    py_array *made = bnorm_py_make(c, vector ? 1 : 2, x->shape, 0, layout, &d->objects[0]);
    if (!made) return -1;
    d->y = bnorm_view_f64((double *)(void *)made->data, x->shape[0], x->shape[1], layout);
    return 0;
}

static bnorm_status run(py_call *c, demean_args *d)
{
    bnorm_status status;
    bnorm_within *within;
    Py_BEGIN_ALLOW_THREADS;
    status = bnorm_within_create(c->ctx, d->x.rows, d->factors, d->count, d->weights,
                                 d->tolerance, &within);
    if (!status) status = bnorm_demean_f64(c->ctx, within, d->x, d->y, &d->sweeps);
    bnorm_within_destroy(within);
    if (!status) bnorm_py_deliver(c);
    Py_END_ALLOW_THREADS;
    return status;
}

static py_array *take_x(py_call *c, PyObject *object)
{
    py_array *x = bnorm_py_take(c, object, "x", 0);
    if (!x) return NULL;
    if (x->ndim != 1 && x->ndim != 2) {
        PyErr_Format(PyExc_ValueError, "x: expected 1 or 2 dimensions, got %d", x->ndim);
        return NULL;
    }
    if (!x->f32) return x;
    PyErr_SetString(PyExc_TypeError, "x: expected float64, got float32");
    return NULL;
}

/* demean(x, [(codes, levels, slope)], weights, tol, out, threads) -> y, sweeps */
static PyObject *demean(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    py_call c;
    demean_args d = {.count = 0};
    if (bnorm_py_count(count, 6) || bnorm_py_call_start(&c, module, args[5])) return NULL;
    py_array *x = take_x(&c, args[0]);
    int done = x && !take_factors(&c, &d, args[1], x->shape[0]) &&
               !bnorm_py_vector(&c, args[2], "weights", x->shape[0], "one value a row", 0,
                                &d.weights) &&
               (args[3] == Py_None || !bnorm_py_number(args[3], "tol", &d.tolerance)) &&
               !take_matrices(&c, &d, x, args[4]);
    if (done) {
        bnorm_status status = run(&c, &d);
        if (status) bnorm_py_raise(&c, status);
        done = !status && (d.objects[1] = PyLong_FromSsize_t(d.sweeps));
    }
    while (d.count > 0) bnorm_py_codes_release(&d.codes[--d.count]);
    return bnorm_py_finish(&c, done, d.objects, 2);
}

PyMethodDef bnorm_py_within_methods[] = {BNORM_PY_METHOD(demean), {NULL, NULL, 0, NULL}};
