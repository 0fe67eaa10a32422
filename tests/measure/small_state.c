#include "small_state.h"

#include "../support/gradcheck.h"
#include "../support/reference.h"

struct model_shape small_shape(enum objective objective, bool share_layers)
{
    return (struct model_shape){.layers = 3,
                                .width = 8,
                                .heads = 2,
                                .context = FAKE_CONTEXT,
                                .vocabulary = FAKE_WORDS + 2,
                                .feed_forward = 2,
                                .objective = objective,
                                .share_layers = share_layers};
}

struct state *small_state(const struct model_shape *shape, const char *name)
{
    const struct head_shape heads[] = {{"rise", 2}, {"third", 3}};
    struct state *state = state_create(shape, heads, 2, false);
    state_initialise(state, 1, 0.3);
    float *more = memory_array(state->floats, sizeof *more);
    test_floats(name, more, state->floats, 0.2);
    for (size_t i = 0; i < state->floats; i++) state->values[i] += more[i];
    memory_free(more);
    return state;
}

static double plain_window(const struct state *state, const double *values, int domain, int window)
{
    const int start[] = {0, FAKE_CONTEXT};
    uint16_t token[FAKE_CONTEXT + 1];
    int32_t target[FAKE_CONTEXT];
    world_reference(NULL, domain, window, FAKE_CONTEXT, token);
    for (int t = 0; t < FAKE_CONTEXT; t++) target[t] = token[t + 1];
    struct batch batch = {1, FAKE_CONTEXT, start, token, target};
    return reference_lm(state, values, &batch);
}

double plain_lm_mean(const struct state *state, const double *values, int windows)
{
    double sum = 0;
    for (int domain = 0; domain < FAKE_DOMAINS; domain++)
        for (int window = 0; window < windows; window++) sum += plain_window(state, values, domain, window);
    return sum / (FAKE_DOMAINS * windows);
}

struct plain_score plain_task(const struct state *state, const double *values, int task, enum split split,
                              const struct readout *readout, const uint32_t *order, int items)
{
    struct task_items from = task_items_of(NULL, task, split, &state->shape, readout);
    struct plain_score score = {0};
    for (int i = 0; i < items; i++) {
        uint16_t token[FAKE_CONTEXT];
        double log_probability[CLASSES_MAX];
        int label, best = 0, start[2] = {0, task_items_read(&from, (int)order[i], token, &label)};
        struct batch batch = {1, start[1], start, token, NULL};
        score.loss += reference_labels(state, values, &batch, readout, &label, log_probability) / items;
        for (int c = 1; c < readout->classes; c++)
            if (log_probability[c] > log_probability[best]) best = c;
        score.accuracy += best == label ? 1.0 / items : 0;
    }
    return score;
}
