/* Limited-memory BFGS (Nocedal 1980) in double precision, for convex functions that a fixed matrix resembles. */
#include <math.h>
#include <string.h>

#include "measure_private.h"
#include "palimpsest/kernels_regression.h"

enum { EVALUATIONS_MAX = 5000, SEARCH_MAX = 50 };

struct search {
    const struct convex *convex;
    int variables, pairs, newest; /* pairs kept, the newest's place */
    double *x;
    double *before, *gradient, *gradient_before, *direction, *scratch; /* views of the caller's work */
    double *step, *change;                                             /* [PROBE_MEMORY][variables] */
    double curvature[PROBE_MEMORY];                                    /* 1 / (step . change) */
    double scale;                                                      /* of the preconditioner, from the newest pair */
    double value;
    int evaluations;
};

static double dot(const struct search *search, const double *a, const double *b)
{
    return inner_product(a, b, search->variables);
}

static void add(double *to, double times, const double *from, int variables)
{
    for (int i = 0; i < variables; i++) to[i] += times * from[i];
}

/* The largest absolute value; NaN when there is one. */
static double largest(const double *values, int count)
{
    double most = 0;
    for (int i = 0; i < count && !isnan(most); i++)
        if (!(fabs(values[i]) <= most)) most = fabs(values[i]);
    return most;
}

static double *row_of(const struct search *search, double *rows, int pair)
{
    return rows + (size_t)pair * (size_t)search->variables;
}

static void evaluate(struct search *search)
{
    search->value = search->convex->value(search->convex->context, search->x, search->gradient);
    search->evaluations++;
}

/* direction = -H gradient: the two-loop recursion over the remembered pairs, newest first and back. */
static void aim(struct search *search)
{
    double share[PROBE_MEMORY], *direction = search->direction;
    for (int i = 0; i < search->variables; i++) direction[i] = -search->gradient[i];
    for (int n = 0; n < search->pairs; n++) {
        int pair = (search->newest - n + PROBE_MEMORY) % PROBE_MEMORY;
        share[pair] = search->curvature[pair] * dot(search, row_of(search, search->step, pair), direction);
        add(direction, -share[pair], row_of(search, search->change, pair), search->variables);
    }
    search->convex->precondition(search->convex->context, direction);
    for (int i = 0; i < search->variables; i++) direction[i] *= search->scale;
    for (int n = search->pairs - 1; n >= 0; n--) {
        int pair = (search->newest - n + PROBE_MEMORY) % PROBE_MEMORY;
        double back = search->curvature[pair] * dot(search, row_of(search, search->change, pair), direction);
        add(direction, share[pair] - back, row_of(search, search->step, pair), search->variables);
    }
}

/* Wolfe's conditions; where the values are too close together to be compared, those of Hager and Zhang 2005 (equation
 * 23) take the place of the first, which look at slopes only. */
enum { FAR_ENOUGH, TOO_SHORT, TOO_FAR };
static int judge(double from, double slope, double length, double value, double end_slope)
{
    const double decrease = 1e-4, curvature = 0.9, rounding = 1e-13;
    bool lower = value <= from + decrease * length * slope;
    bool level = value <= from + rounding * (1 + fabs(from)) && end_slope <= (2 * decrease - 1) * slope;
    if (!lower && !level) return TOO_FAR;
    return end_slope < curvature * slope ? TOO_SHORT : FAR_ENOUGH;
}

/* Moves x along the direction; false when no acceptable point is found. */
static bool walk(struct search *search)
{
    const int variables = search->variables;
    const double from = search->value, slope = dot(search, search->direction, search->gradient);
    double low = 0, high = INFINITY, length = 1;
    if (!(slope < 0)) return false;
    memcpy(search->before, search->x, (size_t)variables * sizeof *search->x);
    memcpy(search->gradient_before, search->gradient, (size_t)variables * sizeof *search->x);
    for (int i = 0; i < SEARCH_MAX; i++) {
        memcpy(search->x, search->before, (size_t)variables * sizeof *search->x);
        add(search->x, length, search->direction, variables);
        evaluate(search);
        int verdict = judge(from, slope, length, search->value, dot(search, search->direction, search->gradient));
        if (verdict == FAR_ENOUGH) return true;
        if (verdict == TOO_FAR)
            high = length;
        else
            low = length;
        length = isinf(high) ? 2 * length : (low + high) / 2;
    }
    return false;
}

/* The step just made joins the memory, in the place of the oldest when it is full. */
static void remember(struct search *search)
{
    const int variables = search->variables;
    search->newest = (search->newest + 1) % PROBE_MEMORY;
    if (search->pairs < PROBE_MEMORY) search->pairs++;
    double *step = row_of(search, search->step, search->newest),
           *change = row_of(search, search->change, search->newest);
    for (int i = 0; i < variables; i++) {
        step[i] = search->x[i] - search->before[i];
        change[i] = search->gradient[i] - search->gradient_before[i];
        search->scratch[i] = change[i];
    }
    search->convex->precondition(search->convex->context, search->scratch);
    double along = dot(search, step, change);
    search->curvature[search->newest] = 1 / along;
    search->scale = along / dot(search, change, search->scratch);
}

struct minimum minimise(const struct convex *convex, double tolerance, double *x, double *work)
{
    const size_t variables = (size_t)convex->variables;
    struct search search = {.convex = convex, .variables = convex->variables, .newest = -1, .x = x, .scale = 1};
    double **view[] = {&search.before, &search.gradient, &search.gradient_before, &search.direction, &search.scratch};
    for (size_t i = 0; i < sizeof view / sizeof *view; i++, work += variables) *view[i] = work;
    search.step = work;
    search.change = work + PROBE_MEMORY * variables;
    evaluate(&search);
    bool moves = isfinite(search.value);
    while (moves && largest(search.gradient, search.variables) > tolerance && search.evaluations < EVALUATIONS_MAX) {
        aim(&search);
        moves = walk(&search);
        if (moves) remember(&search);
    }
    double end = largest(search.gradient, search.variables);
    return (struct minimum){.converged = isfinite(search.value) && end <= tolerance,
                            .evaluations = search.evaluations,
                            .value = search.value,
                            .gradient = end};
}
