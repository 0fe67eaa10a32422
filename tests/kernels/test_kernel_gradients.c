/* The way back through every kernel against central differences of the double-precision reference.  The scalar that is
 * differentiated is always the sum of the outputs, each times a fixed random number: dout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "palimpsest/kernels.h"

#include "../support/gradcheck.h"
#include "../support/reference.h"

enum { MOST = 4096 };
static const double tolerance = 2e-5;

struct layer { /* inputs of the layer under test, one after the other in x[]; outputs weighted by dout */
    int rows, inner, columns, heads, sequences;
    const int *start;
    bool causal;
    size_t outputs;
};
static float x_own[MOST], dout[MOST], dx[MOST];
static double x[MOST], out[MOST], differences[MOST];

static void prepare(const struct layer *layer, size_t inputs)
{
    assert_true(inputs <= MOST && layer->outputs <= MOST);
    test_floats("x", x_own, inputs, 1);
    test_floats("dout", dout, layer->outputs, 1);
    for (size_t i = 0; i < inputs; i++) x[i] = (double)x_own[i];
    memset(dx, 0, sizeof dx);
}

static double weighted(const struct layer *layer)
{
    double sum = 0;
    for (size_t i = 0; i < layer->outputs; i++) sum += out[i] * (double)dout[i];
    return sum;
}

static double linear_scalar(const double *in, void *context)
{
    const struct layer *layer = context;
    const double *weight = in + layer->rows * layer->inner, *bias = weight + layer->columns * layer->inner;
    reference_linear(out, in, weight, bias, layer->rows, layer->inner, layer->columns);
    return weighted(layer);
}

static void linear(void **unused)
{
    (void)unused;
    struct layer layer = {.rows = 7, .inner = 5, .columns = 9, .outputs = 63};
    size_t in = 35, weight = 45, inputs = in + weight + 9;
    prepare(&layer, inputs);
    dx[0] = 1e6f; /* din is overwritten */
    linear_backward(dx, dx + in, dx + in + weight, dout, x_own, x_own + in, 7, 5, 9);
    gradcheck_differences(linear_scalar, &layer, x, inputs, differences);
    assert_true(gradcheck_worst(dx, differences, inputs, 0) < tolerance);
}

static double norm_scalar(const double *in, void *context)
{
    const struct layer *layer = context;
    const double *weight = in + layer->rows * layer->inner;
    reference_norm(out, in, weight, weight + layer->inner, layer->rows, layer->inner);
    return weighted(layer);
}

static void norm_at_every_width(void **unused)
{
    (void)unused;
    for (int width = 2; width <= 40; width++) {
        struct layer layer = {.rows = 5, .inner = width, .outputs = (size_t)(5 * width)};
        size_t in = layer.outputs, inputs = in + 2 * (size_t)width;
        float y[200], stats[10];
        prepare(&layer, inputs);
        norm_forward(y, stats, x_own, x_own + in, x_own + in + width, 5, width);
        norm_backward(dx, dx + in, dx + in + width, dout, x_own, stats, x_own + in, 5, width);
        gradcheck_differences(norm_scalar, &layer, x, inputs, differences);
        assert_true(gradcheck_worst(dx, differences, inputs, 0) < tolerance);
    }
}

static double gelu_scalar(const double *in, void *context)
{
    const struct layer *layer = context;
    for (size_t i = 0; i < layer->outputs; i++) out[i] = reference_gelu(in[i]);
    return weighted(layer);
}

static void gelu(void **unused)
{
    (void)unused;
    struct layer layer = {.outputs = 200};
    float y[200], bias[50] = {0};
    prepare(&layer, 200);
    bias_gelu_forward(y, x_own, bias, 4, 50);
    gelu_backward(dout, x_own, 200);
    memcpy(dx, dout, sizeof y);
    test_floats("dout", dout, 200, 1);
    gradcheck_differences(gelu_scalar, &layer, x, 200, differences);
    assert_true(gradcheck_worst(dx, differences, 200, 0) < tolerance);
}

static double attention_scalar(const double *in, void *context)
{
    const struct layer *layer = context;
    reference_attention(out, in, layer->start, layer->sequences, layer->inner, layer->heads, layer->causal);
    return weighted(layer);
}

static void check_attention(const int *start, int sequences, int width, int heads, bool causal)
{
    static float probability[200 * 200], scratch[200 * 200], y[MOST];
    int rows = start[sequences], longest = 0;
    struct layer layer = {.rows = rows,
                          .inner = width,
                          .heads = heads,
                          .sequences = sequences,
                          .start = start,
                          .causal = causal,
                          .outputs = (size_t)(rows * width)};
    for (int s = 0; s < sequences; s++)
        if (start[s + 1] - start[s] > longest) longest = start[s + 1] - start[s];
    struct packing packing = {sequences, start, longest};
    assert_true(rows * heads * longest <= 200 * 200);
    prepare(&layer, 3 * layer.outputs);
    for (size_t i = 0; i < 3 * layer.outputs; i++) dx[i] = 1e6f; /* dqkv is overwritten */
    attention_forward(y, probability, x_own, packing, width, heads, causal, true);
    attention_backward(dx, scratch, dout, probability, x_own, packing, width, heads, causal);
    gradcheck_differences(attention_scalar, &layer, x, 3 * layer.outputs, differences);
    assert_true(gradcheck_worst(dx, differences, 3 * layer.outputs, 0) < tolerance);
}

