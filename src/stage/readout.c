/* How the task of a place is read out of a model: which head, which pooling, which label words. */
#include "stage_private.h"

struct readout readout_of(const struct job *job, int place, uint16_t *label_token)
{
    return readout_by(job, place, NULL, label_token);
}

struct readout readout_by(const struct job *job, int place, const char *head, uint16_t *label_token)
{
    const struct settings *settings = &job->cell.settings;
    int task = job->cell.sequence->task[place];
    const struct task_facts *facts = &job->workshop->facts->task[task];
    struct readout readout = {.kind = (enum head_kind)settings->head,
                              .pool = (enum pool_kind)settings->pool,
                              .classes = facts->classes,
                              .head = -1};
    if (settings->head == HEAD_LM) readout = prompt_readout(job->workshop->world, task, label_token);
    if (settings->read_layers > 0) readout.skip = job->cell.shape.layers - (int)settings->read_layers;
    if (settings->head == HEAD_LM) return readout;
    const char *name = settings->head == HEAD_SHARED ? "shared" : head ? head : facts->name;
    readout.head = state_find_head(job->state, name);
    CHECK(readout.head >= 0, "no head for %s", name);
    return readout;
}
