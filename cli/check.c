/* check: the subcommand; the gradients of a model on a table against difference quotients. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "describe.h"
#include "json.h"
#include "model_file.h"
#include "output.h"
#include "panel_file.h"
#include "question.h"
#include "table.h"

typedef struct check {
    ptrdiff_t entries, most_rows; /* 0: all */
    uint64_t seed;
    int json, quiet;
    ptrdiff_t rows, blocks;
    bnorm_check_block *report;
} check;

/* The stream of the seed that draws rows. */
static const uint64_t rows_stream = UINT64_C(0x636865636b726f77);

static int ascending(const void *a, const void *b)
{
    ptrdiff_t x = *(const ptrdiff_t *)a, y = *(const ptrdiff_t *)b;
    return (x > y) - (x < y);
}

/* Keeps at most `most` of the rows, drawn by the seed, in their order. */
static void draw_rows(uint64_t seed, ptrdiff_t most, ptrdiff_t *rows, ptrdiff_t *count)
{
    if (!most || *count <= most) return;
    ptrdiff_t *order = bnorm_cli_alloc(*count, sizeof *order);
    bnorm_random_permutation(seed, rows_stream, *count, order);
    for (ptrdiff_t k = 0; k < most; k++) order[k] = rows[order[k]];
    qsort(order, (size_t)most, sizeof *order, ascending);
    memcpy(rows, order, (size_t)most * sizeof *rows);
    *count = most;
    free(order);
}

static void print(const check *c)
{
    printf("gradients against difference quotients on %td rows\n", c->rows);
    bnorm_cli_check_print(stdout, c->report, c->blocks);
}

static void print_json(const check *c, int ok)
{
    cli_json j = {.file = stdout};
    bnorm_cli_json_open(&j, NULL, '{');
    bnorm_cli_json_bool(&j, "ok", ok);
    bnorm_cli_check_json(&j, c->report, c->blocks);
    bnorm_cli_json_close(&j, '}');
}

/* A block that is not ok is a result first, and a failure after. */
static int run(bnorm_ctx *ctx, bnorm_model *model, bnorm_mat_f64 x, bnorm_mat_f64 y,
               const double *weights, check *c)
{
    bnorm_net *net = bnorm_model_net(model);
    c->blocks = bnorm_net_block_count(net);
    c->report = bnorm_cli_alloc(c->blocks, sizeof *c->report);
    bnorm_status status = bnorm_net_check(ctx, net, x, y, weights, bnorm_model_loss(model),
                                          c->seed, c->entries, c->report);
    if (status && status != BNORM_E_CHECK) return bnorm_cli_status(ctx, status);
    if (c->json)
        print_json(c, status == BNORM_OK);
    else if (!c->quiet)
        print(c);
    int code = bnorm_cli_flush();
    return code ? code : bnorm_cli_status(ctx, status);
}

static int check_rows(bnorm_ctx *ctx, bnorm_model *model, const cli_table *table,
                      const ptrdiff_t *rows, check *c)
{
    const bnorm_frame *frame = bnorm_model_frame(model);
    ptrdiff_t inputs = bnorm_frame_inputs(frame);
    double *x = bnorm_cli_alloc(c->rows * inputs, sizeof *x);
    double *y = bnorm_cli_alloc(c->rows, sizeof *y);
    double *weights = table->weights ? bnorm_cli_alloc(c->rows, sizeof *weights) : NULL;
    bnorm_mat_f64 mx = bnorm_view_f64(x, c->rows, inputs, BNORM_ROW_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, c->rows, 1, BNORM_ROW_MAJOR);
    for (ptrdiff_t i = 0; weights && i < c->rows; i++) weights[i] = table->weights[rows[i]];
    int code = bnorm_cli_status(
        ctx, bnorm_frame_matrix(ctx, frame, table->table, rows, c->rows, mx, my));
    if (!code) code = run(ctx, model, mx, my, weights, c);
    free(x);
    free(y);
    free(weights);
    free(c->report);
    return code;
}

static int check_table(bnorm_ctx *ctx, bnorm_model *model, const cli_table *table, int na_error,
                       check *c)
{
    ptrdiff_t *rows = bnorm_cli_alloc(table->rows, sizeof *rows);
    int code =
        bnorm_cli_table_rows(ctx, table, bnorm_model_frame(model), 1, na_error, rows, &c->rows);
    if (!code && c->rows < table->rows)
        bnorm_cli_note("%td of %td rows have missing values and are left out",
                       table->rows - c->rows, table->rows);
    if (!code) draw_rows(c->seed, c->most_rows, rows, &c->rows);
    if (!code && c->rows < 2) {
        bnorm_cli_say("%s: a check needs at least 2 complete rows, here %s %td", table->name,
                      c->rows == 1 ? "is" : "are", c->rows);
        code = CLI_DATA;
    }
    if (!code) code = check_rows(ctx, model, table, rows, c);
    free(rows);
    return code;
}

/* Its gradient needs the effects and the top layer of the rows of the fit. */
static int refuse_panel(bnorm_ctx *ctx, const char *path)
{
    if (!bnorm_cli_is_panel_file(ctx, path)) return CLI_OK;
    bnorm_cli_say("%s holds a structured model, whose gradient is checked where it is fitted: "
                  "bnorm fit --check",
                  path);
    return CLI_USAGE;
}

int bnorm_cli_check(cli_args *args)
{
    static const char *const na_rules[] = {"drop", "error", NULL};
    static const char *const any = "a whole number from 0";
    cli_table table;
    bnorm_ctx *ctx = NULL;
    bnorm_model *model = NULL;
    if (args->value[OPT_QUESTION])
        return bnorm_cli_question(args->value[OPT_JSON] != NULL,
                                  args->value[OPT_QUIET] != NULL);
    check c = {.seed = bnorm_cli_seed(args)};
    c.entries = bnorm_cli_whole(args, OPT_ENTRIES, 0, PTRDIFF_MAX, any);
    c.most_rows = bnorm_cli_whole(args, OPT_ROWS, 0, PTRDIFF_MAX, any);
    c.json = args->value[OPT_JSON] != NULL;
    c.quiet = args->value[OPT_QUIET] != NULL;
    int na_error = bnorm_cli_choice(args, OPT_NA, na_rules);
    int threads = (int)bnorm_cli_whole(args, OPT_THREADS, 0, 1024, "from 0 to 1024");
    bnorm_cli_separator(args);
    if (args->bad) return CLI_USAGE;
    int code = bnorm_cli_context(threads, &ctx);
    if (!code) code = refuse_panel(ctx, args->operand[0]);
    if (!code) code = bnorm_cli_model_read(ctx, args->operand[0], 1, &model);
    if (!code)
        code =
            bnorm_cli_table_read(ctx, args, args->operand[1], args->value[OPT_WEIGHTS], &table);
    if (!code) {
        code = check_table(ctx, model, &table, na_error, &c);
        bnorm_cli_table_free(&table);
    }
    bnorm_model_destroy(model);
    bnorm_ctx_destroy(ctx);
    return code;
}
