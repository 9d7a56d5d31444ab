/* fuzz_model: a model file. One that loads must save, and the file saved must load and be the
 * same to the byte when it is saved again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bnorm.h"
#include "fuzz.h"

static int memory_file(char path[64])
{
    int file = memfd_create("model", MFD_CLOEXEC);
    bnorm_fuzz_expect(file >= 0, "a file in memory");
    snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

static void put(int file, const uint8_t *data, size_t size)
{
    bnorm_fuzz_expect(write(file, data, size) == (ssize_t)size, "a file that is written");
}

/* What the model is saved as; a rename needs a folder that can be written. */
static char *saved(bnorm_model *model, size_t *size)
{
    char path[] = "/tmp/bnorm-fuzz-XXXXXX";
    int file = mkstemp(path);
    bnorm_fuzz_expect(file >= 0, "a temporary file");
    bnorm_status status = bnorm_model_save(NULL, model, path);
    bnorm_fuzz_expect(!status, "a model that was loaded saves");
    close(file);
    file = open(path, O_RDONLY);
    struct stat facts;
    bnorm_fuzz_expect(file >= 0 && !fstat(file, &facts), "the file saved");
    *size = (size_t)facts.st_size;
    char *bytes = malloc(*size + 1);
    bnorm_fuzz_expect(bytes && read(file, bytes, *size) == facts.st_size, "the file saved");
    close(file);
    unlink(path);
    return bytes;
}

static bnorm_model *load(const void *data, size_t size)
{
    char path[64];
    int file = memory_file(path);
    put(file, data, size);
    bnorm_model *model;
    bnorm_status status = bnorm_model_load(NULL, path, NULL, &model);
    bnorm_fuzz_expect((status == BNORM_OK) == (model != NULL), "no model on failure");
    close(file);
    return model;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bnorm_model *model = load(data, size);
    if (!model) return 0;
    size_t first_size, second_size;
    char *first = saved(model, &first_size);
    bnorm_model *again = load(first, first_size);
    bnorm_fuzz_expect(again != NULL, "a file of our own loads");
    char *second = saved(again, &second_size);
    bnorm_fuzz_expect(first_size == second_size && !memcmp(first, second, first_size),
                      "the same file again");
    free(first);
    free(second);
    bnorm_model_destroy(model);
    bnorm_model_destroy(again);
    return 0;
}
