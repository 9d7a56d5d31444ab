/* native: what the files of the extension share. Limited API of Python 3.11: one binary serves
 * 3.11 and later. NumPy's own C interface is not used: arrays come by the buffer protocol,
 * __array_interface__ or DLPack, and new ones from numpy.empty. */
#ifndef BNORM_PYTHON_NATIVE_H
#define BNORM_PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include "bnorm.h"

enum { ARRAY_DIMS = 3, CALL_ARRAYS = 16, CALL_BLOCKS = 16 };

/* What the module keeps between calls. */
typedef struct py_state {
    PyObject *empty;        /* numpy.empty, NULL until it is needed */
    PyObject *dtypes[2];    /* float64, float32 */
    PyObject *orders[2];    /* "C", "F" */
    PyObject *array_type;   /* array.array: vectors where there is no NumPy */
    PyObject *network_type; /* Network */
    PyObject *panel_type, *vcov_type;
    int threads; /* of calls that do not say: bnorm.set_threads */
} py_state;

/* An object's memory, held until array_release. Strides in bytes. */
typedef struct py_array {
    const char *name; /* of the argument, for messages */
    char *data;
    int f32, readonly, ndim;
    Py_ssize_t shape[ARRAY_DIMS], strides[ARRAY_DIMS];
    Py_buffer buffer;
    int has_buffer;
    PyObject *owner; /* keeps what is not a buffer alive */
} py_array;

/* Opens the memory of an object; on failure an exception is set and -1 returned.
 * TypeError: no array, or not of float32 or float64 in native byte order. */
int bnorm_py_array_open(py_array *a, PyObject *object, const char *name);
void bnorm_py_array_release(py_array *a);

static inline Py_ssize_t bnorm_py_itemsize(int f32)
{
    return f32 ? (Py_ssize_t)sizeof(float) : (Py_ssize_t)sizeof(double);
}

/* One call of the library: its context, the arrays it holds, the memory it needs meanwhile.
 * Everything is given back by call_end, whatever happened. */
typedef struct py_call {
    py_state *state;
    bnorm_ctx *ctx;
    py_array arrays[CALL_ARRAYS];
    int array_count;
    void *blocks[CALL_BLOCKS];
    int block_count;
    struct {
        const py_array *to; /* results that await being copied out */
        void *from;
        bnorm_layout layout;
    } pending[2];
    int pending_count;
    const char *rows_of; /* the argument that has too few rows, with ": ", for messages */
} py_call;

/* threads: None or an int. */
int bnorm_py_call_start(py_call *c, PyObject *module, PyObject *threads);
void bnorm_py_call_end(py_call *c);

/* Opens an argument; NULL with an exception on failure. ndim 0: any up to 3. */
py_array *bnorm_py_take(py_call *c, PyObject *object, const char *name, int ndim);
/* Opens an output: writable, of the given precision, and overlapping no argument taken before,
 * but for those it may replace (its very view), NULL when none. */
py_array *bnorm_py_take_out(py_call *c, PyObject *object, const char *name,
                            const py_array *like, const py_array *replaces1,
                            const py_array *replaces2);
/* A new NumPy array, opened for writing; *object is the new reference. Without NumPy vectors
 * are array.array; matrices raise ImportError. */
py_array *bnorm_py_make(py_call *c, int ndim, const Py_ssize_t *shape, int f32,
                        bnorm_layout layout, PyObject **object);
/* A new vector of `count` values; *object is the new reference. */
void *bnorm_py_make_vector(py_call *c, Py_ssize_t count, int f32, PyObject **object);

/* A vector of `count` doubles (floats when f32) from an argument of either precision and any
 * stride; None gives NULL in *values. what: how the length came about, for messages. Returns
 * -1 with an exception. */
int bnorm_py_vector(py_call *c, PyObject *object, const char *name, Py_ssize_t count,
                    const char *what, int f32, const void **values);

/* The same for a vector of doubles that must not be None. */
int bnorm_py_need_vector(py_call *c, PyObject *object, const char *name, Py_ssize_t count,
                         const char *what, const void **values);

/* Memory until the end of the call; NULL with MemoryError. */
void *bnorm_py_block(py_call *c, size_t bytes);

/* The layout in which most of the given matrices can be had without a copy. */
bnorm_layout bnorm_py_layout(const py_array *const *arrays, int count);
/* A matrix in this layout: the array's memory, or a copy of it. */
int bnorm_py_matrix(py_call *c, const py_array *a, bnorm_layout layout, bnorm_mat_f64 *m);
/* A matrix to be written in this layout: the array's memory, or one that bnorm_py_deliver
 * copies there. */
int bnorm_py_result(py_call *c, const py_array *a, bnorm_layout layout, bnorm_mat_f64 *m);
void bnorm_py_deliver(py_call *c);
/* The same view for the functions of float. */
bnorm_mat_f32 bnorm_py_f32(bnorm_mat_f64 m);

