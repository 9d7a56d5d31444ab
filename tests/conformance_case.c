/* conformance_case: words of a case file, one after the other; lines matter only for comments. */
#include "conformance_case.h"

#include <stdlib.h>
#include <string.h>

static void refuse(const char *what, const char *word)
{
    fprintf(stderr, "conformance: %s: '%s'\n", what, word);
    exit(1);
}

static void *grab(size_t bytes)
{
    void *block = malloc(bytes ? bytes : 1);
    if (!block) refuse("out of memory", "");
    return block;
}

/* The next word, 0 at the end; comment lines are passed over. */
static int next(FILE *file, char *word)
{
    while (fscanf(file, "%63s", word) == 1) {
        if (word[0] != '#') return 1;
        for (int c = 0; c != '\n' && c != EOF;) c = getc(file);
    }
    return 0;
}

static double number(FILE *file)
{
    char word[CASE_WORD], *end;
    if (!next(file, word)) refuse("the file ends where a number is due", "");
    double value = strtod(word, &end);
    if (*end) refuse("not a number", word);
    return value;
}

static void name(FILE *file, char *word)
{
    if (!next(file, word)) refuse("the file ends where a word is due", "");
}

static void values(FILE *file, item *it, ptrdiff_t rows, ptrdiff_t cols)
{
    it->rows = rows;
    it->cols = cols;
    it->values = grab((size_t)(rows * cols) * sizeof(double));
    for (ptrdiff_t i = 0; i < rows * cols; i++) it->values[i] = number(file);
}

/* An item, whose keyword has been read. */
static void argument(FILE *file, const char *keyword, item *it)
{
    *it = (item){.kind = ITEM_VALUES};
    name(file, it->key);
    if (strcmp(keyword, "word") == 0) {
        it->kind = ITEM_WORD;
        name(file, it->word);
    } else if (strcmp(keyword, "number") == 0) {
        values(file, it, 1, 1);
    } else if (strcmp(keyword, "vector") == 0) {
        values(file, it, 1, (ptrdiff_t)number(file));
    } else {
        int expect = strcmp(keyword, "expect") == 0;
        if (!expect && strcmp(keyword, "matrix") != 0) refuse("no such keyword", keyword);
        ptrdiff_t rows = (ptrdiff_t)number(file), cols = (ptrdiff_t)number(file);
        if (expect) it->kind = ITEM_EXPECT;
        if (expect) it->bound = number(file);
        values(file, it, rows, cols);
    }
}

int case_read(FILE *file, test_case *c)
{
    char word[CASE_WORD];
    *c = (test_case){.count = 0};
    if (!next(file, word)) return 0;
    if (strcmp(word, "case") != 0) refuse("a case must start here", word);
    name(file, c->name);
    for (name(file, word); strcmp(word, "end") != 0; name(file, word)) {
        if (strcmp(word, "op") == 0)
            name(file, c->op);
        else if (c->count < CASE_ITEMS)
            argument(file, word, &c->items[c->count++]);
        else
            refuse("too many items", c->name);
    }
    return 1;
}

void case_free(test_case *c)
{
    for (int k = 0; k < c->count; k++) free(c->items[k].values);
}

const item *case_find(const test_case *c, item_kind kind, const char *key)
{
    for (int k = 0; k < c->count; k++)
        if (c->items[k].kind == kind && strcmp(c->items[k].key, key) == 0) return &c->items[k];
    return NULL;
}

double case_number(const test_case *c, const char *key)
{
    const item *it = case_find(c, ITEM_VALUES, key);
    return it ? it->values[0] : 0;
}

const double *case_vector(const test_case *c, const char *key)
{
    const item *it = case_find(c, ITEM_VALUES, key);
    return it ? it->values : NULL;
}

const char *case_word(const test_case *c, const char *key)
{
    const item *it = case_find(c, ITEM_WORD, key);
    return it ? it->word : "";
}
