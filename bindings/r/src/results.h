/* results: the lists that the package returns, and places in those made once. */
#ifndef BNORM_R_RESULTS_H
#define BNORM_R_RESULTS_H

#include "glue.h"

enum { F_Y, F_MEAN, F_SD, F_RSTD, F_N, F_M2, F_X, F_WEIGHTS, F_GAMMA, F_BETA, F_DDOF, F_EPS };
enum { L_Y, L_MEAN, L_RSTD, L_X, L_GAMMA, L_BETA, L_EPS };
enum { D_Y, D_MEAN, D_SD, D_RSTD, D_GRAM, D_G1, D_GAMMA, D_BETA, D_EPS };
enum { M_N, M_MEAN, M_M2 };
enum { R_KIND, R_UPDATE, R_DDOF, R_COUNT, R_MEAN, R_VAR, R_M2 };
enum { G_N, G_MEAN, G_S, G_DDOF, G_XBAR, G_X, G_WEIGHTS };

void glue_results_init(SEXP environment);
SEXP glue_namespace(void);

/* A list whose entries are named as they are put in; name in UTF-8. */
SEXP glue_new_list(ptrdiff_t count);
void glue_put(SEXP list, int k, const char *name, SEXP value);
/* One string of UTF-8; NA for NULL. */
SEXP glue_text(const char *text);

#endif
