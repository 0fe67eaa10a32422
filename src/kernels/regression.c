/* Softmax regression on panels of items, in double precision. */
#include "palimpsest/kernels_regression.h"
#include "palimpsest/base.h"

#include "vector_private.h"

typedef double reals __attribute__((vector_size(64)));
typedef int64_t real_bits __attribute__((vector_size(64)));

INLINED reals reals_all(double value) { return (reals){value, value, value, value, value, value, value, value}; }

INLINED reals reals_read(const double *from)
{
    reals values;
    memcpy(&values, from, sizeof values);
    return values;
}

INLINED void reals_write(double *to, reals values) { memcpy(to, &values, sizeof values); }

INLINED reals reals_choose(real_bits mask, reals yes, reals no)
{
    return (reals)(((real_bits)yes & mask) | ((real_bits)no & ~mask));
}

/* Fixed tree: 8 to 4 to 2 to 1. */
INLINED double reals_sum(reals lane)
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

INLINED double reals_product(reals lane)
{
    return ((lane[0] * lane[4]) * (lane[2] * lane[6])) * ((lane[1] * lane[5]) * (lane[3] * lane[7]));
}

/* exp(x) for x <= 0 as in vector_private.h, with a Taylor polynomial of degree 13, whose rest is below 1e-17; what is
 * below exp(-700) becomes that.  NaN stays NaN. */
INLINED reals real_exponential(reals x)
{
    const double rounder = 0x1.8p52, per_ln2 = 0x1.71547652b82fep+0;
    const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
    x = reals_choose(x < -700.0, reals_all(-700.0), x);
    reals rounded = x * per_ln2 + rounder, n = rounded - rounder;
    reals r = x - n * ln2_high - n * ln2_low;
    reals p = r * (1.0 / 6227020800) + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * (r * r) + r;
    reals power = (reals)(((real_bits)rounded << 52) + ((int64_t)1023 << 52));
    return p * power + power;
}

CLONED void panel_logits(double *logit, const double *panel, const double *weight, int channels, int classes)
{
    for (int k = 0; k < classes; k++, logit += PANEL, weight += channels) {
        for (int half = 0; half < PANEL; half += 4 * REAL_LANES) { /* as many sums as there are registers for */
            reals a = {0}, b = a, c = a, d = a;
            for (int i = 0; i < channels; i++) {
                const double *item = panel + i * PANEL + half;
                const double w = weight[i];
                a += w * reals_read(item);
                b += w * reals_read(item + REAL_LANES);
                c += w * reals_read(item + 2 * REAL_LANES);
                d += w * reals_read(item + 3 * REAL_LANES);
            }
            reals_write(logit + half, a);
            reals_write(logit + half + REAL_LANES, b);
            reals_write(logit + half + 2 * REAL_LANES, c);
            reals_write(logit + half + 3 * REAL_LANES, d);
        }
    }
}

/* The softmax of eight columns, in place; *top the largest logit of each, the result the sum of exp(logit - top). */
INLINED reals softmax_columns(double *logit, int classes, reals *top)
{
    reals most = reals_read(logit), sum = {0};
    for (int k = 1; k < classes; k++) {
        reals other = reals_read(logit + k * PANEL);
        most = reals_choose(other > most, other, most);
    }
    for (int k = 0; k < classes; k++) {
        reals power = real_exponential(reals_read(logit + k * PANEL) - most);
        reals_write(logit + k * PANEL, power);
        sum += power;
    }
    reals scale = 1 / sum;
    for (int k = 0; k < classes; k++) reals_write(logit + k * PANEL, reals_read(logit + k * PANEL) * scale);
    *top = most;
    return sum;
}

/* The 64 sums of exponentials lie between 1 and the number of classes, so their product is far from the largest double
 * and one logarithm does for all. */
CLONED double panel_softmax(double *logit, const int *label, int items, int classes)
{
    const real_bits number = {0, 1, 2, 3, 4, 5, 6, 7};
    double chosen = 0;
    reals product = reals_all(1), tops = {0};
    for (int i = 0; i < items; i++) chosen += logit[label[i] * PANEL + i];
    for (int at = 0; at < items; at += REAL_LANES) {
        const real_bits there = number < (int64_t)(items - at);
        reals top, sum = softmax_columns(logit + at, classes, &top);
        product *= reals_choose(there, sum, reals_all(1));
        tops += reals_choose(there, top, reals_all(0));
    }
    for (int i = 0; i < items; i++) logit[label[i] * PANEL + i] -= 1;
    for (int k = 0; k < classes; k++)
        for (int i = items; i < PANEL; i++) logit[k * PANEL + i] = 0;
    return real_log(reals_product(product)) + reals_sum(tops) - chosen;
}

CLONED void panel_gradient(double *sum, const double *residual, const double *panel, int channels, int classes)
{
    for (int k = 0; k < classes; k++, residual += PANEL) {
        for (int i = 0; i < channels; i++, sum += REAL_LANES) {
            reals lane = reals_read(sum);
            for (int at = 0; at < PANEL; at += REAL_LANES)
                lane += reals_read(residual + at) * reals_read(panel + i * PANEL + at);
            reals_write(sum, lane);
        }
    }
}

CLONED void lanes_fold(double *out, const double *sum, int count)
{
    for (int i = 0; i < count; i++) out[i] = reals_sum(reals_read(sum + (size_t)i * REAL_LANES));
}

INLINED double inner_one(const double *a, const double *b, int inner)
{
    reals lane = {0};
    int i = 0;
    for (; i + REAL_LANES <= inner; i += REAL_LANES) lane += reals_read(a + i) * reals_read(b + i);
    double rest = 0;
    for (; i < inner; i++) rest += a[i] * b[i];
    return reals_sum(lane) + rest;
}

/* Four rows at a time, so that what is read of a serves them all. */
INLINED void inner_four(double *out, const double *a, const double *b, int stride, int inner)
{
    const double *c = b + stride, *d = c + stride, *e = d + stride;
    reals sum[4] = {{0}};
    double rest[4] = {0};
    int i = 0;
    for (; i + REAL_LANES <= inner; i += REAL_LANES) {
        const reals x = reals_read(a + i);
        sum[0] += x * reals_read(b + i);
        sum[1] += x * reals_read(c + i);
        sum[2] += x * reals_read(d + i);
        sum[3] += x * reals_read(e + i);
    }
    for (; i < inner; i++) {
        rest[0] += a[i] * b[i];
        rest[1] += a[i] * c[i];
        rest[2] += a[i] * d[i];
        rest[3] += a[i] * e[i];
    }
    for (int j = 0; j < 4; j++) out[j] += reals_sum(sum[j]) + rest[j];
}

CLONED void inner_products(double *out, const double *a, const double *b, int rows, int stride, int inner)
{
    int row = 0;
    for (; row + 4 <= rows; row += 4) inner_four(out + row, a, b + (size_t)row * (size_t)stride, stride, inner);
    for (; row < rows; row++) out[row] += inner_one(a, b + (size_t)row * (size_t)stride, inner);
}

CLONED double inner_product(const double *a, const double *b, int inner) { return inner_one(a, b, inner); }
