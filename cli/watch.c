/* watch: what a fit tells while it runs, and how it is told to stop. */
#include "watch.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t stop_asked, training;

/* Before the training there is nothing to end well, nor a file that is half written. */
static void ask_stop(int signal_number)
{
    (void)signal_number;
    if (!training) _exit(CLI_INTERRUPTED);
    stop_asked = 1;
}

void bnorm_cli_stop_catch(void)
{
    struct sigaction action = {.sa_handler = ask_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void bnorm_cli_stop_begin(void)
{
    training = 1;
}

void bnorm_cli_stop_let(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

int bnorm_cli_stop_asked(void *user)
{
    (void)user;
    return stop_asked;
}

int bnorm_cli_watch(void *user, const bnorm_progress *p)
{
    cli_watch *w = user;
    fit_history *h = w->history;
    if (p->epoch <= h->count) h->count = p->epoch > 0 ? p->epoch - 1 : 0;
    h->loss = bnorm_cli_grow(h->loss, h->count + 1, &h->loss_capacity, sizeof *h->loss);
    h->validation = bnorm_cli_grow(h->validation, h->count + 1, &h->validation_capacity,
                                   sizeof *h->validation);
    h->loss[h->count] = p->loss;
    h->validation[h->count++] = p->validation;
    bnorm_cli_bar_draw(&w->bar, p);
    return stop_asked;
}

void bnorm_cli_history_free(fit_history *h)
{
    free(h->loss);
    free(h->validation);
    *h = (fit_history){0};
}
