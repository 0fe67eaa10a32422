/* Identities of the kernels, and their outputs against the double-precision reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "palimpsest/kernels.h"

#include "../support/gradcheck.h"
#include "../support/reference.h"

enum { ROWS = 9, WIDTH = 40, COLUMNS = 37, HEADS = 4 };

static void close_to(const float *own, const double *reference, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)own[i] - reference[i]) <= tolerance))
            fail_msg("number %zu is %.9g, should be %.9g", i, (double)own[i], reference[i]);
}

/* Float numbers and the same in double. */
struct twin {
    float own[4 * WIDTH * WIDTH];
    double reference[4 * WIDTH * WIDTH];
};

static struct twin twin_of(const char *name, size_t count, double deviation)
{
    struct twin twin;
    test_floats(name, twin.own, count, deviation);
    for (size_t i = 0; i < count; i++) twin.reference[i] = (double)twin.own[i];
    return twin;
}

static void the_exponential_is_within_two_units_of_the_last_place(void **unused)
{
    (void)unused;
    for (int block = 0; block < 1750; block++) {
        float in[100], out[100];
        for (int i = 0; i < 100; i++) in[i] = -87.0f + (float)(100 * block + i) * 0.001f;
        exponentials(out, in, 100);
        for (int i = 0; i < 100; i++) {
            double truth = exp((double)in[i]);
            assert_true(fabs((double)out[i] - truth) <= 2 * 0x1p-24 * truth);
        }
    }
}

static void the_exponential_holds_its_ends_and_keeps_nan(void **unused)
{
    (void)unused;
    float in[] = {0, -1e30f, 1e30f, -INFINITY, NAN, -0.0f}, out[6];
    exponentials(out, in, 6);
    assert_true(out[0] == 1 && out[5] == 1);
    assert_true(out[1] >= 0 && out[1] < 2e-38f && out[3] == out[1]);
    assert_true(isfinite(out[2]) && out[2] > 1e38f);
    assert_true(isnan(out[4]));
}

static void softmax_rows_sum_to_one(void **unused)
{
    (void)unused;
    for (int columns = 1; columns <= 70; columns++) {
        float x[ROWS * 71];
        test_floats("softmax", x, ROWS * 71, 5);
        softmax_rows(x, ROWS, columns, 71);
        for (int row = 0; row < ROWS; row++) {
            double sum = 0;
            for (int i = 0; i < columns; i++) sum += (double)x[row * 71 + i];
            assert_float_equal(sum, 1, 1e-6);
        }
    }
}

static void softmax_does_not_move_with_a_constant_and_bears_large_numbers(void **unused)
{
    (void)unused;
    float x[] = {1000, 1001, 1002}, y[] = {-2, -1, 0};
    softmax_rows(x, 1, 3, 3);
    softmax_rows(y, 1, 3, 3);
    assert_memory_equal(x, y, sizeof x);
}

static void norm_output_has_mean_zero_and_variance_one(void **unused)
{
    (void)unused;
    float weight[WIDTH], bias[WIDTH] = {0}, stats[2 * ROWS], out[ROWS * WIDTH], in[ROWS * WIDTH];
    for (int i = 0; i < WIDTH; i++) weight[i] = 1;
    test_floats("norm", in, ROWS * WIDTH, 3);
    for (int i = 0; i < ROWS * WIDTH; i++) in[i] += 20;
    norm_forward(out, stats, in, weight, bias, ROWS, WIDTH);
    for (int row = 0; row < ROWS; row++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < WIDTH; i++) {
            double x = (double)out[row * WIDTH + i];
            sum += x / WIDTH;
            squares += x * x / WIDTH;
        }
        assert_float_equal(sum, 0, 1e-5);
        assert_float_equal(squares, 1, 1e-4);
    }
}

