/* model: what is done with a fitted or loaded model. */
#include "build.h"
#include "results.h"

#include <math.h>
#include <string.h>

static bnorm_model *model_of(holder *h)
{
    if (!h->model) glue_stop("argument", "'object' holds no fitted model");
    return h->model;
}

SEXP net_alive_call(SEXP pointer)
{
    return Rf_ScalarLogical(TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrAddr(pointer) != NULL);
}

SEXP net_save_call(SEXP pointer, SEXP path)
{
    holder *h = holder_get(pointer);
    bnorm_model *m = model_of(h);
    user_state state;
    const char *file = R_ExpandFileName(glue_string(path, "file"));
    user_begin(&state, h);
    bnorm_status status = bnorm_model_save(glue_ctx(), m, file);
    user_end(&state);
    glue_try(status);
    return R_NilValue;
}

/* A list of pointers that ends with NULL, for the parts of one class. */
static const void **list_parts(holder *h, SEXP parts, const char *class,
                               const void *(*make)(holder *h, SEXP spec))
{
    int count = TYPEOF(parts) == VECSXP ? LENGTH(parts) : 0, n = 0;
    const void **list = (const void **)R_alloc((size_t)count + 1, sizeof *list);
    for (int k = 0; k < count; k++)
        if (Rf_inherits(VECTOR_ELT(parts, k), class)) list[n++] = make(h, VECTOR_ELT(parts, k));
    list[n] = NULL;
    return list;
}

static const void *make_activation(holder *h, SEXP spec)
{
    return part_activation(h, spec);
}

static const void *make_loss(holder *h, SEXP spec)
{
    return part_loss(h, spec);
}

static const void *make_layer(holder *h, SEXP spec)
{
    return part_layer(h, spec);
}

SEXP net_restore_call(SEXP path, SEXP parts)
{
    holder *h;
    user_state state;
    SEXP pointer = PROTECT(holder_make(parts, &h));
    const char *file = R_ExpandFileName(glue_string(path, "file"));
    bnorm_custom custom = {
        (const bnorm_layer *const *)list_parts(h, parts, "bn_layer", make_layer),
        (const bnorm_activation *const *)list_parts(h, parts, "bn_activation", make_activation),
        (const bnorm_loss *const *)list_parts(h, parts, "bn_loss", make_loss)};
    user_begin(&state, h);
    bnorm_status status = bnorm_model_load(glue_ctx(), file, &custom, &h->model);
    user_end(&state);
    glue_try(status);
    UNPROTECT(1);
    return pointer;
}

static SEXP names_of(const bnorm_frame *f, ptrdiff_t count,
                     const char *(*name)(const bnorm_frame *, ptrdiff_t))
{
    SEXP s = PROTECT(Rf_allocVector(STRSXP, count));
    for (ptrdiff_t k = 0; k < count; k++)
        SET_STRING_ELT(s, k, Rf_mkCharCE(name(f, k), CE_UTF8));
    UNPROTECT(1);
    return s;
}

static SEXP notes_of(const bnorm_model *m)
{
    ptrdiff_t count = bnorm_model_note_count(m);
    SEXP list = PROTECT(glue_new_list(count));
    for (ptrdiff_t k = 0; k < count; k++) {
        double number;
        const char *text, *key = bnorm_model_note(m, k, &number, &text);
        glue_put(list, (int)k, key, text ? glue_text(text) : Rf_ScalarReal(number));
    }
    UNPROTECT(1);
    return list;
}

