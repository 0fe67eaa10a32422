/* Logarithm, exponential and whole powers from additions, multiplications and divisions alone.  The C library's differ
 * between versions and between processors with and without fused multiplication; what these give never does. */
#include <math.h>

#include "palimpsest/base.h"

static const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33; /* high: 20 zero bits behind */

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m by atanh's series 2 (s + s^3/3 + ...), s = (m - 1) / (m + 1), |s| <
 * 0.1716, whose last term here is below 1e-17. */
double real_log(double x)
{
    if (!(x > 0) || isinf(x)) return x == 0 ? -INFINITY : x > 0 ? x : NAN;
    int exponent;
    double mantissa = frexp(x, &exponent);
    if (mantissa < 0.70710678118654752) {
        mantissa *= 2;
        exponent--;
    }
    double s = (mantissa - 1) / (mantissa + 1), square = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return exponent * ln2_high + (exponent * ln2_low + 2 * s * sum);
}

/* x = k ln 2 + r with |r| <= ln 2 / 2; exp r by its series to the 14th power, below 1e-17. */
double real_exp(double x)
{
    if (isnan(x)) return x;
    if (x > 709.8) return INFINITY;
    if (x < -745.2) return 0;
    double whole = floor(x * 1.4426950408889634 + 0.5);
    double rest = (x - whole * ln2_high) - whole * ln2_low, sum = 1;
    for (int k = 14; k >= 1; k--) sum = 1 + sum * rest / k;
    return ldexp(sum, (int)whole);
}

double real_power(double base, uint64_t exponent)
{
    double power = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1) power *= base;
    return power;
}
