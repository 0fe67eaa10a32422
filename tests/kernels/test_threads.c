/* Kernels whose rows are shared among threads give the bits of one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "palimpsest/kernels.h"

enum { SEQUENCES = 5, LONGEST = 64, CHANNELS = 48, HEADS = 3, ROWS = 150, WIDE = 4 * CHANNELS };

struct outcome { /* of every kernel that is shared */
    float product[ROWS * WIDE], active[ROWS * WIDE], slope[ROWS * WIDE], attended[ROWS * CHANNELS],
        measured[ROWS * CHANNELS], dqkv[ROWS * 3 * CHANNELS];
};

static float *random_values(const char *name, size_t count)
{
    float *values = memory_array(count, sizeof *values);
    struct random_cursor cursor = random_at(random_stream("test threads", 1, name), 0);
    for (size_t i = 0; i < count; i++) values[i] = (float)random_normal(&cursor);
    return values;
}

static struct outcome *outcome_with(int threads)
{
    static const int start[] = {0, 64, 65, 100, 130, ROWS};
    struct packing packing = {SEQUENCES, start, LONGEST};
    struct outcome *out = memory_allocate(sizeof *out);
    struct error err;
    float *in = random_values("in", ROWS * CHANNELS), *weight = random_values("weight", WIDE * CHANNELS);
    float *bias = random_values("bias", WIDE), *qkv = random_values("qkv", ROWS * 3 * CHANNELS);
    float *probability = memory_array((size_t)(ROWS * HEADS * LONGEST), sizeof *probability);
    float *scratch = memory_array((size_t)(threads * LONGEST * LONGEST), sizeof *scratch);
    assert_int_equal(kernels_set_threads(threads, &err), 0);
    assert_int_equal(kernels_threads(), threads);
    linear_forward(out->product, in, weight, bias, NULL, ROWS, CHANNELS, WIDE);
    memcpy(out->slope, out->product, sizeof out->slope);
    bias_gelu_forward(out->active, out->slope, bias, ROWS, WIDE);
    attention_forward(out->measured, scratch, qkv, packing, CHANNELS, HEADS, true, false);
    attention_forward(out->attended, probability, qkv, packing, CHANNELS, HEADS, true, true);
    attention_backward(out->dqkv, scratch, in, probability, qkv, packing, CHANNELS, HEADS, true);
    memory_free(in);
    memory_free(weight);
    memory_free(bias);
    memory_free(qkv);
    memory_free(probability);
    memory_free(scratch);
    return out;
}

static void any_number_of_threads_gives_the_bits_of_one(void **context)
{
    (void)context;
    struct outcome *one = outcome_with(1);
    assert_memory_equal(one->attended, one->measured, sizeof one->attended);
    for (int threads = 2; threads <= 7; threads++)
        for (int again = 0; again < 20; again++) {
            struct outcome *more = outcome_with(threads);
            if (memcmp(one, more, sizeof *one) != 0) fail_msg("%d threads give other bits", threads);
            memory_free(more);
        }
    memory_free(one);
}

static void threads_end_where_one_is_wanted_again(void **context)
{
    (void)context;
    struct error err;
    struct memory_count before = memory_count();
    assert_int_equal(kernels_set_threads(4, &err), 0);
    assert_int_equal(kernels_set_threads(1, &err), 0);
    assert_int_equal(kernels_threads(), 1);
    assert_int_equal(memory_count().blocks, before.blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_gives_the_bits_of_one),
        cmocka_unit_test(threads_end_where_one_is_wanted_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