static void norm_is_that_of_the_reference_at_every_width(void **unused)
{
    (void)unused;
    struct twin in = twin_of("in", ROWS * WIDTH, 1), weight = twin_of("w", WIDTH, 1), bias = twin_of("b", WIDTH, 1);
    for (int width = 1; width <= WIDTH; width++) {
        float out[ROWS * WIDTH], stats[2 * ROWS];
        double reference[ROWS * WIDTH];
        norm_forward(out, stats, in.own, weight.own, bias.own, ROWS, width);
        reference_norm(reference, in.reference, weight.reference, bias.reference, ROWS, width);
        close_to(out, reference, (size_t)(ROWS * width), 2e-5);
    }
}

static void linear_adds_bias_and_residual(void **unused)
{
    (void)unused;
    struct twin in = twin_of("in", ROWS * WIDTH, 1), weight = twin_of("w", COLUMNS * WIDTH, 1);
    struct twin bias = twin_of("b", COLUMNS, 1), residual = twin_of("r", ROWS * COLUMNS, 1);
    float out[ROWS * COLUMNS];
    double reference[ROWS * COLUMNS];
    for (int kind = 0; kind < 4; kind++) {
        linear_forward(out, in.own, weight.own, kind & 1 ? bias.own : NULL, kind & 2 ? residual.own : NULL, ROWS, WIDTH,
                       COLUMNS);
        reference_linear(reference, in.reference, weight.reference, kind & 1 ? bias.reference : NULL, ROWS, WIDTH,
                         COLUMNS);
        for (int i = 0; i < ROWS * COLUMNS; i++) reference[i] += kind & 2 ? residual.reference[i] : 0;
        close_to(out, reference, ROWS * COLUMNS, 2e-5);
    }
}

static void gelu_is_the_tanh_form_and_leaves_its_slope(void **unused)
{
    (void)unused;
    float in[400], out[400], bias[400];
    double x[400];
    for (int i = 0; i < 400; i++) {
        in[i] = 0.1f * (float)(i - 200);
        bias[i] = 0.03f;
        x[i] = (double)in[i] + (double)bias[i];
    }
    bias_gelu_forward(out, in, bias, 1, 400);
    for (int i = 0; i < 400; i++) {
        double slope = (reference_gelu(x[i] + 1e-6) - reference_gelu(x[i] - 1e-6)) / 2e-6;
        assert_float_equal(out[i], reference_gelu(x[i]), 4e-6);
        assert_float_equal(in[i], slope, 4e-6);
    }
}

static void attention_against_reference(const int *start, int sequences, int width, int heads, bool causal, bool keep)
{
    int rows = start[sequences], longest = 0;
    for (int s = 0; s < sequences; s++)
        if (start[s + 1] - start[s] > longest) longest = start[s + 1] - start[s];
    size_t floats = (size_t)(3 * rows * width), scores = (size_t)longest * (size_t)(keep ? rows * heads : longest);
    float *qkv = memory_array(floats, sizeof *qkv), *out = memory_array(floats, sizeof *out);
    float *probability = memory_array(scores, sizeof *probability);
    double *reference = memory_array(floats, sizeof *reference);
    test_floats("qkv", qkv, floats, 1);
    double *same = test_doubles(qkv, floats);
    attention_forward(out, probability, qkv, (struct packing){sequences, start, longest}, width, heads, causal, keep);
    reference_attention(reference, same, start, sequences, width, heads, causal);
    close_to(out, reference, (size_t)(rows * width), 1e-5);
    memory_free(qkv);
    memory_free(out);
    memory_free(probability);
    memory_free(reference);
    memory_free(same);
}

static void attention_is_that_of_the_reference(void **unused)
{
    (void)unused;
    const int small[] = {0, 1, 4, 20}, large[] = {0, 64, 193, 258}; /* within a block, and over the edges of blocks */
    for (int kind = 0; kind < 4; kind++) {
        attention_against_reference(small, 3, 12, 3, kind & 1, kind & 2);
        attention_against_reference(large, 3, 8, 1, kind & 1, kind & 2);
    }
}

static void cross_entropy_is_that_of_the_reference_with_and_without_gradient(void **unused)
{
    (void)unused;
    struct twin logits = twin_of("logits", ROWS * COLUMNS, 4);
    int32_t target[ROWS];
    double reference = 0;
    for (int row = 0; row < ROWS; row++) {
        target[row] = row * 7 % COLUMNS;
        reference += reference_cross_entropy(logits.reference + row * COLUMNS, target[row], COLUMNS);
    }
    assert_float_equal(cross_entropy(logits.own, target, ROWS, COLUMNS), reference, 1e-5);
    assert_float_equal(softmax_cross_entropy(logits.own, target, 1, ROWS, COLUMNS), reference, 1e-5);
}

