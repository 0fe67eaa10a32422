/* A sweep with its world and plan. */
#include "cli_private.h"

int setup_parse(const char *path, const char *text, struct setup *setup, struct error *err)
{
    struct setup made = {.numerics = stage_numerics()};
    int status = 0;
    TRY_DONE(config_read(path, text, &made.sweep, err));
    TRY_DONE(world_create(&made.sweep->world, (const char(*)[NAME_MAX_BYTES])made.sweep->tasks, made.sweep->task_count,
                          sweep_shortest_context(made.sweep), &made.world, err));
done:
    if (status != 0)
        setup_reset(&made);
    else
        *setup = made;
    return status;
}

int setup_read(const char *path, struct setup *setup, struct error *err)
{
    enum { MOST = 1 << 20 };
    char *text;
    size_t length;
    TRY(file_read(path, MOST, &text, &length, err));
    int status = setup_parse(path, text, setup, err);
    memory_free(text);
    return status;
}

int setup_plan(struct setup *setup, bool sharing, struct error *err)
{
    return plan_create(setup->sweep, world_facts(setup->world), &setup->numerics, sharing, &setup->plan, err);
}

void setup_reset(struct setup *setup)
{
    plan_destroy(&setup->plan);
    world_destroy(&setup->world);
    sweep_destroy(&setup->sweep);
}
