/* affine: the elementwise half of forward, and the whole of inference. */
#include "matrix/affine.h"

static void line_tile(const bnorm_affine_job *job, bnorm_range r, ptrdiff_t c)
{
    bnorm_affine a = {job->a.mean + c, job->a.scale + c, job->a.shift + c};
    job->x->k->line_affine(r.end - r.begin, bnorm_view_at(job->x, r.begin, c), &a,
                           bnorm_view_at(job->y, r.begin, c), job->stream);
}

void bnorm_affine_tile(const bnorm_affine_job *job, ptrdiff_t b, ptrdiff_t s)
{
    bnorm_range r = bnorm_cut_block(&job->cut, b), c = bnorm_cut_strip(&job->cut, s);
    if (job->x->layout == BNORM_COL_MAJOR) {
        for (ptrdiff_t j = c.begin; j < c.end; j++) line_tile(job, r, j);
        return;
    }
    bnorm_affine a = {job->a.mean + c.begin, job->a.scale + c.begin, job->a.shift + c.begin};
    bnorm_tile x = bnorm_view_tile(job->x, r.begin, r.end, c.begin, c.end);
    job->x->k->row_affine(&x, &a, bnorm_view_at(job->y, r.begin, c.begin), job->y->ld,
                          job->stream);
}

static void tile_task(void *argument, ptrdiff_t k)
{
    const bnorm_affine_job *job = argument;
    k = job->cut.blocks * job->cut.strips - 1 - k;
    bnorm_affine_tile(job, k / job->cut.strips, k % job->cut.strips);
}

void bnorm_affine_run(bnorm_ctx *ctx, bnorm_affine_job *job)
{
    bnorm_cut_spread(ctx, job->x, job->cut.blocks * job->cut.strips, tile_task, job);
}
