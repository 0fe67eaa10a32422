/* Softmax regression on panels against plain sums and central differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "palimpsest/base.h"
#include "palimpsest/kernels_regression.h"

enum { CHANNELS = 5, CLASSES = 3, ITEMS = 50 }; /* the last 14 columns of the panel have no item */

struct bench {
    double panel[CHANNELS * PANEL], weight[CLASSES * CHANNELS];
    int label[ITEMS];
};

static struct bench bench_of(void)
{
    struct bench bench;
    test_normals("panel", bench.panel, CHANNELS * PANEL, 1);
    test_normals("weight", bench.weight, CLASSES * CHANNELS, 1);
    for (int c = 0; c < CHANNELS; c++)
        for (int i = ITEMS; i < PANEL; i++) bench.panel[c * PANEL + i] = 0;
    for (int i = 0; i < ITEMS; i++) bench.label[i] = i * i % CLASSES;
    return bench;
}

/* In the C library's arithmetic, item by item. */
static double plain_loss(const double *weight, void *context)
{
    const struct bench *bench = context;
    double loss = 0;
    for (int i = 0; i < ITEMS; i++) {
        double logit[CLASSES] = {0}, sum = 0;
        for (int k = 0; k < CLASSES; k++)
            for (int c = 0; c < CHANNELS; c++) logit[k] += weight[k * CHANNELS + c] * bench->panel[c * PANEL + i];
        for (int k = 0; k < CLASSES; k++) sum += exp(logit[k]);
        loss += log(sum) - logit[bench->label[i]];
    }
    return loss;
}

static double loss_of(const struct bench *bench, double *gradient)
{
    double logit[CLASSES * PANEL], sum[CLASSES * CHANNELS * REAL_LANES] = {0};
    panel_logits(logit, bench->panel, bench->weight, CHANNELS, CLASSES);
    double loss = panel_softmax(logit, bench->label, ITEMS, CLASSES);
    panel_gradient(sum, logit, bench->panel, CHANNELS, CLASSES);
    lanes_fold(gradient, sum, CLASSES * CHANNELS);
    return loss;
}

static void the_loss_is_the_plain_sum_of_cross_entropies(void **unused)
{
    (void)unused;
    struct bench bench = bench_of();
    double gradient[CLASSES * CHANNELS];
    assert_true(fabs(loss_of(&bench, gradient) - plain_loss(bench.weight, &bench)) < 1e-12 * ITEMS);
}

static void the_gradient_is_that_of_central_differences(void **unused)
{
    (void)unused;
    struct bench bench = bench_of();
    double gradient[CLASSES * CHANNELS], differences[CLASSES * CHANNELS];
    loss_of(&bench, gradient);
    gradcheck_differences(plain_loss, &bench, bench.weight, CLASSES * CHANNELS, differences);
    for (int i = 0; i < CLASSES * CHANNELS; i++) assert_true(fabs(gradient[i] - differences[i]) < 1e-7);
}

static void columns_without_an_item_count_nowhere(void **unused)
{
    (void)unused;
    struct bench bench = bench_of();
    double before[CLASSES * CHANNELS], after[CLASSES * CHANNELS], loss = loss_of(&bench, before);
    for (int c = 0; c < CHANNELS; c++)
        for (int i = ITEMS; i < PANEL; i++) bench.panel[c * PANEL + i] = 1e3;
    assert_true(loss_of(&bench, after) == loss);
    assert_memory_equal(before, after, sizeof before);
}

static void residuals_are_probabilities_less_one_at_the_label(void **unused)
{
    (void)unused;
    struct bench bench = bench_of();
    double residual[CLASSES * PANEL];
    panel_logits(residual, bench.panel, bench.weight, CHANNELS, CLASSES);
    panel_softmax(residual, bench.label, ITEMS, CLASSES);
    for (int i = 0; i < PANEL; i++) {
        double sum = 0;
        for (int k = 0; k < CLASSES; k++) {
            double value = residual[k * PANEL + i];
            sum += value;
            if (i < ITEMS) assert_true(k == bench.label[i] ? value < 0 && value > -1 : value > 0 && value < 1);
        }
        assert_true(fabs(sum) < 1e-15);
    }
}

static void logits_far_apart_neither_overflow_nor_vanish(void **unused)
{
    (void)unused;
    double logit[2 * PANEL];
    int label[PANEL];
    for (int i = 0; i < PANEL; i++) {
        logit[i] = 1e4;
        logit[PANEL + i] = -1e4;
        label[i] = i % 2;
    }
    double loss = panel_softmax(logit, label, PANEL, 2);
    assert_true(fabs(loss - 2e4 * PANEL / 2) < 1e-6);
    assert_true(logit[0] == 0 && logit[1] == 1 && logit[PANEL + 1] == -1);
}

static void a_logit_that_is_not_a_number_shows_in_the_loss(void **unused)
{
    (void)unused;
    double logit[2 * PANEL] = {0};
    int label[PANEL] = {0};
    logit[PANEL + 9] = NAN;
    assert_true(isnan(panel_softmax(logit, label, PANEL, 2)));
}

static void inner_products_are_plain_sums_whatever_the_length(void **unused)
{
    (void)unused;
    enum { ROWS = 7, STRIDE = 21 };
    double a[STRIDE], b[ROWS * STRIDE];
    test_normals("inner a", a, STRIDE, 1);
    test_normals("inner b", b, ROWS * STRIDE, 1);
    for (int inner = 0; inner <= STRIDE; inner++)
        for (int rows = 0; rows <= ROWS; rows++) {
            double out[ROWS + 1] = {0};
            for (int r = 0; r <= ROWS; r++) out[r] = 100;
            inner_products(out, a, b, rows, STRIDE, inner);
            for (int r = 0; r < rows; r++) {
                double sum = 100;
                for (int i = 0; i < inner; i++) sum += a[i] * b[r * STRIDE + i];
                assert_true(fabs(out[r] - sum) < 1e-12);
                assert_true(fabs(100 + inner_product(a, b + r * STRIDE, inner) - sum) < 1e-12);
            }
            for (int r = rows; r <= ROWS; r++) assert_true(out[r] == 100);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_the_plain_sum_of_cross_entropies),
        cmocka_unit_test(the_gradient_is_that_of_central_differences),
        cmocka_unit_test(columns_without_an_item_count_nowhere),
        cmocka_unit_test(residuals_are_probabilities_less_one_at_the_label),
        cmocka_unit_test(logits_far_apart_neither_overflow_nor_vanish),
        cmocka_unit_test(a_logit_that_is_not_a_number_shows_in_the_loss),
        cmocka_unit_test(inner_products_are_plain_sums_whatever_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
