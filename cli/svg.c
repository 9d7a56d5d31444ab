/* svg: the pieces of a plot. Coordinates have two decimals: a hundredth of a pixel. */
#include "svg.h"

#include <math.h>
#include <string.h>

enum { TICKS = 12, CURVE_POINTS = 1000 };

void bnorm_cli_svg_begin(FILE *file, int width, int height)
{
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" "
            "font-size=\"12\" fill=\"" SVG_INK "\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            width, height, width, height);
}

void bnorm_cli_svg_end(FILE *file)
{
    fputs("</svg>\n", file);
}

/* Text for XML; control characters, which XML cannot hold, become blanks. */
static void escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        default:
            fputc((unsigned char)*text < 0x20 ? ' ' : *text, file);
        }
    }
}

void bnorm_cli_svg_text(FILE *file, double x, double y, const char *anchor, const char *style,
                        const char *text)
{
    fprintf(file, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\"%s%s>", x, y, anchor,
            *style ? " " : "", style);
    escaped(file, text);
    fputs("</text>\n", file);
}

void bnorm_cli_svg_extend(svg_axis *axis, double value)
{
    if (!isfinite(value)) return;
    if (!(value >= axis->low)) axis->low = value;
    if (!(value <= axis->high)) axis->high = value;
}

void bnorm_cli_svg_pad(svg_axis *a)
{
    if (!(a->low <= a->high)) *a = (svg_axis){0, 1, 0};
    if (a->log) {
        double factor = pow(a->high / a->low, 0.05);
        a->low /= factor > 1.05 ? factor : 1.05;
        a->high *= factor > 1.05 ? factor : 1.05;
        return;
    }
    double margin = 0.05 * (a->high - a->low);
    if (!(margin > 1e-12 * fabs(a->high))) margin = a->high != 0 ? 0.1 * fabs(a->high) : 1;
    a->low -= margin;
    a->high += margin;
}

/* 0 at the low end of an axis, 1 at the high end. */
static double position(const svg_axis *a, double value)
{
    if (a->log) return log(value / a->low) / log(a->high / a->low);
    return (value - a->low) / (a->high - a->low);
}

double bnorm_cli_svg_x(const svg_panel *p, double value)
{
    return p->left + p->width * position(&p->x, value);
}

double bnorm_cli_svg_y(const svg_panel *p, double value)
{
    return p->top + p->height * (1 - position(&p->y, value));
}

