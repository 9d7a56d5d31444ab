/* custom: activations and losses that are R functions, and the making of parts. The library calls
 * the C functions here; each asks R, and gets NaN when R failed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

/* --------------------------------------------------------------------------- activations */

static void activation_value(void *user, ptrdiff_t count, const double *b, double *v)
{
    request r = {.p = user,
                 .function = "value",
                 .in = {b},
                 .count = {count},
                 .out = v,
                 .out_count = count};
    if (count) user_ask(&r);
}

/* db = dv a'(b), where db may be dv or b: a' goes to memory of its own. */
static void activation_gradient(void *user, ptrdiff_t count, const double *b, const double *dv,
                                double *db)
{
    double *slope = malloc(((size_t)count + 1) * sizeof *slope);
    request r = {.p = user,
                 .function = "derivative",
                 .in = {b},
                 .count = {count},
                 .out = slope,
                 .out_count = count};
    if (slope && count) user_ask(&r);
    for (ptrdiff_t k = 0; k < count; k++) db[k] = slope ? dv[k] * slope[k] : (double)NAN;
    free(slope);
}

/* ------------------------------------------------------------------------------- losses */

static double loss_value(void *user, ptrdiff_t scores, const double *score,
                         const double *target)
{
    double value;
    request r = {.p = user,
                 .function = "value",
                 .in = {score, target},
                 .out = &value,
                 .count = {scores, ((part *)user)->loss.targets},
                 .out_count = 1};
    user_ask(&r);
    return value;
}

static void loss_gradient(void *user, ptrdiff_t scores, const double *score,
                          const double *target, double *d)
{
    request r = {.p = user,
                 .function = "gradient",
                 .in = {score, target},
                 .out = d,
                 .count = {scores, ((part *)user)->loss.targets},
                 .out_count = scores};
    user_ask(&r);
}

static void loss_response(void *user, ptrdiff_t scores, const double *score, double *mean)
{
    request r = {.p = user,
                 .function = "response",
                 .in = {score},
                 .count = {scores},
                 .out = mean,
                 .out_count = scores};
    user_ask(&r);
}

/* -------------------------------------------------------------------------------- making */

/* As identical(): R's numbers, attributes as a set, functions with their environments. */
static int same_spec(SEXP a, SEXP b)
{
    return a == b || R_compute_identical(a, b, 16);
}

/* The same R list, or a copy of it, gives the same part; another list of that name is refused, for
 * a model file knows a part by its name alone. */
static part *part_find(holder *h, SEXP spec, const char *class, const char *name)
{
    for (part *p = h->parts; p; p = p->next) {
        if (!Rf_inherits(p->spec, class) || strcmp(p->name, name)) continue;
        if (same_spec(p->spec, spec)) return p;
        glue_stop("argument", "two different %ss have the name '%.63s'; give each its own",
                  class, name);
    }
    return NULL;
}

static int is_builtin(const char *class, const char *name)
{
    if (!strcmp(class, "bn_activation")) return bnorm_activation_find(name) != NULL;
    return !strcmp(class, "bn_loss") && bnorm_loss_find(name) != NULL;
}

SEXP part_builtin_call(SEXP class, SEXP name)
{
    return Rf_ScalarLogical(is_builtin(glue_string(class, "class"), glue_string(name, "name")));
}

static part *part_make(holder *h, SEXP spec, const char *class)
{
    const char *name = glue_string(glue_member(spec, "name"), "name");
    if (is_builtin(class, name))
        glue_stop("argument", "'name' is \"%.63s\", which the library has already", name);
    part *p = part_find(h, spec, class, name);
    if (p) return p;
    p = calloc(1, sizeof *p);
    if (!p) glue_stop("memory", "out of memory for a part of a network");
    p->next = h->parts;
    h->parts = p;
    p->spec = spec;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->activation = (bnorm_activation){
        .name = p->name, .value = activation_value, .gradient = activation_gradient, .user = p};
    p->loss = (bnorm_loss){.name = p->name,
                           .targets = 1,
                           .value = loss_value,
                           .gradient = loss_gradient,
                           .user = p};
    p->layer = part_layer_functions(p);
    return p;
}

void parts_free(part *parts)
{
    while (parts) {
        part *next = parts->next;
        while (parts->starts) {
            starting *s = parts->starts;
            parts->starts = s->next;
            R_ReleaseObject(s->list);
            free(s);
        }
        free(parts);
        parts = next;
    }
}

const bnorm_activation *part_activation(holder *h, SEXP spec)
{
    part *p = part_make(h, spec, "bn_activation");
    p->activation.gain = glue_number(glue_member(spec, "gain"), "gain");
    return &p->activation;
}

const bnorm_loss *part_loss(holder *h, SEXP spec)
{
    part *p = part_make(h, spec, "bn_loss");
    if (!Rf_isNull(glue_member(spec, "response"))) p->loss.response = loss_response;
    return &p->loss;
}

const bnorm_layer *part_layer(holder *h, SEXP spec)
{
    return &part_make(h, spec, "bn_layer")->layer;
}
