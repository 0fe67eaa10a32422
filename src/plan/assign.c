/* What a worker is told of a stage. */
#include "plan_private.h"

const struct view *plan_views(const struct plan *plan, int stage) { return plan->view + plan->stage[stage].first_view; }

const int *plan_needs(const struct plan *plan, int stage) { return plan->need + plan->stage[stage].first_need; }

int plan_record_length(const struct plan *plan, int stage)
{
    const struct stage *at = &plan->stage[stage];
    return record_offset(at->groups, plan->sweep->instruments, &plan->extents, at->place, FIELD_COUNT);
}

void plan_assign(const struct plan *plan, int number, struct assignment *assignment)
{
    const struct stage *stage = &plan->stage[number];
    *assignment = (struct assignment){
        .stage = number,
        .row = stage->row,
        .copy = stage->copy,
        .milestone = stage->milestone,
        .cell = stage->cell,
        .start_step = stage->start_step,
        .stop_step = stage->stop_step,
        .kind = stage->kind,
        .branch = stage->branch,
        .place = stage->place,
        .needs = stage->needs,
        .views = stage->views,
        .state = stage->state,
        .record = stage->record,
        .groups = stage->groups,
        .checkpoint = stage->wanted,
        .looks = looks_of(plan, stage),
        .extents = plan->extents,
    };
    if (stage->parent >= 0) {
        assignment->parent = plan->stage[stage->parent].state;
        assignment->parent_record = plan->stage[stage->parent].record;
        assignment->parent_copy = plan->stage[stage->parent].copy;
    }
    CHECK(stage->needs <= (int)(sizeof assignment->need / sizeof *assignment->need), "%d needs", stage->needs);
    for (int n = 0; n < stage->needs; n++) {
        const struct stage *need = &plan->stage[plan_needs(plan, number)[n]];
        assignment->need[n] = need->state;
        assignment->need_record[n] = need->record;
    }
}
