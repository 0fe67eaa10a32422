/* What only the resolved grid together with the data can show to be wrong.  Each complaint once, however many cells
 * share it. */
#include <stdio.h>
#include <string.h>

#include "plan_private.h"

enum { COMPLAINTS_MAX = 20 };

struct complaints {
    const struct sweep *sweep;
    const struct world_facts *facts;
    char text[sizeof((struct error *)0)->text];
    int count;
};

static void complain(struct complaints *complaints, struct mark mark, const char *what)
{
    char line[768];
    if (mark.line > 0)
        snprintf(line, sizeof line, "%s:%d:%d: %s", complaints->sweep->path, mark.line, mark.column, what);
    else /* a default: it stands nowhere */
        snprintf(line, sizeof line, "%s: %s", complaints->sweep->path, what);
    if (complaints->count >= COMPLAINTS_MAX || strstr(complaints->text, line)) return;
    size_t used = strlen(complaints->text);
    snprintf(complaints->text + used, sizeof complaints->text - used, "%s%s", used ? "\n" : "", line);
    complaints->count++;
}

/* The axis with a member of that kind, and where on it the cell is. */
static const struct axis *axis_at(const struct complaints *complaints, enum axis_kind kind, const struct cell *cell,
                                  int *at)
{
    int member, index[AXES_MAX];
    const struct axis *axis = sweep_axis(complaints->sweep, kind, &member);
    cell_indices(complaints->sweep, cell->index, index);
    *at = index[axis - complaints->sweep->axes];
    return axis;
}

static const char *label_of(const struct complaints *complaints, enum axis_kind kind, const struct cell *cell)
{
    int at;
    return axis_at(complaints, kind, cell, &at)->labels[at];
}

static struct mark mark_of(const struct complaints *complaints, enum axis_kind kind, const struct cell *cell)
{
    int at;
    const struct axis *axis = axis_at(complaints, kind, cell, &at);
    return axis->marks[at];
}

static void check_warmup(struct complaints *complaints, const struct cell *cell)
{
    const struct schedule_steps *steps = &cell->steps;
    char text[512];
    if (steps->trunk + steps->cooldown == 0 || steps->trunk >= steps->warmup) return;
    snprintf(
        text, sizeof text,
        "axes.tokens: the amount %s is too short for size %s: its constant part has %lld tokens and the warm-up %lld; "
        "raise the amount, or lower pretrain.warmup or pretrain.cooldown",
        label_of(complaints, AXIS_TOKENS, cell), label_of(complaints, AXIS_SIZE, cell),
        (long long)(steps->trunk * steps->tokens_per_step), (long long)(steps->warmup * steps->tokens_per_step));
    complain(complaints, mark_of(complaints, AXIS_TOKENS, cell), text);
}

static void complain_of_data(struct complaints *complaints, const struct cell *cell, const struct domain_facts *facts,
                             uint64_t each, uint64_t after)
{
    char text[512], more[128] = "";
    if (after > 0)
        snprintf(more, sizeof more, ", with the %llu in all that is read on after it by recovery or more_pretraining,",
                 (unsigned long long)after);
    snprintf(
        text, sizeof text,
        "axes.tokens: the amount %s at variety %d%s reads %llu tokens of each domain, but \"%s\" has %llu; lower the "
        "amount%s, raise the variety, or set pretrain.unique to at most %llu",
        label_of(complaints, AXIS_TOKENS, cell), cell->variety, more, (unsigned long long)each, facts->name,
        (unsigned long long)facts->tokens, after > 0 ? ", recovery.steps or finetune.second.steps" : "",
        (unsigned long long)(facts->tokens * (uint64_t)cell->variety));
    complain(complaints, mark_of(complaints, AXIS_TOKENS, cell), text);
}

static void check_data(struct complaints *complaints, const struct cell *cell)
{
    const struct schedule_steps *steps = &cell->steps;
    uint64_t own = (uint64_t)((steps->trunk + steps->cooldown) * steps->tokens_per_step);
    uint64_t recovery = recovery_reads(complaints->sweep, cell), control = control_reads(complaints->sweep, cell);
    uint64_t after = recovery > control ? recovery : control, whole = own + after;
    uint64_t unique = (uint64_t)cell->settings.pretrain.unique;
    uint64_t each =
        ((unique && unique < whole ? unique : whole) + (uint64_t)cell->variety - 1) / (uint64_t)cell->variety;
    int *domain = memory_array((size_t)complaints->facts->domains, sizeof *domain);
    int count = cell_reading(complaints->sweep, complaints->facts, cell, domain);
    for (int i = 0; i < count; i++) {
        const struct domain_facts *facts = &complaints->facts->domain[domain[i]];
        if (facts->tokens < each) complain_of_data(complaints, cell, facts, each, after);
    }
    memory_free(domain);
}

