/* csv: the command's reader of tables: separators, quotes, lines, and everything it refuses. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "csv_read.h"
#include "csv_text.h"

static char message[512];

/* Reads a text of that size, in chunks of so many bytes. */
static int read_bytes(const char *text, size_t size, char separator, size_t chunk, cli_csv *csv)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    rewind(file);
    message[0] = 0;
    int code =
        bnorm_cli_csv_read(file, "t.csv", separator, chunk, csv, message, sizeof message);
    fclose(file);
    return code;
}

static const char *cell(const cli_csv *csv, ptrdiff_t row, ptrdiff_t col)
{
    return csv->cells[col * csv->rows + row];
}

/* Every chunk size from 1 on gives the same table: a chunk may end anywhere. */
static void expect(const char *text, char separator, ptrdiff_t rows, ptrdiff_t cols,
                   const char *const *names, const char *const *cells, const ptrdiff_t *lines)
{
    cli_csv csv;
    for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
        int code = read_bytes(text, strlen(text), separator, chunk, &csv);
        if (code) fail_msg("chunk %zu: %s", chunk, message);
        assert_int_equal(csv.rows, rows);
        assert_int_equal(csv.cols, cols);
        for (ptrdiff_t c = 0; c < cols; c++) assert_string_equal(csv.names[c], names[c]);
        for (ptrdiff_t r = 0; r < rows; r++) {
            assert_int_equal(csv.lines[r], lines[r]);
            for (ptrdiff_t c = 0; c < cols; c++)
                assert_string_equal(cell(&csv, r, c), cells[r * cols + c]);
        }
        bnorm_cli_csv_free(&csv);
    }
}

static const char *const xy[] = {"x", "y"};
static const char *const four[] = {"1", "2", "3", "4"};

static void separators_and_line_ends(void **state)
{
    (void)state;
    expect("x,y\n1,2\n3,4\n", 0, 2, 2, xy, four, (ptrdiff_t[]){2, 3});
    expect("x,y\n1,2\n3,4", 0, 2, 2, xy, four, (ptrdiff_t[]){2, 3});
    expect("x;y\r\n1;2\r\n3;4\r\n", 0, 2, 2, xy, four, (ptrdiff_t[]){2, 3});
    expect("x\ty\r1\t2\r3\t4\r", 0, 2, 2, xy, four, (ptrdiff_t[]){2, 3});
    expect("\xef\xbb\xbfx,y\n1,2\n3,4\n", 0, 2, 2, xy, four, (ptrdiff_t[]){2, 3});
    expect("x,y\n1,2\n3,4\n", ';', 2, 1, (const char *[]){"x,y"},
           (const char *[]){"1,2", "3,4"}, (ptrdiff_t[]){2, 3});
    expect("\"a,b,c\";y\n1;2\n3;4\n", 0, 2, 2, (const char *[]){"a,b,c", "y"}, four,
           (ptrdiff_t[]){2, 3});
}

/* A row's line is where it begins, whatever stands before it and in it. */
static void lines_of_rows(void **state)
{
    (void)state;
    expect("\n \nx,y\n\n1,2\n\t\n\n3,4\n\n", 0, 2, 2, xy, four, (ptrdiff_t[]){5, 8});
    expect("x,y\r\n\"a\r\n\r\nb\",2\r\n\r\n3,\"\n\n4\"\r\n", 0, 2, 2, xy,
           (const char *[]){"a\r\n\r\nb", "2", "3", "\n\n4"}, (ptrdiff_t[]){2, 6});
}

static void cells(void **state)
{
    (void)state;
    expect("x,y\n\"a \"\"b\"\"\",\" c \"\n,NA\n", 0, 2, 2, xy,
           (const char *[]){"a \"b\"", " c ", "", "NA"}, (ptrdiff_t[]){2, 3});
    expect("x\ty\n\t\n1\t\n", 0, 2, 2, xy, (const char *[]){"", "", "1", ""},
           (ptrdiff_t[]){2, 3});
    expect("\"\",y\n1,2\n3,4\n", 0, 2, 2, (const char *[]){"row", "y"}, four,
           (ptrdiff_t[]){2, 3});
    expect("\xc3\xa9,y\n1,2\n3,4\n", 0, 2, 2, (const char *[]){"\xc3\xa9", "y"}, four,
           (ptrdiff_t[]){2, 3});
}

