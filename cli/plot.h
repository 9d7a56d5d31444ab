/* plot: the two halves of a fit's drawing share its measures and titles. */
#ifndef BNORM_CLI_PLOT_H
#define BNORM_CLI_PLOT_H

#include <stdio.h>

#include "fit.h"
#include "svg.h"

/* The page, and where its panels lie on it. */
enum { PLOT_WIDTH = 900, PLOT_HEIGHT = 420, PLOT_TOP = 48, PLOT_SIDE = 310 };

/* "<name> 0.99 (validation 0.98)". */
void bnorm_cli_plot_title(const fit_result *result, const char *name, char *title, size_t size);

/* The objective of each epoch, in the place that `panel` gives; best: the epoch whose parameters
 * were kept. */
void bnorm_cli_plot_training(svg_panel panel, const fit_history *history, int validated,
                             ptrdiff_t best);

/* The right half for classes: the confusion matrix. */
void bnorm_cli_plot_classes(FILE *file, const fit_result *result);

#endif