static void check_unique(struct complaints *complaints, const struct cell *cell)
{
    int64_t unique = cell->settings.pretrain.unique, least = (int64_t)cell->variety * cell->shape.context;
    char text[512];
    if (unique == 0 || unique >= least) return;
    snprintf(
        text, sizeof text,
        "pretrain.unique: %lld tokens are fewer than one sample of %d tokens from each of %d domains; at least %lld",
        (long long)unique, cell->shape.context, cell->variety, (long long)least);
    complain(complaints, complaints->sweep->origin[setting_find("pretrain.unique")], text);
}

static void check_tasks(struct complaints *complaints, const struct cell *cell)
{
    for (int place = 0; place < cell->sequence->length; place++) {
        const struct task_facts *task = &complaints->facts->task[cell->sequence->task[place]];
        char text[512];
        if (task->most_tokens > cell->shape.context) {
            snprintf(text, sizeof text,
                     "model.context: %d tokens are too few for task \"%s\", whose longest item has %d",
                     cell->shape.context, task->name, task->most_tokens);
            complain(complaints, complaints->sweep->origin[setting_find("model.context")], text);
        }
        if (cell->settings.train_items > task->train_items) {
            snprintf(text, sizeof text, "finetune.train_items: task \"%s\" has %d training items, not %lld", task->name,
                     task->train_items, (long long)cell->settings.train_items);
            complain(complaints, complaints->sweep->origin[setting_find("finetune.train_items")], text);
        }
    }
}

/* A code must have something to learn from and something to code with it. */
static void check_code(struct complaints *complaints, const struct cell *cell, int place)
{
    const struct task_facts *task = &complaints->facts->task[cell->sequence->task[place]];
    int items = task_items_used(task, cell->settings.train_items);
    int64_t end[BLOCKS_MAX];
    char text[512];
    if (cell->settings.codelength.first >= items) {
        snprintf(
            text, sizeof text,
            "codelength.first: task \"%s\" has %d training items that are used, none behind a first block of %lld; "
            "it can be at most %d",
            task->name, items, (long long)cell->settings.codelength.first, items - 1);
        complain(complaints, complaints->sweep->origin[setting_find("codelength.first")], text);
    } else if (codelength_blocks(&cell->settings, items, end) > BLOCKS_MAX) {
        snprintf(text, sizeof text,
                 "codelength.growth: the %d training items of task \"%s\" fall into more than %d blocks; raise it, or "
                 "codelength.first",
                 items, task->name, BLOCKS_MAX);
        complain(complaints, complaints->sweep->origin[setting_find("codelength.growth")], text);
    }
}

static void check_codes(struct complaints *complaints, const struct cell *cell)
{
    if (!branch_wanted(complaints->sweep, BRANCH_PREQUENTIAL_FIRST)) return;
    check_code(complaints, cell, 0);
    check_code(complaints, cell, cell->sequence->length - 1);
}

int check_cells(const struct sweep *sweep, const struct world_facts *facts, struct error *err)
{
    struct complaints complaints = {.sweep = sweep, .facts = facts};
    int *index = memory_array((size_t)sweep->axis_count, sizeof *index);
    int64_t cells = sweep_cells(sweep);
    for (int64_t c = 0; c < cells && complaints.count < COMPLAINTS_MAX; c++) {
        struct cell cell;
        cell_indices(sweep, c, index);
        if (cell_excluded(sweep, index)) continue;
        cell_resolve(sweep, facts, c, &cell);
        check_warmup(&complaints, &cell);
        check_unique(&complaints, &cell);
        check_data(&complaints, &cell);
        check_tasks(&complaints, &cell);
        check_codes(&complaints, &cell);
    }
    memory_free(index);
    return complaints.count ? error_set(err, ERROR_INPUT, "%s", complaints.text) : 0;
}
