/* The prequential code of a task's labels (Yogatama et al. 2019; the online code of Voita and Titov 2020).
 *
 * Items come in the order by (seed, task) of which trainings use the first, cut into blocks.  The first block costs
 * log2(classes) bits for each label.  Then, block by block, the model learns from the blocks so far and the next
 * block's labels are coded by its probabilities.  It is one training: the model goes on from block to block, with its
 * moments, at a constant rate after the warm-up, which is a share of the steps of one block.
 *
 * Invariant: a state at step s has the bits of blocks 1 .. s / steps in its trace, whenever it is paused. */
#include <math.h>

#include "stage_private.h"

struct code {
    struct learning learning;
    int items, blocks;
    int64_t steps, end[BLOCKS_MAX];
};

static struct code code_of(const struct job *job)
{
    enum branch branch = (enum branch)job->milestone->branch;
    const struct settings *settings = &job->cell.settings;
    int length = job->cell.sequence->length, at = branch == BRANCH_PREQUENTIAL_FIRST ? 0 : length - 1;
    struct code code = {.learning = {.at = at, .place = at, .recipe = branch_recipe(branch, settings, length)}};
    code.items = task_items_used(&job->workshop->facts->task[job->cell.sequence->task[at]], settings->train_items);
    code.blocks = codelength_blocks(settings, code.items, code.end);
    code.steps = code.learning.recipe.steps;
    CHECK(job->milestone->stop_step == (code.blocks - 1) * code.steps, "%d blocks in %lld steps", code.blocks,
          (long long)job->milestone->stop_step);
    return code;
}

static double block_bits(struct job *job, const struct code *code, const uint32_t *item, int block)
{
    uint16_t label_token[CLASSES_MAX];
    struct readout readout = readout_of(job, code->learning.at, label_token);
    int64_t from = code->end[block - 1];
    return measure_code(workshop_meter(job->workshop, &job->cell.shape), job->workshop->world, job->state,
                        job->cell.sequence->task[code->learning.at], &readout, item + from,
                        (int)(code->end[block] - from));
}

static int learn_and_code(struct job *job, struct code *code, const uint32_t *item, train_pause_f *pause, void *context,
                          struct error *err)
{
    for (int block = (int)(job->state->step / code->steps) + 1; block < code->blocks; block++) {
        code->learning.chapter = (struct chapter){.number = block,
                                                  .items = (int)code->end[block - 1],
                                                  .begin = (block - 1) * code->steps,
                                                  .stop = block * code->steps};
        TRY(job_train(job, &code->learning, 1, pause, context, err));
        if (job->state->step < code->learning.chapter.stop) return 0; /* paused */
        job->state->trace.block_bits[block] = block_bits(job, code, item, block);
    }
    return 0;
}

int make_prequential(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    struct code code = code_of(job);
    int task = job->cell.sequence->task[code.learning.at];
    uint32_t *item = memory_array((size_t)job->workshop->facts->task[task].train_items, sizeof *item);
    train_item_order(job->workshop->world, task, job->cell.seed, item);
    job_begin(job, &code.learning, 1);
    int status = learn_and_code(job, &code, item, pause, context, err);
    memory_free(item);
    return status;
}

void measure_prequential(struct job *job, double *record)
{
    struct code code = code_of(job);
    int classes = job->workshop->facts->task[job->cell.sequence->task[code.learning.at]].classes;
    double uniform = real_log(classes) / real_log(2), sum = (double)code.end[0] * uniform;
    double *cumulative = job_field(job, record, FIELD_CODELENGTH_CUMULATIVE);
    double *items = job_field(job, record, FIELD_CODELENGTH_BLOCK_ITEMS);
    for (int block = 0; block < code.blocks; block++) {
        if (block > 0) sum += job->state->trace.block_bits[block];
        cumulative[block] = sum;
        items[block] = (double)code.end[block];
    }
    job_put(job, record, FIELD_CODELENGTH, sum);
    job_put(job, record, FIELD_CODELENGTH_PER_ITEM, sum / code.items);
    job_put(job, record, FIELD_CODELENGTH_COMPRESSION, code.items * uniform / sum);
}
