/* values: the texts of options as checked values. A value that is refused is said with what is
 * allowed, and leaves args->bad set; the caller asks once, after all. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "options.h"

static void refuse(cli_args *args, cli_option option, const char *allowed)
{
    bnorm_cli_say("--%s is '%s', but must be %s", bnorm_cli_option_row(option)->name,
                  args->value[option], allowed);
    args->bad = 1;
}

double bnorm_cli_real(cli_args *args, cli_option option, double low, double high,
                      const char *allowed)
{
    const char *text = args->value[option];
    char *end;
    if (!text) return 0;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= low && value <= high)) {
        refuse(args, option, allowed);
        return low;
    }
    return value;
}

/* A whole number of digits alone; 0 when it is none or too large. */
static int whole(const char *text, size_t length, unsigned long long *value)
{
    char *end;
    if (!length || strspn(text, "0123456789") < length || length > 20) return 0;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0;
}

ptrdiff_t bnorm_cli_whole(cli_args *args, cli_option option, ptrdiff_t low, ptrdiff_t high,
                          const char *allowed)
{
    const char *text = args->value[option];
    unsigned long long value;
    if (!text) return 0;
    if (!whole(text, strlen(text), &value) || value > (unsigned long long)high ||
        value < (unsigned long long)low) {
        refuse(args, option, allowed);
        return low;
    }
    return (ptrdiff_t)value;
}

uint64_t bnorm_cli_seed(cli_args *args)
{
    const char *text = args->value[OPT_SEED];
    unsigned long long value = 0;
    if (!whole(text, strlen(text), &value))
        refuse(args, OPT_SEED, "a whole number from 0 to 18446744073709551615");
    return value;
}

int bnorm_cli_choice(cli_args *args, cli_option option, const char *const *choices)
{
    char allowed[200] = "one of";
    for (int k = 0; choices[k]; k++)
        if (!strcmp(choices[k], args->value[option])) return k;
    for (int k = 0; choices[k]; k++) {
        strncat(allowed, k ? ", " : " ", sizeof allowed - strlen(allowed) - 1);
        strncat(allowed, choices[k], sizeof allowed - strlen(allowed) - 1);
    }
    refuse(args, option, allowed);
    return 0;
}

char bnorm_cli_separator(cli_args *args)
{
    static const char *const names[] = {"auto", "comma", "semicolon", "tab", NULL};
    const char *text = args->value[OPT_SEPARATOR];
    if (!strcmp(text, "\\t")) return '\t';
    if (*text && !text[1] && strchr(",;\t", *text)) return *text;
    return "\0,;\t"[bnorm_cli_choice(args, OPT_SEPARATOR, names)];
}

/* The sizes in the first `length` bytes of a text; -1 when they are none. */
static int size_list(const char *text, size_t length, ptrdiff_t *sizes, int most)
{
    static const unsigned long long limit = 100000000;
    const char *at = text, *end = text + length;
    int count = 0;
    if (length == 4 && !strncmp(text, "none", 4)) return 0;
    for (;; at++) {
        size_t digits = strcspn(at, ",;");
        unsigned long long size = 0;
        if (!whole(at, digits, &size) || size < 1 || size > limit || count == most) return -1;
        sizes[count++] = (ptrdiff_t)size;
        at += digits;
        if (at >= end) return count;
    }
}

int bnorm_cli_sizes(cli_args *args, cli_option option, ptrdiff_t *sizes, int most)
{
    const char *text = args->value[option];
    int count = strchr(text, ';') ? -1 : size_list(text, strlen(text), sizes, most);
    if (count < 0)
        refuse(args, option,
               "none or up to 64 sizes from 1 to 100000000, as 16,8: every layer needs a unit");
    return count < 0 ? 0 : count;
}

int bnorm_cli_size_lists(cli_args *args, cli_option option, ptrdiff_t *sizes, int most,
                         int *counts, int most_lists)
{
    const char *at = args->value[option];
    for (int k = 0; k < most_lists; k++) {
        size_t length = strcspn(at, ";");
        counts[k] = size_list(at, length, sizes + (ptrdiff_t)k * most, most);
        at += length;
        if (counts[k] < 0) break;
        if (!*at++) return k + 1;
    }
    refuse(args, option,
           "up to 64 lists of sizes from 1 to 100000000 or none, as 'none;4;8,4'");
    return 0;
}

int bnorm_cli_reals(cli_args *args, cli_option option, double *values, int most)
{
    const char *at = args->value[option];
    for (int k = 0; k < most; k++) {
        char *end;
        values[k] = strtod(at, &end);
        if (end == at || !(values[k] >= 0 && values[k] <= 1e300)) break;
        at = end;
        if (!*at) return k + 1;
        if (*at++ != ',') break;
    }
    refuse(args, option, "up to 64 numbers from 0, as 0,0.001");
    return 0;
}
