#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>
#include <string.h>

#include "palimpsest/base.h"

static void blocks_are_zeroed_and_aligned_to_a_cache_line(void **context)
{
    (void)context;
    for (size_t bytes = 0; bytes < 300; bytes += 37) {
        unsigned char *block = memory_allocate(bytes);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t i = 0; i < bytes; i++) assert_int_equal(block[i], 0);
        memset(block, 0xff, bytes);
        memory_free(block);
    }
}

static void counters_know_blocks_bytes_and_the_peak(void **context)
{
    (void)context;
    struct memory_count before = memory_count();
    void *a = memory_allocate(1000), *b = memory_array(10, 50);
    struct memory_count during = memory_count();
    assert_int_equal(during.blocks, before.blocks + 2);
    assert_int_equal(during.bytes, before.bytes + 1500);
    assert_int_equal(during.allocations, before.allocations + 2);
    memory_free(a);
    memory_free(b);
    memory_free(NULL);
    assert_int_equal(memory_count().bytes, before.bytes);
    assert_true(memory_count().peak_bytes >= before.bytes + 1500);
}

static void a_grown_array_keeps_its_contents_and_zeroes_the_rest(void **context)
{
    (void)context;
    size_t capacity = 0;
    int *array = NULL;
    for (int i = 0; i < 1000; i++) {
        array = memory_grow(array, &capacity, (size_t)i + 1, sizeof *array);
        assert_int_equal(array[i], 0);
        array[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(array[i], i);
    memory_free(array);
}

/* Over what the C library keeps in its heap to what it maps, where blocks move in other ways. */
static void an_array_of_any_size_grows_aligned_and_counted(void **context)
{
    (void)context;
    struct memory_count before = memory_count();
    size_t capacity = 0;
    int64_t *array = NULL;
    void *between[64];
    for (int i = 0; i < 64; i++) between[i] = memory_allocate(100 + (size_t)i);
    for (size_t needed = 1; needed < 20000000; needed = capacity + 1) {
        array = memory_grow(array, &capacity, needed, sizeof *array);
        assert_int_equal((uintptr_t)array % 64, 0);
        assert_int_equal(array[0], needed == 1 ? 0 : 1);
        for (size_t i = needed - 1; i < capacity; i++) assert_int_equal(array[i], 0);
        array[0] = 1;
        memory_free(between[needed % 64]);
        between[needed % 64] = NULL;
    }
    assert_int_equal(array[0], 1);
    for (int i = 0; i < 64; i++) memory_free(between[i]);
    assert_int_equal(memory_count().blocks, before.blocks + 1);
    assert_int_equal(memory_count().bytes, before.bytes + capacity * sizeof *array);
    memory_free(array);
    assert_int_equal(memory_count().bytes, before.bytes);
}

static void texts_are_copied_and_formatted(void **context)
{
    (void)context;
    char *copy = memory_text("text"), *made = memory_format("%s-%d", "a", 7);
    assert_string_equal(copy, "text");
    assert_string_equal(made, "a-7");
    assert_null(memory_text(NULL));
    memory_free(copy);
    memory_free(made);
}

static void memory_that_was_touched_is_resident_and_stays_in_the_peak(void **context)
{
    enum { MUCH = 64 << 20, SLACK = 1 << 20 }; /* SLACK: Linux counts pages in batches */
    int64_t before, during, peak, after_peak;
    (void)context;
#if defined(PALIMPSEST_SANITIZE)
    print_message("skipped: the address sanitizer has pages of its own\n");
    return;
#endif
    memory_resident(&before, NULL);
    void *block = memory_allocate(MUCH); /* zeroed, so touched */
    memory_resident(&during, &peak);
    memory_free(block);
    memory_resident(NULL, &after_peak);
    assert_true(before > 0 && during - before > MUCH - SLACK && during - before < MUCH + (8 << 20));
    assert_true(peak >= during - SLACK && after_peak >= during - SLACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_aligned_to_a_cache_line),
        cmocka_unit_test(counters_know_blocks_bytes_and_the_peak),
        cmocka_unit_test(a_grown_array_keeps_its_contents_and_zeroes_the_rest),
        cmocka_unit_test(an_array_of_any_size_grows_aligned_and_counted),
        cmocka_unit_test(texts_are_copied_and_formatted),
        cmocka_unit_test(memory_that_was_touched_is_resident_and_stays_in_the_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
