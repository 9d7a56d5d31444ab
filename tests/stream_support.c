/* stream_support: see the header. */
#include "stream_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const setting usual_setting = {.rows = 1000,
                               .inputs = 7,
                               .units = 5,
                               .layers = {"relu", "1"},
                               .loss = "squared",
                               .layout = BNORM_ROW_MAJOR,
                               .rule = {1e-3, 1}};

static bnorm_net *make_net(const setting *s)
{
    bnorm_net *net;
    assert_ok(NULL, bnorm_net_create(NULL, s->inputs, &net));
    assert_ok(NULL, bnorm_net_dense(NULL, net, s->units));
    assert_ok(NULL, bnorm_net_batchnorm(NULL, net, s->rule));
    for (int k = 0; k < 6 && s->layers[k]; k++) {
        const char *name = s->layers[k];
        if (strcmp(name, "dropout") == 0)
            assert_ok(NULL, bnorm_net_dropout(NULL, net, 0.3));
        else if (name[0] >= '0' && name[0] <= '9')
            assert_ok(NULL, bnorm_net_dense(NULL, net, atoi(name)));
        else
            assert_ok(NULL, bnorm_net_activation(NULL, net, bnorm_activation_find(name)));
    }
    assert_ok(NULL, bnorm_net_start(NULL, net, 5));
    return net;
}

double *cell(bnorm_mat_f64 m, ptrdiff_t i, ptrdiff_t j)
{
    return m.data + (m.layout == BNORM_ROW_MAJOR ? i * m.ld + j : j * m.ld + i);
}

static bnorm_mat_f64 make_matrix(ptrdiff_t rows, ptrdiff_t cols, bnorm_layout layout)
{
    ptrdiff_t lines = layout == BNORM_ROW_MAJOR ? rows : cols;
    bnorm_mat_f64 m = bnorm_view_f64(NULL, rows, cols, layout);
    m.ld += 3;
    m.data = calloc((size_t)(lines * m.ld + 1), sizeof *m.data);
    assert_non_null(m.data);
    return m;
}

static void fill(problem *p)
{
    const setting *s = &p->s;
    int softmax = strcmp(s->loss, "softmax") == 0;
    double *numbers = malloc((size_t)(s->inputs + 2) * sizeof *numbers);
    for (ptrdiff_t i = 0; i < s->rows; i++) {
        bnorm_random_normal(3, (uint64_t)i, 0, s->inputs + 2, numbers);
        double factor = sqrt(s->common) * numbers[s->inputs];
        for (ptrdiff_t k = 0; k < s->inputs; k++)
            *cell(p->x, i, k) =
                s->mean * (1 + 0.1 * (double)k) + factor + sqrt(1 - s->common) * numbers[k];
        for (ptrdiff_t k = 0; k < p->y.cols; k++)
            *cell(p->y, i, k) = softmax ? (double)(i * i % bnorm_net_outputs(p->net))
                                        : numbers[s->inputs + 1] + (double)k;
        if (p->weights) p->weights[i] = i % 7 == 3 ? 0 : 0.5 + (double)(i % 4);
    }
    free(numbers);
}

problem set_up(setting s)
{
    problem p = {.s = s, .net = make_net(&s), .loss = bnorm_loss_find(s.loss)};
    ptrdiff_t targets = p.loss->targets > 0 ? p.loss->targets : bnorm_net_outputs(p.net);
    p.x = make_matrix(s.rows, s.inputs, s.layout);
    p.y = make_matrix(s.rows, targets, s.layout);
    if (s.weighted) p.weights = malloc((size_t)(s.rows + 1) * sizeof *p.weights);
    fill(&p);
    double *params = bnorm_net_parameters(p.net, &p.count);
    for (ptrdiff_t k = 0; k < p.count; k++) params[k] += 0.05 * cos((double)k);
    p.gradient = calloc((size_t)p.count, sizeof *p.gradient);
    p.expected = calloc((size_t)p.count, sizeof *p.expected);
    return p;
}

void tear_down(problem *p)
{
    bnorm_net_destroy(p->net);
    free(p->x.data);
    free(p->y.data);
    free(p->weights);
    free(p->gradient);
    free(p->expected);
}
