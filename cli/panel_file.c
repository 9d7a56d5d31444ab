/* panel_file: the file of predictions of a structured model, which predict and fit --fitted write
 * byte by byte the same way, and the saving of such models. */
#include "panel_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "model_file.h"
#include "output.h"
#include "statistics.h"

enum { KINDS = BNORM_ROW_NEW + 1 };

typedef struct answers {
    ptrdiff_t count, *rows; /* that have a prediction */
    double *mean, *se;      /* count; se NULL: not asked for */
    double wide;            /* standard errors to the limits */
    ptrdiff_t kinds[KINDS], first[KINDS];
} answers;

static int screen(bnorm_ctx *ctx, bnorm_panel *panel, const cli_table *table,
                  panel_request request, answers *a)
{
    unsigned char *kinds = bnorm_cli_alloc(table->rows, 1);
    int code = bnorm_cli_status(ctx, bnorm_panel_screen(ctx, panel, table->table, 0, kinds));
    a->rows = bnorm_cli_alloc(table->rows, sizeof *a->rows);
    for (ptrdiff_t i = 0; i < table->rows && !code; i++) {
        if (!a->kinds[kinds[i]]++) a->first[kinds[i]] = i;
        if (kinds[i] == BNORM_ROW_READY ||
            (kinds[i] == BNORM_ROW_NEW && request.new_level == BNORM_NEW_ZERO))
            a->rows[a->count++] = i;
    }
    free(kinds);
    return code;
}

/* What the library says of a row that it refuses to predict. */
static void why(bnorm_ctx *ctx, bnorm_panel *panel, const cli_table *table, ptrdiff_t row)
{
    double mean;
    bnorm_panel_predict(ctx, panel, NULL, table->table, &row, 1, BNORM_NEW_ERROR, &mean, NULL);
}

static int refuse(bnorm_ctx *ctx, bnorm_panel *panel, const cli_table *table,
                  panel_request request, const answers *a)
{
    ptrdiff_t missing = a->kinds[BNORM_ROW_MISSING] ? a->first[BNORM_ROW_MISSING] : table->rows;
    ptrdiff_t foreign = a->kinds[BNORM_ROW_FOREIGN] ? a->first[BNORM_ROW_FOREIGN] : table->rows;
    if (request.na_error && missing < foreign) {
        bnorm_cli_say("%s %s %td: an input is missing (--na drop: its prediction is NA)",
                      table->name, table->place, table->lines[missing]);
        return CLI_DATA;
    }
    if (request.na_error && foreign < table->rows) {
        why(ctx, panel, table, foreign);
        bnorm_cli_say("%s (--na drop: its prediction is NA)", bnorm_ctx_message(ctx));
        return CLI_DATA;
    }
    if (request.new_level != BNORM_NEW_ERROR || !a->kinds[BNORM_ROW_NEW]) return CLI_OK;
    why(ctx, panel, table, a->first[BNORM_ROW_NEW]);
    bnorm_cli_say("%s (--new na: its prediction is NA; --new zero: it has the mean effect)",
                  bnorm_ctx_message(ctx));
    return CLI_DATA;
}

static void tell(bnorm_ctx *ctx, bnorm_panel *panel, const cli_table *table,
                 panel_request request, const answers *a)
{
    if (a->kinds[BNORM_ROW_MISSING])
        bnorm_cli_note("%td of %td rows have missing inputs; their prediction is NA",
                       a->kinds[BNORM_ROW_MISSING], table->rows);
    if (a->kinds[BNORM_ROW_FOREIGN]) {
        why(ctx, panel, table, a->first[BNORM_ROW_FOREIGN]);
        bnorm_cli_note("%td of %td rows have a level that training did not see or a term that "
                       "is not finite; their prediction is NA; the first: %s",
                       a->kinds[BNORM_ROW_FOREIGN], table->rows, bnorm_ctx_message(ctx));
    }
    if (a->kinds[BNORM_ROW_NEW])
        bnorm_cli_note("%td of %td rows have a fixed effect that training did not see; %s",
                       a->kinds[BNORM_ROW_NEW], table->rows,
                       request.new_level == BNORM_NEW_ZERO ? "they have the mean effect"
                                                           : "their prediction is NA");
}

static int predict(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                   const cli_table *table, panel_request request, answers *a)
{
    bnorm_panel_info info = {.struct_size = sizeof info};
    bnorm_vcov_info v = {.struct_size = sizeof v};
    bnorm_panel_describe(panel, &info);
    if (request.level > 0) {
        bnorm_vcov_describe(vcov, &v);
        a->se = bnorm_cli_alloc(a->count, sizeof *a->se);
        a->wide = bnorm_cli_t_quantile(request.level, info.logistic ? INFINITY : v.df);
    }
    a->mean = bnorm_cli_alloc(a->count, sizeof *a->mean);
    return bnorm_cli_status(ctx, bnorm_panel_predict(ctx, panel, a->se ? vcov : NULL,
                                                     table->table, a->rows, a->count,
                                                     request.new_level, a->mean, a->se));
}

static void number(FILE *file, double value)
{
    if (isfinite(value))
        fprintf(file, ",%.17g", value);
    else
        fputs(",NA", file);
}

static int write_rows(const answers *a, const cli_table *table, const char *path)
{
    cli_output output;
    int code = bnorm_cli_open(&output, path);
    if (code) return code;
    fprintf(output.file, "%s,prediction%s\n", table->place, a->se ? ",lower,upper" : "");
    for (ptrdiff_t i = 0, k = 0; i < table->rows; i++) {
        int there = k < a->count && a->rows[k] == i;
        fprintf(output.file, "%td", table->lines[i]);
        number(output.file, there ? a->mean[k] : NAN);
        for (int sign = -1; a->se && sign <= 1; sign += 2)
            number(output.file, there ? a->mean[k] + sign * a->wide * a->se[k] : NAN);
        fputc('\n', output.file);
        k += there;
    }
    return bnorm_cli_commit(&output);
}

int bnorm_cli_panel_predictions(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                                const cli_table *table, panel_request request, const char *path)
{
    answers a = {0};
    int code = screen(ctx, panel, table, request, &a);
    if (!code) code = refuse(ctx, panel, table, request, &a);
    if (!code) code = predict(ctx, panel, vcov, table, request, &a);
    if (!code) code = write_rows(&a, table, path);
    if (!code) tell(ctx, panel, table, request, &a);
    free(a.rows);
    free(a.mean);
    free(a.se);
    return code;
}

/* ------------------------------------------------------------------------------- files */

typedef struct saved {
    bnorm_panel *panel;
    const bnorm_vcov *vcov;
} saved;

static bnorm_status save(bnorm_ctx *ctx, void *what, const char *path)
{
    const saved *s = what;
    return bnorm_panel_save(ctx, s->panel, s->vcov, path);
}

int bnorm_cli_panel_save(bnorm_ctx *ctx, bnorm_panel *panel, const bnorm_vcov *vcov,
                         const char *path)
{
    saved s = {panel, vcov};
    return bnorm_cli_save(ctx, save, &s, path);
}

/* What is neither is told by bnorm_model_load. */
int bnorm_cli_is_panel_file(bnorm_ctx *ctx, const char *path)
{
    bnorm_file_kind kind;
    if (!strcmp(path, "-")) return 0;
    return !bnorm_file_kind_of(ctx, path, &kind) && kind == BNORM_FILE_PANEL;
}
