/* conformance: conformance row|col FILE... runs the cases of tests/conformance and prints every
 * result, one value a line; README.md there is the manual. Fails when a call fails or a result
 * is not what the case expects. The bindings' programs print the same text. */
#include "conformance_run.h"

#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------- operations */

static void forward(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), y = empty(r, x.rows, x.cols);
    double *mean = grab(x.cols), *rstd = grab(x.cols);
    demand(r, bnorm_forward_f64(r->ctx, x, case_vector(r->c, "weights"),
                                case_vector(r->c, "gamma"), case_vector(r->c, "beta"), rule(r),
                                y, mean, rstd));
    show_matrix(r, "y", y);
    show(r, "mean", mean, x.cols);
    show(r, "rstd", rstd, x.cols);
    free(x.data), free(y.data), free(mean), free(rstd);
}

/* dx, dgamma and dbeta, which it frees. */
static void show_gradients(run *r, bnorm_mat_f64 dx, double *dgamma, double *dbeta,
                           ptrdiff_t count)
{
    show_matrix(r, "dx", dx);
    show(r, "dgamma", dgamma, count);
    show(r, "dbeta", dbeta, count);
    free(dx.data), free(dgamma), free(dbeta);
}

static void backward(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), dy = matrix(r, "dy"), dx = empty(r, x.rows, x.cols);
    double *mean = grab(x.cols), *rstd = grab(x.cols);
    double *dgamma = grab(x.cols), *dbeta = grab(x.cols);
    const double *weights = case_vector(r->c, "weights"), *gamma = case_vector(r->c, "gamma");
    demand(r, bnorm_forward_f64(r->ctx, x, weights, gamma, NULL, rule(r), dx, mean, rstd));
    demand(r, bnorm_backward_f64(r->ctx, x, dy, weights, gamma, mean, rstd, rule(r), dx, dgamma,
                                 dbeta));
    show_gradients(r, dx, dgamma, dbeta, x.cols);
    free(x.data), free(dy.data), free(mean), free(rstd);
}

static void infer(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), y = empty(r, x.rows, x.cols);
    demand(r, bnorm_infer_f64(r->ctx, x, case_vector(r->c, "gamma"), case_vector(r->c, "beta"),
                              case_vector(r->c, "mean"), case_vector(r->c, "var"),
                              case_number(r->c, "eps"), y));
    show_matrix(r, "y", y);
    free(x.data), free(y.data);
}

static void infer_backward(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), dy = matrix(r, "dy"), dx = empty(r, x.rows, x.cols);
    double *dgamma = grab(x.cols), *dbeta = grab(x.cols);
    demand(r, bnorm_infer_backward_f64(r->ctx, x, dy, case_vector(r->c, "gamma"),
                                       case_vector(r->c, "mean"), case_vector(r->c, "var"),
                                       case_number(r->c, "eps"), dx, dgamma, dbeta));
    show_gradients(r, dx, dgamma, dbeta, x.cols);
    free(x.data), free(dy.data);
}

static void fold(run *r)
{
    bnorm_mat_f64 g1 = matrix(r, "g1"), out = empty(r, g1.rows, g1.cols);
    double *bias = grab(g1.cols);
    demand(r, bnorm_fold_f64(r->ctx, g1, case_vector(r->c, "bias"), case_vector(r->c, "gamma"),
                             case_vector(r->c, "beta"), case_vector(r->c, "mean"),
                             case_vector(r->c, "var"), case_number(r->c, "eps"), out, bias));
    show_matrix(r, "g1", out);
    show(r, "bias", bias, g1.cols);
    free(g1.data), free(out.data), free(bias);
}

typedef struct sums {
    ptrdiff_t cols;
    double n, *mean, *m2;
} sums;

static sums sums_of(run *r, const char *key)
{
    bnorm_mat_f64 x = matrix(r, key);
    sums s = {.cols = x.cols, .mean = grab(x.cols), .m2 = grab(x.cols)};
    demand(r, bnorm_moments_f64(r->ctx, x, case_vector(r->c, "weights"), &s.n, s.mean, s.m2));
    free(x.data);
    return s;
}

static void sums_free(sums s)
{
    free(s.mean), free(s.m2);
}

static void sums_show(run *r, sums s)
{
    show(r, "n", &s.n, 1);
    show(r, "mean", s.mean, s.cols);
    show(r, "m2", s.m2, s.cols);
    sums_free(s);
}

static void moments(run *r)
{
    sums_show(r, sums_of(r, "x"));
}

static void merge(run *r)
{
    sums a = sums_of(r, "x1"), b = sums_of(r, "x2");
    demand(r, bnorm_moments_merge(r->ctx, a.cols, &a.n, a.mean, a.m2, b.n, b.mean, b.m2));
    sums_show(r, a);
    sums_free(b);
}

