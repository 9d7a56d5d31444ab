/* formula: a formula read into its target, its variables and its terms. */
#ifndef BNORM_IO_FORMULA_H
#define BNORM_IO_FORMULA_H

#include "io/expression.h"
#include "io/names.h"
#include "io/table.h"

#define BNORM_FORMULA_LENGTH 65536  /* bytes at most */
#define BNORM_TERM_ORDER     8      /* variables of an interaction at most */
#define BNORM_TERM_COUNT     262144 /* terms at most */

/* The product of its variables, ascending. */
typedef struct bnorm_term {
    int order;
    int32_t variable[BNORM_TERM_ORDER];
} bnorm_term;

/* All zero is the empty list. */
typedef struct bnorm_terms {
    bnorm_term *items;
    ptrdiff_t count, capacity;
} bnorm_terms;

/* Variable 0 is the target; the others come in the order of their first appearance, and each is
 * in some term. Equal variables have equal texts: these are written in one way, as R deparses.
 */
typedef struct bnorm_formula {
    bnorm_names columns; /* that the variables use */
    bnorm_names texts;   /* of the variables: "log(x)" */
    bnorm_expression *variables;
    ptrdiff_t capacity;
    bnorm_terms terms; /* distinct; by order of interaction, then as written (R's terms) */
} bnorm_formula;

/* Reads "target ~ terms"; '.' stands for the columns of the table that the target does not use,
 * but for the one named dot_without (or NULL). *formula is empty on failure. Errors: FORMULA (the message points at the place), MEMORY. */
bnorm_status bnorm_formula_read(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                const char *dot_without, bnorm_formula *formula);

/* A part of the formula of a structured model (structure.h): what stands outside of nn() and
 * before '|', or the terms of one nn(). */
typedef struct bnorm_formula_part {
    const char *network;         /* the 'nn' in the text; NULL: the linear terms */
    int intercept;               /* nothing takes its place: 0 and -1 are refused */
    const bnorm_names *left_out; /* columns that '.' leaves out beside those of the target */
} bnorm_formula_part;

/* Reads the target and that part; it may be without terms. Errors: as bnorm_formula_read. */
bnorm_status bnorm_formula_read_part(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                     const bnorm_formula_part *part, bnorm_formula *formula);

/* Adds the variable that is written so (as in `texts`): how formulas come back from files.
 * Errors: FORMULA, MEMORY. */
bnorm_status bnorm_formula_variable(bnorm_ctx *ctx, bnorm_formula *formula, const char *text);

/* The label of a term: "a:log(b)", of any length up to size - 1; the whole length is returned.
 */
size_t bnorm_formula_label(const bnorm_formula *formula, const bnorm_term *term, char *out,
                           size_t size);

void bnorm_formula_clear(bnorm_formula *formula);

/* Lists of terms (formula_terms.c). Each call that can fail leaves the lists valid. */
bnorm_status bnorm_terms_add(bnorm_ctx *ctx, bnorm_terms *list, const bnorm_term *term);
bnorm_status bnorm_terms_join(bnorm_ctx *ctx, bnorm_terms *list, const bnorm_terms *more);
void bnorm_terms_remove(bnorm_terms *list, const bnorm_terms *less);
/* list := every term of it times every term of b. Errors: FORMULA (too many variables or
 * terms), MEMORY. */
bnorm_status bnorm_terms_multiply(bnorm_ctx *ctx, bnorm_terms *list, const bnorm_terms *b);
/* Keeps the first of equal terms. */
bnorm_status bnorm_terms_distinct(bnorm_ctx *ctx, bnorm_terms *list);
/* Main effects first, then by order, else as they are. */
bnorm_status bnorm_terms_sort(bnorm_ctx *ctx, bnorm_terms *list);
void bnorm_terms_clear(bnorm_terms *list);

#endif
