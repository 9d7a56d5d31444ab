/* frame: the inside of a frame, and its binding to a table. */
#ifndef BNORM_IO_FRAME_H
#define BNORM_IO_FRAME_H

#include "io/formula.h"

#define BNORM_DESIGN_COLUMNS 1048576 /* at most */

/* A level that is a number. */
typedef struct bnorm_numbered {
    double value;
    int canonical; /* its text is that of bnorm_number_format */
    ptrdiff_t code;
} bnorm_numbered;

/* What the frame learned of a variable: its levels, if it is a factor. */
typedef struct bnorm_learned {
    int factor;
    bnorm_names levels;       /* sorted: as numbers when all of them are, else by bytes */
    bnorm_numbered *numbered; /* those that are numbers, by value, the canonical first */
    ptrdiff_t numbered_count;
} bnorm_learned;

/* A column of the design: its term, and its place among the term's columns. */
typedef struct bnorm_design_column {
    ptrdiff_t term, code;
    ptrdiff_t number; /* in the design before any was dropped */
    char *name;
} bnorm_design_column;

struct bnorm_frame {
    char *formula; /* as the caller wrote it */
    bnorm_formula f;
    bnorm_learned *learned; /* of each variable; [0] is the target */
    unsigned *full;         /* of each term: bit i: variable i has an indicator a level */
    bnorm_design_column *inputs, *dropped;
    ptrdiff_t input_count, dropped_count;
    double *center, *scale; /* of the inputs; NULL without scaling */
    int target_scaled;
    double target_center, target_scale;
};

/* What becomes of constant columns. */
typedef enum bnorm_constant {
    BNORM_CONSTANT_REFUSE,
    BNORM_CONSTANT_DROP,
    BNORM_CONSTANT_KEEP
} bnorm_constant;

/* A frame in two steps, for models of several frames, whose rows are chosen by all of them:
 * begin takes the formula (over, in every case; text: as the caller wrote it), finds the columns
 * and decides which are factors; learn takes levels and columns from the rows, all of them
 * complete, and may be called again. *frame is NULL on failure of begin. Errors: as
 * bnorm_frame_create. */
bnorm_status bnorm_frame_begin(bnorm_ctx *ctx, const char *text, bnorm_formula *formula,
                               const bnorm_table *table, bnorm_frame **frame);
bnorm_status bnorm_frame_learn(bnorm_ctx *ctx, bnorm_frame *frame, const bnorm_table *table,
                               const ptrdiff_t *rows, ptrdiff_t count, bnorm_constant constant);

/* missing[i] becomes 1 in the rows where a column of the frame is missing (the target's, too,
 * with_target); an error with na_error. Errors: DATA, MEMORY. */
bnorm_status bnorm_frame_missing(bnorm_ctx *ctx, const bnorm_frame *frame,
                                 const bnorm_table *table, int with_target, int na_error,
                                 unsigned char *missing);

/* A frame's variables tied to the columns of one table. */
typedef struct bnorm_binding {
    bnorm_ctx *ctx;
    const bnorm_frame *frame;
    const bnorm_table *table;
    int with_target;
    const bnorm_column **columns; /* of each column of the formula; NULL: not needed */
    const double **values;        /* likewise: their numbers, or NULL */
    ptrdiff_t **codes; /* of each variable: learned code of each text of its column, or NULL */
    double *cells;     /* variables x BNORM_CHUNK: values, or codes as numbers */
    double *stack;
} bnorm_binding;

/* Finds the columns that the frame's inputs (and target) need. stop releases, also after a
 * failure. Errors: DATA, MEMORY. */
bnorm_status bnorm_binding_start(bnorm_ctx *ctx, const bnorm_frame *frame,
                                 const bnorm_table *table, int with_target, bnorm_binding *b);
void bnorm_binding_stop(bnorm_binding *b);

/* Checks the kinds of the columns against what was learned and translates levels; learning: the
 * message offers factor(). Errors: DATA, MEMORY. */
bnorm_status bnorm_binding_check(const bnorm_binding *b, int learning);
bnorm_status bnorm_binding_translate(bnorm_binding *b);

/* The complete rows of the table, without a look at their values. Errors: DATA (the first
 * missing value, with na_error). */
bnorm_status bnorm_binding_complete(const bnorm_binding *b, int na_error, ptrdiff_t *rows,
                                    ptrdiff_t *count);

/* Evaluates the variables in count <= BNORM_CHUNK rows, into cells. Errors: DATA (missing, not
 * finite, unseen level). */
bnorm_status bnorm_binding_load(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count);

/* The code of the level that a factor has in a row; -1: missing, or unseen in training. */
ptrdiff_t bnorm_binding_level(const bnorm_binding *b, ptrdiff_t variable, ptrdiff_t row);

/* The text of the level that a factor has in a row, where it is not missing. */
void bnorm_binding_write_level(const bnorm_binding *b, ptrdiff_t variable, ptrdiff_t row,
                               char out[BNORM_EXCERPT_SIZE]);

/* One column of the design in the rows that were loaded. */
void bnorm_binding_column(const bnorm_binding *b, const bnorm_design_column *column,
                          ptrdiff_t count, double *out);

/* Columns x (and, unless y.data is NULL, y) for any rows, scaled when the frame is. */
bnorm_status bnorm_binding_matrix(bnorm_binding *b, const ptrdiff_t *rows, ptrdiff_t count,
                                  bnorm_mat_f64 x, bnorm_mat_f64 y);

/* Whether m is a legal view of rows x cols. */
int bnorm_view_legal(bnorm_mat_f64 m, ptrdiff_t rows, ptrdiff_t cols);

/* The only column of a plain or factor() variable: its number in the formula. */
ptrdiff_t bnorm_variable_column(const bnorm_expression *e);

/* Levels (frame_levels.c). Learns those in the given rows; sets them (`texts` sorted already).
 */
bnorm_status bnorm_levels_learn(bnorm_ctx *ctx, const bnorm_column *column,
                                const ptrdiff_t *rows, ptrdiff_t count, bnorm_learned *out);
bnorm_status bnorm_levels_index(bnorm_ctx *ctx, bnorm_learned *learned);
/* The code of a text or of a number, -1 for none. */
ptrdiff_t bnorm_levels_find_text(const bnorm_learned *learned, const char *text);
ptrdiff_t bnorm_levels_find_number(const bnorm_learned *learned, double value);
void bnorm_levels_clear(bnorm_learned *learned);

/* Lays out the design: coding, columns and names, all of them inputs. Errors: DATA (more than
 * `most` columns, or names of more than 256 MB), MEMORY. */
bnorm_status bnorm_design_plan(bnorm_ctx *ctx, bnorm_frame *frame, ptrdiff_t most);
/* Moves the inputs marked in drop to the dropped ones. Errors: MEMORY. */
bnorm_status bnorm_design_drop(bnorm_ctx *ctx, bnorm_frame *frame, const unsigned char *drop);
/* The number of the level of variable i (of the term) that column `code` stands for; -1 for a
 * variable of numbers. levels: BNORM_TERM_ORDER. */
void bnorm_design_levels(const bnorm_frame *frame, ptrdiff_t term, ptrdiff_t code,
                         ptrdiff_t *levels);

#endif
