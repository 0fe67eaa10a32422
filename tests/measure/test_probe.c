/* Linear probes against scikit-learn (tools/make_probe_fixture.py), and what a probe must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../train/fixture.h"
#include "palimpsest/measure.h"

static struct fixture *fixture;

static const char *const cases[] = {"two", "four", "separable", "few", "absent"};
enum { CASES = sizeof cases / sizeof *cases };

struct problem { /* borrowed from the fixture */
    const char *name;
    const float *feature;
    const int32_t *label;
    struct probe_rows rows;
    int classes, width, chosen;
};

static double fixture_double(const char *name, const char *what, int number)
{
    size_t count = 0, more = 0;
    const float *near = fixture_floats(fixture, &count, "%s/%s", name, what);
    const float *rest = fixture_floats(fixture, &more, "%s/%s/rest", name, what);
    assert_true(near && rest && count == more && (size_t)number < count);
    return (double)near[number] + (double)rest[number];
}

static double of_strength(const struct problem *problem, int strength, const char *what, int number)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", strength, what);
    return fixture_double(problem->name, path, number);
}

static struct problem problem_of(const char *name)
{
    size_t count = 0, labels = 0;
    struct problem problem = {.name = name};
    const int32_t *rows = fixture_integers(fixture, &count, "%s/rows", name);
    assert_true(rows && count == 3);
    problem.rows = (struct probe_rows){rows[0], rows[1], rows[2]};
    problem.classes = *fixture_integers(fixture, &count, "%s/classes", name);
    problem.chosen = *fixture_integers(fixture, &count, "%s/chosen", name);
    problem.label = fixture_integers(fixture, &labels, "%s/label", name);
    problem.feature = fixture_floats(fixture, &count, "%s/feature", name);
    problem.width = (int)(count / labels);
    assert_int_equal(labels, rows[0] + rows[1] + rows[2]);
    return problem;
}

static struct prober *prober_of(const struct problem *problem)
{
    struct model_shape shape = {.layers = 1, .width = problem->width};
    return prober_create(&shape, &problem->rows, problem->classes);
}

static struct probe fit(struct prober *prober, const struct problem *problem, const struct probe_path *path)
{
    return prober_fit(prober, problem->feature, problem->label, &problem->rows, problem->classes, path);
}

static void weights_are_those_of_scikit_learn_at_every_strength(void **unused)
{
    (void)unused;
    for (int c = 0; c < CASES; c++) {
        struct problem problem = problem_of(cases[c]);
        struct prober *prober = prober_of(&problem);
        for (int s = 0; s < probe_standard.strengths; s++) {
            const struct probe_path only = {1, {probe_standard.strength[s]}, 1e-10};
            struct probe probe = fit(prober, &problem, &only);
            size_t count = 0;
            fixture_floats(fixture, &count, "%s/%d/weights", problem.name, s);
            double apart = 0, size = 0;
            for (int i = 0; i < (int)count; i++) {
                double theirs = of_strength(&problem, s, "weights", i);
                apart = fmax(apart, fabs(prober_weights(prober)[i] - theirs));
                size = fmax(size, fabs(theirs));
            }
            print_message("%s, strength %g: %d evaluations, gradient %.1e, weights off by %.1e of %.2g\n", problem.name,
                          only.strength[0], probe.evaluations, probe.gradient, apart, size);
            assert_true(probe.gradient <= only.tolerance);
            assert_true(apart <= 1e-6);
            assert_true(fabs(probe.development - of_strength(&problem, s, "development", 0)) < 1e-12);
        }
        prober_destroy(&prober);
    }
}

static void the_strength_and_the_accuracy_are_those_of_scikit_learn(void **unused)
{
    (void)unused;
    for (int c = 0; c < CASES; c++) {
        struct problem problem = problem_of(cases[c]);
        struct prober *prober = prober_of(&problem);
        struct probe probe = fit(prober, &problem, &probe_standard);
        assert_true(probe.strength == probe_standard.strength[problem.chosen]);
        assert_true(fabs(probe.accuracy - fixture_double(problem.name, "accuracy", 0)) < 1e-12);
        assert_true(fabs(probe.development - of_strength(&problem, problem.chosen, "development", 0)) < 1e-12);
        prober_destroy(&prober);
    }
}

static void of_equally_good_strengths_the_strongest_is_chosen(void **unused)
{
    (void)unused;
    struct problem problem = problem_of("separable"); /* all are right on every development row */
    struct prober *prober = prober_of(&problem);
    assert_true(fit(prober, &problem, &probe_standard).strength == 1);
    assert_true(fit(prober, &problem, &(struct probe_path){2, {1e-2, 1e-3}, 1e-6}).strength == 1e-2);
    prober_destroy(&prober);
}

/* The function is strictly convex: a warm start, from either side, saves work and changes nothing. */
static void the_optimum_does_not_depend_on_the_way(void **unused)
{
    (void)unused;
    struct problem problem = problem_of("four"); /* 0.01 is the best of all there */
    struct prober *prober = prober_of(&problem);
    const struct probe_path way[] = {
        {1, {0.01}, 1e-9}, {2, {1, 0.01}, 1e-9}, {2, {1e-4, 0.01}, 1e-9}, {4, {1e-4, 1, 1e-3, 0.01}, 1e-9}};
    double weights[4 * 21];
    assert_true(problem.classes == 4 && problem.width == 20);
    for (int w = 0; w < 4; w++) {
        assert_true(fit(prober, &problem, &way[w]).strength == 0.01);
        if (w == 0) memcpy(weights, prober_weights(prober), sizeof weights);
        for (int i = 0; i < 4 * 21; i++) assert_true(fabs(prober_weights(prober)[i] - weights[i]) < 1e-6);
    }
    prober_destroy(&prober);
}

