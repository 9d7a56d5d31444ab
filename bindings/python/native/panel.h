/* panel: the types Panel and Vcov behind bnorm.PanelNet and its results. Invariants: whoever works
 * on a panel holds its lock; a Vcov never changes. */
#ifndef BNORM_PYTHON_PANEL_H
#define BNORM_PYTHON_PANEL_H

#include "native.h"

typedef struct py_panel {
    PyObject ob_base;
    bnorm_panel *panel;
    py_lock lock;
} py_panel;

typedef struct py_vcov {
    PyObject ob_base;
    bnorm_vcov *vcov;
} py_vcov;

/* The panel once it is idle, and the call opened, or NULL with an exception. Every enter is
 * followed by leave. */
bnorm_panel *bnorm_py_panel_enter(py_panel *self, py_call *c, PyObject *threads);
void bnorm_py_panel_leave(py_panel *self, py_call *c);

/* A new object that owns vcov, which it destroys on failure. */
PyObject *bnorm_py_vcov_new(py_state *state, bnorm_vcov *vcov);
/* The vcov of a Vcov, NULL of None; -1 with TypeError for others. */
int bnorm_py_vcov_of(PyObject *object, const bnorm_vcov **vcov);

/* A new array of doubles, and the view to write it through. */
int bnorm_py_new_matrix(py_call *c, Py_ssize_t rows, Py_ssize_t cols, bnorm_mat_f64 *m,
                        PyObject **made);

/* A list of (hidden, ...): units of hidden layers. *units is memory of the call. */
int bnorm_py_hidden(py_call *c, PyObject *list, const ptrdiff_t **units, ptrdiff_t *layers);

/* Options of a fit from (options, starts, validate, hold, bags). */
int bnorm_py_panel_fit_options(PyObject *const *args, bnorm_panel_fit_options *options);
/* Options of a panel from a dict and a list of hidden units. */
int bnorm_py_panel_options(py_call *c, PyObject *dict, PyObject *hidden,
                           bnorm_panel_options *options);

/* What is read of a panel. */
PyObject *bnorm_py_panel_describe(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_names(PyObject *self, PyObject *part);
PyObject *bnorm_py_panel_about(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_rows(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_coefficients(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_members(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_effects(PyObject *self, PyObject *factor);
PyObject *bnorm_py_panel_blocks(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_save(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* What it computes. */
PyObject *bnorm_py_panel_fit(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_panel_check(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_panel_residuals(PyObject *self, PyObject *unused);
PyObject *bnorm_py_panel_design(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_panel_vcov(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_panel_margins(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_panel_profile(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_panel_values(PyObject *self, PyObject *input);
PyObject *bnorm_py_panel_predict(PyObject *self, PyObject *const *args, Py_ssize_t count);
/* panel_cv of the module. */
PyObject *bnorm_py_panel_cv(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* The methods of Vcov. */
PyObject *bnorm_py_vcov_describe(PyObject *self, PyObject *unused);
PyObject *bnorm_py_vcov_matrix(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *bnorm_py_vcov_unidentified(PyObject *self, PyObject *unused);

#endif