static SEXP layers_of(const bnorm_net *net)
{
    ptrdiff_t count = bnorm_net_layer_count(net);
    SEXP layers = PROTECT(Rf_allocVector(VECSXP, count));
    for (ptrdiff_t k = 0; k < count; k++) {
        bnorm_layer_info info;
        glue_try(bnorm_net_layer_info(glue_ctx(), net, k, &info));
        SEXP layer = glue_new_list(7);
        SET_VECTOR_ELT(layers, k, layer);
        glue_put(layer, 0, "kind", Rf_ScalarInteger((int)info.kind));
        glue_put(layer, 1, "name", glue_text(info.name));
        glue_put(layer, 2, "inputs", Rf_ScalarReal((double)info.inputs));
        glue_put(layer, 3, "outputs", Rf_ScalarReal((double)info.outputs));
        glue_put(layer, 4, "eps", Rf_ScalarReal(info.rule.eps));
        glue_put(layer, 5, "ddof", Rf_ScalarReal(info.rule.ddof));
        glue_put(layer, 6, "rate", Rf_ScalarReal(info.rate));
    }
    UNPROTECT(1);
    return layers;
}

SEXP net_describe_call(SEXP pointer)
{
    bnorm_model *m = model_of(holder_get(pointer));
    const bnorm_frame *f = bnorm_model_frame(m);
    if (!f) glue_stop("argument", "the model has no formula: it was not made from a table");
    SEXP list = PROTECT(glue_new_list(8));
    double center, scale;
    bnorm_frame_scaling(f, -1, &center, &scale);
    glue_put(list, 0, "formula", glue_text(bnorm_frame_formula(f)));
    glue_put(list, 1, "target", glue_text(bnorm_frame_target_name(f)));
    glue_put(list, 2, "inputs", names_of(f, bnorm_frame_inputs(f), bnorm_frame_input_name));
    glue_put(list, 3, "classes", names_of(f, bnorm_frame_classes(f), bnorm_frame_class_name));
    glue_put(list, 4, "loss", glue_text(bnorm_model_loss(m)->name));
    glue_put(list, 5, "layers", layers_of(bnorm_model_net(m)));
    glue_put(list, 6, "notes", notes_of(m));
    glue_put(list, 7, "dropped", names_of(f, bnorm_frame_dropped(f), bnorm_frame_dropped_name));
    UNPROTECT(1);
    return list;
}

SEXP net_coef_call(SEXP pointer)
{
    holder *h = holder_get(pointer);
    bnorm_net *net = h->model ? bnorm_model_net(h->model) : h->net;
    ptrdiff_t count = bnorm_net_block_count(net);
    const double *params = bnorm_net_parameters(net, NULL);
    SEXP list = PROTECT(glue_new_list(count));
    for (ptrdiff_t k = 0; k < count; k++) {
        bnorm_block b;
        glue_try(bnorm_net_block(glue_ctx(), net, k, &b));
        SEXP m = PROTECT(glue_new_matrix(b.rows, b.cols));
        for (ptrdiff_t i = 0; i < b.rows; i++)
            for (ptrdiff_t j = 0; j < b.cols; j++)
                REAL(m)[i + j * b.rows] = params[b.offset + i * b.cols + j];
        glue_put(list, (int)k, b.name, m);
        UNPROTECT(1);
    }
    UNPROTECT(1);
    return list;
}

/* Rows between looks for Ctrl-C; a row's result depends on that row alone. */
#define PIECE ((ptrdiff_t)1 << 16)

static void predict_piece(holder *h, const bnorm_table *table, const ptrdiff_t *rows,
                          ptrdiff_t count, double *mean)
{
    user_state state;
    ptrdiff_t outputs = bnorm_net_outputs(bnorm_model_net(h->model));
    user_begin(&state, h);
    bnorm_status status =
        bnorm_model_predict(glue_ctx(), h->model, table, rows, count,
                            bnorm_view_f64(mean, count, outputs, BNORM_ROW_MAJOR));
    user_end(&state);
    glue_try(status);
}

/* list(mean, kinds, why): the responses of the rows that are ready, NA for others; a bnorm_row
 * for each; and what is wrong with the first row of a level unseen or a term not finite. */
