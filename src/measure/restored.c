/* Layers put back to their pretrained values, from the top. */
#include <math.h>
#include <string.h>

#include "palimpsest/measure.h"

/* Layers count from the embeddings (0) over the blocks (1 .. L) to the final norm (L + 1). */
static int lowest_restored(const struct model_shape *shape, int restored)
{
    if (restored == 0) return shape->layers + 2;
    return shape->layers + 1 - restored;
}

/* One block for all layers can only be put back as a whole. */
static bool can_restore(const struct model_shape *shape, int restored)
{
    return !shape->share_layers || restored == 0 || restored >= shape->layers;
}

void state_restore(const struct state *state, const struct state *pretrained, int restored, struct state *out)
{
    const struct model_shape *shape = &state->shape;
    CHECK(restored >= 0 && restored <= shape->layers + 1, "%d of %d layers put back", restored, shape->layers + 1);
    CHECK(can_restore(shape, restored), "%d of %d layers that share one block put back", restored, shape->layers);
    CHECK(shape_equal(shape, &pretrained->shape) && shape_equal(shape, &out->shape) && out->floats == state->floats,
          "states of several shapes");
    int lowest = lowest_restored(shape, restored);
    memcpy(out->values, state->values, state->floats * sizeof *out->values);
    for (int i = 0; i < pretrained->tensors; i++) { /* the trunk's tensors come first, and stand in the same places */
        const struct tensor *tensor = &pretrained->tensor[i];
        if (tensor->layer < lowest || tensor->layer > shape->layers + 1) continue;
        memcpy(out->values + tensor->offset, pretrained->values + tensor->offset,
               tensor_floats(tensor) * sizeof *out->values);
    }
}

double measure_lm_mean(struct meter *meter, const struct world *world, const struct state *state, int64_t tokens)
{
    const struct world_facts *facts = world_facts(world);
    double loss[2 * DOMAINS_MAX];
    int domains = facts->domains + facts->task_domains;
    for (int d = 0; d < domains; d++) loss[d] = measure_lm_loss(meter, world, state, d, tokens);
    return mean_of(loss, domains);
}

double measure_restored(struct meter *meter, const struct world *world, const struct state *state,
                        const struct state *pretrained, int restored, int64_t tokens, struct state *scratch)
{
    if (!can_restore(&state->shape, restored)) return NAN;
    state_restore(state, pretrained, restored, scratch);
    return measure_lm_mean(meter, world, scratch, tokens);
}
