/* csv_read: reading a table. Invariant: libcsv is fed one line at a time, so `line` is the line
 * of every byte it sees; a row's line is the one on which its first byte stood. Cells lie one
 * after another in `text`, each ended by a NUL; starts[] holds where. */
#include "csv_read.h"

#include <csv.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "csv_text.h"

typedef struct reader {
    struct csv_parser parser;
    const char *name;
    char separator; /* 0 until it is known */
    char *text;     /* all cells */
    ptrdiff_t text_size, text_capacity;
    ptrdiff_t *starts; /* of each cell in text, the header's first */
    ptrdiff_t cells, cells_capacity;
    ptrdiff_t *lines; /* of each row, the header's first */
    ptrdiff_t rows, rows_capacity;
    ptrdiff_t cols;      /* of the header; 0 before it */
    ptrdiff_t row_cells; /* cells of the present row so far */
    ptrdiff_t line;      /* being read, from 1 */
    ptrdiff_t row_line;  /* on which the present row began; 0 between rows */
    char *pending;       /* the part of a line that is not complete yet */
    ptrdiff_t pending_size, pending_capacity;
    int after_cr; /* the last line ended in CR: a LF that follows belongs to it */
    int failed;   /* CLI_DATA or CLI_FAILED once something is wrong */
    char *message;
    size_t message_size;
} reader;

__attribute__((format(printf, 3, 4))) static void fail(reader *r, int code, const char *format,
                                                       ...)
{
    va_list arguments;
    if (r->failed) return; /* the first failure is the one to tell */
    r->failed = code;
    va_start(arguments, format);
    vsnprintf(r->message, r->message_size, format, arguments);
    va_end(arguments);
}

static void cell_done(void *bytes, size_t size, void *user)
{
    reader *r = user;
    ptrdiff_t start = r->text_size;
    r->text = bnorm_cli_grow(r->text, start + (ptrdiff_t)size + 1, &r->text_capacity, 1);
    if (size) memcpy(r->text + start, bytes, size);
    r->text[start + (ptrdiff_t)size] = 0;
    r->text_size = start + (ptrdiff_t)size + 1;
    r->starts = bnorm_cli_grow(r->starts, r->cells + 1, &r->cells_capacity, sizeof *r->starts);
    r->starts[r->cells++] = start;
    r->row_cells++;
}

static void row_done(int terminator, void *user)
{
    reader *r = user;
    (void)terminator;
    if (!r->cols) r->cols = r->row_cells;
    if (r->row_cells != r->cols)
        fail(r, CLI_DATA,
             "%s line %td: %td cell%s, but the header has %td; quote cells that hold the "
             "separator '%s'",
             r->name, r->row_line, r->row_cells, r->row_cells == 1 ? "" : "s", r->cols,
             r->separator == '\t' ? "tab" : (char[]){r->separator, 0});
    r->lines = bnorm_cli_grow(r->lines, r->rows + 1, &r->rows_capacity, sizeof *r->lines);
    r->lines[r->rows++] = r->row_line;
    r->row_cells = 0;
    r->row_line = 0;
}

/* What is wrong with the bytes of a line, whatever they mean. */
static void check_bytes(reader *r, const char *line, ptrdiff_t size)
{
    if (r->line == 1 && bnorm_cli_is_utf16(line, size))
        fail(r, CLI_DATA, "%s is UTF-16 text; save it as UTF-8", r->name);
    else if (memchr(line, 0, (size_t)size))
        fail(r, CLI_DATA, "%s line %td holds a NUL byte; a table is plain text in UTF-8",
             r->name, r->line);
    else if (!bnorm_cli_is_utf8(line, size))
        fail(r, CLI_DATA,
             "%s line %td is not UTF-8 text; convert the file, for instance by "
             "iconv -f latin1 -t utf8",
             r->name, r->line);
}

/* The header decides the separator, before libcsv sees it. */
static void begin_table(reader *r, const char *line, ptrdiff_t size)
{
    if (!r->separator) r->separator = bnorm_cli_detect_separator(line, size);
    csv_set_delim(&r->parser, (unsigned char)r->separator);
}

/* Takes one line, its end included (none at the end of the file). */
static void take_line(reader *r, const char *line, ptrdiff_t size)
{
    check_bytes(r, line, size);
    if (r->failed) return;
    if (r->line == 1 && size >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) line += 3, size -= 3;
    int blank = bnorm_cli_is_blank(line, size, r->separator);
    if (!r->row_line && !blank) {
        if (!r->rows) begin_table(r, line, size);
        r->row_line = r->line;
    }
    if (r->row_line &&
        csv_parse(&r->parser, line, (size_t)size, cell_done, row_done, r) != (size_t)size) {
        if (csv_error(&r->parser) == CSV_EPARSE)
            fail(r, CLI_DATA,
                 "%s line %td: a quote inside a cell; double it and put the cell in quotes",
                 r->name, r->line);
        else
            fail(r, CLI_FAILED, "%s: %s", r->name, csv_strerror(csv_error(&r->parser)));
    }
}

