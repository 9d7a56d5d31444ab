/* model_support: the model, the table and the scratch folder of the suites about model files.
 */
#define _XOPEN_SOURCE 700
#include "model_support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bnorm_table *model_table(bnorm_ctx *ctx)
{
    static double x[MODEL_ROWS], y[MODEL_ROWS], z[MODEL_ROWS];
    static const char *g[MODEL_ROWS];
    bnorm_table *t;
    bnorm_random_normal(3, 0, 0, MODEL_ROWS, x);
    bnorm_random_normal(3, 1, 0, MODEL_ROWS, y);
    bnorm_random_uniform(3, 2, 0, MODEL_ROWS, z);
    for (int i = 0; i < MODEL_ROWS; i++) {
        g[i] = i % 3 == 0 ? "north" : i % 3 == 1 ? "s\xc3\xbc\"d" : "east";
        y[i] = 50 + 7 * y[i] + x[i];
    }
    x[5] = NAN;
    y[6] = NAN;
    assert_ok(ctx, bnorm_table_create(ctx, MODEL_ROWS, &t));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "x", x));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "y", y));
    assert_ok(ctx, bnorm_table_numbers(ctx, t, "z", z));
    assert_ok(ctx, bnorm_table_text(ctx, t, "g", g));
    return t;
}

static bnorm_status make_frame(bnorm_ctx *ctx, const bnorm_table *t, bnorm_frame **f)
{
    ptrdiff_t rows[MODEL_ROWS], count;
    double x[MODEL_ROWS * 6], y[MODEL_ROWS];
    bnorm_frame_options o;
    bnorm_frame_defaults(&o);
    o.drop_constant = 1;
    bnorm_status status = bnorm_frame_create(ctx, "y ~ x*g + log(z) + I(x^0)", t, &o, f);
    if (status == BNORM_OK) status = bnorm_frame_rows(ctx, *f, t, 1, rows, &count);
    if (status != BNORM_OK) return status;
    bnorm_mat_f64 mx = bnorm_view_f64(x, count, 6, BNORM_ROW_MAJOR);
    bnorm_mat_f64 my = bnorm_view_f64(y, count, 1, BNORM_ROW_MAJOR);
    status = bnorm_frame_matrix(ctx, *f, t, rows, count, mx, my);
    if (status == BNORM_OK) status = bnorm_frame_learn_scaling(ctx, *f, mx, my, 1);
    return status;
}

static bnorm_status make_net(bnorm_ctx *ctx, bnorm_net **net)
{
    const bnorm_rule rule = {1e-5, 1};
    bnorm_status status = bnorm_net_create(ctx, 6, net);
    if (status == BNORM_OK) status = bnorm_net_dense(ctx, *net, 4);
    if (status == BNORM_OK) status = bnorm_net_batchnorm(ctx, *net, rule);
    if (status == BNORM_OK)
        status = bnorm_net_activation(ctx, *net, bnorm_activation_find("relu"));
    if (status == BNORM_OK) status = bnorm_net_dropout(ctx, *net, 0.1);
    if (status == BNORM_OK) status = bnorm_net_dense(ctx, *net, 1);
    if (status == BNORM_OK) status = bnorm_net_start(ctx, *net, 9);
    if (status == BNORM_OK) status = bnorm_net_set_penalty(ctx, *net, "G1", 0.1 + 0.2);
    if (status != BNORM_OK) return status;
    bnorm_layer_info info;
    status = bnorm_net_layer_info(ctx, *net, 1, &info);
    if (status != BNORM_OK) return status;
    bnorm_random_normal(9, 9, 0, info.outputs, info.mean);
    bnorm_random_uniform(9, 8, 0, info.outputs, info.var);
    return status;
}

static bnorm_status make_notes(bnorm_ctx *ctx, bnorm_model *m)
{
    bnorm_status status = bnorm_model_set_number(ctx, m, "loss", 0.1);
    if (status == BNORM_OK) status = bnorm_model_set_text(ctx, m, "data", "a\n\"b\" \xc3\xa9");
    if (status == BNORM_OK) status = bnorm_model_set_number(ctx, m, "validation", (double)NAN);
    if (status == BNORM_OK) status = bnorm_model_set_number(ctx, m, "worst", -(double)INFINITY);
    if (status == BNORM_OK) status = bnorm_model_set_number(ctx, m, "loss", 0.1 + 0.7);
    return status;
}

bnorm_status make_model(bnorm_ctx *ctx, const bnorm_table *table, bnorm_model **model)
{
    bnorm_frame *f = NULL;
    bnorm_net *net = NULL;
    *model = NULL;
    bnorm_status status = make_frame(ctx, table, &f);
    if (status == BNORM_OK) status = make_net(ctx, &net);
    if (status == BNORM_OK)
        status = bnorm_model_create(ctx, net, f, bnorm_loss_find("squared"), model);
    if (status != BNORM_OK) {
        bnorm_frame_destroy(f);
        bnorm_net_destroy(net);
        return status;
    }
    status = make_notes(ctx, *model);
    if (status == BNORM_OK) return status;
    bnorm_model_destroy(*model);
    *model = NULL;
    return status;
}

static char folder[64];

/* In memory where there is such a file system: saving syncs, and these suites save often. */
void scratch_make(void)
{
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".";
    snprintf(folder, sizeof folder, "%s/bnorm-model-XXXXXX", place);
    assert_non_null(mkdtemp(folder));
}

const char *scratch_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

int scratch_files(void)
{
    int count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

void scratch_remove(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) unlink(scratch_path(e->d_name));
    closedir(d);
    assert_int_equal(rmdir(folder), 0);
}

unsigned char *file_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    bytes[*size] = 0;
    fclose(f);
    return bytes;
}

void file_put(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}
