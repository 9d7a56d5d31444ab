/* model_file: files that are damaged or written with bad intent. */
#include "model_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A good file in memory. */
typedef struct good {
    bnorm_ctx *ctx;
    bnorm_table *table;
    unsigned char *bytes;
    size_t size, header; /* of the file, of the header */
    ptrdiff_t parameters;
} good;

static good make_good(void)
{
    good g = {.ctx = make_ctx(1)};
    bnorm_model *m;
    scratch_make();
    g.table = model_table(g.ctx);
    assert_ok(g.ctx, make_model(g.ctx, g.table, &m));
    assert_ok(g.ctx, bnorm_model_save(g.ctx, m, scratch_path("good")));
    bnorm_net_parameters(bnorm_model_net(m), &g.parameters);
    bnorm_model_destroy(m);
    g.bytes = file_read(scratch_path("good"), &g.size);
    for (int i = 7; i >= 0; i--) g.header = g.header << 8 | g.bytes[i];
    return g;
}

static void drop_good(good *g)
{
    free(g->bytes);
    bnorm_table_destroy(g->table);
    bnorm_ctx_destroy(g->ctx);
    scratch_remove();
}

static bnorm_status load(const good *g, const void *bytes, size_t size, bnorm_model **m)
{
    file_put(scratch_path("bad"), bytes, size);
    return bnorm_model_load(g->ctx, scratch_path("bad"), NULL, m);
}

/* A model that came out of a changed file has the sizes of the good one, and predicts or says
 * why not. */
static void check_sound(const good *g, bnorm_model *m)
{
    ptrdiff_t rows[MODEL_ROWS], count;
    double out[MODEL_ROWS];
    bnorm_net_parameters(bnorm_model_net(m), &count);
    assert_int_equal(count, g->parameters);
    assert_int_equal(bnorm_net_outputs(bnorm_model_net(m)), 1);
    const bnorm_frame *f = bnorm_model_frame(m);
    if (!f) return;
    assert_int_equal(bnorm_frame_inputs(f), bnorm_net_inputs(bnorm_model_net(m)));
    if (bnorm_frame_rows(g->ctx, f, g->table, 0, rows, &count) != BNORM_OK) return;
    assert_ok(g->ctx, bnorm_model_predict(g->ctx, m, g->table, rows, count,
                                          bnorm_view_f64(out, count, 1, BNORM_ROW_MAJOR)));
}

static void cut_at_every_length(void **state)
{
    (void)state;
    good g = make_good();
    bnorm_model *m;
    for (size_t n = 0; n < g.size; n++) {
        assert_fails(g.ctx, load(&g, g.bytes, n, &m), BNORM_E_FORMAT, "/bad: ");
        assert_null(m);
    }
    unsigned char *longer = calloc(g.size + 8, 1);
    memcpy(longer, g.bytes, g.size);
    assert_fails(g.ctx, load(&g, longer, g.size + 8, &m), BNORM_E_FORMAT,
                 "the tensors end at byte");
    free(longer);
    assert_ok(g.ctx, load(&g, g.bytes, g.size, &m));
    check_sound(&g, m);
    bnorm_model_destroy(m);
    drop_good(&g);
}

static void every_byte_changed(void **state)
{
    (void)state;
    static const unsigned char changes[] = {0x01, 0x80, 0x20, 0xFF, 0x0A};
    good g = make_good();
    ptrdiff_t refused = 0, taken = 0;
    for (size_t i = 0; i < g.size; i++)
        for (size_t c = 0; c < sizeof changes; c++) {
            bnorm_model *m;
            g.bytes[i] ^= changes[c];
            bnorm_status status = load(&g, g.bytes, g.size, &m);
            assert_true(status == BNORM_OK || status == BNORM_E_FORMAT);
            if (status == BNORM_OK) check_sound(&g, m);
            taken += status == BNORM_OK;
            refused += status != BNORM_OK;
            bnorm_model_destroy(m);
            g.bytes[i] ^= changes[c];
        }
    assert_true(refused > 5000 && taken > 1000); /* numbers and notes may change */
    drop_good(&g);
}

/* Several places at once: digits, quotes, brackets and commas where they hurt. */
static void random_damage(void **state)
{
    (void)state;
    static const char marks[] = "0123456789\"\\{}[]:,-.eE ";
    good g = make_good();
    unsigned char *copy = malloc(g.size);
    for (uint64_t trial = 0; trial < 4000; trial++) {
        double u[9];
        bnorm_model *m;
        memcpy(copy, g.bytes, g.size);
        bnorm_random_uniform(21, trial, 0, 9, u);
        for (int i = 0; i < 1 + (int)(4 * u[8]); i++)
            copy[8 + (size_t)(u[2 * i] * (double)g.header)] =
                (unsigned char)marks[(int)(u[2 * i + 1] * (sizeof marks - 1))];
        bnorm_status status = load(&g, copy, g.size, &m);
        assert_true(status == BNORM_OK || status == BNORM_E_FORMAT);
        if (status == BNORM_OK) check_sound(&g, m);
        bnorm_model_destroy(m);
    }
    free(copy);
    drop_good(&g);
}

