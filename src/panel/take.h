/* take: parts of a problem, for those who take many. */
#ifndef BNORM_PANEL_TAKE_H
#define BNORM_PANEL_TAKE_H

#include "panel/panel.h"

/* As bnorm_problem_take. maps: for each factor an array of its levels, all -1 (and all -1 again on
 * return), with which the levels of the part are numbered anew, by first row: the cost does not
 * depend on the levels of the whole; NULL: codes keep their meaning. */
bnorm_status bnorm_problem_gather(bnorm_ctx *ctx, const problem *from, const ptrdiff_t *rows,
                                  ptrdiff_t count, const double *times, int32_t *const *maps,
                                  problem_part *part);

#endif
