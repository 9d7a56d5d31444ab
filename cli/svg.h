/* svg: drawing with axes. A panel maps data to a rectangle of the page; ticks lie at 1, 2 or 5
 * times a power of ten. Every text is escaped. */
#ifndef BNORM_CLI_SVG_H
#define BNORM_CLI_SVG_H

#include <stddef.h>
#include <stdio.h>

/* Colour-blind safe (Okabe and Ito 2008). */
#define SVG_BLUE   "#0072b2"
#define SVG_ORANGE "#d55e00"
#define SVG_GREY   "#777777"
#define SVG_INK    "#222222"

typedef struct svg_axis {
    double low, high; /* of the data */
    int log;          /* base 10; low > 0 */
} svg_axis;

typedef struct svg_panel {
    FILE *file;
    double left, top, width, height;
    svg_axis x, y;
    int legend_left; /* the legend's corner: upper left instead of upper right */
} svg_panel;

typedef enum svg_mark { SVG_LINE, SVG_DASHES, SVG_DOT } svg_mark;

void bnorm_cli_svg_begin(FILE *file, int width, int height);
void bnorm_cli_svg_end(FILE *file);

/* anchor: "start", "middle" or "end". style: further attributes, or "". */
void bnorm_cli_svg_text(FILE *file, double x, double y, const char *anchor, const char *style,
                        const char *text);

/* Makes an axis, NAN to NAN at first, hold a value; one that is not finite changes nothing. */
void bnorm_cli_svg_extend(svg_axis *axis, double value);

/* Widens an axis so that data do not touch its ends; makes an empty one presentable. */
void bnorm_cli_svg_pad(svg_axis *axis);

double bnorm_cli_svg_x(const svg_panel *panel, double value);
double bnorm_cli_svg_y(const svg_panel *panel, double value);

/* The frame of a panel, its title and the labels of its axes; tick_length: characters of the
 * longest tick label at the left. */
void bnorm_cli_svg_titles(const svg_panel *panel, const char *title, const char *x_label,
                          const char *y_label, int tick_length);
/* The same with grid and ticks. */
void bnorm_cli_svg_axes(const svg_panel *panel, const char *title, const char *x_label,
                        const char *y_label);
/* A line through (1, y[0]), (2, y[1]), ..., thinned when it is long, broken at what cannot be
 * drawn. */
void bnorm_cli_svg_curve(const svg_panel *panel, const double *y, ptrdiff_t count,
                         const char *colour);
/* An entry of the legend; number 0 is the first. */
void bnorm_cli_svg_legend(const svg_panel *panel, int number, const char *colour, svg_mark mark,
                          const char *text);

/* Ticks of an axis; at most `size`, returned in number. */
int bnorm_cli_svg_ticks(const svg_axis *axis, double *ticks, int size);

#endif
