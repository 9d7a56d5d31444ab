/* panel: the inside of a structured model. It is whole when the caller sees it: a model that was
 * created has its matrices, one that was loaded has none (rows is NULL) and is fitted. */
#ifndef BNORM_STRUCTURED_PANEL_H
#define BNORM_STRUCTURED_PANEL_H

#include "io/frame.h"
#include "io/structure.h"
#include "panel/panel.h"

/* One set of fixed effects: a constant, or a coefficient of a slope, for each level. */
typedef struct panel_factor {
    bnorm_effect effect; /* its variables, in the frame `bar` */
    char *name;          /* "id", "id^year", "id[[x]]" */
    ptrdiff_t levels;
    bnorm_names
        tuples;      /* of combined levels: the bytes of the codes (int32_t) of each, ascending;
                           empty where one column has the levels */
    char **labels;   /* of combined levels: "a^1999"; NULL otherwise */
    double *effects; /* levels: 0 before a fit */
    double mean;     /* weighted mean of the effects over the rows of the fit */
} panel_factor;

/* What a marginal effect is taken of: a column of the networks' inputs or of the linear terms. */
typedef struct panel_variable {
    const char *name; /* owned by a frame */
    ptrdiff_t linear; /* its column of P, or -1 */
    ptrdiff_t *input; /* its column of X_k for each network, or -1 */
} panel_variable;

/* A term that was left out, and why. */
typedef struct panel_dropped {
    char *name, *reason;
} panel_dropped;

struct bnorm_panel {
    char *formula;
    bnorm_panel_info info;
    bnorm_frame *linear;    /* the target and the linear terms */
    bnorm_frame **networks; /* the inputs of each nn() */
    bnorm_frame *bar;       /* the columns and slopes of the fixed effects; no terms */
    panel_factor *factors;
    panel_variable *variables; /* info.inputs of them */
    panel_dropped *dropped;    /* info.dropped of them */
    char (*names)[16];         /* of the networks: "nn1" */
    int intercept;             /* column 0 of P is "(Intercept)" */

    /* A bag is one model of all its members' networks, with G2 divided by their number: its sum is
     * the mean of theirs. Network k of member b is nets[b * info.networks + k]. */
    ptrdiff_t members;     /* 1, or fits of a bag */
    problem_network *nets; /* x is that of member 0; data NULL when loaded */
    double *theta, *top;   /* info.linear, info.top */
    double *bag; /* theta of each member (members x info.linear); NULL without a bag */
    bnorm_panel_options options; /* a copy, hidden as well; name texts are NULL */
    ptrdiff_t *hidden;

    /* The matrices, NULL in a loaded model. */
    ptrdiff_t *rows; /* of the table */
    double *y, *weights, *p;
    int32_t **codes;   /* of each factor: its own, or those of an earlier one */
    double **slopes;   /* of each factor, or NULL */
    int32_t *index[2]; /* unit and period; or NULL */
    bnorm_factor *views;
    bnorm_within *within;
    problem problem; /* refers to all that */
};

/* The levels of factor k that rows of a table have, -1 where unseen or missing; `bar` of the panel
 * is bound and translated. */
void bnorm_panel_codes(const bnorm_binding *bar, const panel_factor *factor,
                       const ptrdiff_t *rows, ptrdiff_t count, int32_t *codes);

/* The values of a slope in rows of a table. Errors: DATA (not finite). */
bnorm_status bnorm_panel_slope(bnorm_binding *bar, const panel_factor *factor,
                               const ptrdiff_t *rows, ptrdiff_t count, double *slope);

/* The name of an effect, allocated; NULL without memory. */
char *bnorm_factor_name(bnorm_ctx *ctx, const bnorm_formula *variables, const bnorm_effect *e);

/* Of combined levels: "a^1999" of each; the codes of one in the factor's columns. Errors: MEMORY. */
bnorm_status bnorm_factor_write_labels(bnorm_ctx *ctx, const bnorm_frame *bar,
                                       panel_factor *factor);
void bnorm_tuple(const panel_factor *factor, ptrdiff_t level, int32_t *codes);

/* A started network of the model's form for the inputs of nn() k; member and start draw the seed.
 * *net is NULL on failure. Errors: as bnorm_net_create and the layers. */
bnorm_status bnorm_panel_build(bnorm_ctx *ctx, const bnorm_panel *panel, ptrdiff_t k,
                               ptrdiff_t member, bnorm_net **net);

/* Makes room for so many members, the networks of which stand in nets: `top`, zero, with each
 * network's place in it; counts; the problem. Errors: MEMORY. */
bnorm_status bnorm_panel_place(bnorm_ctx *ctx, bnorm_panel *panel);

/* "nn1", ...; the variables of marginal effects. Errors: MEMORY. */
bnorm_status bnorm_panel_name_networks(bnorm_ctx *ctx, bnorm_panel *panel);
bnorm_status bnorm_panel_name_variables(bnorm_ctx *ctx, bnorm_panel *panel);

/* One fit of a problem by the options of the caller, which were checked: ARGUMENT. Errors: those of
 * bnorm_problem_fit and bnorm_problem_hold. */
bnorm_status bnorm_panel_check_fit(bnorm_ctx *ctx, const bnorm_panel_fit_options *o);
bnorm_status bnorm_panel_fit_problem(bnorm_ctx *ctx, problem *p,
                                     const bnorm_panel_fit_options *o, problem_report *report);

/* info, effects and their means from the present parameters of a model with matrices. */
bnorm_status bnorm_panel_settle(bnorm_ctx *ctx, bnorm_panel *panel);

/* Refuses a model that was loaded: "<function>: the model was loaded ..." */
bnorm_status bnorm_panel_need_rows(bnorm_ctx *ctx, const bnorm_panel *panel, const char *what);
bnorm_status bnorm_panel_need_fit(bnorm_ctx *ctx, const bnorm_panel *panel, const char *what);

#endif
