/* bench: what the machine can do, measured by the program's own code on work of a known size. */
#ifndef PALIMPSEST_BENCH_H
#define PALIMPSEST_BENCH_H

#include "palimpsest/spec.h"

/* ---- the limit of a core ---- */

/* FLOP/s that fused multiply-adds reach which touch nothing but registers, in single precision, on the core that calls:
 * the best of rounds that take about `seconds` together.  The widest vectors that the processor has are used; where it
 * has no fused ones, a multiplication and an addition count. */
double bench_core_limit(double seconds);
const char *bench_core_vectors(void); /* which those are: "AVX-512", "AVX2", "SSE2", "NEON", "plain" */

/* ---- training ---- */

struct bench_shape {
    struct model_shape shape;
    int batch; /* sequences of shape.context tokens in one step */
};
enum { BENCH_SHAPES = 6 };
extern const struct bench_shape bench_shapes[BENCH_SHAPES]; /* from 32 to 512 channels: what is measured by default */

struct training_speed {
    int steps;            /* measured */
    double tokens, flops; /* of one step; as shape_training_flops counts */
    double seconds;       /* of one step, median */
    double limit;         /* bench_core_limit between the steps, the best; FLOP/s */
    double least, most;   /* seconds of the fastest and of the slowest step */
};
/* Measures whole steps of train_pretrain (forward, backward, clip, AdamW) on random tokens for about `seconds`, at
 * least three of them, on the core that calls.  Kernels are those that were started.  ERROR_INPUT: heads that do not
 * divide the width, more memory than the machine has; ERROR_STAGE: training failed. */
int bench_train(const struct bench_shape *shape, double seconds, struct training_speed *speed, struct error *err);

#endif