static void running(run *r)
{
    static const char *const kinds[] = {"exponential", "average", "merge"};
    const item *start = case_find(r->c, ITEM_VALUES, "mean");
    ptrdiff_t cols = start->cols;
    bnorm_running s = {
        .update = case_number(r->c, "update"), .ddof = case_number(r->c, "ddof"), .cols = cols};
    while (strcmp(kinds[s.kind], case_word(r->c, "kind")) != 0) s.kind++;
    s.mean = grab(cols);
    s.var = grab(cols);
    s.m2 = s.kind == BNORM_RUNNING_MERGE ? grab(cols) : NULL;
    memcpy(s.mean, start->values, (size_t)cols * sizeof(double));
    memcpy(s.var, case_vector(r->c, "var"), (size_t)cols * sizeof(double));
    for (char key[] = "x1"; case_find(r->c, ITEM_VALUES, key); key[1]++) {
        sums batch = sums_of(r, key);
        demand(r, bnorm_running_update(r->ctx, &s, batch.n, batch.mean, batch.m2));
        sums_free(batch);
    }
    show(r, "mean", s.mean, cols);
    show(r, "var", s.var, cols);
    free(s.mean), free(s.var), free(s.m2);
}

static void layer_norm(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), dy = matrix(r, "dy");
    bnorm_mat_f64 y = empty(r, x.rows, x.cols), dx = empty(r, x.rows, x.cols);
    double *mean = grab(x.rows), *rstd = grab(x.rows);
    double *dgamma = grab(x.cols), *dbeta = grab(x.cols);
    const double *gamma = case_vector(r->c, "gamma");
    demand(r, bnorm_layernorm_forward_f64(r->ctx, x, gamma, case_vector(r->c, "beta"),
                                          case_number(r->c, "eps"), y, mean, rstd));
    demand(r,
           bnorm_layernorm_backward_f64(r->ctx, x, dy, gamma, mean, rstd, dx, dgamma, dbeta));
    show_matrix(r, "y", y);
    show(r, "mean", mean, x.rows);
    show(r, "rstd", rstd, x.rows);
    show_gradients(r, dx, dgamma, dbeta, x.cols);
    free(x.data), free(dy.data), free(y.data), free(mean), free(rstd);
}

static void group_norm(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), dy = matrix(r, "dy");
    bnorm_mat_f64 y = empty(r, x.rows, x.cols), dx = empty(r, x.rows, x.cols);
    ptrdiff_t groups = (ptrdiff_t)case_number(r->c, "groups");
    ptrdiff_t channels = (ptrdiff_t)case_number(r->c, "channels");
    double *mean = grab(x.rows * groups), *rstd = grab(x.rows * groups);
    double *dgamma = grab(channels), *dbeta = grab(channels);
    const double *gamma = case_vector(r->c, "gamma");
    demand(r, bnorm_groupnorm_forward_f64(r->ctx, x, channels, groups, gamma,
                                          case_vector(r->c, "beta"), case_number(r->c, "eps"),
                                          y, mean, rstd));
    demand(r, bnorm_groupnorm_backward_f64(r->ctx, x, dy, channels, groups, gamma, mean, rstd,
                                           dx, dgamma, dbeta));
    show_matrix(r, "y", y);
    show_matrix(r, "mean", bnorm_view_f64(mean, x.rows, groups, BNORM_ROW_MAJOR));
    show_matrix(r, "rstd", bnorm_view_f64(rstd, x.rows, groups, BNORM_ROW_MAJOR));
    show_gradients(r, dx, dgamma, dbeta, channels);
    free(x.data), free(dy.data), free(y.data), free(mean), free(rstd);
}

/* -------------------------------------------------------------- weight space and networks */

/* A gram and its arrays. */
typedef struct space {
    double *xbar, *s;
    bnorm_gram gram;
} space;

static space gram_of(run *r, bnorm_mat_f64 x)
{
    space g = {.xbar = grab(2 * x.cols), .s = grab(x.cols * x.cols)};
    demand(r, bnorm_gram_f64(r->ctx, x, case_vector(r->c, "weights"), case_number(r->c, "ddof"),
                             g.xbar, g.s, &g.gram));
    return g;
}

static void gram(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x");
    space g = gram_of(r, x);
    show(r, "n", &g.gram.n, 1);
    show(r, "mean", g.xbar, x.cols);
    show_matrix(r, "s", bnorm_view_f64(g.s, x.cols, x.cols, BNORM_ROW_MAJOR));
    free(x.data), free(g.xbar), free(g.s);
}