static void labels_that_were_shuffled_leave_nothing_to_read(void **unused)
{
    (void)unused;
    struct problem problem = problem_of("separable");
    const int all = problem.rows.train + problem.rows.development + problem.rows.test;
    int32_t *label = memory_array((size_t)all, sizeof *label);
    uint32_t order[512];
    struct random_cursor cursor = random_at(random_stream("shuffled labels", 1, NULL), 0);
    random_permutation(&cursor, (uint32_t)problem.rows.train, order);
    for (int i = 0; i < all; i++) label[i] = problem.label[i < problem.rows.train ? (int)order[i] : i];
    struct prober *prober = prober_of(&problem);
    assert_true(fit(prober, &problem, &probe_standard).accuracy == 1);
    problem.label = label;
    double accuracy = fit(prober, &problem, &probe_standard).accuracy;
    assert_true(accuracy < 1.0 / 3 + 4 * sqrt(2.0 / 9 / problem.rows.test)); /* chance, give or take */
    prober_destroy(&prober);
    memory_free(label);
}

static void a_label_without_training_rows_is_never_predicted(void **unused)
{
    (void)unused;
    struct problem problem = problem_of("absent");
    struct prober *prober = prober_of(&problem);
    const int first = problem.rows.train + problem.rows.development;
    int32_t label[256];
    for (int i = 0; i < first + problem.rows.test; i++) label[i] = i < first ? problem.label[i] : 1;
    problem.label = label;
    assert_true(fit(prober, &problem, &probe_standard).accuracy == 0);
    prober_destroy(&prober);
}

static void one_label_in_training_is_predicted_everywhere(void **unused)
{
    (void)unused;
    struct problem problem = problem_of("two");
    struct prober *prober = prober_of(&problem);
    int32_t label[512];
    int ones = 0, first = problem.rows.train + problem.rows.development;
    for (int i = 0; i < first + problem.rows.test; i++) {
        label[i] = i < problem.rows.train ? 1 : problem.label[i];
        if (i >= first) ones += label[i];
    }
    problem.label = label;
    struct probe probe = fit(prober, &problem, &probe_standard);
    assert_true(fabs(probe.accuracy - (double)ones / problem.rows.test) < 1e-12);
    prober_destroy(&prober);
}

static void features_that_are_not_finite_give_no_accuracy(void **unused)
{
    (void)unused;
    struct problem problem = problem_of("two");
    struct prober *prober = prober_of(&problem);
    const size_t count = (size_t)(problem.rows.train + problem.rows.development + problem.rows.test) * 12;
    float *feature = memory_array(count, sizeof *feature);
    memcpy(feature, problem.feature, count * sizeof *feature);
    feature[40] = INFINITY;
    problem.feature = feature;
    struct probe probe = fit(prober, &problem, &probe_standard);
    assert_true(isnan(probe.accuracy) && isnan(probe.strength) && isnan(probe.development));
    prober_destroy(&prober);
    memory_free(feature);
}

static void a_fit_leaves_no_trace_in_the_next_and_allocates_nothing(void **unused)
{
    (void)unused;
    struct problem two = problem_of("two"), four = problem_of("four");
    four.width = two.width; /* the first columns' worth of other numbers, to leave something else behind */
    struct probe_rows most = {200, 60, 70};
    struct model_shape shape = {.layers = 1, .width = two.width};
    struct prober *prober = prober_create(&shape, &most, 4);
    double weights[2 * 13];
    uint64_t allocations = memory_count().allocations;
    struct probe first = fit(prober, &two, &probe_standard);
    memcpy(weights, prober_weights(prober), sizeof weights);
    fit(prober, &four, &probe_standard);
    struct probe again = fit(prober, &two, &probe_standard);
    assert_memory_equal(weights, prober_weights(prober), sizeof weights);
    assert_true(first.accuracy == again.accuracy && first.gradient == again.gradient);
    assert_int_equal(memory_count().allocations, allocations);
    prober_destroy(&prober);
}

int main(void)
{
    struct error err = {0};
    if (fixture_read(TEST_FOLDER "/golden/probes.bin", &fixture, &err) != 0) {
        print_error("%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_scikit_learn_at_every_strength),
        cmocka_unit_test(the_strength_and_the_accuracy_are_those_of_scikit_learn),
        cmocka_unit_test(of_equally_good_strengths_the_strongest_is_chosen),
        cmocka_unit_test(the_optimum_does_not_depend_on_the_way),
        cmocka_unit_test(labels_that_were_shuffled_leave_nothing_to_read),
        cmocka_unit_test(a_label_without_training_rows_is_never_predicted),
        cmocka_unit_test(one_label_in_training_is_predicted_everywhere),
        cmocka_unit_test(features_that_are_not_finite_give_no_accuracy),
        cmocka_unit_test(a_fit_leaves_no_trace_in_the_next_and_allocates_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_destroy(&fixture);
    return failed + (memory_count().blocks != 0);
}
