/* question_print: the report of `bnorm check --question` to be read, in 96 columns. */
#include "question.h"

#include <stdio.h>
#include <string.h>

static const char *bold = "", *red = "", *green = "", *dim = "", *plain = "";

static void choose_colours(int colour)
{
    if (!colour) return;
    bold = "\033[1m";
    red = "\033[31m";
    green = "\033[32m";
    dim = "\033[2m";
    plain = "\033[0m";
}

static void heading(const char *left, const char *right)
{
    printf("\n%s%s%s%*s\n", bold, left, plain, (int)(96 - strlen(left)), right);
}

/* -------------------------------------------------------------- numbers, entry by entry */

/* One block: the question's formula, its loop, and the block of the gradient. */
typedef struct block_table {
    const char *title, *equation;
    int formula, loop; /* -1: none */
    int block;
} block_table;

static const block_table tables[Q_BLOCKS] = {
    {"dR/dbeta = 1'W", "drdb, (B1)", BNORM_QUESTION_DRDB, BNORM_QUESTION_LOOP_DRDB, Q_BETA},
    {"dR/dgamma = diag(zhat'W)", "drdg, (B2)", BNORM_QUESTION_DRDG, BNORM_QUESTION_LOOP_DRDG,
     Q_GAMMA},
    {"dR/dGamma1 = X'dZ, dz = (gamma/sigma)[w - dbeta/N - zhat dgamma/M]", "drdG1, (B3) = (W3)",
     BNORM_QUESTION_DRDG1, BNORM_QUESTION_LOOP_DRDG1, Q_G1},
    {"dR/dGamma2 = V'D", "(no number printed)", -1, -1, Q_G2}};

static void columns(void)
{
    printf("%s%-5s%12s%12s%14s%14s%13s%13s%13s%s\n", dim, "", "printed", "its loop",
           "its formula", "closed form", "Kronecker", "weights", "complex", plain);
}

/* A printed number: green, or red with a question mark when the formula misses a digit of it.
 */
static void printed(const char *text, double value)
{
    int equal = bnorm_cli_question_has_digits(value, text);
    printf("%s%*s%s%s", equal ? green : red, equal ? 12 : 11, text, equal ? "" : "?", plain);
}

/* The question's part of the line of entry k; the loop of drdg has only the diagonal. */
static void his_part(const question_case *c, const block_table *t, ptrdiff_t k, int diagonal)
{
    const char *const *texts;
    if (t->formula < 0) {
        printf("%12s%12s%14s", "-", "-", "-");
        return;
    }
    double value = c->formula[t->formula][k];
    bnorm_cli_question_printed(t->formula, &texts);
    printed(texts[k], value);
    bnorm_cli_question_printed(t->loop, &texts);
    ptrdiff_t l = t->block == Q_GAMMA ? k % Q_P2 : k;
    if (t->block != Q_GAMMA || diagonal)
        printed(texts[l], c->formula[t->loop][l]);
    else
        printf("%12s", "");
    printf("%14.8g", value);
}

static void true_part(const question_case *c, int block, ptrdiff_t k)
{
    static const int shown[] = {Q_CLOSED, Q_KRONECKER, Q_WEIGHTS, Q_COMPLEX};
    for (int m = 0; m < 4; m++) printf("%*.9f", m ? 13 : 14, c->by[shown[m]].block[block][k]);
}

/* Entry i,j of a matrix, j of a vector. */
static void print_entry(const question_case *c, const block_table *t, int vector, ptrdiff_t i,
                        ptrdiff_t j)
{
    char entry[48];
    int of_matrix = t->block == Q_G1, diagonal = t->block != Q_GAMMA || i == j;
    if (vector)
        snprintf(entry, sizeof entry, "%td", j + 1);
    else
        snprintf(entry, sizeof entry, "%td,%td", i + 1, j + 1);
    printf("%-5s", entry);
    his_part(c, t, i * Q_P2 + j, diagonal);
    if (diagonal)
        true_part(c, t->block, of_matrix ? i * Q_P2 + j : j);
    else
        printf("   %soff the diagonal: no derivative of R%s", dim, plain);
    putchar('\n');
}

static void print_block(const question_case *c, const block_table *t)
{
    const char *const *texts;
    ptrdiff_t rows = t->formula < 0 ? 1 : bnorm_cli_question_printed(t->formula, &texts);
    heading(t->title, t->equation);
    columns();
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < Q_P2; j++) print_entry(c, t, rows == 1, i, j);
}

/* --------------------------------------------------------------------------- the verdicts */

static void mending(const question_case *c, int block)
{
    for (int s = 0; s < Q_STEPS; s++) {
        const question_step *step = &bnorm_cli_question_steps[s];
        if (step->block != block) continue;
        int right = c->step[s] <= 1e-12;
        printf("    %-34s %s%9.2g  %s%s\n", step->text, right ? green : red, c->step[s],
               right ? "right" : "wrong", plain);
    }
}