/* The good file with `from` in its header replaced by `to`. */
static bnorm_status load_edited(const good *g, const char *from, const char *to,
                                bnorm_model **m)
{
    size_t old = strlen(from), new = strlen(to), header = g->header - old + new;
    const char *found = strstr((const char *)g->bytes + 8, from);
    assert_non_null(found);
    size_t before = (size_t)(found - (const char *)g->bytes), size = g->size - old + new;
    unsigned char *bytes = malloc(size);
    memcpy(bytes, g->bytes, before);
    memcpy(bytes + before, to, new);
    memcpy(bytes + before + new, g->bytes + before + old, g->size - before - old);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(header >> 8 * i);
    bnorm_status status = load(g, bytes, size, m);
    free(bytes);
    return status;
}

#define Q "\\\"" /* a quote inside the description, which is a string in the header */

static void lying_headers(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"\"dtype\":\"F64\"", "\"dtype\":\"F32\"", "tensor 'G1' is not of type F64"},
        {"\"shape\":[6,4]", "\"shape\":[4,6]", "no tensor 'G1' of that shape"},
        {"\"shape\":[6,4]", "\"shape\":[6,5]", "tensor 'G1' has 192 bytes for 30 numbers"},
        {"\"shape\":[6,4]", "\"shape\":[4294967296,4294967296]", "has an illegal shape"},
        {"\"shape\":[6,4]", "\"shape\":[-6,-4]", "has an illegal shape"},
        {"\"shape\":[6,4]", "\"shape\":[6,2,2]", "has an illegal shape"},
        {"\"shape\":[6,4]", "\"shape\":[]", "has an illegal shape"},
        {"\"shape\":[6,4]", "\"shape\":[6.0,4]", "has an illegal shape"},
        {"\"shape\":[6,4]", "\"shape\":24", "has an illegal shape"},
        {"[0,192]", "[0,200]", "tensor 'G1' has 200 bytes for 24 numbers"},
        {"[0,192]", "[192,0]", "tensor 'G1' has illegal data_offsets"},
        {"[0,192]", "[8,200]", "begins after a hole in the data"},
        {"[192,224]", "[184,216]", "tensor 'gamma1' overlaps another one"},
        {"[0,192]", "[0,99999]", "tensor 'G1' ends at byte 99999, but the data has"},
        {"[0,192]", "[-192,0]", "has illegal data_offsets"},
        {"[0,192]", "[0]", "is not described by dtype, shape and data_offsets"},
        {"[0,192]", "[0,192],\"more\":1", "is not described by"},
        {"\"G1\":", "\"G3\":", "there is no tensor 'G1' of that shape"},
        {"\"beta1\":", "\"bela1\":", "tensor 'beta1' is missing"},
        {"\"beta1\":", "\"gamma1\":", "a key that comes twice"},
        {"\"mean1\":", "\"mean2\":", "tensor 'mean1' is missing"},
        {"\"__metadata__\"", "\"__metadata\"", "the header has no __metadata__"},
        {"\"bnorm\":", "\"pnorm\":", "not a model of bnorm: __metadata__ has no 'bnorm'"},
        {"\"format\":\"bnorm\"", "\"format\":1", "a value of __metadata__ is not a string"},
        {Q "units" Q ":4", Q "units" Q ":1000000000000000", "there is no tensor 'G1'"},
        {Q "units" Q ":4", Q "units" Q ":0", "layer 1: 'units' is 0, not in 1 .. "},
        {Q "units" Q ":4", Q "units" Q ":4.0", "layer 1: 'units' is not"},
        {Q "inputs" Q ":6", Q "inputs" Q ":1000000000000000", "'inputs' is 1000000000000000"},
        {Q "inputs" Q ":6", Q "inputs" Q ":7", "layer 1 is 7 x 4, but there is no tensor 'G1'"},
        {"{" Q "kind" Q ":" Q "dropout" Q, "{" Q "kind" Q ":" Q "batchnorm" Q, "'eps' is not"},
        {Q "dropout" Q, Q "dropoff" Q, "layer 4: the kind 'dropoff' is unknown"},
        {Q "layers" Q ":[",
         Q "layers" Q ":[{" Q "kind" Q ":" Q "batchnorm" Q "," Q "eps" Q ":1," Q "ddof" Q
           ":0},",
         "layer 3 needs 4 x 4 numbers, but the file has 11 left"},
        {Q "relu" Q, Q "selu" Q, "layer 3: the activation 'selu' is unknown"},
        {Q "squared" Q, Q "cubed" Q, "the loss 'cubed' is unknown"},
        {Q "rate" Q ":0.1", Q "rate" Q ":1.5", "layer 4"},
        {Q "eps" Q ":", Q "eps" Q ":-", "layer 2"},
        {Q "format_version" Q ":1", Q "format_version" Q ":2", "the model has format 2"},
        {Q "G1" Q ":0.3", Q "G1" Q ":-0.3", "penalties:"},
        {Q "G1" Q ":0.3", Q "G7" Q ":0.3", "penalties: there is no block 'G7'"},
        {Q "terms" Q ":[[1],[2]", Q "terms" Q ":[[2],[2]", "a term comes twice"},
        {Q "terms" Q ":[[1],[2]", Q "terms" Q ":[[0],[2]", "a term is illegal"},
        {Q "terms" Q ":[[1],[2]", Q "terms" Q ":[[1],[9]", "a term is illegal"},
        {",[1,2]]", "]", "the frame makes 4 inputs, but the network takes 6"},
        {Q "dropped" Q ":[", Q "dropped" Q ":[99,", "a dropped column is illegal"},
        {Q "dropped" Q ":[", Q "dropped" Q ":[0,", "the frame makes 5 inputs"},
        {Q "text" Q ":" Q "x" Q, Q "text" Q ":" Q "x +" Q, "the frame: formula: expected"},
        {Q "text" Q ":" Q "x" Q, Q "text" Q ":" Q "y" Q, "not one new variable"},
        {Q "text" Q ":" Q "g" Q, Q "text" Q ":" Q "log(g)" Q, "levels do not go with"},
        {Q "levels" Q ":[", Q "levels" Q ":[" Q "east" Q ",", "a level comes twice"},
        {Q "levels" Q ":[", Q "levels" Q ":[" Q "west" Q ",", "the terms make"},
        {Q "target_scaled" Q ":true", Q "target_scaled" Q ":0", "'target_scaled' is not"},
        {Q "inputs_scaled" Q ":true", Q "inputs_scaled" Q ":false",
         "tensor 'input_center' belongs to nothing in the model"},
        {Q "loss" Q ":" Q "squared", Q "loss" Q ":" Q "softmax", "a target of classes"},
        {Q "loss" Q ":" Q "squared", Q "loss" Q ":" Q "logistic", "not scaled"},
        {Q "frame" Q ":{", Q "frame" Q ":null," Q "no" Q ":{", "belongs to nothing"},
    };
    good g = make_good();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bnorm_model *m = (bnorm_model *)1;
        char text[64];
        bnorm_status status = load_edited(&g, cases[i][0], cases[i][1], &m);
        snprintf(text, sizeof text, "%s", cases[i][2]);
        assert_fails(g.ctx, status, BNORM_E_FORMAT, text);
        assert_null(m);
    }
    drop_good(&g);
}

