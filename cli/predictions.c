/* predictions: the file that predict and fit --fitted both write, byte by byte the same way. */
#include "predictions.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"

typedef struct predictions {
    const bnorm_frame *frame;
    ptrdiff_t outputs, classes;
    ptrdiff_t count, *rows; /* that have a prediction */
    double *mean;           /* count x outputs */
} predictions;

ptrdiff_t bnorm_cli_likeliest(const double *mean, ptrdiff_t outputs)
{
    ptrdiff_t best = 0;
    if (outputs == 1) return mean[0] > 0.5;
    for (ptrdiff_t k = 1; k < outputs; k++)
        if (mean[k] > mean[best]) best = k;
    return best;
}

static double probability(const double *mean, ptrdiff_t outputs, ptrdiff_t k)
{
    if (outputs > 1) return mean[k];
    return k ? mean[0] : 1 - mean[0];
}

/* A text as a cell (RFC 4180): quoted where it must be. */
static void cell(FILE *file, const char *before, const char *text)
{
    int quoted = text[strcspn(text, ",;\"\t\r\n ")] != 0;
    if (quoted) fputc('"', file);
    fputs(before, file);
    for (; *text; text++) {
        if (*text == '"') fputc('"', file);
        fputc(*text, file);
    }
    if (quoted) fputc('"', file);
}

static void header(FILE *file, const predictions *p, const char *place)
{
    fprintf(file, "%s,prediction", place);
    for (ptrdiff_t k = 0; k < p->classes; k++) {
        fputc(',', file);
        cell(file, "probability ", bnorm_frame_class_name(p->frame, k));
    }
    for (ptrdiff_t k = 1; k < p->outputs && !p->classes; k++)
        fprintf(file, ",prediction %td", k + 1);
    fputc('\n', file);
}

/* mean NULL: a row without a prediction. */
static void row(FILE *file, const predictions *p, ptrdiff_t line, const double *mean)
{
    ptrdiff_t columns = p->classes ? 1 + p->classes : p->outputs;
    fprintf(file, "%td", line);
    for (ptrdiff_t k = 0; k < columns; k++) {
        fputc(',', file);
        if (!mean)
            fputs("NA", file);
        else if (!p->classes)
            fprintf(file, "%.17g", mean[k]);
        else if (k == 0)
            cell(file, "",
                 bnorm_frame_class_name(p->frame, bnorm_cli_likeliest(mean, p->outputs)));
        else
            fprintf(file, "%.17g", probability(mean, p->outputs, k - 1));
    }
    fputc('\n', file);
}

static int write_rows(const predictions *p, const cli_table *table, const char *path)
{
    cli_output output;
    int code = bnorm_cli_open(&output, path);
    if (code) return code;
    header(output.file, p, table->place);
    for (ptrdiff_t i = 0, k = 0; i < table->rows; i++) {
        int there = k < p->count && p->rows[k] == i;
        row(output.file, p, table->lines[i], there ? p->mean + k * p->outputs : NULL);
        k += there;
    }
    return bnorm_cli_commit(&output);
}

static int predict(bnorm_ctx *ctx, bnorm_model *model, const cli_table *table, predictions *p)
{
    p->mean = bnorm_cli_alloc(p->count * p->outputs, sizeof *p->mean);
    bnorm_mat_f64 mean = bnorm_view_f64(p->mean, p->count, p->outputs, BNORM_ROW_MAJOR);
    return bnorm_cli_status(
        ctx, bnorm_model_predict(ctx, model, table->table, p->rows, p->count, mean));
}

/* Rows that cannot be predicted: the first of each kind, and how many. */
typedef struct unready {
    ptrdiff_t count[3], first[3]; /* by bnorm_row */
} unready;

static int screen(bnorm_ctx *ctx, const cli_table *table, predictions *p, unready *u)
{
    unsigned char *kinds = bnorm_cli_alloc(table->rows, 1);
    int code = bnorm_cli_status(ctx, bnorm_frame_screen(ctx, p->frame, table->table, 0, kinds));
    for (ptrdiff_t i = 0; i < table->rows && !code; i++) {
        if (!u->count[kinds[i]]++) u->first[kinds[i]] = i;
        if (kinds[i] == BNORM_ROW_READY) p->rows[p->count++] = i;
    }
    free(kinds);
    return code;
}

/* With --na error: the first row without a prediction, whatever it lacks. */
static int refuse(bnorm_ctx *ctx, const cli_table *table, const predictions *p,
                  const unready *u)
{
    ptrdiff_t missing = u->count[BNORM_ROW_MISSING] ? u->first[BNORM_ROW_MISSING] : table->rows;
    ptrdiff_t foreign = u->count[BNORM_ROW_FOREIGN] ? u->first[BNORM_ROW_FOREIGN] : table->rows;
    ptrdiff_t row = missing < foreign ? missing : foreign;
    if (row == table->rows) return CLI_OK;
    bnorm_cli_table_why(ctx, table, p->frame, 0, row);
    bnorm_cli_say("%s (--na drop: its prediction is NA)", bnorm_ctx_message(ctx));
    return CLI_DATA;
}

static void tell(bnorm_ctx *ctx, const cli_table *table, const predictions *p, const unready *u)
{
    ptrdiff_t missing = u->count[BNORM_ROW_MISSING], foreign = u->count[BNORM_ROW_FOREIGN];
    if (missing)
        bnorm_cli_note("%td of %td rows have missing inputs; their prediction is NA", missing,
                       table->rows);
    if (!foreign) return;
    bnorm_cli_table_why(ctx, table, p->frame, 0, u->first[BNORM_ROW_FOREIGN]);
    bnorm_cli_note("%td of %td rows have a level that training did not see or a term that is "
                   "not finite; their prediction is NA; the first: %s",
                   foreign, table->rows, bnorm_ctx_message(ctx));
}

int bnorm_cli_predictions_write(bnorm_ctx *ctx, bnorm_model *model, const cli_table *table,
                                int na_error, const char *path)
{
    predictions p = {.frame = bnorm_model_frame(model)};
    unready u = {0};
    p.outputs = bnorm_net_outputs(bnorm_model_net(model));
    p.classes = bnorm_frame_classes(p.frame);
    p.rows = bnorm_cli_alloc(table->rows, sizeof *p.rows);
    int code = screen(ctx, table, &p, &u);
    if (!code && na_error) code = refuse(ctx, table, &p, &u);
    if (!code) code = predict(ctx, model, table, &p);
    if (!code) code = write_rows(&p, table, path);
    if (!code) tell(ctx, table, &p, &u);
    free(p.rows);
    free(p.mean);
    return code;
}