static void refuse_bytes(const char *text, size_t size, const char *part)
{
    cli_csv csv;
    for (size_t chunk = 1; chunk <= size + 1; chunk++) {
        int code = read_bytes(text, size, 0, chunk, &csv);
        if (code != CLI_DATA || !strstr(message, part))
            fail_msg("code %d, '%s' lacks '%s'", code, message, part);
        assert_null(csv.cells);
        assert_int_equal(csv.rows, 0);
    }
}

static void refuse(const char *text, const char *part)
{
    refuse_bytes(text, strlen(text), part);
}

static void refusals(void **state)
{
    (void)state;
    refuse("", "t.csv is empty: a header line and rows are needed");
    refuse("\n\n  \n", "t.csv is empty");
    refuse("\xef\xbb\xbf", "t.csv is empty");
    refuse("x,y\n\n", "has a header line but no rows");
    refuse("x,y,z\n1,2,3\n\n1,2\n", "t.csv line 4: 2 cells, but the header has 3");
    refuse("x,y\n\"\n\",2\n1,2,3\n", "t.csv line 4: 3 cells, but the header has 2");
    refuse("x,y\n1\n", "t.csv line 2: 1 cell, but");
    refuse("x,x\n1,2\n", "columns 1 and 2 are both named 'x'");
    refuse("x,a,row,b,a\n1,2,3,4,5\n", "columns 2 and 5 are both named 'a'");
    refuse(",row\n1,2\n", "columns 1 and 2 are both named 'row'");
    refuse("\nx,,z\n1,2,3\n", "t.csv line 2: column 2 has no name");
    refuse("x,y\n1,2\n3,\"4\n5,6\n",
           "t.csv line 3: a quote opens in this row and never closes");
    refuse("x,y\n1,2\"3\n", "t.csv line 2: a quote inside a cell");
    refuse("x,y\n1,\"2\"3\n", "t.csv line 2: a quote inside a cell");
    refuse("x,y\n1,\xe9\n", "t.csv line 2 is not UTF-8");
    refuse_bytes("x,y\n1,2\n1,\0\n", 12, "t.csv line 3 holds a NUL byte");
    refuse_bytes("\xff\xfex\0,\0y\0\n\0", 10, "t.csv is UTF-16");
}

/* The encodings that RFC 3629 forbids, and their legal neighbours. */
static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"a",
                                       "\xc2\x80",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",         "\xc1\xbf",         "\xc3",
                                      "\xe0\x9f\xbf", "\xed\xa0\x80",     "\xf0\x8f\xbf\xbf",
                                      "\xe2\x82",     "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"};
    for (size_t k = 0; k < sizeof good / sizeof *good; k++)
        assert_true(bnorm_cli_is_utf8(good[k], (ptrdiff_t)strlen(good[k])));
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_false(bnorm_cli_is_utf8(bad[k], (ptrdiff_t)strlen(bad[k])));
}

/* Rows in their thousands, cells longer than libcsv's first buffer and our chunk. */
static void large_table(void **state)
{
    (void)state;
    enum { ROWS = 30000, LONG = 400000 };
    FILE *file = tmpfile();
    cli_csv csv;
    fputs("x,y\n", file);
    for (int r = 0; r < ROWS; r++) fprintf(file, "%d,%d\n", r, 7 * r);
    fputc('"', file);
    for (int k = 0; k < LONG; k++) fputc("ab\n"[k % 3], file);
    fputs("\",end\n", file);
    rewind(file);
    assert_int_equal(bnorm_cli_csv_read(file, "t", 0, 0, &csv, message, sizeof message),
                     CLI_OK);
    assert_int_equal(csv.rows, ROWS + 1);
    assert_int_equal(atoi(cell(&csv, ROWS - 1, 1)), 7 * (ROWS - 1));
    assert_int_equal(csv.lines[ROWS - 1], ROWS + 1);
    assert_int_equal(strlen(cell(&csv, ROWS, 0)), LONG);
    assert_string_equal(cell(&csv, ROWS, 1), "end");
    bnorm_cli_csv_free(&csv);
    fclose(file);
}

/* A folder opens but cannot be read. */
static void unreadable(void **state)
{
    (void)state;
    cli_csv csv;
    FILE *file = fopen("/", "r");
    assert_non_null(file);
    assert_int_equal(bnorm_cli_csv_read(file, "t", 0, 0, &csv, message, sizeof message),
                     CLI_FAILED);
    assert_non_null(strstr(message, "t could not be read: Is a directory"));
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separators_and_line_ends),
        cmocka_unit_test(lines_of_rows),
        cmocka_unit_test(cells),
        cmocka_unit_test(refusals),
        cmocka_unit_test(utf8),
        cmocka_unit_test(large_table),
        cmocka_unit_test(unreadable),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
