/* fit: a model from a formula, R's columns and options, by the same steps as the command's. All
 * work memory is R_alloc's; what the library makes belongs to the holder. */
#include "build.h"
#include "results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER(options, name) glue_number(glue_member(options, #name), #name)
#define FLAG(options, name)   glue_flag(glue_member(options, #name), #name)

/* The stream of the seed that draws the validation rows, the command's. */
static const uint64_t split_stream = UINT64_C(0x76616c6964617465);

static bnorm_optimizer read_optimizer(SEXP options)
{
    const char *name = glue_string(glue_member(options, "optimizer"), "optimizer");
    for (int k = BNORM_OPTIMIZER_AUTO; k <= BNORM_OPTIMIZER_ADAM; k++)
        if (!strcmp(optimizer_name((bnorm_optimizer)k), name)) return (bnorm_optimizer)k;
    glue_stop("argument",
              "'optimizer' is \"%.60s\"; it must be auto, lbfgs, sgd, rmsprop or adam", name);
}

static ptrdiff_t count_of(SEXP options, const char *name)
{
    return (ptrdiff_t)glue_whole(glue_member(options, name), name, 0, 1e9);
}

static void read_options(SEXP options, bnorm_fit_options *o)
{
    bnorm_fit_defaults(o);
    o->optimizer = read_optimizer(options);
    o->epochs = count_of(options, "epochs");
    o->batch = count_of(options, "batch");
    o->memory = count_of(options, "memory");
    o->patience = count_of(options, "patience");
    o->rate = NUMBER(options, rate);
    o->momentum = NUMBER(options, momentum);
    o->nesterov = FLAG(options, nesterov);
    o->decay = NUMBER(options, decay);
    o->beta1 = NUMBER(options, beta1);
    o->beta2 = NUMBER(options, beta2);
    o->weight_decay = NUMBER(options, weight_decay);
    o->tolerance = NUMBER(options, tolerance);
    o->running = FLAG(options, running);
    o->update = NUMBER(options, update);
    o->running_ddof = NUMBER(options, running_ddof);
    o->seed = (uint64_t)glue_whole(glue_member(options, "seed"), "seed", 0, 9007199254740992.0);
}

static void make_frame(holder *h, SEXP formula, SEXP options, fit_facts *f)
{
    bnorm_frame_options o;
    SEXP without = glue_member(options, "dot_without");
    bnorm_frame_defaults(&o);
    o.na_error = FLAG(options, na_error);
    o.drop_constant = FLAG(options, drop_constant);
    o.factor_target = FLAG(options, factor_target);
    if (!Rf_isNull(without)) o.dot_without = glue_string(without, "weights");
    f->weights = o.dot_without;
    glue_try(bnorm_frame_create(glue_ctx(), glue_string(formula, "formula"), h->table, &o,
                                &h->frame));
    f->inputs = bnorm_frame_inputs(h->frame);
    f->classes = bnorm_frame_classes(h->frame);
}

static const bnorm_loss *choose_loss(holder *h, SEXP spec, const fit_facts *f)
{
    SEXP loss = glue_member(spec, "loss");
    const char *target = bnorm_frame_target_name(h->frame);
    if (Rf_isNull(loss))
        return bnorm_loss_find(!f->classes       ? "squared"
                               : f->classes == 2 ? "logistic"
                                                 : "softmax");
    const bnorm_loss *found = build_loss(h, loss);
    if (!strcmp(found->name, "squared") && f->classes)
        glue_stop("data",
                  "the squared loss needs a numeric target, but '%.80s' has %td classes",
                  target, f->classes);
    if (!strcmp(found->name, "logistic") && f->classes != 2)
        glue_stop("data", "the logistic loss needs a target of 2 classes; '%.80s' has %td",
                  target, f->classes);
    if (!strcmp(found->name, "softmax") && f->classes < 2)
        glue_stop("data", "the softmax loss needs classes; make '%.80s' a factor", target);
    return found;
}

static void *grab(ptrdiff_t count, size_t size)
{
    return R_alloc((size_t)(count > 0 ? count : 1), (int)size);
}

