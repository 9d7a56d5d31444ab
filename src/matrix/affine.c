/* affine: the elementwise half of forward, and the whole of inference. */
#include "matrix/affine.h"

void bnorm_affine_tile(const bnorm_affine_job *job, ptrdiff_t b, ptrdiff_t s)
{
    bnorm_range r = bnorm_cut_block(&job->cut, b), c = bnorm_cut_strip(&job->cut, s);
    bnorm_affine a = {job->a.mean + c.begin, job->a.scale + c.begin, job->a.shift + c.begin};
    bnorm_tile x = bnorm_view_tile(job->x, r.begin, r.end, c.begin, c.end);
    char *y = bnorm_view_at(job->y, r.begin, c.begin);
    if (job->x->layout == BNORM_COL_MAJOR)
        job->x->k->column_affine(&x, &a, y, job->y->ld, job->stream);
    else
        job->x->k->row_affine(&x, &a, y, job->y->ld, job->stream);
}

static void tile_task(void *argument, ptrdiff_t k)
{
    const bnorm_affine_job *job = argument;
    bnorm_affine_tile(job, k / job->cut.strips, k % job->cut.strips);
}

void bnorm_affine_run(bnorm_ctx *ctx, bnorm_affine_job *job)
{
    ptrdiff_t tiles = job->cut.blocks * job->cut.strips;
    if (job->again)
        bnorm_cut_spread_back(ctx, job->x, tiles, tile_task, job);
    else
        bnorm_cut_spread(ctx, job->x, tiles, tile_task, job);
}