static void dense(run *r)
{
    bnorm_mat_f64 x = matrix(r, "x"), g1 = matrix(r, "g1"), w = matrix(r, "w");
    bnorm_mat_f64 b = empty(r, x.rows, g1.cols), dg1 = empty(r, g1.rows, g1.cols);
    double *mean = grab(g1.cols), *rstd = grab(g1.cols);
    double *dgamma = grab(g1.cols), *dbeta = grab(g1.cols);
    const double *gamma = case_vector(r->c, "gamma");
    space g = gram_of(r, x);
    demand(r, bnorm_dense_forward_f64(r->ctx, x, g1, &g.gram, gamma, case_vector(r->c, "beta"),
                                      case_number(r->c, "eps"), b, mean, rstd));
    demand(r, bnorm_dense_backward_f64(r->ctx, x, g1, &g.gram, w, gamma, rstd, dg1, dgamma,
                                       dbeta));
    show_matrix(r, "b", b);
    show(r, "mean", mean, g1.cols);
    show(r, "rstd", rstd, g1.cols);
    show_matrix(r, "dg1", dg1);
    show(r, "dgamma", dgamma, g1.cols);
    show(r, "dbeta", dbeta, g1.cols);
    free(x.data), free(g1.data), free(w.data), free(b.data), free(dg1.data);
    free(mean), free(rstd), free(dgamma), free(dbeta), free(g.xbar), free(g.s);
}

/* One of "dense:3", "batchnorm", or an activation. */
static void add_layer(run *r, bnorm_net *net, const char *layer)
{
    if (strncmp(layer, "dense:", 6) == 0)
        demand(r, bnorm_net_dense(r->ctx, net, strtol(layer + 6, NULL, 10)));
    else if (strcmp(layer, "batchnorm") == 0)
        demand(r, bnorm_net_batchnorm(r->ctx, net, (bnorm_rule){.eps = 1e-5}));
    else
        demand(r, bnorm_net_activation(r->ctx, net, bnorm_activation_find(layer)));
}

static void network(run *r)
{
    bnorm_net *net;
    bnorm_mat_f64 x = matrix(r, "x"), y = matrix(r, "y");
    demand(r, bnorm_net_create(r->ctx, x.cols, &net));
    char layers[CASE_WORD];
    strcpy(layers, case_word(r->c, "layers"));
    for (char *l = strtok(layers, ","); l; l = strtok(NULL, ",")) add_layer(r, net, l);
    demand(r, bnorm_net_start(r->ctx, net, (uint64_t)case_number(r->c, "seed")));
    ptrdiff_t count;
    const double *start = bnorm_net_parameters(net, &count);
    double value, *gradient = grab(count);
    demand(r, bnorm_net_gradient(r->ctx, net, x, y, case_vector(r->c, "weights"),
                                 bnorm_loss_find(case_word(r->c, "loss")), 0, 0, &value,
                                 gradient));
    show(r, "start", start, count);
    show(r, "value", &value, 1);
    show(r, "gradient", gradient, count);
    free(x.data), free(y.data), free(gradient);
    bnorm_net_destroy(net);
}

/* -------------------------------------------------------------------------------- program */

static const struct {
    const char *name;
    void (*run)(run *r);
} operations[] = {{"forward", forward},
                  {"backward", backward},
                  {"infer", infer},
                  {"infer_backward", infer_backward},
                  {"fold", fold},
                  {"moments", moments},
                  {"merge", merge},
                  {"running", running},
                  {"layer_norm", layer_norm},
                  {"group_norm", group_norm},
                  {"gram", gram},
                  {"dense", dense},
                  {"network", network},
                  {"demean", conformance_demean},
                  {"panel", conformance_panel}};

/* Stacks of samples are row-major only. */
static void run_case(run *r)
{
    if (r->layout == BNORM_COL_MAJOR && strcmp(r->c->op, "group_norm") == 0) return;
    for (size_t k = 0; k < sizeof operations / sizeof *operations; k++)
        if (strcmp(operations[k].name, r->c->op) == 0) {
            operations[k].run(r);
            return;
        }
    fprintf(stderr, "conformance: %s: no operation '%s'\n", r->c->name, r->c->op);
    r->bad = 1;
}

static int run_file(run *r, const char *path)
{
    test_case c;
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "conformance: cannot read %s\n", path);
        return 0;
    }
    int count = 0;
    for (; case_read(file, &c); count++) {
        r->c = &c;
        run_case(r);
        case_free(&c);
    }
    fclose(file);
    return count;
}

int main(int argc, char **argv)
{
    run r = {.layout = BNORM_COL_MAJOR};
    if (argc > 1 && strcmp(argv[1], "row") == 0) r.layout = BNORM_ROW_MAJOR;
    if (argc < 3 || bnorm_ctx_create(NULL, &r.ctx) != BNORM_OK) return 2;
    for (int k = 2; k < argc; k++)
        if (run_file(&r, argv[k]) == 0) r.bad = 1;
    bnorm_ctx_destroy(r.ctx);
    return r.bad;
}
