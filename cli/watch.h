/* watch: a fit while it runs: its losses, the progress bar, and the signals that end it early. */
#ifndef BNORM_CLI_WATCH_H
#define BNORM_CLI_WATCH_H

#include "bnorm.h"
#include "progress.h"

typedef struct fit_history {
    ptrdiff_t count, loss_capacity, validation_capacity;
    double *loss, *validation; /* objective; loss on the validation rows, NaN without */
} fit_history;

/* What bnorm_cli_watch takes as `user`. Of several starts, each of which counts its epochs from 1,
 * the one whose best epoch is best of all is in `history` at the end. */
typedef struct cli_watch {
    fit_history *history;
    fit_history present; /* the start that runs */
    cli_bar bar;
} cli_watch;

/* For the options of a fit: progress and interrupted. Either ends it once a signal came. */
int bnorm_cli_watch(void *user, const bnorm_progress *progress);
int bnorm_cli_stop_asked(void *user);

/* Around the fit: the bar is wanted or not, and wiped in the end. */
void bnorm_cli_watch_begin(cli_watch *watch, fit_history *history, int bar);
void bnorm_cli_watch_end(cli_watch *watch);

/* From catch on SIGINT and SIGTERM end the command at once; between begin and let they ask the
 * fit for an end, and the second one forces it; from let on they do what they always do, and
 * output.c removes what is pending. */
void bnorm_cli_stop_catch(void);
void bnorm_cli_stop_begin(void);
void bnorm_cli_stop_let(void);

void bnorm_cli_history_free(fit_history *history);

#endif
