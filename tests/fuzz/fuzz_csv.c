/* fuzz_csv: a delimited file, read by the command's reader and made a table. The first byte chooses
 * the separator and how many bytes are read at a time; neither the cells nor a refusal may depend
 * on the latter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bnorm.h"
#include "csv_read.h"
#include "fuzz.h"

static int read_by(const uint8_t *data, size_t size, char separator, size_t chunk, cli_csv *csv)
{
    char message[1024];
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    bnorm_fuzz_expect(file != NULL, "memory");
    int code =
        bnorm_cli_csv_read(file, "table.csv", separator, chunk, csv, message, sizeof message);
    fclose(file);
    bnorm_fuzz_expect(!code || strlen(message) > 0, "a refusal says why");
    return code;
}

static void make_table(const cli_csv *csv)
{
    bnorm_table *table;
    if (bnorm_table_create(NULL, csv->rows, &table)) return;
    for (ptrdiff_t c = 0; c < csv->cols; c++)
        (void)bnorm_table_text(NULL, table, csv->names[c], csv->cells + c * csv->rows);
    double *values = malloc((size_t)(csv->rows + 1) * sizeof *values);
    for (ptrdiff_t c = 0; values && c < csv->cols; c++)
        (void)bnorm_table_values(NULL, table, csv->names[c], values);
    free(values);
    bnorm_table_destroy(table);
}

static void expect_equal(const cli_csv *a, const cli_csv *b)
{
    bnorm_fuzz_expect(a->cols == b->cols && a->rows == b->rows, "as many cells");
    for (ptrdiff_t k = 0; k < a->cols; k++)
        bnorm_fuzz_expect(!strcmp(a->names[k], b->names[k]), "the same names");
    for (ptrdiff_t k = 0; k < a->cols * a->rows; k++)
        bnorm_fuzz_expect(!strcmp(a->cells[k], b->cells[k]), "the same cells");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = {0, ',', ';', '\t'};
    cli_csv whole, parts;
    if (size < 2) return 0;
    char separator = separators[data[0] & 3];
    size_t chunk = 1 + (data[0] >> 2);
    int code = read_by(data + 1, size - 1, separator, 0, &whole);
    int again = read_by(data + 1, size - 1, separator, chunk, &parts);
    bnorm_fuzz_expect(code == again, "the same verdict in pieces");
    if (!code) {
        expect_equal(&whole, &parts);
        make_table(&whole);
    }
    bnorm_cli_csv_free(&whole);
    bnorm_cli_csv_free(&parts);
    return 0;
}
