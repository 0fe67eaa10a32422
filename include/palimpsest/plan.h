/* plan: the grid expanded and merged into a tree of stages, with ids, costs and views.  No I/O.
 *
 * A cell is one index per axis.  Its path is: initial state, trunk up to the start of its cooldown, cooldown, one
 * fine-tuning stage per place of its sequence.  Stages with one state id are one stage.  Trunk states are (lineage,
 * absolute step): after all cells are known, the states of one lineage are strung into a chain of segments. */
#ifndef PALIMPSEST_PLAN_H
#define PALIMPSEST_PLAN_H

#include "palimpsest/config.h"
#include "palimpsest/plan_certificate.h"
#include "palimpsest/spec.h"

struct cell { /* one grid point, resolved */
    int64_t index; /* row-major over the axes of the sweep */
    struct settings settings;
    int size, variety;
    uint64_t seed;
    struct amount amount;
    const struct sequence *sequence;
    struct model_shape shape;
    struct schedule_steps steps;
};
/* Index of each axis for a cell, row-major; index[axis_count]. */
void cell_indices(const struct sweep *sweep, int64_t cell, int *index);
int64_t sweep_cells(const struct sweep *sweep);
bool cell_excluded(const struct sweep *sweep, const int *index);
void cell_resolve(const struct sweep *sweep, const struct world_facts *facts, int64_t index, struct cell *cell);

/* One stage on a cell's path, as the cell alone determines it. */
struct milestone {
    enum stage_kind kind;
    int place;                  /* last one that its state has been through; -1 before fine-tuning */
    int branch;                 /* of STAGE_BRANCH: enum branch, else -1 */
    int parent;                 /* on the path; -1: none */
    int needs, need[2];         /* others on the path whose states it reads */
    int64_t stop_step;          /* trunk and cooldown: absolute pretraining step at the end; fine-tuning: its steps */
    struct hash128 state, lineage; /* lineage: of the trunk it belongs to (trunk and cooldown) */
};
enum { PATH_MAX_STAGES = 3 + PLACES_MAX + BRANCHES };
struct path { /* parents and needs stand before what reads them */
    int length;                /* milestone[0] is the initial state */
    int pretrained;            /* which milestone the fine-tuning starts from: 0 at amount 0 */
    int first, before_last, last; /* fine-tuning: of these places */
    struct milestone stage[PATH_MAX_STAGES];
};
struct numerics { /* what the bits of a state depend on beside its recipe */
    char class_name[128]; /* instruction set, BLAS kernel, GEMM way, threads, shards: "avx512/openblas-SkylakeX/..." */
    int version;          /* raised when a change of the program changes bits */
};
void path_resolve(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                  const struct numerics *numerics, struct path *path);

