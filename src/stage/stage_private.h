/* Shared between the sources of stage only. */
#ifndef PALIMPSEST_STAGE_PRIVATE_H
#define PALIMPSEST_STAGE_PRIVATE_H

#include "palimpsest/stage.h"

struct workshop {
    const struct sweep *sweep;
    const struct world *world;
    const struct world_facts *facts;
    struct numerics numerics;
    struct model_shape shape; /* of the buffers below; they are made anew when a stage has another one */
    struct trainer *trainer;
    int most_tokens, most_sequences;
    struct meter *meter;
};

struct job { /* one stage while it is carried out */
    struct workshop *workshop;
    const struct assignment *assignment;
    struct cell cell;
    struct path path;
    const struct milestone *milestone;
    const struct state *parent,
        *pretrained; /* pretrained: what displacement is measured from, NULL before fine-tuning */
    struct reading reading;
    struct state *begun; /* by an earlier attempt; its own from here on */
    struct state *state; /* being made */
    double data_seconds; /* spent making batches */
};

struct trainer *workshop_trainer(struct workshop *workshop, const struct cell *cell);
struct meter *workshop_meter(struct workshop *workshop, const struct model_shape *shape);
struct reading reading_of(const struct workshop *workshop, const struct cell *cell);
struct readout readout_of(const struct job *job, int place, uint16_t *label_token);

/* Measures job->state, notes in its history what later stages need, and fills record. */
void job_measure(struct job *job, double *record);

#endif
