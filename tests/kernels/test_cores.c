/* Which BLAS cores a process offers, which one several have in common, and that the products are those of the core that
 * was started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "palimpsest/kernels.h"

enum { RANKS = 3 };

/* An offer of the cores in a list with spaces between them. */
static struct core_offer offer_of(const char *cores)
{
    struct core_offer offer = {.library = "OpenBLAS 0.3.21"};
    char text[256];
    snprintf(text, sizeof text, "%s", cores);
    for (char *rest = text, *core = strsep(&rest, " "); core; core = strsep(&rest, " "))
        snprintf(offer.core[offer.cores++], CORE_NAME, "%s", core);
    return offer;
}

static const char *chosen(const char *first, const char *second, const char *third)
{
    static struct core_offer offer[RANKS];
    offer[0] = offer_of(first);
    offer[1] = offer_of(second);
    offer[2] = offer_of(third);
    return cores_choose(offer, RANKS);
}

#define COOPERLAKE "Cooperlake SkylakeX Haswell Zen Sandybridge Nehalem Prescott"
#define SKYLAKEX "SkylakeX Haswell Zen Sandybridge Nehalem Prescott"
#define HASWELL "Haswell Zen Sandybridge Nehalem Prescott"
#define ZEN "Zen Haswell Sandybridge Nehalem Prescott"

static void what_all_take_by_themselves_is_chosen(void **unused)
{
    (void)unused;
    assert_string_equal(chosen(COOPERLAKE, COOPERLAKE, COOPERLAKE), "Cooperlake");
    assert_string_equal(chosen(ZEN, ZEN, ZEN), "Zen");
    assert_string_equal(chosen("Excavator " HASWELL, "Excavator " HASWELL, "Excavator " HASWELL), "Excavator");
    assert_string_equal(cores_choose(&(struct core_offer){.cores = 1, .core = {"armv8"}}, 1), "armv8");
}

