/* panel_infer: what follows a fit: residuals, designs, margins, predictions. */
#include "panel.h"

#include <math.h>
#include <string.h>

static int describe(py_call *c, const bnorm_panel *panel, bnorm_panel_info *info)
{
    *info = (bnorm_panel_info){.struct_size = sizeof *info};
    bnorm_status status = bnorm_panel_describe(panel, info);
    if (status) bnorm_py_raise(c, status);
    return status ? -1 : 0;
}

/* Two new vectors; the second only when asked for. */
static int two_vectors(py_call *c, Py_ssize_t count, int second, double *values[2],
                       PyObject *made[2])
{
    values[0] = values[1] = NULL;
    made[0] = made[1] = NULL;
    if (!(values[0] = bnorm_py_make_vector(c, count, 0, &made[0]))) return -1;
    if (second) return (values[1] = bnorm_py_make_vector(c, count, 0, &made[1])) ? 0 : -1;
    Py_INCREF(made[1] = Py_None);
    return 0;
}

static PyObject *pair(int done, PyObject *made[2])
{
    if (done) return Py_BuildValue("(NN)", made[0], made[1]);
    Py_XDECREF(made[0]);
    Py_XDECREF(made[1]);
    return NULL;
}

/* -------------------------------------------------------------- residuals, design, check */

/* residuals() -> fitted, residuals */
PyObject *bnorm_py_panel_residuals(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    double *values[2];
    PyObject *made[2] = {NULL, NULL};
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    int done =
        panel && !describe(&c, panel, &info) && !two_vectors(&c, info.rows, 1, values, made);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_residuals(c.ctx, panel, values[0], values[1]);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_panel_leave(self, &c);
    return pair(done, made);
}

/* design(full, threads) */
PyObject *bnorm_py_panel_design(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    bnorm_mat_f64 m;
    PyObject *made = NULL;
    if (bnorm_py_count(count, 2)) return NULL;
    int full = PyObject_IsTrue(args[0]);
    bnorm_panel *panel = full < 0 ? NULL : bnorm_py_panel_enter(self, &c, args[1]);
    if (full < 0) return NULL;
    int done = panel && !describe(&c, panel, &info) &&
               !bnorm_py_new_matrix(
                   &c, info.rows, info.linear + info.top + (full ? info.hidden : 0), &m, &made);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_design(c.ctx, panel, full, m);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_panel_leave(self, &c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* check(seed, entries, threads) -> as Network.check */
PyObject *bnorm_py_panel_check(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    Py_ssize_t seed, entries;
    ptrdiff_t blocks = 0;
    PyObject *list = NULL;
    if (bnorm_py_count(count, 3) || bnorm_py_whole(args[0], "seed", 0, &seed) ||
        bnorm_py_whole(args[1], "entries", 0, &entries))
        return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, args[2]);
    bnorm_status status = panel ? bnorm_panel_check(c.ctx, panel, 0, 0, NULL, &blocks)
                                : BNORM_OK; /* their number */
    bnorm_check_block *report =
        panel && !status ? bnorm_py_block(&c, ((size_t)blocks + 1) * sizeof *report) : NULL;
    if (report) {
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_check(c.ctx, panel, (uint64_t)seed, entries, report, &blocks);
        Py_END_ALLOW_THREADS;
        if (status == BNORM_E_CHECK) status = BNORM_OK;
        if (!status) list = bnorm_py_check_list(report, blocks);
    }
    if (status) bnorm_py_raise(&c, status);
    bnorm_py_panel_leave(self, &c);
    return list;
}

/* ------------------------------------------------------------------- margins, predictions */

/* margins(vcov, threads) -> estimate, se or None */
PyObject *bnorm_py_panel_margins(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    const bnorm_vcov *vcov;
    double *values[2];
    PyObject *made[2] = {NULL, NULL};
    if (bnorm_py_count(count, 2) || bnorm_py_vcov_of(args[0], &vcov)) return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, args[1]);
    int done = panel && !describe(&c, panel, &info) &&
               !two_vectors(&c, info.inputs, vcov != NULL, values, made);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_margins(c.ctx, panel, vcov, values[0], values[1]);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_panel_leave(self, &c);
    return pair(done, made);
}

