/* count: calls each matrix function once on each shape with callgrind's counting on, one dump a call,
 * for instructions.sh. The dumps are named "isa op type layout rows cols".
 *
 *   count [MOST]    leaves out shapes of more elements
 *
 * Layer normalisation is counted on shapes of up to a million elements, double on those that fit the
 * caches: a minute is enough.
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "bnorm.h"
#include "measure.h"

static const bnorm_layout layouts[2] = {BNORM_ROW_MAJOR, BNORM_COL_MAJOR};
static const char *const layout_names[2] = {"row", "col"};

static int is_large(ptrdiff_t rows, ptrdiff_t cols)
{
    return rows * cols > 1 << 22;
}

/* Large ones are called once in all: what is not counted takes time too. */
static int count_call(measure *m, int op, int l)
{
    char name[128];
    bnorm_status status = is_large(m->rows, m->cols)
                              ? bnorm_measure_choose(m, op, layouts[l], 1)
                              : bnorm_measure_set(m, op, layouts[l], 1);
    if (status) return 1;
    snprintf(name, sizeof name, "%s %s f%d %s %td %td", bnorm_isa(), bnorm_measure_name(op),
             m->f32 ? 32 : 64, layout_names[l], m->rows, m->cols);
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
    bnorm_measure_call(m, MEASURE_OURS);
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
    return 0;
}

static int count_shape(const ptrdiff_t *shape, int f32)
{
    measure m;
    if (bnorm_measure_open(&m, shape[0], shape[1], f32)) return 1;
    int bad = 0;
    int last = shape[0] * shape[1] > 1 << 20 ? MEASURE_INFER : MEASURE_LAYERNORM_BACKWARD;
    for (int l = 0; l < 2; l++)
        for (int op = 0; op <= last && !bad; op++) bad = count_call(&m, op, l);
    bnorm_measure_close(&m);
    return bad;
}

int main(int argc, char **argv)
{
    double most = argc > 1 ? atof(argv[1]) : 1e30;
    printf("compiler %s\nisa %s\n", __VERSION__, bnorm_isa());
    for (int s = 0; s < MEASURE_SHAPES; s++)
        for (int f32 = 0; f32 < 2; f32++) {
            const ptrdiff_t *shape = bnorm_measure_shapes[s];
            if ((double)(shape[0] * shape[1]) > most || (is_large(shape[0], shape[1]) && !f32))
                continue;
            if (count_shape(shape, f32)) {
                fprintf(stderr, "count: failed on %td x %td\n", shape[0], shape[1]);
                return 1;
            }
        }
    return 0;
}
