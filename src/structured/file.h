/* file: a structured model as a file: a description in JSON under "bnorm_panel", and tensors. */
#ifndef BNORM_STRUCTURED_FILE_H
#define BNORM_STRUCTURED_FILE_H

#include "io/model.h"
#include "structured/panel.h"

#define PANEL_FORMAT_VERSION 1

/* Every tensor of a panel: "theta", "nn1.G1", ..., "nn1.top", "effects1", "effect_means"; those of
 * further members of a bag begin with "bag2.". Saving and loading walk the same list. */
bnorm_status bnorm_panel_tensors(bnorm_ctx *ctx, bnorm_panel *panel, bnorm_visit visit,
                                 void *user);

/* The prefix of the tensors of network k of a member. */
#define PANEL_PREFIX_SIZE 32
void bnorm_panel_prefix(ptrdiff_t member, ptrdiff_t k, char out[PANEL_PREFIX_SIZE]);

/* What is known in integers and in numbers, in the order of the file. */
typedef struct panel_count {
    const char *key;
    ptrdiff_t *value;
} panel_count;
typedef struct panel_number {
    const char *key;
    double *value;
} panel_number;
/* JSON has neither NaN nor infinity: such numbers (an R2 without variance) are null. */
void bnorm_panel_put_number(bnorm_json_writer *w, const char *key, double value);
bnorm_status bnorm_panel_read_number(bnorm_ctx *ctx, const bnorm_json *from, const char *what,
                                     const char *key, double *value);

#define PANEL_COUNTS  10
#define PANEL_NUMBERS 9
void bnorm_panel_counts(bnorm_panel_info *info, panel_count counts[PANEL_COUNTS]);
void bnorm_panel_numbers(bnorm_panel_info *info, panel_number numbers[PANEL_NUMBERS]);

#endif
