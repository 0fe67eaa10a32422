/* Shared between the sources of plan only. */
#ifndef PALIMPSEST_PLAN_PRIVATE_H
#define PALIMPSEST_PLAN_PRIVATE_H

#include "palimpsest/plan.h"

/* ---- table.c: state ids to numbers; open addressing, grows by doubling ---- */

struct id_table {
    struct hash128 *id;
    int *number; /* -1: free */
    size_t capacity, used;
};
void id_table_init(struct id_table *table);
void id_table_reset(struct id_table *table);
/* The number kept for id; when there is none yet, `fresh` is put in and given back. */
int id_table_put(struct id_table *table, struct hash128 id, int fresh);
int id_table_find(const struct id_table *table, struct hash128 id); /* or -1 */

/* ---- layout.c: which axes the variables of a group have ---- */

void layout_groups(struct plan *plan);   /* dimensions only */
void layout_allocate(struct plan *plan); /* and which stage fills each place: none yet */
/* Place of a cell in the variables of a group, row-major. */
int64_t layout_index(const struct plan *plan, const struct group_layout *layout, const int *cell_index,
                     const struct sequence *sequence);
/* Bit set of the groups that milestone m of a path fills. */
unsigned milestone_groups(const struct path *path, int m, const struct sequence *sequence);
/* The stages' lists of views, from the layouts (shared tree only). */
void layout_views(struct plan *plan);

/* ---- tree.c: cells merged; and, without sharing, every cell on its own ---- */

void tree_build(struct plan *plan);
void tree_unshare(struct plan *plan);

/* ---- work.c, constants.c, check.c ---- */

double training_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                      int64_t start_step);
double measuring_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                       unsigned groups);
int64_t stage_state_bytes(const struct plan *plan, const struct cell *cell, const struct milestone *milestone);
void cost_cell_alone(struct plan *plan, const struct cell *cell, const struct path *path);
void cost_totals(struct plan *plan); /* the rest */
void constants_fill(struct plan *plan);
struct hash128 plan_hash(const struct plan *plan);
int check_cells(const struct sweep *sweep, const struct world_facts *facts, struct error *err);

/* ---- branches.c: the stages that instruments add to a path ---- */

/* Whether a sweep has the branch at all: the instrument is on, and the world has what it trains on. */
bool branch_wanted(const struct sweep *sweep, enum branch branch);
/* Appends those that start from the pretrained state, or those that start from a place; ids and steps with them. */
void append_branches(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                     bool from_pretrained, struct path *path);
double branch_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone);
/* That all its training steps read. */
double branch_tokens(const struct plan *plan, const struct cell *cell, const struct milestone *milestone);
double branch_measuring_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone);

/* Labels of the heads that a branch's state has beside those of the state it starts from. */
int branch_classes(const struct plan *plan, const struct cell *cell, enum branch branch);

/* ---- controls.c: the branches of a task alone, of controls, of joint training and of codes; see there ---- */

int64_t control_steps(const struct cell *cell, const struct world_facts *facts, enum branch branch);
void control_add(struct hasher *hasher, const struct cell *cell, const struct sweep *sweep,
                 const struct world_facts *facts, enum branch branch);
double control_flops(const struct plan *plan, const struct cell *cell, enum branch branch);
double control_tokens(const struct plan *plan, const struct cell *cell, enum branch branch);
double control_measuring_flops(const struct plan *plan, const struct cell *cell, enum branch branch);
int control_classes(const struct plan *plan, const struct cell *cell, enum branch branch);
/* Tokens that more pretraining reads of the stream after those of the cell's own. */
uint64_t control_reads(const struct sweep *sweep, const struct cell *cell);
/* Blocks of a prequential code; 1 for a branch that has none. */
int branch_blocks(const struct cell *cell, const struct world_facts *facts, enum branch branch);

/* ---- recovery_plan.c, looks_plan.c: see there ---- */

int64_t recovery_steps(const struct cell *cell, enum branch branch);
void recovery_add(struct hasher *hasher, const struct cell *cell, const struct sweep *sweep,
                  const struct world_facts *facts, enum branch branch);
double recovery_flops(const struct plan *plan, const struct cell *cell, enum branch branch);
double recovery_tokens(const struct plan *plan, const struct cell *cell, enum branch branch);
double recovery_measuring_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone);
/* Tokens that continued pretraining reads of the stream after those of the cell's own pretraining. */
uint64_t recovery_reads(const struct sweep *sweep, const struct cell *cell);
/* What is looked at on the way of a stage's training, and what all looks but the last cost. */
struct looks_wanted looks_of(const struct plan *plan, const struct stage *stage);
double looks_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone);

/* work.c: what a readout of the cell passes through (finetune.layers); training on the task of a place by the recipe of
 * that place; scoring test items; the reference windows. */
struct model_shape shape_read(const struct cell *cell);
double finetune_flops(const struct plan *plan, const struct cell *cell, int place);
double scoring_flops(const struct plan *plan, const struct cell *cell, int place);
double task_flops(const struct cell *cell, const struct model_shape *shape, const struct task_facts *task);
double language_flops(const struct plan *plan, const struct cell *cell);

/* instrument_work.c: what optional instruments add to the measuring of a state on a cell's own path, and the most bytes
 * of states, gradients and outcomes that they hold meanwhile, beside what is there already. */
double instrument_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                        unsigned groups);
int64_t instrument_bytes(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                         unsigned groups);

/* path.c: what training on a task by the recipe and the streams of a place depends on, beside the state it starts from.
 */
void add_finetuning(struct hasher *hasher, const struct cell *cell, const struct task_facts *task, int place);
/* The same by another recipe. */
void add_learning(struct hasher *hasher, const struct cell *cell, const struct finetune_recipe *recipe,
                  const struct task_facts *task, int place);
/* path.c: parts of that, and the stream that pretraining reads; what the mean language-modelling loss is measured on. */
void add_optimizer(struct hasher *hasher, const struct optimizer_recipe *recipe);
void add_reading(struct hasher *hasher, const struct sweep *sweep, const struct world_facts *facts,
                 const struct cell *cell);
void add_references(struct hasher *hasher, const struct cell *cell, const struct world_facts *facts);
/* ---- layers_work.c: the instruments that read hidden rows: probes, similarity ---- */

double layers_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone, unsigned groups);
int64_t layers_bytes(const struct plan *plan, const struct cell *cell); /* of the buffers that a worker keeps */
void add_layers(struct hasher *hasher, const struct plan *plan, const struct cell *cell); /* to a record's id */

/* path.c: what a stage is as a milestone of its cell's path, without hashing that path again; no lineage. */
struct milestone stage_milestone(const struct stage *stage);
/* The id of what a stage measures. */
struct hash128 record_id(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                         unsigned groups);
/* The stream that a cell's pretraining reads: domain[variety]. */
int cell_reading(const struct sweep *sweep, const struct world_facts *facts, const struct cell *cell, int *domain);

#endif
