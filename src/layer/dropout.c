/* dropout: inverted (Srivastava et al. 2014): y = mask x / (1 - rate) in training, nothing in
 * inference. The mask is a function of (seed, step, layer, row, column), made again in
 * backward: dx = mask dy / (1 - rate). */
#include "base/threads.h"
#include "layer/layer.h"

enum { TASK = 8192, PIECE = 512 };

typedef struct masking {
    const layer *l;
    const bnorm_pass *pass;
    const double *from;
    double *to;
    ptrdiff_t count;
} masking;

/* Streams above 2^63 belong to dropout: one for each step and layer. */
static uint64_t stream(const masking *m)
{
    return UINT64_C(1) << 63 | (m->pass->step << 16 ^ (uint64_t)m->l->number);
}

static void mask_task(void *argument, ptrdiff_t k)
{
    const masking *m = argument;
    double u[PIECE], rate = m->l->rate, scale = 1 / (1 - rate);
    ptrdiff_t end = (k + 1) * TASK < m->count ? (k + 1) * TASK : m->count;
    uint64_t origin = (uint64_t)m->pass->first_row * (uint64_t)m->l->inputs;
    for (ptrdiff_t i = k * TASK; i < end; i += PIECE) {
        ptrdiff_t count = i + PIECE < end ? PIECE : end - i;
        bnorm_random_uniform(m->pass->seed, stream(m), origin + (uint64_t)i, count, u);
        for (ptrdiff_t j = 0; j < count; j++)
            m->to[i + j] = u[j] < rate ? 0 : scale * m->from[i + j];
    }
}

static int apply(layer *l, const bnorm_pass *pass, bnorm_mat_f64 from, bnorm_mat_f64 to)
{
    masking m = {l, pass, from.data, to.data, from.rows * from.cols};
    bnorm_parallel(bnorm_worth(pass->ctx, 10.0 * (double)m.count), (m.count + TASK - 1) / TASK,
                   mask_task, &m);
    return BNORM_OK;
}

static int forward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                   bnorm_mat_f64 y)
{
    (void)params;
    return apply(user, pass, x, y);
}

static int backward(void *user, const bnorm_pass *pass, const double *params, bnorm_mat_f64 x,
                    bnorm_mat_f64 y, bnorm_mat_f64 dy, double *dparams, bnorm_mat_f64 dx)
{
    (void)params, (void)x, (void)y, (void)dparams;
    return dx.data ? apply(user, pass, dy, dx) : BNORM_OK;
}

void bnorm_dropout_make(layer *l)
{
    l->ops = (bnorm_layer){.struct_size = sizeof(bnorm_layer),
                           .name = "dropout",
                           .user = l,
                           .forward = forward,
                           .backward = backward};
}
