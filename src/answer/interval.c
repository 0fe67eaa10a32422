/* Intervals over seeds.  Student's t from the regularised incomplete beta function, by its continued fraction. */
#include <math.h>

#include "palimpsest/answer.h"

/* Lentz's method for the continued fraction of Abramowitz and Stegun 26.5.8; converges fast for x < (a + 1) / (a + b +
 * 2). */
static double beta_fraction(double a, double b, double x)
{
    enum { MOST = 500 };
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double fraction = d;
    for (int m = 1; m <= MOST; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double step = 1;
        for (int half = 0; half < 2; half++) {
            double term = half == 0 ? even : odd;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            if (fabs(c) < tiny) c = tiny;
            step = c * d;
            fraction *= step;
        }
        if (fabs(step - 1) < 1e-15) break;
    }
    return fraction;
}

static double beta_regularised(double a, double b, double x)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

static double student_above(double t, double degrees) /* P(T > t), t >= 0 */
{
    return 0.5 * beta_regularised(degrees / 2, 0.5, degrees / (degrees + t * t));
}

double student_quantile(double probability, double degrees)
{
    if (probability < 0.5) return -student_quantile(1 - probability, degrees);
    double low = 0, high = 1;
    while (student_above(high, degrees) > 1 - probability && high < 1e15) high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double middle = 0.5 * (low + high);
        if (student_above(middle, degrees) > 1 - probability)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

struct interval interval_of(const double *values, int count, double level)
{
    struct interval interval = {.mean = NAN, .low = NAN, .high = NAN, .deviation = NAN};
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        if (isnan(values[i])) continue;
        sum += values[i];
        interval.count++;
    }
    if (interval.count == 0) return interval;
    interval.mean = sum / interval.count;
    if (interval.count < 2) return interval;
    for (int i = 0; i < count; i++)
        if (!isnan(values[i])) squares += (values[i] - interval.mean) * (values[i] - interval.mean);
    interval.deviation = sqrt(squares / (interval.count - 1));
    double half = student_quantile(0.5 + level / 2, interval.count - 1) * interval.deviation / sqrt(interval.count);
    interval.low = interval.mean - half;
    interval.high = interval.mean + half;
    return interval;
}