/* Values that no model has: the last numbers of the file are the scale of the target, the
 * variances lie before the scaling. */
static void illegal_numbers(void **state)
{
    (void)state;
    static const double values[] = {0, -1, NAN, INFINITY};
    good g = make_good();
    bnorm_model *m;
    for (int i = 0; i < 4; i++) {
        memcpy(g.bytes + g.size - 8, values + i, 8); /* little-endian machines only */
        assert_fails(g.ctx, load(&g, g.bytes, g.size, &m), BNORM_E_FORMAT,
                     "/bad: tensor 'target_scale'");
    }
    const double one = 1, minus = -1;
    memcpy(g.bytes + g.size - 8, &one, 8);
    assert_ok(g.ctx, load(&g, g.bytes, g.size, &m));
    bnorm_model_destroy(m);
    size_t last_variance = g.size - 8 * (2 + 12 + 1);
    memcpy(g.bytes + last_variance, &minus, 8);
    assert_fails(g.ctx, load(&g, g.bytes, g.size, &m), BNORM_E_FORMAT,
                 "tensor 'var1': value 4 is -1");
    drop_good(&g);
}

static void illegal_lengths(void **state)
{
    (void)state;
    good g = make_good();
    const uint64_t lengths[] = {0,         1,          g.size - 7,     g.size,
                                100000001, UINT64_MAX, UINT64_MAX / 2, (uint64_t)1 << 63};
    bnorm_model *m;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        for (int i = 0; i < 8; i++) g.bytes[i] = (unsigned char)(lengths[k] >> 8 * i);
        bnorm_status status = load(&g, g.bytes, g.size, &m);
        assert_int_equal(status, BNORM_E_FORMAT);
    }
    assert_fails(g.ctx, load(&g, "", 0, &m), BNORM_E_FORMAT, "it has 0 bytes");
    drop_good(&g);
}

/* Factors whose product is enormous must not make columns before they are counted. */
static void exploding_design(void **state)
{
    (void)state;
    good g = make_good();
    static char levels[400000], from[] = Q "levels" Q ":[" Q "east" Q;
    size_t used = (size_t)sprintf(levels, Q "levels" Q ":[");
    for (int i = 0; i < 20000; i++) used += (size_t)sprintf(levels + used, Q "l%d" Q ",", i);
    sprintf(levels + used, Q "east" Q);
    bnorm_model *m;
    assert_fails(g.ctx, load_edited(&g, from, levels, &m), BNORM_E_FORMAT,
                 "the frame: the terms make more than 7 input columns");
    drop_good(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_length), cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(random_damage),       cmocka_unit_test(lying_headers),
        cmocka_unit_test(illegal_numbers),     cmocka_unit_test(illegal_lengths),
        cmocka_unit_test(exploding_design),
    };
    return cmocka_run_group_tests_name("model_file", tests, NULL, NULL);
}
