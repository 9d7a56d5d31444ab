/* fused: see the header. */
#include "matrix/fused.h"

#include "base/ctx.h"
#include "base/size.h"
#include "matrix/functions.h"

enum {
    SHARE = 16,   /* rows of a piece, at least: they share what kernels do for a column */
    LARGER = 4,   /* pieces in one, for the second cache */
    DOUBLES = 512 /* floats that pass through a function of doubles at once */
};

bnorm_status bnorm_act_of(bnorm_ctx *ctx, const bnorm_activation *a, bnorm_act *act)
{
    BNORM_TRY(bnorm_check_pointer(ctx, a, "activation"));
    if (!a->value || !a->gradient)
        return bnorm_fail(ctx, BNORM_E_ARGUMENT, "the activation '%s' has no %s",
                          a->name ? a->name : "", a->value ? "gradient" : "value");
    *act = (bnorm_act){a, bnorm_activation_number(a)};
    return BNORM_OK;
}

bnorm_ctx *bnorm_act_ctx(bnorm_ctx *ctx, const bnorm_act *act)
{
    return act->number < 0 ? NULL : ctx;
}

void bnorm_pieces(const bnorm_view *v, const bnorm_cut *cut, ptrdiff_t b, ptrdiff_t s,
                  int larger, void (*task)(void *argument, const bnorm_piece *p),
                  void *argument)
{
    bnorm_range r = bnorm_cut_block(cut, b), c = bnorm_cut_strip(cut, s);
    int rows = v->layout == BNORM_ROW_MAJOR;
    ptrdiff_t size = larger && rows ? LARGER * BNORM_PIECE : BNORM_PIECE, high, wide;
    if (rows) {
        wide = smaller(c.end - c.begin, size / SHARE);
        high = size / wide;
    } else {
        high = smaller(r.end - r.begin, size);
        wide = smaller(size / high, BNORM_PIECE_COLS);
    }
    for (ptrdiff_t j = c.begin; j < c.end; j += wide)
        for (ptrdiff_t i = r.begin; i < r.end; i += high) {
            bnorm_piece p = {
                {i, smaller(i + high, r.end)}, {j, smaller(j + wide, c.end)}, 0, 0};
            p.lines = rows ? p.r.end - i : p.c.end - j;
            p.count = rows ? p.c.end - j : p.r.end - i;
            task(argument, &p);
        }
}

bnorm_lines bnorm_lines_of(const bnorm_view *v, const bnorm_piece *p)
{
    return (bnorm_lines){bnorm_view_at(v, p->r.begin, p->c.begin), v->ld};
}

/* Float data and a function of doubles. */
static void value_of_doubles(const bnorm_kernels *k, const bnorm_activation *a, ptrdiff_t count,
                             const char *b, char *v)
{
    double t[DOUBLES];
    for (ptrdiff_t i = 0; i < count; i += DOUBLES) {
        ptrdiff_t n = smaller(count - i, DOUBLES), skip = i * (ptrdiff_t)k->size;
        k->widen(n, b + skip, t);
        a->value(a->user, n, t, t);
        k->narrow(n, t, v + skip);
    }
}

static void gradient_of_doubles(const bnorm_kernels *k, const bnorm_activation *a,
                                ptrdiff_t count, const char *b, const char *dv, char *db)
{
    double t[DOUBLES], w[DOUBLES];
    for (ptrdiff_t i = 0; i < count; i += DOUBLES) {
        ptrdiff_t n = smaller(count - i, DOUBLES), skip = i * (ptrdiff_t)k->size;
        k->widen(n, b + skip, t);
        k->widen(n, dv + skip, w);
        a->gradient(a->user, n, t, w, w);
        k->narrow(n, w, db + skip);
    }
}

/* The caller's function of one line: `to` has b, and gets a(b) or dv a'(b). */
static void own_line(const bnorm_kernels *k, const bnorm_activation *a, ptrdiff_t count,
                     const char *dv, const char *b, char *to)
{
    const double *b_values = (const double *)(const void *)b;
    double *values = (double *)(void *)to;
    if (k->size != sizeof(double) && dv)
        gradient_of_doubles(k, a, count, b, dv, to);
    else if (k->size != sizeof(double))
        value_of_doubles(k, a, count, b, to);
    else if (dv)
        a->gradient(a->user, count, b_values, (const double *)(const void *)dv, values);
    else
        a->value(a->user, count, b_values, values);
}

/* The caller's function: b has a place of its own when `to` may be dv. */
static void own_piece(const bnorm_activation *a, const bnorm_tile *x, const bnorm_tile *dv,
                      const bnorm_view *v, const bnorm_piece *p, const bnorm_affine *at,
                      bnorm_lines to)
{
    const bnorm_kernels *k = v->k;
    double room[BNORM_PIECE];
    ptrdiff_t size = (ptrdiff_t)k->size;
    bnorm_lines b = to;
    if (dv) b = (bnorm_lines){(char *)room, p->count};
    if (v->layout == BNORM_COL_MAJOR)
        k->column_affine(x, at, b.data, b.ld, 0);
    else
        k->row_affine(x, at, b.data, b.ld, 0);
    for (ptrdiff_t i = 0; i < p->lines; i++) {
        const char *upstream = dv ? (const char *)dv->data + i * dv->ld * size : NULL;
        own_line(k, a, p->count, upstream, b.data + i * b.ld * size,
                 to.data + i * to.ld * size);
    }
}

void bnorm_piece_activate(const bnorm_act *act, const bnorm_view *x, const bnorm_view *dv,
                          const bnorm_piece *p, const bnorm_affine *a, bnorm_lines to,
                          int stream)
{
    ptrdiff_t r = p->r.begin, c = p->c.begin;
    bnorm_affine at = {a->mean + c, a->scale + c, a->shift + c};
    bnorm_tile from = bnorm_view_tile(x, r, p->r.end, c, p->c.end), w = from;
    if (dv) w = bnorm_view_tile(dv, r, p->r.end, c, p->c.end);
    if (act->number < 0)
        own_piece(act->a, &from, dv ? &w : NULL, x, p, &at, to);
    else
        x->k->fused(act->number, x->layout == BNORM_COL_MAJOR, &from, dv ? &w : NULL, &at,
                    to.data, to.ld, stream);
}
