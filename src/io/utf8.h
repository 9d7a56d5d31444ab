/* utf8: model files are JSON, so what goes into them must be UTF-8. */
#ifndef BNORM_IO_UTF8_H
#define BNORM_IO_UTF8_H

/* Whether the text is well-formed: no overlong forms, no surrogates, nothing above U+10FFFF. */
int bnorm_utf8_valid(const char *text);

#endif