/* The step of 1, 2 or 5 times a power of ten that gives about six ticks. */
static double nice_step(double range)
{
    double power = pow(10, floor(log10(range / 6))), ratio = range / 6 / power;
    return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

static int linear_ticks(const svg_axis *a, double *ticks, int size)
{
    int count = 0;
    double step = nice_step(a->high - a->low);
    for (double k = ceil(a->low / step); k * step <= a->high && count < size; k++)
        ticks[count++] = k * step == 0 ? 0 : k * step; /* no -0 */
    return count;
}

/* Powers of ten, every so many, and their 2- and 5-folds while there is room. */
static int log_ticks(const svg_axis *a, double *ticks, int size)
{
    static const double multiples[] = {1, 2, 5};
    double first = floor(log10(a->low)), last = ceil(log10(a->high));
    int count = 0, several = last - first <= 3;
    double every = ceil((last - first) / 8);
    for (double e = first; e <= last; e += several ? 1 : every)
        for (int k = 0; k < (several ? 3 : 1); k++) {
            double tick = multiples[k] * pow(10, e);
            if (tick >= a->low && tick <= a->high && count < size) ticks[count++] = tick;
        }
    return count;
}

int bnorm_cli_svg_ticks(const svg_axis *a, double *ticks, int size)
{
    int count = a->log ? log_ticks(a, ticks, size) : 0;
    if (a->log && count >= 2) return count;
    return linear_ticks(a, ticks, size);
}

static void line(FILE *file, double x1, double y1, double x2, double y2, const char *colour)
{
    fprintf(file, "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"%s\"/>\n", x1,
            y1, x2, y2, colour);
}

static void tick_label(const svg_axis *axis, double tick, char *text, size_t size)
{
    double unit = nice_step(axis->high - axis->low);
    if (!axis->log && fabs(tick) < unit / 2) tick = 0;
    snprintf(text, size, "%.6g", tick);
}

static void x_axis(const svg_panel *p)
{
    char text[32];
    double ticks[TICKS], bottom = p->top + p->height;
    int count = bnorm_cli_svg_ticks(&p->x, ticks, TICKS);
    for (int k = 0; k < count; k++) {
        double x = bnorm_cli_svg_x(p, ticks[k]);
        line(p->file, x, p->top, x, bottom, "#eeeeee");
        line(p->file, x, bottom, x, bottom + 4, SVG_GREY);
        tick_label(&p->x, ticks[k], text, sizeof text);
        bnorm_cli_svg_text(p->file, x, bottom + 18, "middle", "", text);
    }
}

/* Returns the length of the longest label: the axis's own label stands beyond it. */
static int y_axis(const svg_panel *p)
{
    char text[32];
    double ticks[TICKS];
    int longest = 0, count = bnorm_cli_svg_ticks(&p->y, ticks, TICKS);
    for (int k = 0; k < count; k++) {
        double y = bnorm_cli_svg_y(p, ticks[k]);
        line(p->file, p->left, y, p->left + p->width, y, "#eeeeee");
        line(p->file, p->left - 4, y, p->left, y, SVG_GREY);
        tick_label(&p->y, ticks[k], text, sizeof text);
        bnorm_cli_svg_text(p->file, p->left - 8, y + 4, "end", "", text);
        if ((int)strlen(text) > longest) longest = (int)strlen(text);
    }
    return longest;
}

void bnorm_cli_svg_titles(const svg_panel *p, const char *title, const char *x_label,
                          const char *y_label, int tick_length)
{
    char turned[64];
    double middle = p->top + p->height / 2, across = p->left - 22 - 7 * tick_length;
    fprintf(p->file,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"none\" "
            "stroke=\"" SVG_GREY "\"/>\n",
            p->left, p->top, p->width, p->height);
    bnorm_cli_svg_text(p->file, p->left, p->top - 14, "start",
                       "font-size=\"14\" font-weight=\"bold\"", title);
    bnorm_cli_svg_text(p->file, p->left + p->width / 2, p->top + p->height + 38, "middle", "",
                       x_label);
    snprintf(turned, sizeof turned, "transform=\"rotate(-90 %.2f %.2f)\"", across, middle);
    bnorm_cli_svg_text(p->file, across, middle, "middle", turned, y_label);
}

void bnorm_cli_svg_axes(const svg_panel *p, const char *title, const char *x_label,
                        const char *y_label)
{
    x_axis(p);
    bnorm_cli_svg_titles(p, title, x_label, y_label, y_axis(p));
}

static int drawable(const svg_axis *a, double value)
{
    return isfinite(value) && (!a->log || value > 0);
}

static void curve_point(const svg_panel *p, const double *y, ptrdiff_t k, int *open)
{
    int there = drawable(&p->y, y[k]);
    if (there)
        fprintf(p->file, "%c%.2f %.2f", *open ? 'L' : 'M', bnorm_cli_svg_x(p, (double)(k + 1)),
                bnorm_cli_svg_y(p, y[k]));
    *open = there;
}

void bnorm_cli_svg_curve(const svg_panel *p, const double *y, ptrdiff_t count,
                         const char *colour)
{
    ptrdiff_t step = (count + CURVE_POINTS - 1) / CURVE_POINTS;
    int open = 0;
    if (count == 1 && drawable(&p->y, y[0]))
        fprintf(p->file, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3\" fill=\"%s\"/>\n",
                bnorm_cli_svg_x(p, 1), bnorm_cli_svg_y(p, y[0]), colour);
    if (count < 2) return;
    fprintf(p->file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" d=\"", colour);
    for (ptrdiff_t k = 0; k < count - 1; k += step) curve_point(p, y, k, &open);
    curve_point(p, y, count - 1, &open);
    fputs("\"/>\n", p->file);
}

/* The sign at the outer side, the text beside it towards the middle. */
void bnorm_cli_svg_legend(const svg_panel *p, int number, const char *colour, svg_mark mark,
                          const char *text)
{
    int width = mark == SVG_DOT ? 8 : 18;
    double outer = p->legend_left ? p->left + 12 : p->left + p->width - 12 - width;
    double y = p->top + 20 + 18 * number,
           inner = p->legend_left ? outer + width + 7 : outer - 7;
    if (mark == SVG_DOT)
        fprintf(p->file, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3.5\" fill=\"%s\"/>\n",
                outer + width / 2, y - 4, colour);
    else
        fprintf(p->file,
                "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"%s\" %s/>\n",
                outer, y - 4, outer + width, y - 4, colour,
                mark == SVG_LINE ? "stroke-width=\"1.8\"" : "stroke-dasharray=\"4 3\"");
    bnorm_cli_svg_text(p->file, inner, y, p->legend_left ? "start" : "end",
                       "stroke=\"white\" stroke-width=\"3\" paint-order=\"stroke\"", text);
}
