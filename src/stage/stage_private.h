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
    struct prober *prober; /* NULL unless the sweep asks for probes; comparer: for similarity */
    struct comparer *comparer;
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
    struct state *begun;                  /* by an earlier attempt; its own from here on */
    struct state *state;                  /* being made */
    double data_seconds, looking_seconds; /* of the training: spent making batches, and with looks on its way */
};

struct trainer *workshop_trainer(struct workshop *workshop, const struct cell *cell);
struct meter *workshop_meter(struct workshop *workshop, const struct model_shape *shape);
/* For all tasks of the sweep, by the cell's settings. */
struct prober *workshop_prober(struct workshop *workshop, const struct cell *cell);
struct comparer *workshop_comparer(struct workshop *workshop, const struct cell *cell);
struct reading reading_of(const struct workshop *workshop, const struct cell *cell);
/* How the task of a place is read out of job->state: by the head of that name, or where `head` is NULL by that of the
 * task. */
struct readout readout_by(const struct job *job, int place, const char *head, uint16_t *label_token);
struct readout readout_of(const struct job *job, int place, uint16_t *label_token);

/* ---- stage.c ---- */

struct learning { /* from the parent's weights */
    int at;       /* of the cell's sequence: the task */
    int place;    /* whose orders of items and whose new head: the same task at two places is not read alike */
    struct finetune_recipe recipe;
    const char *head; /* with a head per task: the name of the one that it learns with; NULL: the task's */
    enum split split;
    enum label_kind labels;
    struct chapter chapter;
};
/* job->state as the training of learning[parts] together begins, or as an earlier attempt at it left it: the parent's
 * weights, with a head for each part that needs a new one. */
void job_begin(struct job *job, const struct learning *learning, int parts);
/* Trains job->state until the recipe of learning[0], or its chapter, ends. */
int job_train(struct job *job, const struct learning *learning, int parts, train_pause_f *pause, void *context,
              struct error *err);
/* Both, for one part. */
int job_learn(struct job *job, const struct learning *learning, train_pause_f *pause, void *context, struct error *err);
/* Pretrains job->state from `start` (not the job's: a copy) up to the milestone's last step. */
int job_pretrain(struct job *job, const struct state *start, const struct pretraining *pretraining,
                 train_pause_f *pause, void *context, struct error *err);
/* The stream and recipe of the cell's own pretraining. */
struct pretraining job_pretraining(const struct job *job);

/* ---- control_stage.c, joint_stage.c, codelength_stage.c ---- */

int make_control(struct job *job, train_pause_f *pause, void *context, struct error *err);
void measure_control(struct job *job, double *record);
int make_joint(struct job *job, train_pause_f *pause, void *context, struct error *err);
void measure_joint(struct job *job, double *record);
int make_prequential(struct job *job, train_pause_f *pause, void *context, struct error *err);
void measure_prequential(struct job *job, double *record);

/* ---- looks.c ---- */

struct looking { /* a pause function, and looks where they are due */
    struct job *job;
    train_pause_f *pause; /* may be NULL */
    void *context;
};
train_pause_f looks_or_pauses; /* context: struct looking */
/* After the training.  Steps of all looks, steps[looks + 1]; and what they saw: seen[] on the way, `last` at the end.
 * The number of values. */
int job_look_steps(const struct job *job, double *steps);
int job_curve(const struct job *job, const double *seen, double last, double *curve);

/* ---- frontier.c, recovery.c: after the scores ---- */

void put_frontier(struct job *job, double *record);
void put_first_learning(struct job *job, double *record);
int job_recover(struct job *job, train_pause_f *pause, void *context, struct error *err);
void job_measure_recovery(struct job *job, double *record);

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
/* Where a layer of this model (0 embedding, blocks, last the final norm) stands along the layers of the sweep's
 * largest. */
int job_layer(const struct job *job, int layer);
/* Of job->state on the test items of the task of a place. */
struct score job_score(const struct job *job, int place);
/* Numbers of this model's layers (embedding, blocks, final norm) into the places of the sweep's largest. */
void job_put_layers(const struct job *job, const double *own, double *field);
/* Mean language-modelling loss of job->state over the reference domains; each domain's in loss[], unless NULL. */
double job_language(const struct job *job, double *loss);
/* Measures job->state, notes in its history what later stages need, and fills record. */
void job_measure(struct job *job, double *record);

/* ---- layers.c ---- */

void job_measure_layers(struct job *job, double *record);

#endif
