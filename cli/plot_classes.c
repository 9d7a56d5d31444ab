/* plot_classes: the confusion matrix, of the validation rows when there are any. A row is an
 * observed class; its cells are coloured by their share of it. */
#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "fit.h"
#include "plot.h"
#include "svg.h"

/* counts[observed * classes + fitted]. */
static ptrdiff_t *count_pairs(const fit_part *part, const double *fitted, ptrdiff_t classes)
{
    ptrdiff_t *counts = bnorm_cli_alloc(classes * classes, sizeof *counts);
    for (ptrdiff_t i = 0; i < part->count; i++)
        counts[(ptrdiff_t)part->observed[i] * classes + (ptrdiff_t)fitted[i]]++;
    return counts;
}

/* White to blue; the root lifts the few mistakes out of the white. The figure is white on dark
 * cells. */
static void cell(const svg_panel *p, double x, double y, double size, ptrdiff_t count,
                 double share)
{
    char text[24];
    double s = sqrt(share);
    fprintf(p->file,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
            "fill=\"rgb(%.0f,%.0f,%.0f)\"/>\n",
            x, y, size, size, 255 - 255 * s, 255 - 141 * s, 255 - 77 * s);
    if (size < 25 || !count) return;
    snprintf(text, sizeof text, "%td", count);
    bnorm_cli_svg_text(p->file, x + size / 2, y + size / 2 + 4, "middle",
                       s > 0.55 ? "fill=\"white\"" : "", text);
}

static void cells(const svg_panel *p, const ptrdiff_t *counts, ptrdiff_t classes)
{
    double size = p->width / (double)classes;
    for (ptrdiff_t i = 0; i < classes; i++) {
        const ptrdiff_t *row = counts + i * classes;
        ptrdiff_t sum = 0;
        for (ptrdiff_t j = 0; j < classes; j++) sum += row[j];
        for (ptrdiff_t j = 0; j < classes; j++)
            if (row[j])
                cell(p, p->left + size * (double)j, p->top + size * (double)i, size, row[j],
                     (double)row[j] / (double)sum);
    }
}

/* A class's name as shown: whole characters, cut when it is long. Returns how many characters.
 */
static int shown_name(const bnorm_frame *frame, ptrdiff_t k, char *text, size_t size)
{
    const char *name = bnorm_frame_class_name(frame, k);
    int most = bnorm_frame_classes(frame) > 6 ? 4 : 9, length = 0, characters = 0;
    while (name[length]) {
        if ((name[length] & 0xc0) != 0x80 && characters++ == most) break;
        length++;
    }
    snprintf(text, size, "%.*s%s", length, name, name[length] ? "…" : "");
    return characters;
}

/* The names of as many classes as fit. Returns the room of the longest in characters: capitals
 * and the ellipsis are wide. */
static int names(const svg_panel *p, const bnorm_frame *frame)
{
    char text[48]; /* 9 characters of 4 bytes and the ellipsis */
    ptrdiff_t classes = bnorm_frame_classes(frame);
    double size = p->width / (double)classes, bottom = p->top + p->height;
    int longest = 1;
    for (ptrdiff_t k = 0; k < classes; k++) {
        int length = shown_name(frame, k, text, sizeof text);
        if (length > longest) longest = length;
    }
    ptrdiff_t every_row = (ptrdiff_t)ceil(15 / size);
    ptrdiff_t every_column = (ptrdiff_t)ceil((9 * longest + 10) / size);
    for (ptrdiff_t k = 0; k < classes; k++) {
        double middle = size * ((double)k + 0.5);
        shown_name(frame, k, text, sizeof text);
        if (k % every_row == 0)
            bnorm_cli_svg_text(p->file, p->left - 6, p->top + middle + 4, "end", "", text);
        if (k % every_column == 0)
            bnorm_cli_svg_text(p->file, p->left + middle, bottom + 18, "middle", "", text);
    }
    return longest + 2;
}

/* More cells than this are no picture, and a file of megabytes. */
enum { MOST_CLASSES = 40 };

static void too_many(const svg_panel *p, ptrdiff_t classes)
{
    char text[64];
    snprintf(text, sizeof text, "%td classes are too many to draw", classes);
    bnorm_cli_svg_text(p->file, p->left + p->width / 2, p->top + p->height / 2, "middle", "",
                       text);
}

static void heat_map(const svg_panel *p, const fit_result *r, int k, const char *title)
{
    ptrdiff_t *counts = count_pairs(&r->data.part[k], r->quality[k].fitted, r->data.classes);
    cells(p, counts, r->data.classes);
    int longest = names(p, bnorm_model_frame(r->model));
    bnorm_cli_svg_titles(p, title,
                         k ? "predicted (counts of validation rows)"
                           : "predicted (counts of training rows)",
                         "observed", longest);
    free(counts);
}

void bnorm_cli_plot_classes(FILE *file, const fit_result *r)
{
    char title[128];
    int k = r->data.part[FIT_VALIDATION].count > 0;
    svg_panel p = {
        .file = file, .left = 550, .top = PLOT_TOP, .width = PLOT_SIDE, .height = PLOT_SIDE};
    bnorm_cli_plot_title(r, "Accuracy", title, sizeof title);
    if (r->data.classes <= MOST_CLASSES)
        heat_map(&p, r, k, title);
    else {
        bnorm_cli_svg_titles(&p, title, "", "", 0);
        too_many(&p, r->data.classes);
    }
}