static void exponentiated_log_softmax_sums_to_one(void **unused)
{
    (void)unused;
    float x[ROWS * COLUMNS];
    test_floats("logits", x, ROWS * COLUMNS, 4);
    log_softmax_rows(x, x, ROWS, COLUMNS);
    for (int row = 0; row < ROWS; row++) {
        double sum = 0;
        for (int i = 0; i < COLUMNS; i++) sum += exp((double)x[row * COLUMNS + i]);
        assert_float_equal(sum, 1, 1e-6);
    }
}

static void a_loss_of_nan_or_infinite_logits_is_not_finite(void **unused)
{
    (void)unused;
    const float bad[] = {NAN, INFINITY};
    for (int kind = 0; kind < 2; kind++)
        for (int place = 0; place < COLUMNS; place++) {
            float x[COLUMNS] = {0};
            int32_t target = 3;
            x[place] = bad[kind];
            assert_false(isfinite(cross_entropy(x, &target, 1, COLUMNS)));
            assert_false(isfinite(softmax_cross_entropy(x, &target, 1, 1, COLUMNS)));
        }
}

/* What is not a matrix product gives these bits with every compiler, instruction set and build of this program; a
 * change of them is a change of the numerics version. */
static void bits_are_the_same_everywhere(void **unused)
{
    (void)unused;
    struct hasher hasher;
    static float x[ROWS * 400], y[ROWS * 400], weight[400], bias[400], stats[2 * ROWS];
    char text[HASH_TEXT];
    for (int i = 0; i < ROWS * 400; i++) x[i] = (float)(i * 7919 % 1013 - 506) * 0x1p-7f;
    for (int i = 0; i < 400; i++) weight[i] = bias[i] = (float)(i % 13 - 6) * 0.25f;
    hasher_init(&hasher, "bits");
    norm_forward(y, stats, x, weight, bias, ROWS, 397);
    hasher_add_hash(&hasher, "norm", hash_bytes(y, sizeof y));
    norm_backward(x, weight, bias, y, x, stats, weight, 1, 397);
    hasher_add_hash(&hasher, "norm back", hash_bytes(x, sizeof x));
    hasher_add_hash(&hasher, "norm weight", hash_bytes(weight, sizeof weight));
    bias_gelu_forward(x, y, bias, ROWS, 397);
    hasher_add_hash(&hasher, "gelu", hash_bytes(x, sizeof x));
    hasher_add_hash(&hasher, "slope", hash_bytes(y, sizeof y));
    softmax_rows(x, ROWS, 393, 397);
    hasher_add_hash(&hasher, "softmax", hash_bytes(x, sizeof x));
    hash_text(hasher_finish(&hasher), text);
    assert_string_equal(text, "a8415094751e4547df3b7f103b442f9e");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exponential_is_within_two_units_of_the_last_place),
        cmocka_unit_test(the_exponential_holds_its_ends_and_keeps_nan),
        cmocka_unit_test(softmax_rows_sum_to_one),
        cmocka_unit_test(softmax_does_not_move_with_a_constant_and_bears_large_numbers),
        cmocka_unit_test(norm_output_has_mean_zero_and_variance_one),
        cmocka_unit_test(norm_is_that_of_the_reference_at_every_width),
        cmocka_unit_test(linear_adds_bias_and_residual),
        cmocka_unit_test(gelu_is_the_tanh_form_and_leaves_its_slope),
        cmocka_unit_test(attention_is_that_of_the_reference),
        cmocka_unit_test(cross_entropy_is_that_of_the_reference_with_and_without_gradient),
        cmocka_unit_test(exponentiated_log_softmax_sums_to_one),
        cmocka_unit_test(a_loss_of_nan_or_infinite_logits_is_not_finite),
        cmocka_unit_test(bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
