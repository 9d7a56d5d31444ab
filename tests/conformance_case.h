/* conformance_case: the case files of tests/conformance, read one case at a time. */
#ifndef BNORM_TESTS_CONFORMANCE_CASE_H
#define BNORM_TESTS_CONFORMANCE_CASE_H

#include <stddef.h>
#include <stdio.h>

enum { CASE_ITEMS = 24, CASE_WORD = 64 };

typedef enum item_kind { ITEM_WORD, ITEM_VALUES, ITEM_EXPECT } item_kind;

/* One argument or expectation: a word, or rows x cols values, row by row. */
typedef struct item {
    item_kind kind;
    char key[CASE_WORD], word[CASE_WORD];
    ptrdiff_t rows, cols;
    double bound; /* of an expectation */
    double *values;
} item;

typedef struct test_case {
    char name[CASE_WORD], op[CASE_WORD];
    item items[CASE_ITEMS];
    int count;
} test_case;

/* Reads the next case: 1, or 0 at the end of the file. A file that is not as README.md says
 * ends the program with a message. */
int case_read(FILE *file, test_case *c);
void case_free(test_case *c);

/* The item of that kind and key, or NULL. */
const item *case_find(const test_case *c, item_kind kind, const char *key);

/* Arguments; what is absent is 0, NULL, "". */
double case_number(const test_case *c, const char *key);
const double *case_vector(const test_case *c, const char *key);
const char *case_word(const test_case *c, const char *key);

#endif
