/* watch: what a fit tells while it runs, and how it is told to stop. */
#include "watch.h"

#include <math.h>
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

/* By the validation loss where there is one; infinite without an epoch. */
static double best_epoch(const fit_history *h)
{
    double best = INFINITY;
    for (ptrdiff_t k = 0; k < h->count; k++) {
        double score = isnan(h->validation[k]) ? h->loss[k] : h->validation[k];
        if (score < best) best = score;
    }
    return best;
}

/* A start has ended: the better one stays. */
static void keep_better(cli_watch *w)
{
    fit_history ended = w->present;
    if (!w->history->count || best_epoch(&ended) < best_epoch(w->history)) {
        w->present = *w->history;
        *w->history = ended;
    }
    w->present.count = 0;
}

int bnorm_cli_watch(void *user, const bnorm_progress *p)
{
    cli_watch *w = user;
    fit_history *h = &w->present;
    if (p->epoch <= h->count) keep_better(w);
    h->loss = bnorm_cli_grow(h->loss, h->count + 1, &h->loss_capacity, sizeof *h->loss);
    h->validation = bnorm_cli_grow(h->validation, h->count + 1, &h->validation_capacity,
                                   sizeof *h->validation);
    h->loss[h->count] = p->loss;
    h->validation[h->count++] = p->validation;
    bnorm_cli_bar_draw(&w->bar, p);
    return stop_asked;
}

void bnorm_cli_watch_begin(cli_watch *w, fit_history *history, int bar)
{
    *w = (cli_watch){.history = history};
    bnorm_cli_bar_begin(&w->bar, bar);
}

void bnorm_cli_watch_end(cli_watch *w)
{
    bnorm_cli_bar_end(&w->bar);
    keep_better(w);
    bnorm_cli_history_free(&w->present);
}

void bnorm_cli_history_free(fit_history *h)
{
    free(h->loss);
    free(h->validation);
    *h = (fit_history){0};
}
