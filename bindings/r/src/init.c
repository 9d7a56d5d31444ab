/* init: the routines that R may call, the one context, the number of threads. */
#include "holder.h"

#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>

static bnorm_ctx *the_ctx;

bnorm_ctx *glue_ctx(void)
{
    return the_ctx;
}

/* A new context with that many threads in place of the old one. */
static void set_threads(int threads)
{
    bnorm_ctx *made = NULL;
    bnorm_ctx_options options;
    bnorm_ctx_defaults(&options);
    options.threads = threads;
    if (bnorm_ctx_create(&options, &made) != BNORM_OK)
        Rf_error("bnorm: out of memory for a context");
    bnorm_ctx_destroy(the_ctx);
    the_ctx = made;
}

SEXP bn_threads_call(SEXP threads)
{
    int before = bnorm_ctx_threads(the_ctx);
    if (Rf_isNull(threads)) return Rf_ScalarInteger(before);
    int wanted = (int)glue_whole(threads, "k", 0, 1024);
    if (user_open())
        glue_stop("argument", "'k' cannot be set by a function that bnorm has called: the call "
                              "that is open holds the threads");
    set_threads(wanted);
    return Rf_ScalarInteger(before);
}

SEXP bn_isa_call(void)
{
    return Rf_mkString(bnorm_isa());
}

/* Called once, when the namespace is loaded. */
static SEXP bn_init_call(SEXP environment)
{
    glue_results_init(environment);
    return R_NilValue;
}

#define ROUTINE(name, count)                                                                   \
    {                                                                                          \
        "C_" #name, (DL_FUNC)&name##_call, count                                               \
    }

static const R_CallMethodDef routines[] = {ROUTINE(bn_init, 1),
                                           ROUTINE(bn_threads, 1),
                                           ROUTINE(bn_isa, 0),
                                           ROUTINE(bn_forward, 6),
                                           ROUTINE(bn_backward, 2),
                                           ROUTINE(bn_infer, 6),
                                           ROUTINE(bn_fold, 7),
                                           ROUTINE(bn_jacobian, 7),
                                           ROUTINE(bn_infer_backward, 6),
                                           ROUTINE(bn_moments, 2),
                                           ROUTINE(bn_merge, 2),
                                           ROUTINE(bn_running, 2),
                                           ROUTINE(layer_norm, 4),
                                           ROUTINE(bn_gram, 3),
                                           ROUTINE(bn_dense, 5),
                                           ROUTINE(net_fit, 5),
                                           ROUTINE(net_restore, 2),
                                           ROUTINE(net_save, 2),
                                           ROUTINE(net_alive, 1),
                                           ROUTINE(net_describe, 1),
                                           ROUTINE(net_coef, 1),
                                           ROUTINE(net_predict, 2),
                                           ROUTINE(net_check, 5),
                                           ROUTINE(net_start, 2),
                                           ROUTINE(net_gradient, 5),
                                           ROUTINE(part_builtin, 2),
                                           ROUTINE(demean, 4),
                                           ROUTINE(panel_fit, 4),
                                           ROUTINE(panel_save, 3),
                                           ROUTINE(panel_load, 1),
                                           ROUTINE(panel_describe, 1),
                                           ROUTINE(panel_coef, 1),
                                           ROUTINE(panel_effects, 1),
                                           ROUTINE(panel_residuals, 1),
                                           ROUTINE(panel_vcov, 3),
                                           ROUTINE(panel_vcov_describe, 1),
                                           ROUTINE(panel_vcov_matrix, 3),
                                           ROUTINE(panel_design, 2),
                                           ROUTINE(panel_margins, 2),
                                           ROUTINE(panel_profile, 4),
                                           ROUTINE(panel_predict, 4),
                                           ROUTINE(panel_cv, 7),
                                           ROUTINE(panel_is, 1),
                                           ROUTINE(panel_revive, 5),
                                           ROUTINE(panel_values, 2),
                                           ROUTINE(panel_check, 3),
                                           {NULL, NULL, 0}};

void attribute_visible R_init_bnorm(DllInfo *dll)
{
    set_threads(1);
    R_registerRoutines(dll, NULL, routines, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);
    R_forceSymbols(dll, TRUE);
}

void attribute_visible R_unload_bnorm(DllInfo *dll)
{
    (void)dll;
    bnorm_ctx_destroy(the_ctx);
    the_ctx = NULL;
}
