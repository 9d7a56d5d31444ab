/* progress: the bar. It is one line, drawn over itself at most ten times a second and wiped at
 * the end, so it leaves nothing in a log or between results. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 30 };

void bnorm_cli_bar_begin(cli_bar *bar, int wanted)
{
    bar->on = wanted && isatty(STDERR_FILENO);
    bar->drawn = -1;
}

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col) return 80;
    return size.ws_col;
}

/* Seconds that the rest takes at the pace so far. */
static double time_left(const bnorm_progress *p)
{
    if (p->epoch < 1) return 0;
    return p->seconds / (double)p->epoch * (double)(p->epochs - p->epoch);
}

static void put_time(char *text, size_t size, double seconds)
{
    long s = (long)ceil(fmin(seconds, 359999));
    if (s >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld left", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%ld:%02ld left", s / 60, s % 60);
}

/* "[####....]" of at most so many characters; nothing when there is no room. */
static void put_bar(char *text, int room, const bnorm_progress *p)
{
    int cells = (room > BAR ? BAR : room) - 2;
    text[0] = 0;
    if (cells < 4) return;
    text[0] = '[';
    for (int k = 0; k < cells; k++) text[k + 1] = k * p->epochs < cells * p->epoch ? '#' : '.';
    text[cells + 1] = ']';
    text[cells + 2] = 0;
}

/* The bar gives way first where the terminal is narrow, then the end of the line. */
void bnorm_cli_bar_draw(cli_bar *bar, const bnorm_progress *p)
{
    char head[64], tail[128], fill[BAR + 1], validation[48] = "", left[32];
    int width = terminal_width() - 1, last = p->epoch == p->epochs;
    if (!bar->on || (bar->drawn >= 0 && p->seconds < bar->drawn + 0.1 && !last)) return;
    bar->drawn = p->seconds;
    if (isfinite(p->validation))
        snprintf(validation, sizeof validation, "  validation %.4g", p->validation);
    put_time(left, sizeof left, time_left(p));
    int used = snprintf(head, sizeof head, "epoch %td of %td  ", p->epoch, p->epochs);
    used += snprintf(tail, sizeof tail, "  loss %.4g%s  %s", p->loss, validation, left);
    put_bar(fill, width - used, p);
    int head_width = (int)strlen(head) + (int)strlen(fill);
    fprintf(stderr, "\r%s%s%.*s\033[K", head, fill, width > head_width ? width - head_width : 0,
            tail);
    fflush(stderr);
}

void bnorm_cli_bar_end(cli_bar *bar)
{
    if (bar->on && bar->drawn >= 0) fputs("\r\033[K", stderr);
    bar->on = 0;
}
