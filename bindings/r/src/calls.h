/* calls: what R calls, registered in init.c. */
#ifndef BNORM_R_CALLS_H
#define BNORM_R_CALLS_H

#include "results.h"

SEXP bn_forward_call(SEXP x, SEXP gamma, SEXP beta, SEXP weights, SEXP ddof, SEXP eps);
SEXP bn_backward_call(SEXP f, SEXP dy);
SEXP bn_infer_call(SEXP x, SEXP gamma, SEXP beta, SEXP mean, SEXP var, SEXP eps);
SEXP bn_infer_backward_call(SEXP dy, SEXP x, SEXP gamma, SEXP mean, SEXP var, SEXP eps);
SEXP bn_fold_call(SEXP g1, SEXP bias, SEXP gamma, SEXP beta, SEXP mean, SEXP var, SEXP eps);
SEXP bn_jacobian_call(SEXP x, SEXP of, SEXP g1, SEXP gamma, SEXP weights, SEXP ddof, SEXP eps);
SEXP layer_norm_call(SEXP x, SEXP gamma, SEXP beta, SEXP eps);
SEXP bn_moments_call(SEXP x, SEXP weights);
SEXP bn_merge_call(SEXP a, SEXP b);
SEXP bn_running_call(SEXP running, SEXP moments);
SEXP bn_gram_call(SEXP x, SEXP weights, SEXP ddof);
SEXP bn_dense_call(SEXP gram, SEXP g1, SEXP gamma, SEXP beta, SEXP eps);
SEXP bn_dense_backward_call(SEXP f, SEXP db);
SEXP bn_threads_call(SEXP threads);
SEXP bn_isa_call(void);

SEXP demean_call(SEXP x, SEXP factors, SEXP weights, SEXP tolerance);

SEXP part_builtin_call(SEXP class, SEXP name);
SEXP net_fit_call(SEXP formula, SEXP columns, SEXP weights, SEXP spec, SEXP options);
SEXP net_restore_call(SEXP path, SEXP parts);
SEXP net_save_call(SEXP pointer, SEXP path);
SEXP net_alive_call(SEXP pointer);
SEXP net_describe_call(SEXP pointer);
SEXP net_coef_call(SEXP pointer);
SEXP net_predict_call(SEXP pointer, SEXP columns);
SEXP net_check_call(SEXP pointer, SEXP columns, SEXP weights, SEXP seed, SEXP entries);
SEXP net_start_call(SEXP inputs, SEXP spec);
SEXP net_gradient_call(SEXP pointer, SEXP x, SEXP y, SEXP weights, SEXP loss);

SEXP panel_fit_call(SEXP formula, SEXP columns, SEXP weights, SEXP options);
SEXP panel_save_call(SEXP pointer, SEXP vcov, SEXP path);
SEXP panel_load_call(SEXP path);
SEXP panel_is_call(SEXP path);
SEXP panel_revive_call(SEXP loaded, SEXP formula, SEXP columns, SEXP weights, SEXP options);
SEXP panel_values_call(SEXP pointer, SEXP input);
SEXP panel_describe_call(SEXP pointer);
SEXP panel_coef_call(SEXP pointer);
SEXP panel_effects_call(SEXP pointer);
SEXP panel_residuals_call(SEXP pointer);
SEXP panel_vcov_call(SEXP pointer, SEXP columns, SEXP options);
SEXP panel_vcov_describe_call(SEXP pointer);
SEXP panel_vcov_matrix_call(SEXP pointer, SEXP linear, SEXP all);
SEXP panel_design_call(SEXP pointer, SEXP full);
SEXP panel_margins_call(SEXP pointer, SEXP vcov);
SEXP panel_profile_call(SEXP pointer, SEXP vcov, SEXP input, SEXP at);
SEXP panel_predict_call(SEXP pointer, SEXP vcov, SEXP columns, SEXP new_level);
SEXP panel_check_call(SEXP pointer, SEXP seed, SEXP entries);
SEXP panel_cv_call(SEXP formula, SEXP columns, SEXP weights, SEXP options, SEXP by, SEXP folds,
                   SEXP candidates);

#endif
