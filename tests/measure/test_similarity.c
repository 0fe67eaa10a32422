/* RSA, linear CKA and class overlap: by hand, against numpy and scipy (tools/make_probe_fixture.py), and their
 * invariances. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "../train/fixture.h"
#include "palimpsest/measure.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) < (tolerance))

static struct fixture *fixture;

static struct similarity similarity_of(const float *x, const float *y, int rows, int width)
{
    struct model_shape shape = {.layers = 1, .width = width};
    struct comparer *comparer = comparer_create(&shape, rows, 2);
    struct similarity found = comparer_of(comparer, x, y, rows);
    comparer_destroy(&comparer);
    return found;
}

/* x: (1, 0), (0, 1), (1, 1); y: (1, 0), (0, 1), (0, 2). */
static void small_matrices_give_what_they_do_by_hand(void **unused)
{
    (void)unused;
    const float x[] = {1, 0, 0, 1, 1, 1}, y[] = {1, 0, 0, 1, 0, 2};
    struct similarity found = similarity_of(x, y, 3, 2);
    /* RSA: cosines 0, 1/sqrt 2, 1/sqrt 2 and 0, 0, 1, around their means (-2, 1, 1) c and (-1, -1, 2)/3: 3 / sqrt(6 x
     * 6) */
    NEAR(found.rsa, 0.5, 1e-12);
    /* CKA: X columns a = (1, -2, 1)/3, b = (-2, 1, 1)/3; Y columns c = (2, -1, -1)/3, d = (-1, 0, 1):
     * ca = 3/9, cb = -6/9, da = 0, db = 1: squares 1/9 + 4/9 + 0 + 1 = 14/9;
     * X: aa = bb = 6/9, ab = -3/9: 4/9 + 4/9 + 2/9 = 10/9;  Y: cc = 6/9, dd = 2, cd = -1: 4/9 + 4 + 2 = 58/9 */
    NEAR(found.cka, 14 / sqrt(10.0 * 58), 1e-12);
}

static double fixture_double(const char *name)
{
    size_t count = 0, more = 0;
    const float *near = fixture_floats(fixture, &count, "%s", name);
    const float *rest = fixture_floats(fixture, &more, "%s/rest", name);
    assert_true(near && rest && count == 1 && more == 1);
    return (double)*near + (double)*rest;
}

static void larger_matrices_give_what_numpy_finds(void **unused)
{
    (void)unused;
    size_t count = 0;
    const int32_t *size = fixture_integers(fixture, &count, "wide/size");
    struct similarity wide = similarity_of(fixture_floats(fixture, &count, "wide/x"),
                                           fixture_floats(fixture, &count, "wide/y"), size[0], size[1]);
    NEAR(wide.rsa, fixture_double("wide/rsa"), 1e-12);
    NEAR(wide.cka, fixture_double("wide/cka"), 1e-12);
    size = fixture_integers(fixture, &count, "tall/size");
    struct similarity tall = similarity_of(fixture_floats(fixture, &count, "tall/x"),
                                           fixture_floats(fixture, &count, "tall/y"), size[0], size[1]);
    NEAR(tall.rsa, fixture_double("tall/rsa"), 1e-12);
    NEAR(tall.cka, fixture_double("tall/cka"), 1e-12);
}

enum { ROWS = 200, WIDTH = 8 };

/* Reflections with entries that are powers of two: the rotated floats are exact. */
static void rotate(const float *x, float scale, float *out)
{
    for (int r = 0; r < ROWS; r++, x += WIDTH, out += WIDTH)
        for (int c = 0; c < WIDTH; c += 4) {
            float sum = (x[c] + x[c + 1] + x[c + 2] + x[c + 3]) / 2;
            for (int i = 0; i < 4; i++) out[(c + i + 4) % WIDTH] = scale * (sum - x[c + i]);
        }
}

static void rounded_normals(const char *name, float *x)
{
    test_floats(name, x, ROWS * WIDTH, 1);
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = rintf(x[i] * 1024) / 1024;
}

static void rotation_and_scale_leave_all_as_it_was(void **unused)
{
    (void)unused;
    float x[ROWS * WIDTH], y[ROWS * WIDTH], other[ROWS * WIDTH];
    rounded_normals("x", x);
    rotate(x, 4, y);
    struct similarity found = similarity_of(x, y, ROWS, WIDTH);
    NEAR(found.rsa, 1, 1e-12);
    NEAR(found.cka, 1, 1e-12);
    rounded_normals("other", other);
    struct similarity before = similarity_of(x, other, ROWS, WIDTH), after = similarity_of(y, other, ROWS, WIDTH);
    NEAR(before.rsa, after.rsa, 1e-12);
    NEAR(before.cka, after.cka, 1e-12);
}

/* What neither is blind to: other linear maps.  A shift changes cosines, and takes part in no centred alignment. */
static void a_shift_is_seen_by_rsa_only_and_stretching_one_channel_by_both(void **unused)
{
    (void)unused;
    float x[ROWS * WIDTH], y[ROWS * WIDTH];
    rounded_normals("x", x);
    for (int i = 0; i < ROWS * WIDTH; i++) y[i] = x[i] + 2;
    struct similarity shifted = similarity_of(x, y, ROWS, WIDTH);
    NEAR(shifted.cka, 1, 1e-12);
    assert_true(shifted.rsa < 0.95);
    for (int i = 0; i < ROWS * WIDTH; i++) y[i] = x[i] * (i % WIDTH == 3 ? 8 : 1);
    struct similarity stretched = similarity_of(x, y, ROWS, WIDTH);
    assert_true(stretched.cka < 0.9 && stretched.rsa < 0.9);
}

