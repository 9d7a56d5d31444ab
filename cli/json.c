/* json: a writer without state beyond commas. Every text the command holds is UTF-8 already
 * (tables and model files are checked); only the command line may not be, and its stray bytes
 * become U+FFFD, so that what is written is always JSON. */
#include "json.h"

#include <math.h>
#include <string.h>

#include "csv_text.h"

/* Bytes of the valid UTF-8 sequence at text, 0 when there is none. */
static int sequence(const char *text)
{
    for (int length = 1; length <= 4; length++) {
        if (length > 1 && !text[length - 1]) return 0;
        if (bnorm_cli_is_utf8(text, length)) return length;
    }
    return 0;
}

static void string(FILE *file, const char *text)
{
    fputc('"', file);
    while (*text) {
        unsigned char c = (unsigned char)*text;
        int length = sequence(text);
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(file, "\\u%04x", c);
        else if (length)
            fwrite(text, 1, (size_t)length, file);
        else
            fputs("\\ufffd", file);
        text += length ? length : 1;
    }
    fputc('"', file);
}

/* The comma, the line and the key before a value. */
static void lead(cli_json *j, const char *key)
{
    if (j->filled[j->depth]) fputc(',', j->file);
    if (j->depth) fprintf(j->file, "\n%*s", 2 * j->depth, "");
    j->filled[j->depth] = 1;
    if (!key) return;
    string(j->file, key);
    fputs(": ", j->file);
}

void bnorm_cli_json_open(cli_json *j, const char *key, char bracket)
{
    lead(j, key);
    fputc(bracket, j->file);
    j->filled[++j->depth] = 0;
}

void bnorm_cli_json_close(cli_json *j, char bracket)
{
    int filled = j->filled[j->depth--];
    if (filled) fprintf(j->file, "\n%*s", 2 * j->depth, "");
    fputc(bracket, j->file);
    if (!j->depth) fputc('\n', j->file);
}

void bnorm_cli_json_number(cli_json *j, const char *key, double value)
{
    lead(j, key);
    if (isfinite(value))
        fprintf(j->file, "%.17g", value);
    else
        fputs("null", j->file);
}

void bnorm_cli_json_whole(cli_json *j, const char *key, ptrdiff_t value)
{
    lead(j, key);
    fprintf(j->file, "%td", value);
}

void bnorm_cli_json_bool(cli_json *j, const char *key, int value)
{
    lead(j, key);
    fputs(value ? "true" : "false", j->file);
}

void bnorm_cli_json_text(cli_json *j, const char *key, const char *value)
{
    lead(j, key);
    if (value)
        string(j->file, value);
    else
        fputs("null", j->file);
}
