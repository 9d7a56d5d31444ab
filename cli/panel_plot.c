/* panel_plot: the drawing of a structured model, small panels three in a row: training (if there
 * is a network), fitted against observed, and for each variable what the model predicts with it
 * set to a value, less the mean, with 95 % bands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "panel.h"
#include "plot.h"
#include "statistics.h"
#include "svg.h"

enum {
    COLUMNS = 3,
    CELL_WIDTH = 340,
    CELL_HEIGHT = 290,
    INNER_WIDTH = 244,
    INNER_HEIGHT = 196,
    MOST_POINTS = 3000,
    MOST_EFFECTS = 40,
    GRID = 41
};

/* The place of panel number k. */
static svg_panel cell(FILE *file, ptrdiff_t k)
{
    return (svg_panel){.file = file,
                       .left = 76 + (double)(k % COLUMNS) * CELL_WIDTH,
                       .top = PLOT_TOP + (double)(k / COLUMNS) * CELL_HEIGHT,
                       .width = INNER_WIDTH,
                       .height = INNER_HEIGHT};
}

static void scatter(const svg_panel *p, ptrdiff_t count, const double *observed,
                    const double *fitted)
{
    ptrdiff_t step = (count + MOST_POINTS - 1) / MOST_POINTS;
    fprintf(p->file,
            "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"" SVG_GREY "\"/>\n",
            p->left, p->top + p->height, p->left + p->width, p->top);
    fputs("<g fill=\"" SVG_BLUE "\" fill-opacity=\"0.45\">\n", p->file);
    for (ptrdiff_t i = 0; i < count; i += step)
        fprintf(p->file, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"2\"/>\n",
                bnorm_cli_svg_x(p, observed[i]), bnorm_cli_svg_y(p, fitted[i]));
    fputs("</g>\n", p->file);
}

