/* question_json: the report of `bnorm check --question` for programs. */
#include "json.h"
#include "question.h"

#include <stdio.h>

static const char *const names[Q_BLOCKS] = {"dbeta", "dgamma", "dG1", "dG2"};

static void row(cli_json *j, const char *key, const double *values)
{
    bnorm_cli_json_open(j, key, '[');
    for (int k = 0; k < Q_P2; k++) bnorm_cli_json_number(j, NULL, values[k]);
    bnorm_cli_json_close(j, ']');
}

static void matrix(cli_json *j, const char *key, ptrdiff_t rows, const double *values)
{
    bnorm_cli_json_open(j, key, '[');
    for (ptrdiff_t i = 0; i < rows; i++) row(j, NULL, values + i * Q_P2);
    bnorm_cli_json_close(j, ']');
}

/* The question's formulas as written, under the names of its code. */
static void formulas(cli_json *j, const question_case *c)
{
    static const char *const keys[Q_FORMULAS] = {"drdb",       "loop_drdb", "drdG1",
                                                 "loop_drdG1", "drdg",      "loop_drdg"};
    const char *const *texts;
    bnorm_cli_json_open(j, "question", '{');
    for (int f = 0; f < Q_FORMULAS; f++) {
        ptrdiff_t rows = bnorm_cli_question_printed(f, &texts);
        if (rows == 1)
            row(j, keys[f], c->formula[f]);
        else
            matrix(j, keys[f], rows, c->formula[f]);
    }
    bnorm_cli_json_close(j, '}');
}

/* How far each method is from the closed form: the largest of its blocks. */
static void agreement(cli_json *j, const question_case *c)
{
    static const char *const keys[Q_METHODS] = {"closed",  "network", "kronecker",
                                                "weights", "complex", "central"};
    bnorm_cli_json_open(j, "apart", '{');
    for (int m = Q_CLOSED + 1; m < Q_METHODS; m++) {
        double most = 0;
        for (int b = 0; b < Q_BLOCKS; b++) most = c->apart[m][b] > most ? c->apart[m][b] : most;
        bnorm_cli_json_number(j, keys[m], most);
    }
    bnorm_cli_json_close(j, '}');
}

static void one_case(cli_json *j, const char *key, const question_case *c)
{
    bnorm_cli_json_open(j, key, '{');
    bnorm_cli_json_number(j, "R", c->r);
    for (int b = 0; b < Q_BLOCKS; b++)
        if (b == Q_G1)
            matrix(j, names[b], Q_P1, c->by[Q_CLOSED].block[b]);
        else
            row(j, names[b], c->by[Q_CLOSED].block[b]);
    formulas(j, c);
    agreement(j, c);
    bnorm_cli_json_bool(j, "ok", c->ok);
    bnorm_cli_json_close(j, '}');
}

void bnorm_cli_question_json(const question_report *report)
{
    cli_json j = {.file = stdout};
    bnorm_cli_json_open(&j, NULL, '{');
    one_case(&j, "ddof1", &report->ddof1);
    one_case(&j, "ddof0", &report->ddof0);
    bnorm_cli_json_whole(&j, "printed_equal", report->equal);
    bnorm_cli_json_bool(&j, "ok", report->ok);
    bnorm_cli_json_close(&j, '}');
}
