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
        *pretrained; /* pretrained: what displacement is measured from; NULL before fine-tuning and on branches */
    const struct state *const *needs; /* of a branch: see branches_table */
    struct reading reading;
    struct state *begun; /* by an earlier attempt; its own from here on */
    struct state *state; /* being made */
    double data_seconds; /* spent making batches */
};

struct trainer *workshop_trainer(struct workshop *workshop, const struct cell *cell);
struct meter *workshop_meter(struct workshop *workshop, const struct model_shape *shape);
struct reading reading_of(const struct workshop *workshop, const struct cell *cell);
/* How the task of a place is read out of job->state. */
struct readout readout_of(const struct job *job, int place, uint16_t *label_token);

/* ---- stage.c ---- */

struct learning { /* from the parent's weights */
    int at;       /* of the cell's sequence: the task */
    int place;    /* whose orders of items and whose new head: the same task at two places is not read alike */
    struct finetune_recipe recipe;
};
/* Makes job->state, with a head for the task where it needs one. */
int job_learn(struct job *job, const struct learning *learning, train_pause_f *pause, void *context, struct error *err);

/* ---- branch_stage.c ---- */

int job_make_branch(struct job *job, train_pause_f *pause, void *context, struct error *err);
void job_measure_branch(struct job *job, double *record);

/* ---- ablation.c, mediators.c: instruments; each fills its fields where they are asked for ---- */

void job_measure_prompts(struct job *job, double *record);
void job_measure_ablation(struct job *job, double *record);
void job_measure_mediators(struct job *job, double *record);
void job_measure_items(struct job *job, double *record);

/* ---- finish.c ---- */

/* Where a field's values go, or NULL when it is not asked for. */
double *job_field(const struct job *job, double *record, enum field_id id);
void job_put(const struct job *job, double *record, enum field_id id, double value);
/* Of job->state on the test items of the task of a place. */
struct score job_score(const struct job *job, int place);
/* Numbers of this model's layers (embedding, blocks, final norm) into the places of the sweep's largest. */
void job_put_layers(const struct job *job, const double *own, double *field);
/* Measures job->state, notes in its history what later stages need, and fills record. */
void job_measure(struct job *job, double *record);

#endif
