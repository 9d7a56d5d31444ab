/* utf8: the table of well-formed byte sequences of the Unicode standard (table 3-7), as bounds
 * of the second byte. */
#include "io/utf8.h"

/* The bytes after the first, and the range of the second; -1: no first byte. */
static int following(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (first < 0x80) return 0;
    if (first < 0xC2 || first > 0xF4) return -1;
    return first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
}

int bnorm_utf8_valid(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        unsigned char low, high;
        int count = following(*s++, &low, &high);
        if (count < 0) return 0;
        for (; count > 0; count--, s++) {
            if (*s < low || *s > high) return 0;
            low = 0x80;
            high = 0xBF;
        }
    }
    return 1;
}
