/* structure: the formula of a structured model,
 *
 *   target ~ terms + nn(terms, terms, ...) + ... | column + column[slope] + column^column + ...
 *
 * taken apart into formulas of its linear terms and of each nn(), and the effects after the bar.
 */
#ifndef BNORM_IO_STRUCTURE_H
#define BNORM_IO_STRUCTURE_H

#include "io/formula.h"

#define BNORM_NETWORKS       64 /* nn() of a formula at most */
#define BNORM_EFFECTS        64 /* fixed effects at most */
#define BNORM_EFFECT_COLUMNS 4  /* columns of combined levels at most */

/* Fixed effects: a constant, or a multiple of the slope, for each level of a column, or of each
 * combination of levels of several columns that occurs. */
typedef struct bnorm_effect {
    int columns;
    int32_t variable[BNORM_EFFECT_COLUMNS]; /* factor(column): numbers in `effects` */
    int32_t slope;                          /* likewise, an expression; -1: constants */
} bnorm_effect;

/* All zero is the empty structure. */
typedef struct bnorm_structure {
    bnorm_formula linear;    /* with the target; perhaps without terms */
    bnorm_formula *networks; /* each with the target */
    ptrdiff_t network_count;
    bnorm_formula
        variables; /* the target, and the columns and slopes of the effects: no terms */
    bnorm_effect effects[BNORM_EFFECTS]; /* distinct */
    ptrdiff_t effect_count;
} bnorm_structure;

/* Reads a formula. '.' among the linear terms stands for the columns of the table that neither
 * the target, nor an nn(), nor an effect uses, inside nn() for those that neither the target nor
 * an effect uses; never for those named in left_out[0 .. count-1] (NULL entries name none).
 * *structure is empty on failure. Errors: FORMULA (the message points at the place), MEMORY. */
bnorm_status bnorm_structure_read(bnorm_ctx *ctx, const char *text, const bnorm_table *table,
                                  const char *const *left_out, int count,
                                  bnorm_structure *structure);

/* The text of an effect: "id", "id^year", "id[[log(x)]]", as snprintf. */
size_t bnorm_effect_label(const bnorm_formula *variables, const bnorm_effect *effect, char *out,
                          size_t size);

/* Leaves the nn() out; their columns stay out of '.'. */
void bnorm_structure_drop_networks(bnorm_structure *structure);

void bnorm_structure_clear(bnorm_structure *structure);

#endif
