#include "onednn.h"

#ifndef WITH_ONEDNN

int bnorm_onednn_set(const measure *m)
{
    (void)m;
    return 0;
}
void bnorm_onednn_run(void)
{
}
void bnorm_onednn_free(void)
{
}
const char *bnorm_onednn_version(void)
{
    return "";
}

#else

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum { MOST_ARGUMENTS = 8 };

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitive;
static dnnl_exec_arg_t arguments[MOST_ARGUMENTS];
static int count;
static float *vectors; /* gamma, beta, dgamma, dbeta, mean, variance */
static int threads;

static void add(int id, const dnnl_memory_desc_t *desc, void *data)
{
    arguments[count].arg = id;
    if (!dnnl_memory_create(&arguments[count].memory, desc, engine, data)) count++;
}

void bnorm_onednn_free(void)
{
    if (primitive) dnnl_primitive_destroy(primitive);
    while (count) dnnl_memory_destroy(arguments[--count].memory);
    free(vectors);
    primitive = NULL;
    vectors = NULL;
}

/* Backward takes the forward's description as a hint. */
static int make_primitive(measure_op op, const dnnl_memory_desc_t *matrix)
{
    dnnl_batch_normalization_desc_t desc;
    dnnl_primitive_desc_t forward = NULL, chosen = NULL;
    unsigned flags = dnnl_use_scaleshift | (op == MEASURE_INFER ? dnnl_use_global_stats : 0);
    int bad = dnnl_batch_normalization_forward_desc_init(
        &desc, op == MEASURE_INFER ? dnnl_forward_inference : dnnl_forward_training, matrix,
        1e-5f, flags);
    bad = bad || dnnl_primitive_desc_create(&forward, &desc, NULL, engine, NULL);
    if (!bad && op == MEASURE_BACKWARD) {
        bad = dnnl_batch_normalization_backward_desc_init(&desc, dnnl_backward, matrix, matrix,
                                                          1e-5f, flags);
        bad = bad || dnnl_primitive_desc_create(&chosen, &desc, NULL, engine, forward);
    }
    bad = bad || dnnl_primitive_create(&primitive, chosen ? chosen : forward);
    if (chosen) dnnl_primitive_desc_destroy(chosen);
    if (forward) dnnl_primitive_desc_destroy(forward);
    return bad ? -1 : 0;
}

static void add_arguments(const measure *m, const dnnl_memory_desc_t *matrix)
{
    dnnl_dims_t two = {2, m->cols}, one = {m->cols};
    dnnl_memory_desc_t pair, vector;
    ptrdiff_t p = m->cols;
    int backward = m->op == MEASURE_BACKWARD;
    dnnl_memory_desc_init_by_tag(&pair, 2, two, dnnl_f32, dnnl_nc);
    dnnl_memory_desc_init_by_tag(&vector, 1, one, dnnl_f32, dnnl_a);
    add(DNNL_ARG_SRC, matrix, m->x);
    add(DNNL_ARG_SCALE_SHIFT, &pair, vectors);
    add(DNNL_ARG_MEAN, &vector, vectors + 4 * p);
    add(DNNL_ARG_VARIANCE, &vector, vectors + 5 * p);
    add(backward ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, matrix, m->out);
    if (!backward) return;
    add(DNNL_ARG_DIFF_DST, matrix, m->dy);
    add(DNNL_ARG_DIFF_SCALE_SHIFT, &pair, vectors + 2 * p);
}

static int fill_vectors(const measure *m)
{
    ptrdiff_t p = m->cols;
    vectors = calloc((size_t)(6 * p), sizeof *vectors);
    if (!vectors) return -1;
    memcpy(vectors, m->gamma, (size_t)p * sizeof *vectors);
    memcpy(vectors + p, m->beta, (size_t)p * sizeof *vectors);
    for (ptrdiff_t c = 0; c < p; c++) {
        vectors[4 * p + c] = (float)m->mean[c];
        vectors[5 * p + c] = m->op == MEASURE_INFER
                                 ? (float)m->var[c]
                                 : (float)(1 / (m->rstd[c] * m->rstd[c]) - 1e-5);
    }
    return 0;
}

/* The mode of threads is the process's own; each call sets it again. */
static void take_threads(void)
{
#ifdef _OPENMP
    omp_set_num_threads(threads);
#endif
}

int bnorm_onednn_set(const measure *m)
{
    dnnl_dims_t dims = {1, m->cols, 1, m->rows};
    dnnl_memory_desc_t matrix;
    bnorm_onednn_free();
    if (!m->f32 || m->op > MEASURE_INFER) return 0;
    threads = m->threads;
    take_threads();
    if (!engine && (dnnl_engine_create(&engine, dnnl_cpu, 0) ||
                    dnnl_stream_create(&stream, engine, dnnl_stream_default_flags)))
        return 0;
    dnnl_format_tag_t tag = m->layout == BNORM_ROW_MAJOR ? dnnl_nhwc : dnnl_nchw;
    if (dnnl_memory_desc_init_by_tag(&matrix, 4, dims, dnnl_f32, tag)) return 0;
    if (make_primitive(m->op, &matrix) || fill_vectors(m)) return 0;
    add_arguments(m, &matrix);
    return !dnnl_primitive_execute(primitive, stream, count, arguments) &&
           !dnnl_stream_wait(stream);
}

void bnorm_onednn_run(void)
{
    take_threads();
    (void)dnnl_primitive_execute(primitive, stream, count, arguments);
    (void)dnnl_stream_wait(stream);
}

const char *bnorm_onednn_version(void)
{
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

#endif
