/* build: networks from R's descriptions of them. A layer is a list with a member `kind`. */
#include "build.h"

#include <math.h>
#include <string.h>

const bnorm_loss *build_loss(holder *h, SEXP loss)
{
    if (Rf_inherits(loss, "bn_loss")) return part_loss(h, loss);
    const char *name = glue_string(loss, "loss");
    const bnorm_loss *found = bnorm_loss_find(name);
    if (!found)
        glue_stop("argument",
                  "'loss' is \"%.60s\"; it must be squared, logistic, softmax or a bn_loss()",
                  name);
    return found;
}

const bnorm_activation *build_activation(holder *h, SEXP a)
{
    if (Rf_inherits(a, "bn_activation")) return part_activation(h, a);
    const char *name = glue_string(a, "activation");
    const bnorm_activation *found = bnorm_activation_find(name);
    if (!found)
        glue_stop("argument",
                  "'activation' is \"%.60s\"; it must be identity, relu, leaky_relu, tanh, "
                  "logistic, softplus, gelu or a bn_activation()",
                  name);
    return found;
}

/* One layer that is ready to be added: whatever can be refused has been. */
typedef struct piece {
    bnorm_layer_kind kind;
    ptrdiff_t units;
    bnorm_rule rule;
    double rate;
    const bnorm_activation *activation;
    const bnorm_layer *layer;
} piece;

static piece read_piece(holder *h, SEXP spec)
{
    const char *kind = glue_string(glue_member(spec, "kind"), "layers");
    piece p = {.kind = BNORM_LAYER_USER};
    if (!strcmp(kind, "dense")) {
        p.kind = BNORM_LAYER_DENSE;
        p.units = (ptrdiff_t)glue_whole(glue_member(spec, "units"), "hidden", 1, 1e6);
    } else if (!strcmp(kind, "batchnorm")) {
        p.kind = BNORM_LAYER_BATCHNORM;
        p.rule.eps = glue_number(glue_member(spec, "eps"), "eps");
        p.rule.ddof = glue_number(glue_member(spec, "ddof"), "ddof");
    } else if (!strcmp(kind, "activation")) {
        p.kind = BNORM_LAYER_ACTIVATION;
        p.activation = build_activation(h, glue_member(spec, "activation"));
    } else if (!strcmp(kind, "dropout")) {
        p.kind = BNORM_LAYER_DROPOUT;
        p.rate = glue_number(glue_member(spec, "rate"), "dropout");
    } else if (!strcmp(kind, "layer")) {
        p.layer = part_layer(h, glue_member(spec, "layer"));
    } else {
        glue_stop("argument", "a layer of kind \"%.60s\" is unknown", kind);
    }
    return p;
}

static bnorm_status add(bnorm_net *net, const piece *p)
{
    bnorm_ctx *ctx = glue_ctx();
    switch (p->kind) {
    case BNORM_LAYER_DENSE:
        return bnorm_net_dense(ctx, net, p->units);
    case BNORM_LAYER_BATCHNORM:
        return bnorm_net_batchnorm(ctx, net, p->rule);
    case BNORM_LAYER_ACTIVATION:
        return bnorm_net_activation(ctx, net, p->activation);
    case BNORM_LAYER_DROPOUT:
        return bnorm_net_dropout(ctx, net, p->rate);
    default:
        return bnorm_net_layer(ctx, net, p->layer);
    }
}

void build_net(holder *h, SEXP spec, ptrdiff_t inputs, ptrdiff_t outputs, double seed,
               double penalty)
{
    SEXP layers = glue_member(spec, "layers");
    if (!(penalty >= 0 && isfinite(penalty)))
        glue_stop("argument", "'penalty' is %g; it must be finite and at least 0", penalty);
    if (TYPEOF(layers) != VECSXP) glue_stop("argument", "'layers' must be a list");
    int count = LENGTH(layers);
    piece *pieces = (piece *)R_alloc((size_t)count + 1, sizeof *pieces);
    for (int k = 0; k < count; k++) pieces[k] = read_piece(h, VECTOR_ELT(layers, k));
    if (outputs) pieces[count++] = (piece){.kind = BNORM_LAYER_DENSE, .units = outputs};
    user_state state;
    user_begin(&state, h);
    bnorm_status status = bnorm_net_create(glue_ctx(), inputs, &h->net);
    for (int k = 0; k < count && !status; k++) status = add(h->net, pieces + k);
    if (!status) status = bnorm_net_start(glue_ctx(), h->net, (uint64_t)seed);
    if (!status && penalty > 0)
        status = bnorm_net_set_penalty(glue_ctx(), h->net, NULL, penalty);
    user_end(&state);
    glue_try(status);
}