/* An output the caller gave, or a new array of the shape and precision of `like` in this layout,
 * with the view to write through; *object is a new reference. replaces: as take_out. */
int bnorm_py_output(py_call *c, PyObject *given, const py_array *like, bnorm_layout layout,
                    const py_array *taken, bnorm_mat_f64 *m, PyObject **object);

/* A finite number from an argument; -1 with an exception that names it. */
int bnorm_py_number(PyObject *object, const char *name, double *value);
/* An int from `least` up. */
int bnorm_py_whole(PyObject *object, const char *name, Py_ssize_t least, Py_ssize_t *value);
/* As METH_FASTCALL functions must: -1 with an exception unless count is as expected. */
int bnorm_py_count(Py_ssize_t count, Py_ssize_t expected);
/* Ends the call; the tuple of the objects, whose references it takes, or NULL when !done. */
PyObject *bnorm_py_finish(py_call *c, int done, PyObject **objects, int count);

/* One call at a time on an object; `what` it is, for messages: "network". */
typedef struct py_lock {
    PyThread_type_lock lock;
    const char *what;
    unsigned long holder; /* the thread that holds the lock, when `process` is not 0 */
    long process;         /* its process: a child of fork inherits a lock nobody will release */
} py_lock;

/* make: -1 with MemoryError. acquire: waits; -1 with an exception when it would wait for itself
 * or a signal came. */
int bnorm_py_lock_make(py_lock *l, const char *what);
void bnorm_py_lock_free(py_lock *l);
int bnorm_py_lock_acquire(py_lock *l);
void bnorm_py_lock_release(py_lock *l);

/* A contiguous vector of int32, held until codes_release. */
typedef struct py_codes {
    const char *name; /* of the argument, for messages */
    const int32_t *values;
    Py_ssize_t count;
    Py_buffer buffer;
    int held;
} py_codes;

int bnorm_py_codes_open(py_codes *codes, PyObject *object, const char *name, Py_ssize_t rows);
/* ValueError unless each code is from `least` to levels - 1. */
int bnorm_py_codes_check(const py_codes *codes, Py_ssize_t least, Py_ssize_t levels);
void bnorm_py_codes_release(py_codes *codes);

/* A table from a list of (name, values); NULL with an exception. values: an array of numbers, NaN
 * where missing; a list of str and None, in which numbers are read; or (codes, levels), the codes
 * int32 with -1 where missing, the levels a list of str. */
bnorm_table *bnorm_py_table(py_call *c, PyObject *columns, Py_ssize_t rows);

/* A member of a struct of options that a dict may set. */
typedef struct py_field {
    const char *name;
    size_t offset;
    enum {
        PY_REAL,   /* double */
        PY_FLAG,   /* int: 0 or 1 */
        PY_SIZE,   /* ptrdiff_t, from `least` up */
        PY_SEED,   /* uint64_t */
        PY_TEXT,   /* const char *, the dict's; None is NULL */
        PY_CHOICE, /* an enum, by number */
        PY_OPTIMIZER,
        PY_ACTIVATION
    } kind;
    int least;
} py_field;

/* Sets what the dict has; -1 with an exception that names the entry. whose: "fit". */
int bnorm_py_fields(PyObject *dict, const char *whose, const py_field *fields, size_t count,
                    void *to);
int bnorm_py_fit_fields(PyObject *dict, bnorm_fit_options *options);
const char *bnorm_py_optimizer_name(bnorm_optimizer optimizer);

/* A fit's questions: to a function of Python, or None, and to the signals. */
typedef struct py_watch {
    PyObject *progress;
    double last; /* when signals were looked at */
    int stopped; /* the function asked for the end */
} py_watch;

void bnorm_py_watch(py_watch *w, PyObject *function, bnorm_fit_options *options);

/* [(name, row, col, analytic, numeric, error, bound, ok)] */
PyObject *bnorm_py_check_list(const bnorm_check_block *report, ptrdiff_t count);

/* Raises what a status means; NULL always. */
PyObject *bnorm_py_raise(py_call *c, bnorm_status status);

/* ValueError unless the shapes, TypeError unless the precisions agree. */
int bnorm_py_check_like(const py_array *a, const py_array *like);

/* The shape as a tuple. */
PyObject *bnorm_py_shape_text(const py_array *a);

#define BNORM_PY_METHOD(f)                                                                     \
    {                                                                                          \
#f, (PyCFunction)(void (*)(void))f, METH_FASTCALL, NULL                                \
    }

/* The functions of the module, by file; each ends with an empty entry. */
extern PyMethodDef bnorm_py_matrix_methods[], bnorm_py_rows_methods[], bnorm_py_space_methods[],
    bnorm_py_within_methods[];
/* Adds the type Network, the types Panel and Vcov, and what makes them. */
int bnorm_py_add_network(PyObject *module);
int bnorm_py_add_panel(PyObject *module);
py_state *bnorm_py_state(PyObject *module);

#endif
