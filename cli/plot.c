/* plot: the drawing of a fit. Left the objective of each epoch, right fitted against observed:
 * a scatter for a numeric target, the confusion matrix for classes. */
#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "fit.h"
#include "output.h"
#include "plot.h"
#include "svg.h"

enum { MOST_POINTS = 3000 };

/* The range of the losses; logarithmic when they span a factor of 20 or more. */
static svg_axis loss_axis(const fit_history *h)
{
    svg_axis axis = {NAN, NAN, 0};
    int positive = 1;
    for (ptrdiff_t k = 0; k < h->count; k++) {
        bnorm_cli_svg_extend(&axis, h->loss[k]);
        bnorm_cli_svg_extend(&axis, h->validation[k]);
        positive &= !(h->loss[k] <= 0) && !(h->validation[k] <= 0);
    }
    axis.log = positive && axis.low > 0 && axis.high / axis.low >= 20;
    return axis;
}

static void mark_best(const svg_panel *p, ptrdiff_t epoch)
{
    double x = bnorm_cli_svg_x(p, (double)epoch);
    fprintf(p->file,
            "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"" SVG_GREY
            "\" stroke-dasharray=\"4 3\"/>\n",
            x, p->top, x, p->top + p->height);
}

void bnorm_cli_plot_training(svg_panel p, const fit_history *h, int validated, ptrdiff_t best)
{
    int entry = 0;
    p.x = h->count < 2 ? (svg_axis){0, 2, 0} : (svg_axis){1, (double)h->count, 0};
    p.y = loss_axis(h);
    bnorm_cli_svg_pad(&p.y);
    bnorm_cli_svg_axes(&p, "Training", "epoch", p.y.log ? "loss (log scale)" : "loss");
    if (best >= 1 && best <= h->count) mark_best(&p, best);
    bnorm_cli_svg_curve(&p, h->loss, h->count, SVG_BLUE);
    if (validated) bnorm_cli_svg_curve(&p, h->validation, h->count, SVG_ORANGE);
    bnorm_cli_svg_legend(&p, entry++, SVG_BLUE, SVG_LINE, "training objective");
    if (validated) bnorm_cli_svg_legend(&p, entry++, SVG_ORANGE, SVG_LINE, "validation loss");
    if (best >= 1 && best <= h->count)
        bnorm_cli_svg_legend(&p, entry, SVG_GREY, SVG_DASHES, "parameters kept");
}

/* Every so many rows of a part, so that both parts together have MOST_POINTS at most. */
static void scatter(const svg_panel *p, const fit_part *part, const double *fitted,
                    ptrdiff_t all, const char *colour)
{
    ptrdiff_t step = (all + MOST_POINTS - 1) / MOST_POINTS;
    fprintf(p->file, "<g fill=\"%s\" fill-opacity=\"0.45\">\n", colour);
    for (ptrdiff_t i = 0; i < part->count; i += step)
        fprintf(p->file, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"2.5\"/>\n",
                bnorm_cli_svg_x(p, part->observed[i]), bnorm_cli_svg_y(p, fitted[i]));
    fputs("</g>\n", p->file);
}

void bnorm_cli_plot_title(const fit_result *r, const char *name, char *title, size_t size)
{
    int length = snprintf(title, size, "%s %.4g", name, r->quality[FIT_TRAINING].good);
    if (r->data.part[FIT_VALIDATION].count)
        snprintf(title + length, size - (size_t)length, " (validation %.4g)",
                 r->quality[FIT_VALIDATION].good);
}

static void fitted_scatter(FILE *file, const fit_result *r)
{
    char title[128], label[160];
    const char *target = bnorm_frame_target_name(bnorm_model_frame(r->model));
    svg_axis axis = {NAN, NAN, 0};
    const fit_part *part = r->data.part;
    for (int k = 0; k < 2; k++)
        for (ptrdiff_t i = 0; i < part[k].count; i++) {
            bnorm_cli_svg_extend(&axis, part[k].observed[i]);
            bnorm_cli_svg_extend(&axis, r->quality[k].fitted[i]);
        }
    bnorm_cli_svg_pad(&axis);
    svg_panel p = {file, 524, PLOT_TOP, 348, PLOT_SIDE, axis, axis, 1};
    bnorm_cli_plot_title(r, "R²", title, sizeof title);
    snprintf(label, sizeof label, "observed %.100s", target);
    bnorm_cli_svg_axes(&p, title, label, "fitted");
    fprintf(file,
            "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"" SVG_GREY "\"/>\n",
            p.left, p.top + p.height, p.left + p.width, p.top);
    scatter(&p, &part[0], r->quality[0].fitted, r->data.used, SVG_BLUE);
    if (part[1].count) {
        scatter(&p, &part[1], r->quality[1].fitted, r->data.used, SVG_ORANGE);
        bnorm_cli_svg_legend(&p, 0, SVG_BLUE, SVG_DOT, "training");
        bnorm_cli_svg_legend(&p, 1, SVG_ORANGE, SVG_DOT, "validation");
    }
}

int bnorm_cli_fit_plot(const fit_result *r, const char *path)
{
    cli_output output;
    int code = bnorm_cli_open(&output, path);
    if (code) return code;
    bnorm_cli_svg_begin(output.file, PLOT_WIDTH, PLOT_HEIGHT);
    svg_panel left = {
        .file = output.file, .left = 76, .top = PLOT_TOP, .width = 348, .height = PLOT_SIDE};
    bnorm_cli_plot_training(left, &r->history, r->data.part[FIT_VALIDATION].count > 0,
                            r->report.best_epoch);
    if (r->data.classes)
        bnorm_cli_plot_classes(output.file, r);
    else
        fitted_scatter(output.file, r);
    bnorm_cli_svg_end(output.file);
    return bnorm_cli_commit(&output);
}
