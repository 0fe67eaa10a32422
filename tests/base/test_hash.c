#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/base.h"

/* XXH3_128bits of no bytes, from the specification's test vectors: 99aa06d3014798d86001c324468d497f. */
static void the_hash_of_nothing_is_the_published_one(void **context)
{
    (void)context;
    char text[HASH_TEXT];
    hash_text(hash_bytes("", 0), text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
}

static void text_of_a_hash_reads_back(void **context)
{
    (void)context;
    struct hash128 hash = hash_bytes("palimpsest", 10), read = {0, 0};
    char text[HASH_TEXT];
    hash_text(hash, text);
    assert_int_equal(hash_parse(text, &read), 0);
    assert_true(hash_equal(hash, read));
    assert_int_equal(hash_parse("99aa", &read), -1);
    text[5] = 'g';
    assert_int_equal(hash_parse(text, &read), -1);
    assert_true(hash_equal(hash, read));
}

static struct hash128 hash_of(const char *name, int64_t value, const char *other)
{
    struct hasher hasher;
    hasher_init(&hasher, "test");
    hasher_add_integer(&hasher, name, value);
    hasher_add_text(&hasher, "other", other);
    return hasher_finish(&hasher);
}

static void name_value_and_order_all_enter_a_hash(void **context)
{
    (void)context;
    struct hash128 base = hash_of("a", 1, "b");
    assert_true(hash_equal(base, hash_of("a", 1, "b")));
    assert_false(hash_equal(base, hash_of("a", 2, "b")));
    assert_false(hash_equal(base, hash_of("ab", 1, "")));
    assert_false(hash_equal(base, hash_of("a", 1, "bb")));
}

/* Ids of results on disk rest on this one: it changes only with a new version of the file format. */
static void the_hash_of_named_values_is_fixed_for_good(void **context)
{
    (void)context;
    struct hasher hasher;
    char text[HASH_TEXT];
    hasher_init(&hasher, "fixed");
    for (int i = 0; i < 100; i++) {
        hasher_add_integer(&hasher, "integer", i - 50);
        hasher_add_real(&hasher, "real", i / 7.0);
        hasher_add_hash(&hasher, "hash", (struct hash128){(uint64_t)i, 1});
    }
    hash_text(hasher_finish(&hasher), text);
    assert_string_equal(text, "cd039995e8b24afbb96273dbabaedf5d");
}

static void minus_zero_hashes_as_zero(void **context)
{
    (void)context;
    struct hasher a, b;
    hasher_init(&a, "zero");
    hasher_init(&b, "zero");
    hasher_add_real(&a, "x", 0.0);
    hasher_add_real(&b, "x", -0.0);
    assert_true(hash_equal(hasher_finish(&a), hasher_finish(&b)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_of_nothing_is_the_published_one),
        cmocka_unit_test(text_of_a_hash_reads_back),
        cmocka_unit_test(name_value_and_order_all_enter_a_hash),
        cmocka_unit_test(the_hash_of_named_values_is_fixed_for_good),
        cmocka_unit_test(minus_zero_hashes_as_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
