/* vcov: the inside of a covariance: its own numbers, whole without the model it was made of. */
#ifndef BNORM_STRUCTURED_VCOV_H
#define BNORM_STRUCTURED_VCOV_H

#include "io/model.h"
#include "panel/inference.h"
#include "structured/panel.h"

struct bnorm_vcov {
    bnorm_vcov_info info;
    ptrdiff_t linear;
    covariance c;
    char *cluster[2];    /* names, or NULL */
    char **unidentified; /* info.unidentified of them */

    /* What fixed effects owe to the parameters: a row for each level of each factor, then for each
     * factor the weighted mean of these over the rows; in all `levels` x parameters. */
    ptrdiff_t levels;
    double *effects;
    /* sigma^2 / the sum of the weights of each level, and at the end of all rows: what the effect
     * itself adds to a variance; NULL unless one constant factor and a classical estimate. */
    double *own;
    ptrdiff_t own_count;
};

/* The clusters of a request, allocated: codes of the rows; *name: of the column. */
typedef struct panel_cluster {
    int32_t *codes;
    ptrdiff_t count;
    char *name;
} panel_cluster;
/* By the name of a factor or of a column of table (or NULL); name NULL: the unit. Errors: ARGUMENT,
 * DATA (no such column; a row without a value), MEMORY. *c is to be released in any case. */
bnorm_status bnorm_panel_cluster(bnorm_ctx *ctx, const bnorm_panel *panel,
                                 const bnorm_table *table, const char *name, panel_cluster *c);
/* Absorbed parameters that the factors of clusters count. */
bnorm_status bnorm_panel_counted(bnorm_ctx *ctx, const bnorm_panel *panel,
                                 bnorm_vcov_count count, const clustering *by, int ways,
                                 ptrdiff_t *counted);

/* Names the directions of c->null. Errors: MEMORY. */
bnorm_status bnorm_vcov_name_unidentified(bnorm_ctx *ctx, const bnorm_panel *panel,
                                          bnorm_vcov *vcov);

/* Refuses a vcov that cannot be of this model. */
bnorm_status bnorm_vcov_check(bnorm_ctx *ctx, const bnorm_panel *panel, const bnorm_vcov *vcov,
                              const char *what);

/* Standard errors of predictions of `count` rows: new_p is count x info.linear, new_x a matrix for
 * each nn(), codes of each factor (-1: a new level, for which the mean effect stands), slopes of
 * each factor or NULL. scores: the predicted scores of a logistic model. The gradient of a row is
 * that of its score less what the effects owe to the parameters.
 * Errors: ARGUMENT (full, and the model comes from a file), MEMORY. */
typedef struct panel_places {
    ptrdiff_t count;
    bnorm_mat_f64 p;
    const bnorm_mat_f64 *x;
    const int32_t *const *codes;
    const double *const *slopes;
    const double *scores;
} panel_places;
bnorm_status bnorm_vcov_errors(bnorm_ctx *ctx, const bnorm_panel *panel, const bnorm_vcov *vcov,
                               const panel_places *places, double *se);

/* info from c, but for type and full. */
void bnorm_vcov_fill_info(bnorm_vcov *vcov);

/* As a part of the file of the panel (vcov_file.c): its description under the key, its tensors; and
 * what was described so, with tensors to be filled, where `most` numbers are in the file. Errors:
 * FORMAT, MEMORY; *vcov is to be destroyed in any case. */
void bnorm_vcov_to_json(const bnorm_vcov *vcov, const char *key, bnorm_json_writer *w);
bnorm_status bnorm_vcov_tensors(bnorm_vcov *vcov, bnorm_visit visit, void *user);
bnorm_status bnorm_vcov_from_json(bnorm_ctx *ctx, const bnorm_json *json,
                                  const bnorm_panel *panel, ptrdiff_t most, bnorm_vcov **vcov);

#endif
