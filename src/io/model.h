/* model: the inside of a model, and its parts as JSON. */
#ifndef BNORM_IO_MODEL_H
#define BNORM_IO_MODEL_H

#include "io/frame.h"
#include "io/json.h"
#include "io/safetensors.h"

#define BNORM_MODEL_VERSION 1       /* of the format under "bnorm" */
#define BNORM_MODEL_LAYERS  1000    /* at most, in a file */
#define BNORM_MODEL_NOTES   10000   /* at most: finding a key takes time in proportion */
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
 * the file first. Errors: FORMAT, MEMORY. */
bnorm_status bnorm_layers_from_json(bnorm_ctx *ctx, const bnorm_json *json, ptrdiff_t inputs,
                                    const bnorm_safetensors *file, const bnorm_custom *custom,
                                    bnorm_net **net);

/* Every tensor of a model, in the order of the file: visit(user, name, rows, cols, data, least)
 * is called for each, where `least` bounds the values from below: -inf, 0 (variances), or the
 * smallest double (scales). Stops at the first failure. */
typedef bnorm_status (*bnorm_visit)(void *user, const char *name, ptrdiff_t rows,
                                    ptrdiff_t cols, double *data, double least);
bnorm_status bnorm_model_tensors(bnorm_ctx *ctx, bnorm_net *net, bnorm_frame *frame,
                                 bnorm_visit visit, void *user);

#endif
