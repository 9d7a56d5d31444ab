/* describe: a network in words. Each kind of layer says what it computes with and nothing else.
 */
#include "describe.h"

#include <math.h>

static void range(const double *values, ptrdiff_t count, int root, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (ptrdiff_t k = 0; k < count; k++) {
        double value = root ? sqrt(values[k]) : values[k];
        if (value < *low) *low = value;
        if (value > *high) *high = value;
    }
}

static ptrdiff_t parameter_count(bnorm_net *net)
{
    ptrdiff_t count = 0;
    bnorm_net_parameters(net, &count);
    return count;
}

static void dense(FILE *file, const bnorm_layer_info *l)
{
    fprintf(file, "%td -> %td, %td weights", l->inputs, l->outputs, l->inputs * l->outputs);
    if (l->bias) fprintf(file, ", %td bias%s", l->outputs, l->outputs == 1 ? "" : "es");
}

static void batchnorm(FILE *file, const bnorm_layer_info *l, const char *statistics)
{
    double low, high;
    fprintf(file, "%td columns, ddof %g, eps %g; ", l->outputs, l->rule.ddof, l->rule.eps);
    if (statistics) fprintf(file, "%s ", statistics);
    range(l->mean, l->outputs, 0, &low, &high);
    fprintf(file, "statistics: mean %.3g to %.3g, ", low, high);
    range(l->var, l->outputs, 1, &low, &high);
    fprintf(file, "sd %.3g to %.3g", low, high);
}

static void layer(FILE *file, const bnorm_layer_info *l, const char *statistics)
{
    fprintf(file, "  %-10s  ", l->name);
    if (l->kind == BNORM_LAYER_DENSE) dense(file, l);
    if (l->kind == BNORM_LAYER_BATCHNORM) batchnorm(file, l, statistics);
    if (l->kind == BNORM_LAYER_DROPOUT) fprintf(file, "rate %g, in training only", l->rate);
    if (l->kind == BNORM_LAYER_USER) fprintf(file, "%td -> %td", l->inputs, l->outputs);
    if (l->kind == BNORM_LAYER_ACTIVATION) fputs("activation", file);
    fputc('\n', file);
}

void bnorm_cli_describe(FILE *file, bnorm_net *net, const char *statistics)
{
    bnorm_layer_info info;
    fprintf(file, "network: %td input%s, %td output%s, %td parameters\n", bnorm_net_inputs(net),
            bnorm_net_inputs(net) == 1 ? "" : "s", bnorm_net_outputs(net),
            bnorm_net_outputs(net) == 1 ? "" : "s", parameter_count(net));
    for (ptrdiff_t k = 0; k < bnorm_net_layer_count(net); k++)
        if (!bnorm_net_layer_info(NULL, net, k, &info)) layer(file, &info, statistics);
}

static const char *kind_name(bnorm_layer_kind kind)
{
    static const char *const names[] = {"dense", "batchnorm", "activation", "dropout", "user"};
    return names[kind];
}

static void layer_json(cli_json *j, const bnorm_layer_info *l, const char *statistics)
{
    double low, high;
    bnorm_cli_json_open(j, NULL, '{');
    bnorm_cli_json_text(j, "kind", kind_name(l->kind));
    bnorm_cli_json_text(j, "name", l->name);
    bnorm_cli_json_whole(j, "inputs", l->inputs);
    bnorm_cli_json_whole(j, "outputs", l->outputs);
    if (l->kind == BNORM_LAYER_DENSE) bnorm_cli_json_bool(j, "bias", l->bias);
    if (l->kind == BNORM_LAYER_DROPOUT) bnorm_cli_json_number(j, "rate", l->rate);
    if (l->kind == BNORM_LAYER_BATCHNORM) {
        bnorm_cli_json_number(j, "ddof", l->rule.ddof);
        bnorm_cli_json_number(j, "eps", l->rule.eps);
        bnorm_cli_json_text(j, "statistics", statistics);
        range(l->mean, l->outputs, 0, &low, &high);
        bnorm_cli_json_number(j, "mean_low", low);
        bnorm_cli_json_number(j, "mean_high", high);
        range(l->var, l->outputs, 1, &low, &high);
        bnorm_cli_json_number(j, "sd_low", low);
        bnorm_cli_json_number(j, "sd_high", high);
    }
    bnorm_cli_json_close(j, '}');
}

void bnorm_cli_describe_json(cli_json *j, bnorm_net *net, const char *statistics)
{
    bnorm_layer_info info;
    bnorm_cli_json_whole(j, "parameters", parameter_count(net));
    bnorm_cli_json_open(j, "layers", '[');
    for (ptrdiff_t k = 0; k < bnorm_net_layer_count(net); k++)
        if (!bnorm_net_layer_info(NULL, net, k, &info)) layer_json(j, &info, statistics);
    bnorm_cli_json_close(j, ']');
}

static void names_json(cli_json *j, const char *key, const bnorm_frame *frame, ptrdiff_t count,
                       const char *(*name)(const bnorm_frame *frame, ptrdiff_t k))
{
    bnorm_cli_json_open(j, key, '[');
    for (ptrdiff_t k = 0; k < count; k++) bnorm_cli_json_text(j, NULL, name(frame, k));
    bnorm_cli_json_close(j, ']');
}

void bnorm_cli_describe_frame_json(cli_json *j, const bnorm_frame *frame)
{
    names_json(j, "inputs", frame, bnorm_frame_inputs(frame), bnorm_frame_input_name);
    names_json(j, "constant_inputs", frame, bnorm_frame_dropped(frame),
               bnorm_frame_dropped_name);
    names_json(j, "classes", frame, bnorm_frame_classes(frame), bnorm_frame_class_name);
}

void bnorm_cli_check_print(FILE *file, const bnorm_check_block *report, ptrdiff_t blocks)
{
    int ok = 1;
    fprintf(file, "%-12s %12s %12s  %s\n", "block", "error", "bound", "ok");
    for (ptrdiff_t k = 0; k < blocks; k++) {
        const bnorm_check_block *b = &report[k];
        fprintf(file, "%-12s %12.3g %12.3g  %s\n", b->name, b->error, b->bound,
                b->ok ? "yes" : "NO");
        ok &= b->ok;
    }
    fputs(ok ? "every block agrees\n" : "the blocks marked NO do not agree\n", file);
}

void bnorm_cli_check_json(cli_json *j, const bnorm_check_block *report, ptrdiff_t blocks)
{
    bnorm_cli_json_open(j, "blocks", '[');
    for (ptrdiff_t k = 0; k < blocks; k++) {
        bnorm_cli_json_open(j, NULL, '{');
        bnorm_cli_json_text(j, "name", report[k].name);
        bnorm_cli_json_number(j, "error", report[k].error);
        bnorm_cli_json_number(j, "bound", report[k].bound);
        bnorm_cli_json_bool(j, "ok", report[k].ok);
        bnorm_cli_json_close(j, '}');
    }
    bnorm_cli_json_close(j, ']');
}