static void attention_causal_and_full_within_a_block_and_over_several(void **unused)
{
    (void)unused;
    const int small[] = {0, 1, 4, 13}, large[] = {0, 3, 140};
    for (int causal = 0; causal < 2; causal++) {
        check_attention(small, 3, 12, 3, causal);
        check_attention(large, 2, 2, 1, causal);
    }
}

static const int32_t wanted[] = {2, 0, 30, 7};

static double cross_entropy_scalar(const double *in, void *context)
{
    double loss = 0;
    (void)context;
    for (int row = 0; row < 4; row++) loss += 0.25 * reference_cross_entropy(in + 31 * row, wanted[row], 31);
    return loss;
}

static void softmax_and_cross_entropy(void **unused)
{
    (void)unused;
    struct layer layer = {.outputs = 0};
    prepare(&layer, 4 * 31);
    softmax_cross_entropy(x_own, wanted, 0.25f, 4, 31);
    gradcheck_differences(cross_entropy_scalar, &layer, x, 4 * 31, differences);
    assert_true(gradcheck_worst(x_own, differences, 4 * 31, 0) < tolerance);
}

static const int packed[] = {0, 2, 3, 7};
static const uint16_t token[] = {1, 0, 2, 2, 1, 2, 0};

/* Embedding: three tokens and four positions of width 6; the gradient of a table row is the sum of dout where it was
 * used. */
static void embedding_gradients_add_up_where_a_row_was_used(void **unused)
{
    (void)unused;
    struct packing packing = {3, packed, 4};
    float tokens[18], positions[24], y[42], dtokens[18] = {0}, dpositions[24] = {0};
    double sum[18] = {0}, places[24] = {0};
    test_floats("tokens", tokens, 18, 1);
    test_floats("positions", positions, 24, 1);
    test_floats("dout", dout, 42, 1);
    embedding_forward(y, token, tokens, positions, packing, 6);
    embedding_backward(dtokens, dpositions, token, dout, packing, 6);
    for (int s = 0, row = 0; s < 3; s++)
        for (int place = 0; row < packed[s + 1]; row++, place++)
            for (int c = 0; c < 6; c++) {
                assert_true(y[row * 6 + c] == tokens[token[row] * 6 + c] + positions[place * 6 + c]);
                sum[token[row] * 6 + c] += (double)dout[row * 6 + c];
                places[place * 6 + c] += (double)dout[row * 6 + c];
            }
    assert_true(gradcheck_worst(dtokens, sum, 18, 0) < tolerance);
    assert_true(gradcheck_worst(dpositions, places, 24, 0) < tolerance);
}

/* <pool(x), y> = <x, pool_back(y)>: the way back is the transpose of the way forth. */
static void pooling_and_picking_are_the_transposes_of_their_ways_back(void **unused)
{
    (void)unused;
    struct packing packing = {3, packed, 4};
    const int row[] = {6, 0, 3};
    float in[42], y[18], pooled[18], back[42] = {0}, picked[18], spread[42] = {0};
    double forth = 0, again = 0, pick = 0, put = 0;
    test_floats("in", in, 42, 1);
    test_floats("y", y, 18, 1);
    mean_pool_forward(pooled, in, packing, 6);
    mean_pool_backward(back, y, packing, 6);
    rows_gather(picked, in, row, 3, 6);
    rows_scatter_add(spread, y, row, 3, 6);
    assert_float_equal(pooled[6], in[12], 0); /* the mean of one row */
    for (int i = 0; i < 18; i++) forth += (double)pooled[i] * (double)y[i], pick += (double)picked[i] * (double)y[i];
    for (int i = 0; i < 42; i++) again += (double)in[i] * (double)back[i], put += (double)in[i] * (double)spread[i];
    assert_float_equal(forth, again, 1e-5);
    assert_float_equal(pick, put, 1e-5);
}

static void an_error_of_a_thousandth_is_caught(void **unused)
{
    (void)unused;
    struct layer layer = {.rows = 7, .inner = 5, .columns = 9, .outputs = 63};
    size_t in = 35, weight = 45, inputs = in + weight + 9;
    prepare(&layer, inputs);
    linear_backward(dx, dx + in, dx + in + weight, dout, x_own, x_own + in, 7, 5, 9);
    gradcheck_differences(linear_scalar, &layer, x, inputs, differences);
    size_t largest = 0;
    for (size_t i = 0; i < inputs; i++)
        if (fabs(differences[i]) > fabs(differences[largest])) largest = i;
    dx[largest] *= 1.001f;
    assert_true(gradcheck_worst(dx, differences, inputs, 0) > tolerance);
    dx[largest] = NAN;
    assert_false(gradcheck_worst(dx, differences, inputs, 0) < tolerance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear),
        cmocka_unit_test(norm_at_every_width),
        cmocka_unit_test(gelu),
        cmocka_unit_test(attention_causal_and_full_within_a_block_and_over_several),
        cmocka_unit_test(softmax_and_cross_entropy),
        cmocka_unit_test(embedding_gradients_add_up_where_a_row_was_used),
        cmocka_unit_test(pooling_and_picking_are_the_transposes_of_their_ways_back),
        cmocka_unit_test(an_error_of_a_thousandth_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
