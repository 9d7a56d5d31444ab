/* fuzz: a fuzzer gives any bytes to a reader, which must return, leak nothing and touch nothing
 * that is not its own, whatever they are. Each file here is one reader. libFuzzer calls the
 * function below (tests/fuzz.sh); replay.c calls it for files, under any compiler. */
#ifndef BNORM_FUZZ_H
#define BNORM_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Always 0. What a reader gives that it must not give ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a text of their own memory, ended by 0: reading past its end is seen. */
char *bnorm_fuzz_text(const uint8_t *data, size_t size);

/* Ends the process when `holds` is 0, naming what did not hold. */
void bnorm_fuzz_expect(int holds, const char *what);

#endif
