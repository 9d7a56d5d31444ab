/* options: the options of a fit, checked and completed. */
#ifndef BNORM_TRAIN_OPTIONS_H
#define BNORM_TRAIN_OPTIONS_H

#include "layer/layer.h"

/* given may be NULL. Errors: ARGUMENT, the message names the option. */
bnorm_status bnorm_fit_resolve(bnorm_ctx *ctx, const bnorm_net *net, ptrdiff_t rows,
                               const bnorm_fit_options *given, bnorm_fit_options *resolved);

#endif
