/* Learning rates as pure functions of the step. */
#include <math.h>

#include "palimpsest/train.h"

double pretraining_rate(const struct pretraining *pretraining, int64_t step)
{
    const struct schedule_steps *steps = &pretraining->steps;
    double peak = pretraining->optimizer.learning_rate;
    if (pretraining->cooling && step >= steps->trunk) {
        double done = (double)(step - steps->trunk) / (double)steps->cooldown;
        return done < 1 ? peak * (1 - sqrt(done)) : 0;
    }
    return step < steps->warmup ? peak * (double)(step + 1) / (double)steps->warmup : peak;
}

static int64_t warmup_steps(const struct finetune_recipe *recipe)
{
    return llround(recipe->warmup * (double)recipe->steps);
}

/* The first step already moves: by 1 / warm-up of the peak. */
double constant_rate(const struct finetune_recipe *recipe, int64_t step)
{
    double peak = recipe->optimizer.learning_rate;
    int64_t warmup = warmup_steps(recipe);
    return step < warmup ? peak * (double)(step + 1) / (double)warmup : peak;
}

/* The last step still moves: it is one above 0. */
double finetuning_rate(const struct finetune_recipe *recipe, int64_t step)
{
    double peak = recipe->optimizer.learning_rate;
    int64_t warmup = warmup_steps(recipe);
    if (step < warmup) return constant_rate(recipe, step);
    return step < recipe->steps ? peak * (double)(recipe->steps - step) / (double)(recipe->steps - warmup) : 0;
}
