#include "gradcheck.h"

#include <math.h>

#include "palimpsest/base.h"

void gradcheck_differences(scalar_f *f, void *context, double *x, size_t count, double *out)
{
    const double step = 1e-5;
    for (size_t i = 0; i < count; i++) {
        double middle = x[i];
        x[i] = middle + step;
        double above = f(x, context);
        x[i] = middle - step;
        double below = f(x, context);
        x[i] = middle;
        out[i] = (above - below) / (2 * step);
    }
}

double gradcheck_worst(const float *gradient, const double *differences, size_t count, double floor)
{
    double largest = floor, worst = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(differences[i]));
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)gradient[i] - differences[i]);
        if (isnan(difference)) return difference;
        if (difference > worst) worst = difference;
    }
    return worst / largest;
}

void test_normals(const char *name, double *values, size_t count, double deviation)
{
    struct random_cursor cursor = random_at(random_stream("test", 1, name), 0);
    for (size_t i = 0; i < count; i++) values[i] = deviation * random_normal(&cursor);
}

void test_floats(const char *name, float *values, size_t count, double deviation)
{
    struct random_cursor cursor = random_at(random_stream("test", 1, name), 0);
    for (size_t i = 0; i < count; i++) values[i] = (float)(deviation * random_normal(&cursor));
}

double *test_doubles(const float *values, size_t count)
{
    double *copy = memory_array(count, sizeof *copy);
    for (size_t i = 0; i < count; i++) copy[i] = (double)values[i];
    return copy;
}
