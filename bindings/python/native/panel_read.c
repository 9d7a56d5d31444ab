/* panel_read: what a panel is and holds. */
#include "panel.h"

#include <string.h>

/* A number of the description under its name. */
static int put(PyObject *dict, const char *key, PyObject *value)
{
    int bad = !dict || !value || PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return bad;
}

static int put_size(PyObject *dict, const char *key, ptrdiff_t value)
{
    return put(dict, key, PyLong_FromSsize_t((Py_ssize_t)value));
}

static int put_real(PyObject *dict, const char *key, double value)
{
    return put(dict, key, PyFloat_FromDouble(value));
}

#define SIZE(name)                                                                             \
    {                                                                                          \
#name, offsetof(bnorm_panel_info, name)                                                \
    }
static const struct {
    const char *name;
    size_t offset;
} sizes[] = {SIZE(table_rows), SIZE(missing),  SIZE(weightless), SIZE(singletons), SIZE(rows),
             SIZE(units),      SIZE(periods),  SIZE(duplicates), SIZE(gaps),       SIZE(linear),
             SIZE(dropped),    SIZE(networks), SIZE(inputs),     SIZE(top),        SIZE(hidden),
             SIZE(factors),    SIZE(absorbed)},
  reals[] = {SIZE(n),         SIZE(sse),  SIZE(tss),   SIZE(tss_within), SIZE(r2),
             SIZE(r2_within), SIZE(rmse), SIZE(sigma), SIZE(df)};

/* describe() -> {member of bnorm_panel_info: value} */
PyObject *bnorm_py_panel_describe(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info = {.struct_size = sizeof info};
    PyObject *dict = NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    bnorm_status status = panel ? bnorm_panel_describe(panel, &info) : BNORM_OK;
    if (status) bnorm_py_raise(&c, status);
    if (panel && !status) dict = PyDict_New();
    const char *base = (const char *)&info;
    int bad = 0;
    for (size_t k = 0; dict && k < sizeof sizes / sizeof *sizes; k++) {
        ptrdiff_t value;
        memcpy(&value, base + sizes[k].offset, sizeof value);
        bad |= put_size(dict, sizes[k].name, value);
    }
    for (size_t k = 0; dict && k < sizeof reals / sizeof *reals; k++) {
        double value;
        memcpy(&value, base + reals[k].offset, sizeof value);
        bad |= put_real(dict, reals[k].name, value);
    }
    if (dict) bad |= put(dict, "logistic", PyBool_FromLong(info.logistic));
    if (dict) bad |= put(dict, "fitted", PyBool_FromLong(info.fitted));
    bnorm_py_panel_leave(self, &c);
    if (bad) Py_CLEAR(dict);
    return dict;
}

/* names(part): those of the linear terms (0), dropped terms (1), networks (2), inputs (3),
 * factors (4), or why terms were dropped (5). */
PyObject *bnorm_py_panel_names(PyObject *object, PyObject *part)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    Py_ssize_t which;
    if (bnorm_py_whole(part, "part", 0, &which)) return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    PyObject *list = panel ? PyList_New(0) : NULL;
    for (ptrdiff_t k = 0; list; k++) {
        const char *text = bnorm_panel_name(panel, (bnorm_panel_part)which, k);
        PyObject *name = text ? PyUnicode_FromString(text) : NULL;
        if (!text) break;
        if (!name || PyList_Append(list, name)) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    bnorm_py_panel_leave(self, &c);
    return list;
}

/* about() -> formula, name of the target */
PyObject *bnorm_py_panel_about(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    PyObject *made = panel ? Py_BuildValue("(ss)", bnorm_panel_formula(panel),
                                           bnorm_panel_target_name(panel))
                           : NULL;
    bnorm_py_panel_leave(self, &c);
    return made;
}

static int describe(py_call *c, const bnorm_panel *panel, bnorm_panel_info *info)
{
    *info = (bnorm_panel_info){.struct_size = sizeof *info};
    bnorm_status status = bnorm_panel_describe(panel, info);
    if (status) bnorm_py_raise(c, status);
    return status ? -1 : 0;
}

/* rows() -> bytes of the numbers of the rows used, ptrdiff_t; None when the panel has no rows. */
PyObject *bnorm_py_panel_rows(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    PyObject *made = NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    if (panel && !describe(&c, panel, &info)) {
        const ptrdiff_t *rows = bnorm_panel_rows(panel);
        if (rows)
            made = PyBytes_FromStringAndSize((const char *)rows,
                                             (Py_ssize_t)sizeof *rows * info.rows);
        else
            Py_INCREF(made = Py_None);
    }
    bnorm_py_panel_leave(self, &c);
    return made;
}

/* A new vector with a copy of these values; any number of them in one call. */
static PyObject *copied(const py_call *c, const double *values, ptrdiff_t count)
{
    PyObject *made = NULL;
    py_call one = {.state = c->state};
    double *to = bnorm_py_make_vector(&one, count, 0, &made);
    if (to && count > 0) memcpy(to, values, (size_t)count * sizeof *to);
    if (!to) Py_CLEAR(made);
    bnorm_py_call_end(&one);
    return made;
}

