/* csv_text: questions about bytes and names. Nothing here allocates for long or keeps state. */
#include "csv_text.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Length of the sequence that a lead byte opens; 0 when it opens none. */
static int sequence_length(unsigned char lead)
{
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

/* The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
static int legal_second(unsigned char lead, unsigned char second)
{
    if (lead == 0xe0) return second >= 0xa0;
    if (lead == 0xed) return second <= 0x9f;
    if (lead == 0xf0) return second >= 0x90;
    if (lead == 0xf4) return second <= 0x8f;
    return 1;
}

int bnorm_cli_is_utf8(const char *bytes, ptrdiff_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    for (ptrdiff_t i = 0; i < size;) {
        int length = sequence_length(b[i]);
        if (!length || length > size - i) return 0;
        for (int k = 1; k < length; k++)
            if ((b[i + k] & 0xc0) != 0x80) return 0;
        if (length > 1 && !legal_second(b[i], b[i + 1])) return 0;
        i += length;
    }
    return 1;
}

int bnorm_cli_is_utf16(const char *bytes, ptrdiff_t size)
{
    return size >= 2 && (!memcmp(bytes, "\xff\xfe", 2) || !memcmp(bytes, "\xfe\xff", 2));
}

int bnorm_cli_is_blank(const char *bytes, ptrdiff_t size, char separator)
{
    for (ptrdiff_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n", bytes[i]) || bytes[i] == separator) return 0;
    return 1;
}

char bnorm_cli_detect_separator(const char *line, ptrdiff_t size)
{
    static const char candidates[] = {',', ';', '\t'};
    ptrdiff_t count[3] = {0};
    int quoted = 0, best = 0;
    for (ptrdiff_t i = 0; i < size; i++) {
        if (line[i] == '"') quoted = !quoted;
        for (int k = 0; k < 3; k++) count[k] += !quoted && line[i] == candidates[k];
    }
    for (int k = 1; k < 3; k++)
        if (count[k] > count[best]) best = k;
    return candidates[best];
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = *(const char *const *const *)a, *const *y =
                                                               *(const char *const *const *)b;
    int order = strcmp(*x, *y);
    return order ? order : (x > y) - (x < y);
}

int bnorm_cli_same_names(const char *const *names, ptrdiff_t count, ptrdiff_t *first,
                         ptrdiff_t *second)
{
    const char *const **sorted = bnorm_cli_alloc(count, sizeof *sorted);
    for (ptrdiff_t i = 0; i < count; i++) sorted[i] = names + i;
    qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    *second = count;
    for (ptrdiff_t i = 1; i < count; i++) {
        if (strcmp(*sorted[i - 1], *sorted[i]) || sorted[i] - names >= *second) continue;
        *first = sorted[i - 1] - names;
        *second = sorted[i] - names;
    }
    free(sorted);
    return *second < count;
}