SEXP net_predict_call(SEXP pointer, SEXP columns)
{
    holder *h = holder_get(pointer);
    bnorm_model *m = model_of(h);
    const bnorm_frame *f = bnorm_model_frame(m);
    holder *of_table;
    SEXP guard = PROTECT(holder_make(R_NilValue, &of_table));
    table_make(of_table, columns);
    const bnorm_table *table = of_table->table;
    ptrdiff_t n = bnorm_table_rows(table), outputs = bnorm_net_outputs(bnorm_model_net(m));
    ptrdiff_t count = 0, *rows = (ptrdiff_t *)R_alloc((size_t)n + 1, sizeof *rows);
    unsigned char *kinds = (unsigned char *)R_alloc((size_t)n + 1, 1);
    glue_try(bnorm_frame_screen(glue_ctx(), f, table, 0, kinds));
    SEXP list = PROTECT(glue_new_list(3)), mean = PROTECT(glue_new_matrix(n, outputs));
    SEXP shown = PROTECT(Rf_allocVector(INTSXP, n));
    glue_put(list, 2, "why", glue_text(NULL));
    for (ptrdiff_t i = 0; i < n; i++) {
        INTEGER(shown)[i] = kinds[i];
        if (kinds[i] == BNORM_ROW_READY) rows[count++] = i;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        if (kinds[i] != BNORM_ROW_FOREIGN) continue;
        double *x = (double *)R_alloc((size_t)bnorm_frame_inputs(f) + 1, sizeof *x);
        (void)bnorm_frame_matrix(
            glue_ctx(), f, table, &i, 1,
            bnorm_view_f64(x, 1, bnorm_frame_inputs(f), BNORM_ROW_MAJOR),
            (bnorm_mat_f64){.rows = 1, .cols = 1, .ld = 1, .layout = BNORM_ROW_MAJOR});
        glue_put(list, 2, "why", glue_text(bnorm_ctx_message(glue_ctx())));
        break;
    }
    double *found = (double *)R_alloc((size_t)(count * outputs) + 1, sizeof *found);
    for (ptrdiff_t i = 0; i < count; i += PIECE) {
        R_CheckUserInterrupt();
        predict_piece(h, table, rows + i, count - i < PIECE ? count - i : PIECE,
                      found + i * outputs);
    }
    for (ptrdiff_t i = 0; i < n * outputs; i++) REAL(mean)[i] = NA_REAL;
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t j = 0; j < outputs; j++)
            REAL(mean)[rows[i] + j * n] = found[i * outputs + j];
    holder_release(guard);
    glue_put(list, 0, "mean", mean);
    glue_put(list, 1, "kinds", shown);
    UNPROTECT(4);
    return list;
}

SEXP model_report(const bnorm_check_block *report, ptrdiff_t count)
{
    static const char *const names[] = {"block",   "row",   "col",  "analytic",
                                        "numeric", "error", "bound"};
    SEXP list = PROTECT(glue_new_list(8)), ok = PROTECT(Rf_allocVector(LGLSXP, count));
    SEXP block = PROTECT(Rf_allocVector(STRSXP, count));
    double *out[7];
    glue_put(list, 0, names[0], block);
    for (int c = 1; c < 7; c++) {
        SEXP v = Rf_allocVector(REALSXP, count);
        glue_put(list, c, names[c], v);
        out[c] = REAL(v);
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const bnorm_check_block *b = report + k;
        const double values[] = {0,           (double)b->row + 1, (double)b->col + 1,
                                 b->analytic, b->numeric,         b->error,
                                 b->bound};
        SET_STRING_ELT(block, k, Rf_mkCharCE(b->name, CE_UTF8));
        for (int c = 1; c < 7; c++) out[c][k] = values[c];
        LOGICAL(ok)[k] = b->ok;
    }
    glue_put(list, 7, "ok", ok);
    UNPROTECT(3);
    return list;
}

