/* fused: normalisation and activation in one pass: in registers for the library's activations,
 * for the caller's piece by piece, small enough for the first cache. */
#ifndef BNORM_MATRIX_FUSED_H
#define BNORM_MATRIX_FUSED_H

#include "matrix/view.h"

/* An activation, and its number in the kernel tables (-1: the caller's own). */
typedef struct bnorm_act {
    const bnorm_activation *a;
    int number;
} bnorm_act;

bnorm_status bnorm_act_of(bnorm_ctx *ctx, const bnorm_activation *a, bnorm_act *act);

/* The context for work that calls it: the caller's functions stay on the caller's thread. */
bnorm_ctx *bnorm_act_ctx(bnorm_ctx *ctx, const bnorm_act *act);

/* A piece: `lines` contiguous lines of `count` elements of a view, rows or columns by its layout;
 * at most BNORM_PIECE elements, and at most BNORM_PIECE_COLS lines that are columns. */
enum { BNORM_PIECE = 4096, BNORM_PIECE_COLS = 256 };
typedef struct bnorm_piece {
    bnorm_range r, c;
    ptrdiff_t lines, count;
} bnorm_piece;

/* Calls task(argument, piece) for all pieces of block b of strip s, in order. Those of rows may be
 * `larger`: sums are made row by row anyhow. */
void bnorm_pieces(const bnorm_view *v, const bnorm_cut *cut, ptrdiff_t b, ptrdiff_t s,
                  int larger, void (*task)(void *argument, const bnorm_piece *p),
                  void *argument);

/* The lines of a piece somewhere: line i at data + i * ld elements. */
typedef struct bnorm_lines {
    char *data;
    ptrdiff_t ld;
} bnorm_lines;
bnorm_lines bnorm_lines_of(const bnorm_view *v, const bnorm_piece *p);

/* With b = (x - mean) scale + shift: to = a(b), or dv a'(b) when dv is not NULL. `to` may be dv,
 * or in place of x. */
void bnorm_piece_activate(const bnorm_act *act, const bnorm_view *x, const bnorm_view *dv,
                          const bnorm_piece *p, const bnorm_affine *a, bnorm_lines to,
                          int stream);

#endif
