/* What is known before the run: coordinates of sizes and amounts, which domain is read where. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plan_private.h"

typedef bool belongs_f(const struct axis_member *member);
typedef void value_f(const struct plan *plan, const struct cell *cell, double *values);

enum { COMPUTED = 6, MEASURED = 3 };

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

static bool sets_shape(const struct axis_member *member)
{
    return member->kind == AXIS_SIZE ||
           (member->kind == AXIS_SETTING && starts_with(settings_table[member->row].path, "model."));
}

static bool sets_amount(const struct axis_member *member)
{
    return sets_shape(member) || member->kind == AXIS_TOKENS ||
           (member->kind == AXIS_SETTING && starts_with(settings_table[member->row].path, "pretrain."));
}

static bool sets_reading(const struct axis_member *member)
{
    return member->kind == AXIS_VARIETY || member->kind == AXIS_SEED;
}

static void parameters(const struct plan *plan, const struct cell *cell, double *values)
{
    (void)plan;
    *values = (double)shape_parameters(&cell->shape);
}

static void parameters_non_embedding(const struct plan *plan, const struct cell *cell, double *values)
{
    (void)plan;
    *values = (double)shape_parameters_non_embedding(&cell->shape);
}

static double tokens_of(const struct cell *cell)
{
    return (double)((cell->steps.trunk + cell->steps.cooldown) * cell->steps.tokens_per_step);
}

static void pretraining_tokens(const struct plan *plan, const struct cell *cell, double *values)
{
    (void)plan;
    *values = tokens_of(cell);
}

static void tokens_per_parameter(const struct plan *plan, const struct cell *cell, double *values)
{
    (void)plan;
    *values = tokens_of(cell) / (double)shape_parameters_non_embedding(&cell->shape);
}

static void epochs(const struct plan *plan, const struct cell *cell, double *values)
{
    (void)plan;
    double unique = (double)cell->settings.pretrain.unique, tokens = tokens_of(cell);
    *values = unique == 0 || tokens < unique ? fmin(tokens, 1) : tokens / unique;
}

static void domain_read(const struct plan *plan, const struct cell *cell, double *values)
{
    int *domain = memory_array((size_t)plan->facts.domains, sizeof *domain);
    int count = cell_reading(plan->sweep, &plan->facts, cell, domain);
    for (int i = 0; i < count; i++) values[domain[i]] = 1;
    memory_free(domain);
}

static bool axis_sets(const struct axis *axis, belongs_f *belongs)
{
    for (int m = 0; m < axis->member_count; m++)
        if (belongs(&axis->members[m])) return true;
    return false;
}

/* The cell at `index` of the constant's own small grid; all other axes at their first value. */
static int64_t cell_of(const struct sweep *sweep, const struct constant *constant, int64_t index)
{
    int64_t cell = 0;
    int at[16];
    for (int d = constant->axis_count - 1; d >= 0; d--) {
        at[d] = (int)(index % sweep->axes[constant->axis[d]].length);
        index /= sweep->axes[constant->axis[d]].length;
    }
    for (int a = 0, d = 0; a < sweep->axis_count; a++) {
        bool own = d < constant->axis_count && constant->axis[d] == a;
        cell = cell * sweep->axes[a].length + (own ? at[d] : 0);
        d += own;
    }
    return cell;
}

static int64_t lay_constant(const struct plan *plan, struct constant *constant, belongs_f *belongs)
{
    const struct sweep *sweep = plan->sweep;
    int64_t cells = 1;
    for (int a = 0; a < sweep->axis_count; a++) {
        if (!axis_sets(&sweep->axes[a], belongs)) continue;
        constant->axis[constant->axis_count++] = a;
        cells *= sweep->axes[a].length;
    }
    int64_t width = constant->per_domain ? plan->facts.domains + plan->facts.task_domains : 1;
    constant->values = memory_array((size_t)(cells * width), sizeof *constant->values);
    return cells;
}

static struct constant *next_constant(struct plan *plan, const char *name, const char *units, const char *long_name)
{
    struct constant *constant = &plan->constants[plan->constant_count++];
    snprintf(constant->name, sizeof constant->name, "%s", name);
    constant->units = units;
    constant->long_name = long_name;
    return constant;
}

static void add_constant(struct plan *plan, const char *name, belongs_f *belongs, value_f *value, bool per_domain,
                         const char *units, const char *long_name)
{
    struct constant *constant = next_constant(plan, name, units, long_name);
    constant->per_domain = per_domain;
    int64_t cells = lay_constant(plan, constant, belongs),
            width = per_domain ? plan->facts.domains + plan->facts.task_domains : 1;
    for (int64_t i = 0; i < cells; i++) {
        struct cell cell;
        cell_resolve(plan->sweep, &plan->facts, cell_of(plan->sweep, constant, i), &cell);
        value(plan, &cell, constant->values + i * width);
    }
}

void constants_fill(struct plan *plan)
{
    plan->constants = memory_array(COMPUTED + MEASURED, sizeof *plan->constants);
    add_constant(plan, "parameters", sets_shape, parameters, false, "1", "weights of the model, embeddings included");
    add_constant(plan, "parameters_non_embedding", sets_shape, parameters_non_embedding, false, "1",
                 "weights of the model without token and position embeddings");
    add_constant(plan, "pretraining_tokens", sets_amount, pretraining_tokens, false, "tokens",
                 "tokens really read in pretraining: the amount in whole steps");
    add_constant(plan, "tokens_per_parameter", sets_amount, tokens_per_parameter, false, "1",
                 "pretraining tokens per non-embedding parameter");
    add_constant(plan, "pretraining_epochs", sets_amount, epochs, false, "1", "times each unique token was read");
    add_constant(plan, "domain_read", sets_reading, domain_read, true, "1",
                 "1 where pretraining reads the domain, else 0");
    CHECK(plan->constant_count == COMPUTED, "%d constants", plan->constant_count);
}

static bool sets_reference(const struct axis_member *member)
{
    return sets_reading(member) || (member->kind == AXIS_SETTING && (member->row == setting_find("model.context") ||
                                                                     member->row == setting_find("evaluate.tokens")));
}

static bool sets_sequence(const struct axis_member *member) { return member->kind == AXIS_PAIR; }

void plan_add_constant(struct plan *plan, const char *name, bool per_domain, const char *units, const char *long_name,
                       plan_constant_f *measure, void *context)
{
    CHECK(plan->constant_count < COMPUTED + MEASURED, "no room for %s", name);
    struct constant *constant = next_constant(plan, name, units, long_name);
    constant->per_domain = per_domain;
    int64_t cells = lay_constant(plan, constant, per_domain ? sets_reference : sets_sequence);
    int width = per_domain ? plan->facts.domains + plan->facts.task_domains : 1;
    for (int64_t i = 0; i < cells; i++)
        measure(context, cell_of(plan->sweep, constant, i), constant->values + i * width);
}