SEXP net_check_call(SEXP pointer, SEXP columns, SEXP weights, SEXP seed, SEXP entries)
{
    int protected = 1;
    holder *h = holder_get(pointer), *of_table;
    bnorm_model *m = model_of(h);
    bnorm_net *net = bnorm_model_net(m);
    const bnorm_frame *f = bnorm_model_frame(m);
    SEXP guard = PROTECT(holder_make(R_NilValue, &of_table));
    table_make(of_table, columns);
    const bnorm_table *table = of_table->table;
    ptrdiff_t n = bnorm_table_rows(table), inputs = bnorm_frame_inputs(f), count;
    const double *w = glue_vector(weights, "weights", n, "one per row", 1, &protected);
    double s = glue_whole(seed, "seed", 0, 9007199254740992.0);
    ptrdiff_t most = (ptrdiff_t)glue_whole(entries, "entries", 0, 1e9);
    ptrdiff_t *rows = (ptrdiff_t *)R_alloc((size_t)n + 1, sizeof *rows);
    glue_try(bnorm_frame_rows(glue_ctx(), f, table, 1, rows, &count));
    if (count < 2)
        glue_stop("data", "a check needs at least 2 complete rows; here are %td", count);
    double *x = (double *)R_alloc((size_t)(count * inputs) + 1, sizeof *x);
    double *y = (double *)R_alloc((size_t)count, sizeof *y);
    double *u = w ? (double *)R_alloc((size_t)count, sizeof *u) : NULL;
    bnorm_mat_f64 mx = bnorm_view_f64(x, count, inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, count, 1, BNORM_ROW_MAJOR);
    for (ptrdiff_t i = 0; u && i < count; i++) u[i] = w[rows[i]];
    glue_try(bnorm_frame_matrix(glue_ctx(), f, table, rows, count, mx, my));
    ptrdiff_t blocks = bnorm_net_block_count(net);
    bnorm_check_block *report =
        (bnorm_check_block *)R_alloc((size_t)blocks + 1, sizeof *report);
    user_state state;
    user_begin(&state, h);
    bnorm_status status =
        bnorm_net_check_until(glue_ctx(), net, mx, my, u, bnorm_model_loss(m), (uint64_t)s,
                              most, user_interrupted, NULL, report);
    user_end(&state);
    if (status != BNORM_E_CHECK) glue_try(status);
    holder_release(guard);
    SEXP list = model_report(report, blocks);
    UNPROTECT(protected);
    return list;
}

/* ----------------------------------------------------------------- networks of matrices */

SEXP net_start_call(SEXP inputs, SEXP spec)
{
    holder *h;
    SEXP pointer = PROTECT(holder_make(spec, &h));
    build_net(h, spec, (ptrdiff_t)glue_whole(inputs, "inputs", 1, 1e6), 0,
              glue_whole(glue_member(spec, "seed"), "seed", 0, 9007199254740992.0), 0);
    UNPROTECT(1);
    return pointer;
}

/* list(value, gradient) at the present parameters. */
SEXP net_gradient_call(SEXP pointer, SEXP x, SEXP y, SEXP weights, SEXP loss)
{
    int protected = 0;
    holder *h = holder_get(pointer);
    bnorm_net *net = h->model ? bnorm_model_net(h->model) : h->net;
    const part *newest = h->parts;
    const bnorm_loss *l = build_loss(h, loss);
    if (h->parts != newest) /* the pointer keeps what its parts refer to */
        R_SetExternalPtrProtected(pointer, Rf_cons(loss, R_ExternalPtrProtected(pointer)));
    bnorm_mat_f64 vx = glue_view(glue_matrix(x, "x", &protected));
    bnorm_mat_f64 vy = glue_view(glue_matrix(y, "y", &protected));
    const double *w =
        glue_vector(weights, "weights", vx.rows, "one per row of 'x'", 1, &protected);
    ptrdiff_t count;
    bnorm_net_parameters(net, &count);
    SEXP list = PROTECT(glue_new_list(2)), gradient = PROTECT(Rf_allocVector(REALSXP, count));
    double value = 0;
    user_state state;
    user_begin(&state, h);
    bnorm_status status =
        bnorm_net_gradient(glue_ctx(), net, vx, vy, w, l, 0, 0, &value, REAL(gradient));
    user_end(&state);
    glue_try(status);
    glue_put(list, 0, "value", Rf_ScalarReal(value));
    glue_put(list, 1, "gradient", gradient);
    UNPROTECT(protected + 2);
    return list;
}
