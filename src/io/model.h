/* model: the inside of a model, and its parts as JSON. */
#ifndef BNORM_IO_MODEL_H
#define BNORM_IO_MODEL_H

#include "io/frame.h"
#include "io/json.h"
#include "io/safetensors.h"

#define BNORM_MODEL_KEY     "bnorm"       /* of the description in __metadata__ */
#define BNORM_PANEL_KEY     "bnorm_panel" /* of that of a structured model */
#define BNORM_MODEL_VERSION 1             /* of the format under "bnorm" */
#define BNORM_MODEL_LAYERS  1000          /* at most, in a file */
#define BNORM_MODEL_NOTES   10000         /* at most: finding a key takes time in proportion */
#define BNORM_MODEL_WIDTH   1048576 /* of a layer whose width no tensor bounds, in a file */

typedef struct bnorm_note {
    char *key;
    char *text; /* NULL: a number */
    double number;
} bnorm_note;

struct bnorm_model {
    bnorm_net *net;
    bnorm_frame *frame; /* or NULL */
    const bnorm_loss *loss;
    bnorm_note *notes;
    ptrdiff_t note_count, note_capacity;
};

/* Writes a frame under the key, without the numbers of its scaling. */
void bnorm_frame_to_json(const bnorm_frame *frame, const char *key, bnorm_json_writer *w);
/* The frame that was written so; it must make `inputs` columns. Scalings are allocated as 0 and
 * 1, to be filled. Errors: FORMAT, MEMORY. */
bnorm_status bnorm_frame_from_json(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                                   bnorm_frame **frame);

/* Writes the layers under the key. */
void bnorm_layers_to_json(const bnorm_net *net, const char *key, bnorm_json_writer *w);
/* Builds and starts the network of the layers in json; sizes are held against the tensors of
 * the file first, whose names begin with the prefix. Errors: FORMAT, MEMORY. */
bnorm_status bnorm_layers_from_json(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                                    const bnorm_safetensors *file, const char *prefix,
                                    const bnorm_custom *custom, bnorm_net **net);

/* Every tensor of a model, in the order of the file: visit(user, name, rows, cols, data, least)
 * is called for each, where `least` bounds the values from below: -inf, 0 (variances), or the
 * smallest double (scales). Stops at the first failure. */
typedef bnorm_status (*bnorm_visit)(void *user, const char *name, ptrdiff_t rows,
                                    ptrdiff_t cols, double *data, double least);
bnorm_status bnorm_model_tensors(bnorm_ctx *ctx, bnorm_net *net, bnorm_frame *frame,
                                 bnorm_visit visit, void *user);

/* The tensors of a model, gathered: starts as {.ctx = ctx}; bnorm_gather is a bnorm_visit with it.
 * Errors: NONFINITE, ARGUMENT (a name that is not UTF-8, or comes twice), MEMORY. */
typedef struct bnorm_gathering {
    bnorm_ctx *ctx;
    bnorm_tensor *tensors;
    bnorm_names names; /* keeps them alive until the end */
    ptrdiff_t count, room;
} bnorm_gathering;
bnorm_status bnorm_gather(void *user, const char *name, ptrdiff_t rows, ptrdiff_t cols,
                          double *data, double least);
bnorm_status bnorm_gathering_write(const bnorm_gathering *g, const char *path,
                                   const bnorm_metadata *metadata);
void bnorm_gathering_clear(bnorm_gathering *g);
bnorm_status bnorm_check_name(bnorm_ctx *ctx, const char *name); /* ARGUMENT: not UTF-8 */

/* A bnorm_visit that reads from a bnorm_safetensors; whether every tensor was read; the description
 * of the model under a key, of a version up to `newest`. Errors: FORMAT, IO, MEMORY. */
bnorm_status bnorm_take(void *user, const char *name, ptrdiff_t rows, ptrdiff_t cols,
                        double *data, double least);
bnorm_status bnorm_check_taken(const bnorm_safetensors *file);
bnorm_status bnorm_read_description(const bnorm_safetensors *file, const char *key,
                                    ptrdiff_t newest, bnorm_json **description);

#endif