static void independent_representations_are_near_zero(void **unused)
{
    (void)unused;
    float x[ROWS * WIDTH], y[ROWS * WIDTH];
    rounded_normals("x", x);
    rounded_normals("y", y);
    struct similarity found = similarity_of(x, y, ROWS, WIDTH);
    assert_true(fabs(found.rsa) < 4 / sqrt(ROWS * (ROWS - 1) / 2.0) * 2);
    assert_true(found.cka > 0 && found.cka < 3.0 * WIDTH / ROWS); /* its expectation is about width / rows */
}

/* Trap: rows of y for other stimuli than those of x. */
static void stimuli_out_of_step_destroy_similarity(void **unused)
{
    (void)unused;
    float x[ROWS * WIDTH], y[ROWS * WIDTH];
    rounded_normals("x", x);
    memcpy(y, x + WIDTH, (ROWS - 1) * WIDTH * sizeof *y);
    memcpy(y + (ROWS - 1) * WIDTH, x, WIDTH * sizeof *y);
    struct similarity found = similarity_of(x, y, ROWS, WIDTH);
    assert_true(fabs(found.rsa) < 0.1 && found.cka < 0.2);
}

static void representations_that_do_not_vary_are_similar_to_nothing(void **unused)
{
    (void)unused;
    float x[ROWS * WIDTH], y[ROWS * WIDTH] = {0};
    rounded_normals("x", x);
    struct similarity found = similarity_of(x, y, ROWS, WIDTH);
    assert_true(isnan(found.rsa) && isnan(found.cka));
}

/* ---- classes ---- */

static double overlap_of(const double *a, int classes_a, const double *b, int classes_b, int width)
{
    double mine[16 * 12], theirs[16 * 12];
    memcpy(mine, a, (size_t)(classes_a * width) * sizeof *a);
    memcpy(theirs, b, (size_t)(classes_b * width) * sizeof *b);
    return class_overlap(mine, classes_a, theirs, classes_b, width);
}

static void overlap_is_the_squared_cosine_between_two_axes(void **unused)
{
    (void)unused;
    const double a[] = {7, 1, 0, 7, 3, 0};              /* two classes apart along (0, 1, 0) */
    const double same[] = {0, 5, 5, 0, 9, 5};           /* elsewhere, along the same axis */
    const double across[] = {0, 5, 5, 2, 5, 9};         /* along (1, 0, 2) */
    const double between[] = {0, 0, 0, 1, 1, 0};        /* at 45 degrees */
    const double three[] = {0, 0, 0, 1, 1, 0, 0, 1, 0}; /* spans the plane of the first two */
    NEAR(overlap_of(a, 2, same, 2, 3), 1, 1e-12);
    NEAR(overlap_of(a, 2, across, 2, 3), 0, 1e-12);
    NEAR(overlap_of(a, 2, between, 2, 3), 0.5, 1e-12);
    NEAR(overlap_of(a, 2, three, 3, 3), 1, 1e-12); /* one lies in the other */
    NEAR(overlap_of(three, 3, a, 2, 3), 1, 1e-12);
}

static void overlap_is_what_scipy_finds(void **unused)
{
    (void)unused;
    size_t count = 0;
    const int32_t *size = fixture_integers(fixture, &count, "overlap/size");
    double *a = test_doubles(fixture_floats(fixture, &count, "overlap/a"), (size_t)(size[0] * size[2]));
    double *b = test_doubles(fixture_floats(fixture, &count, "overlap/b"), (size_t)(size[1] * size[2]));
    NEAR(overlap_of(a, size[0], b, size[1], size[2]), fixture_double("overlap/value"), 1e-10);
    memory_free(a);
    memory_free(b);
}

static void classes_that_cannot_be_told_apart_overlap_with_nothing(void **unused)
{
    (void)unused;
    const double one[] = {1, 2, 3, 1, 2, 3}, other[] = {1, 0, 0, 0, 1, 0};
    assert_true(isnan(overlap_of(one, 2, other, 2, 3)));
    assert_true(isnan(overlap_of(other, 2, one, 2, 3)));
    const double missing[] = {NAN, NAN, NAN, 1, 0, 0, 0, 1, 0}; /* a label without rows is passed over */
    NEAR(overlap_of(missing, 3, other, 2, 3), 1, 1e-12);
}

int main(void)
{
    struct error err = {0};
    if (fixture_read(TEST_FOLDER "/golden/probes.bin", &fixture, &err) != 0) {
        print_error("%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_matrices_give_what_they_do_by_hand),
        cmocka_unit_test(larger_matrices_give_what_numpy_finds),
        cmocka_unit_test(rotation_and_scale_leave_all_as_it_was),
        cmocka_unit_test(a_shift_is_seen_by_rsa_only_and_stretching_one_channel_by_both),
        cmocka_unit_test(independent_representations_are_near_zero),
        cmocka_unit_test(stimuli_out_of_step_destroy_similarity),
        cmocka_unit_test(representations_that_do_not_vary_are_similar_to_nothing),
        cmocka_unit_test(overlap_is_the_squared_cosine_between_two_axes),
        cmocka_unit_test(overlap_is_what_scipy_finds),
        cmocka_unit_test(classes_that_cannot_be_told_apart_overlap_with_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_destroy(&fixture);
    return failed + (memory_count().blocks != 0);
}