/* profile(vcov, input, at, threads) -> effect, se or None */
PyObject *bnorm_py_panel_profile(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    Py_ssize_t input;
    const bnorm_vcov *vcov;
    const void *at = NULL;
    double *values[2];
    PyObject *made[2] = {NULL, NULL};
    if (bnorm_py_count(count, 4) || bnorm_py_vcov_of(args[0], &vcov) ||
        bnorm_py_whole(args[1], "input", 0, &input))
        return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, args[3]);
    py_array *points = panel ? bnorm_py_take(&c, args[2], "at", 1) : NULL;
    int done =
        points &&
        !bnorm_py_vector(&c, args[2], "at", points->shape[0], "one value a point", 0, &at) &&
        !two_vectors(&c, points->shape[0], vcov != NULL, values, made);
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_panel_profile(c.ctx, panel, vcov, input, points->shape[0], at, values[0],
                                     values[1]);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_panel_leave(self, &c);
    return pair(done, made);
}

/* values(input) -> its values in the rows in use */
PyObject *bnorm_py_panel_values(PyObject *object, PyObject *which)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    Py_ssize_t input;
    double *values = NULL;
    PyObject *made = NULL;
    if (bnorm_py_whole(which, "input", 0, &input)) return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    int done = panel && !describe(&c, panel, &info) &&
               (values = bnorm_py_make_vector(&c, info.rows, 0, &made));
    if (done) {
        bnorm_status status = bnorm_panel_values(c.ctx, panel, input, values);
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_panel_leave(self, &c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* What predict works on: the rows of a table without missing values, NaN for the others. */
typedef struct predict_args {
    bnorm_table *table;
    Py_ssize_t rows;
    const bnorm_vcov *vcov;
    bnorm_new_level new_level;
    unsigned char *kinds;
    ptrdiff_t *which;
    double *packed[2], *values[2];
} predict_args;

static bnorm_status predict_rows(py_call *c, bnorm_panel *panel, predict_args *p)
{
    ptrdiff_t count = 0;
    bnorm_status status = bnorm_panel_screen(c->ctx, panel, p->table, 0, p->kinds);
    for (ptrdiff_t i = 0; !status && i < p->rows; i++)
        if (p->kinds[i] != BNORM_ROW_MISSING) p->which[count++] = i;
    if (!status)
        status = bnorm_panel_predict(c->ctx, panel, p->vcov, p->table, p->which, count,
                                     p->new_level, p->packed[0], p->packed[1]);
    for (int k = 0; !status && k < 2 && p->values[k]; k++) {
        for (ptrdiff_t i = 0; i < p->rows; i++) p->values[k][i] = (double)NAN;
        for (ptrdiff_t i = 0; i < count; i++) p->values[k][p->which[i]] = p->packed[k][i];
    }
    return status;
}

static int predict_memory(py_call *c, predict_args *p)
{
    size_t rows = (size_t)p->rows;
    p->kinds = bnorm_py_block(c, rows);
    p->which = p->kinds ? bnorm_py_block(c, rows * sizeof *p->which) : NULL;
    p->packed[0] = p->which ? bnorm_py_block(c, rows * sizeof(double)) : NULL;
    p->packed[1] = p->packed[0] && p->vcov ? bnorm_py_block(c, rows * sizeof(double)) : NULL;
    return p->packed[0] && (p->packed[1] || !p->vcov) ? 0 : -1;
}

/* predict(vcov, columns, rows, new level (0: an error, 1: NaN, 2: no effect), threads) -> mean, se
 * or None */
PyObject *bnorm_py_panel_predict(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    Py_ssize_t new_level;
    predict_args p = {.rows = 0};
    PyObject *made[2] = {NULL, NULL};
    if (bnorm_py_count(count, 5) || bnorm_py_vcov_of(args[0], &p.vcov) ||
        bnorm_py_whole(args[2], "rows", 0, &p.rows) ||
        bnorm_py_whole(args[3], "new", 0, &new_level))
        return NULL;
    p.new_level = (bnorm_new_level)new_level;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, args[4]);
    int done = panel && !two_vectors(&c, p.rows, p.vcov != NULL, p.values, made) &&
               !predict_memory(&c, &p) && (p.table = bnorm_py_table(&c, args[1], p.rows));
    if (done) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = predict_rows(&c, panel, &p);
        Py_END_ALLOW_THREADS;
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_table_destroy(p.table);
    bnorm_py_panel_leave(self, &c);
    return pair(done, made);
}
