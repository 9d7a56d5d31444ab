/* panel_vcov: covariances of structured models. */
#include "panel.h"

int bnorm_py_new_matrix(py_call *c, Py_ssize_t rows, Py_ssize_t cols, bnorm_mat_f64 *m,
                        PyObject **made)
{
    Py_ssize_t shape[2] = {rows, cols};
    py_array *a = bnorm_py_make(c, 2, shape, 0, BNORM_ROW_MAJOR, made);
    if (!a) return -1;
    *m = bnorm_view_f64((double *)(void *)a->data, rows, cols, BNORM_ROW_MAJOR);
    return 0;
}

static const py_field fields[] = {
    {"type", offsetof(bnorm_vcov_options, type), PY_CHOICE, 0},
    {"cluster", offsetof(bnorm_vcov_options, cluster[0]), PY_TEXT, 0},
    {"cluster2", offsetof(bnorm_vcov_options, cluster[1]), PY_TEXT, 0},
    {"full", offsetof(bnorm_vcov_options, full), PY_FLAG, 0},
    {"small", offsetof(bnorm_vcov_options, small), PY_FLAG, 0},
    {"count", offsetof(bnorm_vcov_options, count), PY_CHOICE, 0}};

/* vcov(options, columns or None, rows, threads) -> Vcov */
PyObject *bnorm_py_panel_vcov(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    Py_ssize_t rows;
    bnorm_table *table = NULL;
    bnorm_vcov *vcov = NULL;
    bnorm_vcov_options options;
    bnorm_vcov_defaults(&options);
    if (bnorm_py_count(count, 4) || !PyDict_Check(args[0]) ||
        bnorm_py_whole(args[2], "rows", 0, &rows) ||
        bnorm_py_fields(args[0], "vcov", fields, sizeof fields / sizeof *fields, &options))
        return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, args[3]);
    PyObject *made = NULL;
    if (panel && (args[1] == Py_None || (table = bnorm_py_table(&c, args[1], rows)))) {
        bnorm_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = bnorm_vcov_create(c.ctx, panel, table, &options, &vcov);
        Py_END_ALLOW_THREADS;
        if (status)
            bnorm_py_raise(&c, status);
        else
            made = bnorm_py_vcov_new(c.state, vcov);
    }
    bnorm_table_destroy(table);
    bnorm_py_panel_leave(self, &c);
    return made;
}

static int describe_vcov(const bnorm_vcov *vcov, bnorm_vcov_info *info)
{
    *info = (bnorm_vcov_info){.struct_size = sizeof *info};
    bnorm_status status = bnorm_vcov_describe(vcov, info);
    if (status) PyErr_SetString(PyExc_ValueError, bnorm_status_text(status));
    return status ? -1 : 0;
}

static PyObject *clusters_of(const bnorm_vcov *vcov, const bnorm_vcov_info *info)
{
    PyObject *dict = PyDict_New();
    for (int k = 0; dict && k < 2; k++) {
        const char *name = bnorm_vcov_cluster(vcov, k);
        PyObject *count = name ? PyLong_FromSsize_t((Py_ssize_t)info->clusters[k]) : NULL;
        if (!name) break;
        if (!count || PyDict_SetItemString(dict, name, count)) Py_CLEAR(dict);
        Py_XDECREF(count);
    }
    return dict;
}

/* describe() -> type, full, parameters, rank, unidentified, clipped, {cluster: number}, edf, df, sigma
 */
PyObject *bnorm_py_vcov_describe(PyObject *object, PyObject *unused)
{
    (void)unused;
    bnorm_vcov_info i;
    if (describe_vcov(((py_vcov *)object)->vcov, &i)) return NULL;
    PyObject *clusters = clusters_of(((py_vcov *)object)->vcov, &i);
    if (!clusters) return NULL;
    return Py_BuildValue("(iNnnnnNddd)", (int)i.type, PyBool_FromLong(i.full),
                         (Py_ssize_t)i.parameters, (Py_ssize_t)i.rank,
                         (Py_ssize_t)i.unidentified, (Py_ssize_t)i.clipped, clusters, i.edf,
                         i.df, i.sigma);
}

/* matrix(all, order): that of the linear terms, or of all parameters. */
PyObject *bnorm_py_vcov_matrix(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const bnorm_vcov *vcov = ((py_vcov *)object)->vcov;
    py_call c;
    Py_ssize_t order;
    bnorm_mat_f64 m;
    PyObject *made = NULL;
    int all = count == 2 ? PyObject_IsTrue(args[0]) : 0;
    PyObject *module = PyType_GetModule(Py_TYPE(object));
    if (!module || bnorm_py_count(count, 2) || all < 0 ||
        bnorm_py_whole(args[1], "order", 0, &order) || bnorm_py_call_start(&c, module, NULL))
        return NULL;
    int done = !bnorm_py_new_matrix(&c, order, order, &m, &made);
    if (done) {
        /* the vcov has no lock: a context of this call, and nothing in it changes */
        bnorm_status status = all ? bnorm_vcov_all(vcov, m) : bnorm_vcov_linear(vcov, m);
        if (status) bnorm_py_raise(&c, status);
        done = !status;
    }
    bnorm_py_call_end(&c);
    if (!done) Py_CLEAR(made);
    return made;
}

/* unidentified() -> [str] */
PyObject *bnorm_py_vcov_unidentified(PyObject *object, PyObject *unused)
{
    (void)unused;
    const bnorm_vcov *vcov = ((py_vcov *)object)->vcov;
    PyObject *list = PyList_New(0);
    for (ptrdiff_t k = 0; list; k++) {
        const char *text = bnorm_vcov_unidentified(vcov, k);
        PyObject *line = text ? PyUnicode_FromString(text) : NULL;
        if (!text) break;
        if (!line || PyList_Append(list, line)) Py_CLEAR(list);
        Py_XDECREF(line);
    }
    return list;
}