static int fitted_panel(bnorm_ctx *ctx, const panel_result *r, svg_panel p)
{
    char title[64];
    ptrdiff_t n = r->info.rows;
    double *fitted = bnorm_cli_alloc(n, sizeof *fitted);
    double *observed = bnorm_cli_alloc(n, sizeof *observed);
    bnorm_status status = bnorm_panel_residuals(ctx, r->panel, fitted, observed);
    p.x = (svg_axis){NAN, NAN, 0};
    for (ptrdiff_t i = 0; i < n; i++) {
        observed[i] += fitted[i];
        bnorm_cli_svg_extend(&p.x, observed[i]);
        bnorm_cli_svg_extend(&p.x, fitted[i]);
    }
    bnorm_cli_svg_pad(&p.x);
    p.y = p.x;
    snprintf(title, sizeof title, "R squared %.4g", r->info.r2);
    if (r->info.factors)
        snprintf(title, sizeof title, "R squared %.4g, within %.4g", r->info.r2,
                 r->info.r2_within);
    if (!status) {
        char label[160];
        const char *target = bnorm_panel_target_name(r->panel);
        snprintf(label, sizeof label, "observed %s", target);
        bnorm_cli_svg_axes(&p, title, label, "fitted");
        scatter(&p, n, observed, fitted);
    }
    free(fitted);
    free(observed);
    return bnorm_cli_status(ctx, status);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A grid from the 1st to the 99th percentile: where few data lie, an effect says little. */
static bnorm_status grid(bnorm_ctx *ctx, const panel_result *r, ptrdiff_t input, double *at)
{
    ptrdiff_t n = r->info.rows;
    double *values = bnorm_cli_alloc(n, sizeof *values);
    bnorm_status status = bnorm_panel_values(ctx, r->panel, input, values);
    qsort(values, (size_t)n, sizeof *values, ascending);
    double low = values[n / 100], high = values[n - 1 - n / 100];
    if (!(low < high)) {
        low = values[0];
        high = values[n - 1];
    }
    for (int k = 0; k < GRID; k++) at[k] = low + (high - low) * k / (GRID - 1);
    free(values);
    return status;
}

static void band(const svg_panel *p, const double *at, const double *low, const double *high)
{
    fputs("<path fill=\"" SVG_BLUE "\" fill-opacity=\"0.2\" d=\"", p->file);
    for (int k = 0; k < GRID; k++)
        fprintf(p->file, "%c%.2f %.2f", k ? 'L' : 'M', bnorm_cli_svg_x(p, at[k]),
                bnorm_cli_svg_y(p, high[k]));
    for (int k = GRID; k-- > 0;)
        fprintf(p->file, "L%.2f %.2f", bnorm_cli_svg_x(p, at[k]), bnorm_cli_svg_y(p, low[k]));
    fputs("Z\"/>\n", p->file);
}

static void line(const svg_panel *p, const double *at, const double *effect)
{
    fputs("<path fill=\"none\" stroke=\"" SVG_BLUE "\" stroke-width=\"1.8\" d=\"", p->file);
    for (int k = 0; k < GRID; k++)
        fprintf(p->file, "%c%.2f %.2f", k ? 'L' : 'M', bnorm_cli_svg_x(p, at[k]),
                bnorm_cli_svg_y(p, effect[k]));
    fputs("\"/>\n", p->file);
}

typedef struct curve {
    double at[GRID], effect[GRID], low[GRID], high[GRID];
    int banded;
} curve;

static bnorm_status find_curve(bnorm_ctx *ctx, const panel_result *r, ptrdiff_t input, curve *c)
{
    double se[GRID], wide = bnorm_cli_t_quantile(0.95, r->linear.df);
    bnorm_status status = grid(ctx, r, input, c->at);
    if (!status)
        status = bnorm_panel_profile(ctx, r->panel, r->vcov, input, GRID, c->at, c->effect,
                                     r->vcov ? se : NULL);
    c->banded = r->vcov != NULL;
    for (int k = 0; k < GRID; k++) {
        c->banded = c->banded && isfinite(wide * se[k]);
        c->low[k] = c->effect[k] - (r->vcov ? wide * se[k] : 0);
        c->high[k] = c->effect[k] + (r->vcov ? wide * se[k] : 0);
    }
    return status;
}

static svg_axis curve_axis(const curve *c)
{
    svg_axis axis = {NAN, NAN, 0};
    for (int k = 0; k < GRID; k++) {
        bnorm_cli_svg_extend(&axis, c->effect[k]);
        bnorm_cli_svg_extend(&axis, c->banded ? c->low[k] : NAN);
        bnorm_cli_svg_extend(&axis, c->banded ? c->high[k] : NAN);
    }
    bnorm_cli_svg_pad(&axis);
    return axis;
}

static int effect_panel(bnorm_ctx *ctx, const panel_result *r, ptrdiff_t input, svg_panel p)
{
    char title[120], label[160];
    curve c;
    const char *name = bnorm_panel_name(r->panel, BNORM_PANEL_INPUT, input);
    bnorm_status status = find_curve(ctx, r, input, &c);
    if (status) return bnorm_cli_status(ctx, status);
    p.x = (svg_axis){c.at[0], c.at[GRID - 1], 0};
    if (!(p.x.low < p.x.high)) bnorm_cli_svg_pad(&p.x);
    p.y = curve_axis(&c);
    snprintf(title, sizeof title, "Effect of %.100s", name);
    snprintf(label, sizeof label, "on %.150s", bnorm_panel_target_name(r->panel));
    bnorm_cli_svg_axes(&p, title, name, label);
    if (c.banded) band(&p, c.at, c.low, c.high);
    line(&p, c.at, c.effect);
    return CLI_OK;
}

/* Variables that are drawn: the first of them, when there are very many. */
static ptrdiff_t drawn(const panel_result *r)
{
    if (r->info.inputs > MOST_EFFECTS)
        bnorm_cli_note("the plot shows the first %d of %td variables", MOST_EFFECTS,
                       r->info.inputs);
    return r->info.inputs > MOST_EFFECTS ? MOST_EFFECTS : r->info.inputs;
}

int bnorm_cli_panel_plot(bnorm_ctx *ctx, const panel_result *r, const char *path)
{
    cli_output output;
    ptrdiff_t trained = r->info.networks > 0 && r->history.count > 0;
    ptrdiff_t effects = drawn(r), panels = trained + 1 + effects;
    ptrdiff_t lines = (panels + COLUMNS - 1) / COLUMNS;
    int code = bnorm_cli_open(&output, path);
    if (code) return code;
    bnorm_cli_svg_begin(output.file, COLUMNS * CELL_WIDTH + 20,
                        (int)(lines * CELL_HEIGHT) + 20);
    if (trained)
        bnorm_cli_plot_training(cell(output.file, 0), &r->history,
                                r->settings->fit.validate > 0, r->report.fit.best_epoch);
    code = fitted_panel(ctx, r, cell(output.file, trained));
    for (ptrdiff_t k = 0; k < effects && !code; k++)
        code = effect_panel(ctx, r, k, cell(output.file, trained + 1 + k));
    if (code) {
        bnorm_cli_abandon(&output);
        return code;
    }
    bnorm_cli_svg_end(output.file);
    return bnorm_cli_commit(&output);
}
