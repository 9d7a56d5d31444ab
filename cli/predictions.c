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

static void header(FILE *file, const predictions *p)
{
    fputs("line,prediction", file);
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
    header(output.file, p);
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

int bnorm_cli_predictions_write(bnorm_ctx *ctx, bnorm_model *model, const cli_table *table,
                                int na_error, const char *path, ptrdiff_t *missing)
{
    predictions p = {.frame = bnorm_model_frame(model)};
    cli_table unweighted = *table; /* a missing weight does not hinder a prediction */
    unweighted.weights = NULL;
    p.outputs = bnorm_net_outputs(bnorm_model_net(model));
    p.classes = bnorm_frame_classes(p.frame);
    p.rows = bnorm_cli_alloc(table->rows, sizeof *p.rows);
    int code = bnorm_cli_table_rows(ctx, &unweighted, p.frame, 0, na_error, p.rows, &p.count);
    if (!code) code = predict(ctx, model, table, &p);
    if (!code) code = write_rows(&p, table, path);
    *missing = table->rows - p.count;
    free(p.rows);
    free(p.mean);
    return code;
}