static void verdict(const question_case *c, int block, const char *name, const char *why)
{
    printf("\n  %s%s%s  %s\n", bold, name, plain, why);
    printf("    %s%-34s %9s%s\n", dim, "repair, one after the other", "distance", plain);
    mending(c, block);
}

static void verdicts(const question_case *c)
{
    char why[640];
    heading("Verdict", "distance: largest error / largest entry of the gradient");
    snprintf(
        why, sizeof why,
        "The formula is right, but for the 1/N of R; the numbers are not.\n"
        "    `ap` zeroes the negatives, then sets all that is >= 0 to 1: it is 1 everywhere,\n"
        "    while %d of the %d units are active. The loop beside it takes X[,i] G1[i,] for\n"
        "    X G1, another network, and agrees only because `ap` forgets its argument.",
        c->active, Q_N * Q_P2);
    verdict(c, Q_BETA, "beta:", why);
    verdict(
        c, Q_GAMMA, "gamma:",
        "One factor gamma_j too many: B is linear in gamma_j, so gamma_j is not in its\n"
        "    derivative. Right only where gamma_j = 1 or dgamma_j = 0. Take the diagonal: a\n"
        "    gamma that is a vector has no other entries to move.");
    verdict(c, Q_G1, "Gamma1:",
            "It holds mu and sigma still: the gradient at inference, not in training. The\n"
            "    code multiplies by sd where the text divides. Right only where\n"
            "    gamma_j (xbar dbeta_j + S g_j dgamma_j/sigma_j) = 0.");
    printf(
        "\n  %sThe two gradients without normalisation%s have their labels swapped (V' goes\n"
        "    with Gamma2, X' with Gamma1) and lack 1/N.\n",
        bold, plain);
}

/* ------------------------------------------------------------------------ the other rule */

static void other_rule(const question_case *c)
{
    static const char *const names[Q_BLOCKS] = {"dbeta", "dgamma", "dG1", "dG2"};
    heading("The same with ddof 0 (sd of divisor N, y = yhat + u anew): the closed form", "");
    for (int b = 0; b < Q_BLOCKS; b++)
        for (ptrdiff_t k = 0; k < bnorm_cli_question_length(b); k += Q_P2) {
            printf("  %-8s", k ? "" : names[b]);
            for (int j = 0; j < Q_P2; j++) printf("%20.14f", c->by[Q_CLOSED].block[b][k + j]);
            putchar('\n');
        }
}

static void agreement(const question_case *c)
{
    for (int m = Q_CLOSED + 1; m < Q_METHODS; m++) {
        int ok = 1;
        printf("  %4g   %-22s", c->rule.ddof, bnorm_cli_question_methods[m]);
        for (int b = 0; b < Q_BLOCKS; b++) {
            ok &= c->apart[m][b] <= bnorm_cli_question_bound(m);
            printf("%11.1e", c->apart[m][b]);
        }
        printf("%10.0e  %s%s%s\n", bnorm_cli_question_bound(m), ok ? green : red,
               ok ? "agrees" : "DIFFERS", plain);
    }
}

void bnorm_cli_question_print(const question_report *r)
{
    choose_colours(r->colour);
    printf("%sIs there a matrix expression for the gradients of batch normalisation?%s\n", bold,
           plain);
    printf(
        "The question's network: yhat = relu(b(X Gamma1)) Gamma2, R = sum (y - yhat)^2 / N = "
        "%.9g,\nset.seed(1), N = %d, p1 = %d, p2 = %d, sd of divisor N - 1. What it printed "
        "is %sgreen%s where its own\nformulas give every digit: %d of 84 numbers.\n",
        r->ddof1.r, Q_N, Q_P1, Q_P2, green, plain, r->equal);
    for (int b = 0; b < Q_BLOCKS; b++) print_block(&r->ddof1, &tables[b]);
    verdicts(&r->ddof1);
    other_rule(&r->ddof0);
    heading("Agreement with the closed form", "largest difference / largest entry");
    printf("%s  %4s   %-22s%11s%11s%11s%11s%10s%s\n", dim, "ddof", "", "dbeta", "dgamma", "dG1",
           "dG2", "bound", plain);
    agreement(&r->ddof1);
    agreement(&r->ddof0);
    printf("\n%s%s%s: %d of 84 printed numbers reproduced; the gradients %s.\n",
           r->ok ? green : red, r->ok ? "ok" : "NOT OK", plain, r->equal,
           r->ddof1.ok && r->ddof0.ok ? "agree" : "DIFFER");
    puts("The derivation, in R, C and NumPy: docs/answer.md.");
}