/* Where the line that begins at `from` ends (after its LF or CR), or -1 when it goes on. */
static ptrdiff_t line_end(const char *bytes, ptrdiff_t from, ptrdiff_t size)
{
    for (ptrdiff_t i = from; i < size; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r') return i + 1;
    return -1;
}

static void keep_pending(reader *r, const char *bytes, ptrdiff_t size)
{
    r->pending = bnorm_cli_grow(r->pending, r->pending_size + size, &r->pending_capacity, 1);
    memcpy(r->pending + r->pending_size, bytes, (size_t)size);
    r->pending_size += size;
}

static void finish_line(reader *r, const char *bytes, ptrdiff_t size)
{
    if (r->pending_size) {
        keep_pending(r, bytes, size);
        take_line(r, r->pending, r->pending_size);
        r->pending_size = 0;
    } else {
        take_line(r, bytes, size);
    }
    r->line++;
    r->after_cr = bytes[size - 1] == '\r';
}

/* Cuts a chunk into lines; LF, CRLF and CR end one, and a chunk may end between CR and LF. */
static void take_chunk(reader *r, const char *bytes, ptrdiff_t size)
{
    ptrdiff_t from = 0;
    while (from < size && !r->failed) {
        if (r->after_cr && bytes[from] == '\n') {
            r->line--; /* still the line that the CR ended */
            finish_line(r, bytes + from, 1);
            from++;
            continue;
        }
        r->after_cr = 0;
        ptrdiff_t end = line_end(bytes, from, size);
        if (end < 0) {
            keep_pending(r, bytes + from, size - from);
            return;
        }
        finish_line(r, bytes + from, end - from);
        from = end;
    }
}

/* The end of the file may end the last line, and must not stand inside quotes. */
static void finish_file(reader *r)
{
    if (r->failed) return;
    if (r->pending_size) take_line(r, r->pending, r->pending_size);
    if (r->failed) return;
    ptrdiff_t row_line = r->row_line;
    if (csv_fini(&r->parser, cell_done, row_done, r))
        fail(r, CLI_DATA, "%s line %td: a quote opens in this row and never closes", r->name,
             row_line);
    else if (!r->rows)
        fail(r, CLI_DATA, "%s is empty: a header line and rows are needed", r->name);
    else if (r->rows == 1)
        fail(r, CLI_DATA, "%s has a header line but no rows", r->name);
}

static void read_chunks(reader *r, FILE *file, size_t chunk)
{
    if (!chunk) chunk = 1 << 18;
    char *bytes = bnorm_cli_alloc((ptrdiff_t)chunk, 1);
    size_t got;
    while (!r->failed && (got = fread(bytes, 1, chunk, file)) > 0)
        take_chunk(r, bytes, (ptrdiff_t)got);
    if (ferror(file)) fail(r, CLI_FAILED, "%s could not be read: %s", r->name, strerror(errno));
    free(bytes);
}

/* Names: all there and all different, but a first one may be absent (R's row names). */
static void check_names(reader *r, const char **names)
{
    for (ptrdiff_t c = 0; c < r->cols && !r->failed; c++) {
        if (!*names[c] && c == 0 && r->cols > 1)
            names[c] = "row";
        else if (!*names[c])
            fail(r, CLI_DATA, "%s line %td: column %td has no name", r->name, r->lines[0],
                 c + 1);
    }
    ptrdiff_t first, second;
    if (!r->failed && bnorm_cli_same_names(names, r->cols, &first, &second))
        fail(r, CLI_DATA, "%s line %td: columns %td and %td are both named '%s'; rename one",
             r->name, r->lines[0], first + 1, second + 1, names[first]);
}

/* Hands over what was read, the cells column after column. */
static void build(reader *r, cli_csv *csv)
{
    csv->separator = r->separator;
    csv->cols = r->cols;
    csv->rows = r->rows - 1;
    csv->names = bnorm_cli_alloc(csv->cols, sizeof *csv->names);
    for (ptrdiff_t c = 0; c < csv->cols; c++) csv->names[c] = r->text + r->starts[c];
    check_names(r, csv->names);
    csv->cells = bnorm_cli_alloc(csv->cols * csv->rows, sizeof *csv->cells);
    for (ptrdiff_t row = 0; row < csv->rows; row++)
        for (ptrdiff_t c = 0; c < csv->cols; c++)
            csv->cells[c * csv->rows + row] = r->text + r->starts[(row + 1) * csv->cols + c];
    csv->lines = bnorm_cli_alloc(csv->rows, sizeof *csv->lines);
    memcpy(csv->lines, r->lines + 1, (size_t)csv->rows * sizeof *csv->lines);
    csv->text = r->text;
    r->text = NULL;
}

int bnorm_cli_csv_read(FILE *file, const char *name, char separator, size_t chunk, cli_csv *csv,
                       char *message, size_t message_size)
{
    reader r = {.name = name, .separator = separator, .line = 1};
    r.message = message;
    r.message_size = message_size;
    *csv = (cli_csv){0};
    if (csv_init(&r.parser, CSV_STRICT | CSV_STRICT_FINI)) abort(); /* only if NULL is given */
    read_chunks(&r, file, chunk);
    finish_file(&r);
    if (!r.failed) build(&r, csv);
    if (r.failed) bnorm_cli_csv_free(csv);
    csv_free(&r.parser);
    free(r.text);
    free(r.starts);
    free(r.lines);
    free(r.pending);
    return r.failed;
}

void bnorm_cli_csv_free(cli_csv *csv)
{
    free(csv->names);
    free(csv->lines);
    free(csv->cells);
    free(csv->text);
    *csv = (cli_csv){0};
}