/* coefficients() -> theta */
PyObject *bnorm_py_panel_coefficients(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    PyObject *made = NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    if (panel && !describe(&c, panel, &info))
        made = copied(&c, bnorm_panel_coefficients(panel), info.linear);
    bnorm_py_panel_leave(self, &c);
    return made;
}

/* members() -> theta of each member of a bag, one after another; none without a bag */
PyObject *bnorm_py_panel_members(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel_info info;
    PyObject *made = NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    if (panel && !describe(&c, panel, &info)) {
        ptrdiff_t members;
        const double *theta = bnorm_panel_members(panel, &members);
        made = copied(&c, theta, members * info.linear);
    }
    bnorm_py_panel_leave(self, &c);
    return made;
}

static PyObject *level_names(const bnorm_panel *panel, ptrdiff_t factor, ptrdiff_t count)
{
    PyObject *list = PyList_New(count);
    for (ptrdiff_t k = 0; list && k < count; k++) {
        PyObject *name = PyUnicode_FromString(bnorm_panel_level_name(panel, factor, k));
        if (!name || PyList_SetItem(list, k, name)) Py_CLEAR(list);
    }
    return list;
}

/* effects(factor) -> names of the levels, their effects */
PyObject *bnorm_py_panel_effects(PyObject *object, PyObject *which)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    Py_ssize_t factor;
    PyObject *names = NULL, *values = NULL;
    if (bnorm_py_whole(which, "factor", 0, &factor)) return NULL;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    const double *effects = panel ? bnorm_panel_effects(panel, factor) : NULL;
    if (panel && !effects)
        PyErr_SetString(PyExc_ValueError, "factor: expected one of a fitted panel's");
    if (effects) {
        ptrdiff_t count = bnorm_panel_levels(panel, factor);
        names = level_names(panel, factor, count);
        values = names ? copied(&c, effects, count) : NULL;
    }
    bnorm_py_panel_leave(self, &c);
    if (values) return Py_BuildValue("(NN)", names, values);
    Py_XDECREF(names);
    return NULL;
}

static int append(PyObject *list, PyObject *entry)
{
    int bad = !entry || PyList_Append(list, entry);
    Py_XDECREF(entry);
    return bad;
}

/* The blocks of network k, and its top weights. */
static int add_blocks(const py_call *c, bnorm_panel *panel, ptrdiff_t k, PyObject *list)
{
    const double *top;
    bnorm_net *net = bnorm_panel_net(panel, k, &top);
    if (!net) return 0;
    const double *own = bnorm_net_parameters(net, &(ptrdiff_t){0});
    for (ptrdiff_t b = 0; b < bnorm_net_block_count(net); b++) {
        bnorm_block block;
        if (bnorm_net_block(c->ctx, net, b, &block)) return -1;
        PyObject *values = copied(c, own + block.offset, block.rows * block.cols);
        if (!values ||
            append(list, Py_BuildValue("(nsnnN)", (Py_ssize_t)k, block.name,
                                       (Py_ssize_t)block.rows, (Py_ssize_t)block.cols, values)))
            return -1;
    }
    ptrdiff_t units = bnorm_net_outputs(net);
    PyObject *values = top ? copied(c, top, units) : NULL;
    if (!values) return PyErr_Occurred() ? -1 : 0;
    return append(list, Py_BuildValue("(nsnnN)", (Py_ssize_t)k, "top", (Py_ssize_t)units,
                                      (Py_ssize_t)1, values));
}

/* blocks() -> [(network, name, rows, cols, values)]: the parameters of the networks, top last. */
PyObject *bnorm_py_panel_blocks(PyObject *object, PyObject *unused)
{
    (void)unused;
    py_panel *self = (py_panel *)object;
    py_call c;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    PyObject *list = panel ? PyList_New(0) : NULL;
    for (ptrdiff_t k = 0; list && bnorm_panel_net(panel, k, NULL); k++) /* of all bags */
        if (add_blocks(&c, panel, k, list)) Py_CLEAR(list);
    bnorm_py_panel_leave(self, &c);
    return list;
}

/* save(path, vcov or None) */
PyObject *bnorm_py_panel_save(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    py_panel *self = (py_panel *)object;
    py_call c;
    const bnorm_vcov *vcov;
    PyObject *path = NULL;
    if (bnorm_py_count(count, 2) || bnorm_py_vcov_of(args[1], &vcov) ||
        !PyUnicode_FSConverter(args[0], &path))
        return NULL;
    bnorm_status status = BNORM_E_USER;
    bnorm_panel *panel = bnorm_py_panel_enter(self, &c, NULL);
    if (panel) {
        status = bnorm_panel_save(c.ctx, panel, vcov, PyBytes_AsString(path));
        if (status) bnorm_py_raise(&c, status);
    }
    bnorm_py_panel_leave(self, &c);
    Py_DECREF(path);
    if (status) return NULL;
    Py_RETURN_NONE;
}