/* The first rows of a random permutation are kept to validate on. */
static void split(const ptrdiff_t *rows, double share, fit_facts *f)
{
    ptrdiff_t n = f->used, validation = 0;
    if (!(share >= 0 && share < 1))
        glue_stop("argument", "'validate' is %g; it must be from 0 to below 1", share);
    if (share > 0) validation = (ptrdiff_t)floor(share * (double)n + 0.5);
    if (share > 0 && validation < 1) validation = 1;
    if (n - validation < 2)
        glue_stop("data", "%td complete rows remain for training; at least 2 are needed",
                  n - validation);
    ptrdiff_t *order = grab(n, sizeof *order);
    char *aside = grab(n, 1);
    memset(aside, 0, (size_t)n);
    bnorm_random_permutation((uint64_t)f->seed, split_stream, n, order);
    for (ptrdiff_t k = 0; k < validation; k++) aside[order[k]] = 1;
    for (int k = 0; k < 2; k++) f->part[k].rows = grab(n, sizeof *order);
    for (ptrdiff_t i = 0; i < n; i++) {
        fit_part *p = &f->part[aside[i] ? 1 : 0];
        p->rows[p->count++] = rows[i];
    }
}

static void fill(holder *h, const fit_facts *f, const fit_part *p)
{
    bnorm_mat_f64 x = bnorm_view_f64(p->x, p->count, f->inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 y = bnorm_view_f64(p->y, p->count, 1, BNORM_ROW_MAJOR);
    glue_try(bnorm_frame_matrix(glue_ctx(), h->frame, h->table, p->rows, p->count, x, y));
}

static void make_part(holder *h, const fit_facts *f, fit_part *p, const double *weights)
{
    double sum = 0;
    p->x = grab(p->count * f->inputs, sizeof(double));
    p->y = grab(p->count, sizeof(double));
    p->observed = grab(p->count, sizeof(double));
    fill(h, f, p);
    memcpy(p->observed, p->y, (size_t)p->count * sizeof(double));
    if (!weights) return;
    p->weights = grab(p->count, sizeof(double));
    for (ptrdiff_t i = 0; i < p->count; i++) sum += p->weights[i] = weights[p->rows[i]];
    if (p->count && !(sum > 0 && isfinite(sum)))
        glue_stop("argument",
                  "'weights' sum to %g over the rows of one part; their sum must be "
                  "positive and finite",
                  sum);
}

static void make_data(holder *h, SEXP options, const double *weights, fit_facts *f)
{
    f->rows = bnorm_table_rows(h->table);
    ptrdiff_t *rows = grab(f->rows, sizeof *rows);
    glue_try(bnorm_frame_rows(glue_ctx(), h->frame, h->table, 1, rows, &f->used));
    split(rows, NUMBER(options, validate), f);
    for (int k = 0; k < 2; k++) make_part(h, f, &f->part[k], weights);
    if (!FLAG(options, standardize)) return;
    const fit_part *t = &f->part[0];
    glue_try(bnorm_frame_learn_scaling(
        glue_ctx(), h->frame, bnorm_view_f64(t->x, t->count, f->inputs, BNORM_ROW_MAJOR),
        bnorm_view_f64(t->y, t->count, 1, BNORM_ROW_MAJOR), f->classes == 0));
    for (int k = 0; k < 2; k++) fill(h, f, &f->part[k]);
}

/* -------------------------------------------------------------------------------- training */

static void print_progress(void *progress)
{
    const bnorm_progress *p = progress;
    Rprintf("epoch %td of %td: loss %.6g", p->epoch, p->epochs, p->loss);
    if (!isnan(p->validation)) Rprintf(", validation %.6g", p->validation);
    Rprintf("\n");
}

static int grow(holder *h)
{
    if (h->epochs < h->room) return 1;
    ptrdiff_t room = 2 * h->room + 64;
    double *more = realloc(h->history, (size_t)room * 2 * sizeof *more);
    if (!more) return 0;
    h->history = more;
    h->room = room;
    return 1;
}

static int progress(void *user, const bnorm_progress *p)
{
    holder *h = user;
    if (!grow(h)) return 1;
    h->history[2 * h->epochs] = p->loss;
    h->history[2 * h->epochs + 1] = p->validation;
    h->epochs++;
    if (h->trace && (p->epoch % h->trace == 0 || p->epoch == p->epochs))
        user_run(print_progress, (void *)(uintptr_t)p);
    return user_interrupted(NULL);
}

void fit_settings(holder *h, SEXP options, bnorm_fit_options *o)
{
    read_options(options, o);
    o->progress = progress;
    o->progress_user = h;
    o->interrupted = user_interrupted;
    h->trace = (int)glue_whole(glue_member(options, "trace"), "trace", 0, INT_MAX);
}

static void train(holder *h, SEXP options, fit_facts *f)
{
    const fit_part *t = &f->part[0], *v = &f->part[1];
    bnorm_fit_options o;
    fit_settings(h, options, &o);
    f->running = o.running;
    user_state state;
    user_begin(&state, h);
    bnorm_status status =
        bnorm_fit(glue_ctx(), bnorm_model_net(h->model),
                  bnorm_view_f64(t->x, t->count, f->inputs, BNORM_ROW_MAJOR),
                  bnorm_view_f64(t->y, t->count, 1, BNORM_ROW_MAJOR), t->weights,
                  bnorm_view_f64(v->x, v->count, f->inputs, BNORM_ROW_MAJOR),
                  bnorm_view_f64(v->y, v->count, 1, BNORM_ROW_MAJOR), v->weights,
                  bnorm_model_loss(h->model), &o, &f->report);
    user_end(&state);
    glue_try(status);
    user_begin(&state, h);
    status = fit_judge(h, f);
    user_end(&state);
    glue_try(status);
    fit_note(h, f);
}

/* -------------------------------------------------------------------------------- results */

static SEXP rows_of(const fit_part *p)
{
    SEXP rows = Rf_allocVector(INTSXP, p->count);
    for (ptrdiff_t i = 0; i < p->count; i++) INTEGER(rows)[i] = (int)p->rows[i] + 1;
    return rows;
}

SEXP fit_history(const holder *h)
{
    SEXP m = PROTECT(glue_new_matrix(h->epochs, 2));
    for (ptrdiff_t i = 0; i < h->epochs; i++) {
        REAL(m)[i] = h->history[2 * i];
        REAL(m)[i + h->epochs] = isnan(h->history[2 * i + 1]) ? NA_REAL : h->history[2 * i + 1];
    }
    UNPROTECT(1);
    return m;
}

static SEXP results(SEXP pointer, const holder *h, const fit_facts *f)
{
    const bnorm_fit_report *r = &f->report;
    SEXP list = PROTECT(glue_new_list(14));
    glue_put(list, 0, "pointer", pointer);
    glue_put(list, 1, "training", rows_of(&f->part[0]));
    glue_put(list, 2, "validation", rows_of(&f->part[1]));
    glue_put(list, 3, "history", fit_history(h));
    glue_put(list, 4, "optimizer", Rf_mkString(optimizer_name(r->optimizer)));
    glue_put(list, 5, "epochs", Rf_ScalarInteger((int)r->epochs));
    glue_put(list, 6, "best_epoch", Rf_ScalarInteger((int)r->best_epoch));
    glue_put(list, 7, "converged", Rf_ScalarLogical(r->converged));
    glue_put(list, 8, "seconds", Rf_ScalarReal(r->seconds));
    glue_put(list, 9, "training_loss", Rf_ScalarReal(f->part[0].loss));
    glue_put(list, 10, "validation_loss", Rf_ScalarReal(f->part[1].loss));
    glue_put(list, 11, "training_quality", Rf_ScalarReal(f->part[0].good));
    glue_put(list, 12, "validation_quality", Rf_ScalarReal(f->part[1].good));
    glue_put(list, 13, "classes", Rf_ScalarInteger((int)f->classes));
    UNPROTECT(1);
    return list;
}

SEXP net_fit_call(SEXP formula, SEXP columns, SEXP weights, SEXP spec, SEXP options)
{
    int protected = 1;
    holder *h;
    fit_facts f = {.rows = 0};
    SEXP pointer = PROTECT(holder_make(spec, &h));
    table_make(h, columns);
    const double *w = glue_vector(weights, "weights", bnorm_table_rows(h->table),
                                  "one per row of 'data'", 1, &protected);
    for (ptrdiff_t i = 0; w && i < bnorm_table_rows(h->table); i++)
        if (w[i] < 0)
            glue_stop("argument", "'weights'[%td] is %g; it must be at least 0", i + 1, w[i]);
    f.seed = glue_whole(glue_member(options, "seed"), "seed", 0, 9007199254740992.0);
    make_frame(h, formula, options, &f);
    const bnorm_loss *loss = choose_loss(h, spec, &f);
    make_data(h, options, w, &f);
    ptrdiff_t outputs = !strcmp(loss->name, "softmax") ? f.classes : 1;
    build_net(h, spec, f.inputs, outputs, f.seed, NUMBER(options, penalty));
    glue_try(bnorm_model_create(glue_ctx(), h->net, h->frame, loss, &h->model));
    h->net = NULL; /* the model's now */
    h->frame = NULL;
    train(h, options, &f);
    bnorm_table_destroy(h->table);
    h->table = NULL;
    SEXP list = results(pointer, h, &f);
    UNPROTECT(protected);
    return list;
}
