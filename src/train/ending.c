/* Why training ended, in words. */
#include "base/number.h"
#include "train/trainer.h"
#include <math.h>

static int say_patience(const bert_trainer *t, char *out, size_t n) {
    const bert_training_args *a = &t->args;
    const bert_run *r = &t->run;
    char by[40] = "";
    if (a->early_stopping_threshold > 0)
        bert_snprintf(by, sizeof by, " by more than %g", a->early_stopping_threshold);
    return bert_snprintf(
        out, n,
        "early stopping at step %lld (epoch %.2f): in %lld evaluation%s %s has not "
        "improved on %.4f%s",
        (long long)r->global_step, bert_trainer_epoch(t), (long long)r->patience,
        r->patience == 1 ? "" : "s", t->stopping_name, r->stopping_best, by);
}

static int say_complete(const bert_trainer *t, char *out, size_t n) {
    const double epochs = t->args.num_train_epochs;
    if (t->args.max_steps > 0)
        return t->max_steps == 1
                   ? bert_snprintf(out, n, "its one step is done")
                   : bert_snprintf(out, n, "all %lld steps are done", (long long)t->max_steps);
    return epochs > 1   ? bert_snprintf(out, n, "all %g epochs are done", epochs)
           : epochs < 1 ? bert_snprintf(out, n, "%g of an epoch is done", epochs)
                        : bert_snprintf(out, n, "its one epoch is done");
}

void bert_trainer_set_ending(bert_trainer *t, bert_ending ending) {
    const long long step = t->run.global_step, of = t->max_steps;
    char *out = t->why;
    t->state.ending = ending;
    *out = 0;
    switch (ending) {
    case BERT_END_NONE:
        break;
    case BERT_END_COMPLETE:
        say_complete(t, out, sizeof t->why);
        break;
    case BERT_END_PATIENCE:
        say_patience(t, out, sizeof t->why);
        break;
    case BERT_END_CALLBACK:
        bert_snprintf(out, sizeof t->why, "a callback ended it at step %lld of %lld", step, of);
        break;
    case BERT_END_STOPPED:
        bert_snprintf(out, sizeof t->why, "stopped at step %lld of %lld", step, of);
        break;
    case BERT_END_NOTHING:
        bert_snprintf(out, sizeof t->why, "step %lld of %lld: nothing is left to train", step, of);
        break;
    }
}
