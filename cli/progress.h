/* progress: a bar on stderr while a fit runs, with the loss and the time left. */
#ifndef BNORM_CLI_PROGRESS_H
#define BNORM_CLI_PROGRESS_H

#include "bnorm.h"

typedef struct cli_bar {
    int on;       /* stderr is a terminal and the user wants to see it */
    double drawn; /* seconds at the last drawing; < 0 before the first */
} cli_bar;

void bnorm_cli_bar_begin(cli_bar *bar, int wanted);
void bnorm_cli_bar_draw(cli_bar *bar, const bnorm_progress *progress);
void bnorm_cli_bar_end(cli_bar *bar); /* wipes it */

#endif