struct view { /* a place in the results file that a stage fills */
    int group;     /* enum group */
    int64_t index; /* row-major over the dimensions of the group */
};
struct stage {
    struct hash128 state, record; /* record: the state and every instrument and setting that fills its numbers */
    enum stage_kind kind;
    int branch;                   /* of STAGE_BRANCH: enum branch, else -1 */
    int place, row;               /* row: in the stage table; the same as the stage's own index with sharing */
    int copy;                     /* 0 with sharing; else the cell's number + 1: keeps the checkpoints of cells apart */
    int parent;                   /* a stage before this one, or -1 */
    int first_need, needs;        /* in plan.need: other states this stage reads */
    int64_t first_view;
    int views;                    /* in plan.view */
    int milestone;                /* which one it is on the path of its cell */
    int64_t cell;                 /* one whose path this stage is on */
    int64_t start_step, stop_step;
    double training_flops, measuring_flops;
    unsigned groups;              /* bit g: fills views of group g */
    bool wanted;                  /* somebody needs the state: a child or a stage that reads it */
};
enum { TASK_OF_FIRST = -1, TASK_OF_LAST = -2 };
struct group_layout {             /* dimensions of the variables of one group */
    bool used;
    int axis_count, axis[16];     /* axes of the sweep; or the dimension `task`, by the task of a place */
    int64_t cells;                /* product of the lengths */
    int32_t *stage;               /* [cells]: row of the stage that fills it, or -1 (excluded, or nothing to fill it) */
};
struct constant { /* known before the run and stored as a variable of its own: parameters(size), domain_read(...) */
    char name[NAME_MAX_BYTES];
    int axis_count, axis[16];
    bool per_domain;              /* a last dimension `domain` */
    double *values;
    const char *units, *long_name;
};
struct plan {
    const struct sweep *sweep;    /* borrowed, as is everything the facts point to */
    struct world_facts facts;
    struct numerics numerics;
    struct record_extents extents;
    int rows;                     /* of the stage table: stages of the tree */
    int stages;                   /* to execute: rows, or more without sharing */
    struct stage *stage;
    struct stage *tree;           /* [rows]: what the stage table says; needs and views only where it is `stage` itself */
    int need_count, *need;        /* stage numbers */
    int64_t view_count;
    struct view *view;
    struct group_layout group[GROUPS_MAX];
    struct constant *constants;
    int constant_count;
    int64_t cells, excluded;
    struct hash128 sweep_hash;    /* of every resolved value and data hash: two sweeps are one when these agree */
    double flops_per_cell_alone, flops_one_pretraining_each, flops_tree; /* work three ways */
    int64_t steps_tree, steps_executed;                                  /* optimiser steps */
    int64_t state_bytes_max, work_bytes_max; /* of the stage that needs most: states held at once; buffers */
    int64_t checkpoint_bytes_kept;           /* that stay with --keep trunk: of trunk ends and pretrained states */
    int64_t checkpoint_bytes_most, checkpoint_bytes_all; /* at once, were none removed in time; with --keep all */
};
/* Refuses (ERROR_INPUT, all messages at once) amounts shorter than the warm-up, data too short, shapes that do not fit. */
int plan_create(const struct sweep *sweep, const struct world_facts *facts, const struct numerics *numerics,
                bool sharing, struct plan **plan, struct error *err);
void plan_destroy(struct plan **plan);
/* What a rank without the tree needs to write into the results file: the groups' dimensions, no stages. */
struct plan *plan_outline(const struct sweep *sweep, const struct world_facts *facts, const struct numerics *numerics,
                          const struct record_extents *extents, int rows);
/* Adds a constant that only the loaded world can tell: per domain (variety, seed, domain), else (pair).  measure(context,
 * cell, values[domains or 1]) gives it for one cell.  The texts are borrowed. */
typedef void plan_constant_f(void *context, int64_t cell, double *values);
void plan_add_constant(struct plan *plan, const char *name, bool per_domain, const char *units, const char *long_name,
                       plan_constant_f *measure, void *context);
int plan_variables(const struct plan *plan);         /* of the results file, for stages to fill */
int64_t plan_results_bytes(const struct plan *plan); /* size of the results file, to a few per cent */
/* The longest context of any model in the sweep: what its world is loaded for. */
int sweep_longest_context(const struct sweep *sweep);
const struct view *plan_views(const struct plan *plan, int stage);
const int *plan_needs(const struct plan *plan, int stage);
int group_dimension_length(const struct plan *plan, const struct group_layout *layout, int dimension);
/* Tokens that one optimiser step of a stage reads, on average over its steps. */
double plan_tokens_per_step(const struct plan *plan, int stage);
/* Length of the record of a stage in doubles. */
int plan_record_length(const struct plan *plan, int stage);

/* What a worker is told: it resolves the rest from the cell. */
struct assignment {
    int stage, row, copy, milestone; /* milestone: on the path of the cell */
    int64_t cell, start_step, stop_step;
    enum stage_kind kind;
    int branch, place, parent_copy, needs, views;
    struct hash128 state, record, parent, need[4]; /* states; parent: all zero for an initial state */
    struct hash128 parent_record, need_record[4];  /* that those states were measured under */
    unsigned groups;
    bool checkpoint;   /* someone needs the state */
    struct looks_wanted looks;
    struct record_extents extents; /* of the whole sweep: a small model leaves the rows of larger ones empty */
};
void plan_assign(const struct plan *plan, int stage, struct assignment *assignment);

#endif
