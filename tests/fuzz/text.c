/* text: what the readers' harnesses share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

char *bnorm_fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    bnorm_fuzz_expect(text != NULL, "memory");
    if (size) memcpy(text, data, size);
    text[size] = 0;
    return text;
}

void bnorm_fuzz_expect(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "expected: %s\n", what);
    abort();
}
