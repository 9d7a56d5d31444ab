/* fuzz_model: a model file, of a network or of a structured model. One that loads must save, and
 * the file saved must load and be the same to the byte when it is saved again. */
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

/* What a file holds: one of the two, or neither. */
typedef struct content {
    bnorm_model *model;
    bnorm_panel *panel;
    bnorm_vcov *vcov;
} content;

static content load(const void *data, size_t size)
{
    char path[64];
    int file = memfd_create("model", MFD_CLOEXEC);
    bnorm_fuzz_expect(file >= 0, "a file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    bnorm_fuzz_expect(write(file, data, size) == (ssize_t)size, "a file that is written");
    content c = {0};
    bnorm_status status = bnorm_model_load(NULL, path, NULL, &c.model);
    bnorm_fuzz_expect((status == BNORM_OK) == (c.model != NULL), "no model on failure");
    if (status) status = bnorm_panel_load(NULL, path, &c.panel, &c.vcov);
    bnorm_fuzz_expect((status == BNORM_OK) == (c.model || c.panel), "no panel on failure");
    bnorm_fuzz_expect(c.panel || !c.vcov, "no covariance on failure");
    close(file);
    return c;
}

static void drop(content c)
{
    bnorm_model_destroy(c.model);
    bnorm_panel_destroy(c.panel);
    bnorm_vcov_destroy(c.vcov);
}

/* What it is saved as; a rename needs a folder that can be written. */
static char *saved(content c, size_t *size)
{
    char path[] = "/tmp/bnorm-fuzz-XXXXXX";
    int file = mkstemp(path);
    bnorm_fuzz_expect(file >= 0, "a temporary file");
    bnorm_status status = c.model ? bnorm_model_save(NULL, c.model, path)
                                  : bnorm_panel_save(NULL, c.panel, c.vcov, path);
    bnorm_fuzz_expect(!status, "what was loaded saves");
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    content c = load(data, size);
    if (!c.model && !c.panel) return 0;
    size_t first_size, second_size;
    char *first = saved(c, &first_size);
    content again = load(first, first_size);
    bnorm_fuzz_expect(again.model || again.panel, "a file of our own loads");
    char *second = saved(again, &second_size);
    bnorm_fuzz_expect(first_size == second_size && !memcmp(first, second, first_size),
                      "the same file again");
    free(first);
    free(second);
    drop(c);
    drop(again);
    return 0;
}
