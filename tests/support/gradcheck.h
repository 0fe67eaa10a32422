/* Gradients against central differences. */
#ifndef TESTS_SUPPORT_GRADCHECK_H
#define TESTS_SUPPORT_GRADCHECK_H

#include <stddef.h>

/* A scalar function of x[count] that reads whatever else it needs from context. */
typedef double scalar_f(const double *x, void *context);

/* out[count]: central differences of f at x; x is changed and put back. */
void gradcheck_differences(scalar_f *f, void *context, double *x, size_t count, double *out);
/* The largest |gradient - differences| as a fraction of the largest |differences|, or of `floor` when that is larger.
 */
double gradcheck_worst(const float *gradient, const double *differences, size_t count, double floor);

/* Deterministic test numbers: normal with that deviation, by name. */
void test_normals(const char *name, double *values, size_t count, double deviation);
void test_floats(const char *name, float *values, size_t count, double deviation);
double *test_doubles(const float *values, size_t count); /* a copy; memory_free */

#endif
