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

/* The first step already moves (1 / warm-up of the peak) and so does the last (one step above 0). */
double finetuning_rate(const struct finetune_recipe *recipe, int64_t step)
{
    double peak = recipe->optimizer.learning_rate;
    int64_t warmup = llround(recipe->warmup * (double)recipe->steps);
    if (step < warmup) return peak * (double)(step + 1) / (double)warmup;
    return step < recipe->steps ? peak * (double)(recipe->steps - step) / (double)(recipe->steps - warmup) : 0;
}
