/* question: what `bnorm check --question` computes, between its three files. */
#ifndef BNORM_CLI_QUESTION_H
#define BNORM_CLI_QUESTION_H

#include "bnorm.h"

enum { Q_N = 10, Q_P1 = 7, Q_P2 = 4 };

/* How the gradient is found. The first five are exact and must agree. */
typedef enum question_method {
    Q_CLOSED,
    Q_NETWORK,
    Q_KRONECKER,
    Q_WEIGHTS,
    Q_COMPLEX,
    Q_CENTRAL,
    Q_METHODS
} question_method;

enum { Q_BETA, Q_GAMMA, Q_G1, Q_G2, Q_BLOCKS };
enum { Q_FORMULAS = BNORM_QUESTION_LOOP_DRDG + 1, Q_STEPS = 11 };

/* The blocks of one gradient, matrices row by row; the length of a block is in q_length. */
typedef struct question_gradient {
    double block[Q_BLOCKS][Q_P1 * Q_P2];
} question_gradient;

/* The question under one rule. */
typedef struct question_case {
    bnorm_question q;
    bnorm_rule rule;
    double r; /* R */
    int active;
    question_gradient by[Q_METHODS];
    double apart[Q_METHODS][Q_BLOCKS]; /* from the closed form, relative to the largest entry */
    double formula[Q_FORMULAS][Q_P1 * Q_P2]; /* the question's own, as written */
    double step[Q_STEPS]; /* distance from the gradient after each repair, likewise relative */
    int ok;
} question_case;

typedef struct question_report {
    question_case ddof1, ddof0;
    int equal; /* of the 84 printed numbers, those equal to every printed digit */
    int colour;
    int ok;
} question_report;

/* One step of mending a formula: which block it is for, the repairs so far, what they are. */
typedef struct question_step {
    int block;
    bnorm_question_formula formula;
    int repairs;
    const char *text;
} question_step;

extern const question_step bnorm_cli_question_steps[Q_STEPS];
extern const char *const bnorm_cli_question_methods[Q_METHODS];

/* The bound on `apart` of a method. */
double bnorm_cli_question_bound(int method);
ptrdiff_t bnorm_cli_question_length(int block);
/* Rows and the printed texts of a formula. */
ptrdiff_t bnorm_cli_question_printed(int formula, const char *const **texts);
/* Whether `value` has every digit of `text`. */
int bnorm_cli_question_has_digits(double value, const char *text);

/* The whole of `bnorm check --question`; returns the exit code. */
int bnorm_cli_question(int json, int quiet);

void bnorm_cli_question_print(const question_report *report);
void bnorm_cli_question_json(const question_report *report);

#endif