static void the_best_that_all_have_is_chosen_in_every_order(void **unused)
{
    (void)unused;
    static const struct {
        const char *offer[RANKS], *best;
    } rows[] = {
        {{SKYLAKEX, HASWELL, SKYLAKEX}, "Haswell"},
        {{COOPERLAKE, SKYLAKEX, COOPERLAKE}, "SkylakeX"},
        {{ZEN, HASWELL, ZEN}, "Haswell"},
        {{ZEN, ZEN, COOPERLAKE}, "Haswell"},
        {{COOPERLAKE, ZEN, "Nehalem Prescott"}, "Nehalem"},
        {{"Excavator " HASWELL, ZEN, "Zen Nehalem"}, "Zen"},
        {{"SapphireRapids " COOPERLAKE, COOPERLAKE, COOPERLAKE}, "Cooperlake"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int turn = 0; turn < RANKS; turn++) {
            const char *const *offer = rows[r].offer;
            const char *best = chosen(offer[turn], offer[(turn + 1) % RANKS], offer[(turn + 2) % RANKS]);
            assert_non_null(best);
            assert_string_equal(best, rows[r].best);
        }
}

static void ranks_with_nothing_in_common_get_no_core(void **unused)
{
    (void)unused;
    assert_null(chosen(HASWELL, "neoversen1 armv8", HASWELL));
    assert_null(chosen("Haswell", "Zen", "Haswell Zen"));
}

static void a_core_is_found_in_upper_and_lower_case_and_only_whole(void **unused)
{
    (void)unused;
    struct core_offer offer = offer_of(SKYLAKEX);
    assert_string_equal(core_offered(&offer, "HASWELL"), "Haswell");
    assert_string_equal(core_offered(&offer, "skylakex"), "SkylakeX");
    assert_null(core_offered(&offer, "Has"));
    assert_null(core_offered(&offer, "Haswell2"));
    assert_null(core_offered(&offer, ""));
}

static struct core_offer own_offer(void)
{
    struct core_offer offer;
    struct error err;
    if (cores_offer(&offer, &err) != 0) fail_msg("%s", err.text);
    return offer;
}

static void an_offer_has_every_core_once_and_is_the_same_whenever_asked(void **unused)
{
    (void)unused;
    struct core_offer offer = own_offer(), again;
    assert_memory_equal(offer.library, "OpenBLAS ", 9);
    assert_in_range(offer.cores, 1, CORES_MOST);
    for (int c = 0; c < offer.cores; c++) assert_ptr_equal(core_offered(&offer, offer.core[c]), offer.core[c]);
    again = own_offer();
    assert_memory_equal(&offer, &again, sizeof offer);
}

enum { ROWS = 40, INNER = 401, COLUMNS = 33 };

/* The hash of a product whose sums are long enough to come out differently in another order. */
static struct hash128 product_hash(void)
{
    static float a[ROWS * INNER], b[INNER * COLUMNS], c[ROWS * COLUMNS];
    struct random_cursor cursor = random_at(random_stream("test cores", 1, NULL), 0);
    for (int i = 0; i < ROWS * INNER; i++) a[i] = (float)random_normal(&cursor);
    for (int i = 0; i < INNER * COLUMNS; i++) b[i] = (float)random_normal(&cursor);
    matrix_product(ROWS, COLUMNS, INNER, 1, (struct operand){a, INNER, AS_IS}, (struct operand){b, COLUMNS, AS_IS},
                   NO_ADDEND, c, COLUMNS, WHOLE);
    return hash_bytes(c, sizeof c);
}

static void start(const struct core_offer *offer, const char *core)
{
    struct error err;
    char named[64], wanted[64];
    if (kernels_start(core, &err) != 0) fail_msg("%s", err.text);
    kernels_numerics(named, sizeof named);
    kernels_numerics_of(offer, core, wanted, sizeof wanted);
    assert_string_equal(named, wanted);
}

static void every_offered_core_starts_and_a_core_gives_its_bits_whatever_ran_before(void **unused)
{
    (void)unused;
    struct core_offer offer = own_offer();
    struct hash128 first[CORES_MOST];
    for (int c = 0; c < offer.cores; c++) {
        start(&offer, offer.core[c]);
        first[c] = product_hash();
    }
    for (int c = offer.cores - 1; c >= 0; c--) {
        start(&offer, offer.core[c]);
        assert_true(hash_equal(product_hash(), first[c]));
    }
    const char *new = core_offered(&offer, "Haswell"), *old = core_offered(&offer, "Prescott");
    if (!new || !old) {
        print_message("skipped: whether cores differ, for want of Haswell and Prescott\n");
        return;
    }
    start(&offer, old);
    struct hash128 other = product_hash();
    start(&offer, new);
    assert_false(hash_equal(product_hash(), other));
}

static void a_core_that_is_not_offered_is_refused_and_the_one_before_stays(void **unused)
{
    (void)unused;
    struct core_offer offer = own_offer();
    struct error err = {.text = ""};
    char before[64], after[64];
    start(&offer, offer.core[offer.cores - 1]);
    kernels_numerics(before, sizeof before);
    assert_int_equal(kernels_start("Pentium0", &err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_non_null(strstr(err.text, "Pentium0"));
    kernels_numerics(after, sizeof after);
    assert_string_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_all_take_by_themselves_is_chosen),
        cmocka_unit_test(the_best_that_all_have_is_chosen_in_every_order),
        cmocka_unit_test(ranks_with_nothing_in_common_get_no_core),
        cmocka_unit_test(a_core_is_found_in_upper_and_lower_case_and_only_whole),
        cmocka_unit_test(an_offer_has_every_core_once_and_is_the_same_whenever_asked),
        cmocka_unit_test(every_offered_core_starts_and_a_core_gives_its_bits_whatever_ran_before),
        cmocka_unit_test(a_core_that_is_not_offered_is_refused_and_the_one_before_stays),
    };
    unsetenv("PALIMPSEST_CORES");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
