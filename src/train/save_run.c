/* What training leaves behind: the model, its card, the run's state and its report. */
#include "base/error.h"
#include "train/html.h"
#include "train/trainer.h"

static int save_all(bert_trainer *t, const char *dir, bert_error *e) {
    int rc = bert_model_save(t->model, dir, e);
    if (!rc) rc = bert_model_card_save(t, dir, e);
    if (!rc) rc = bert_trainer_state_save(t, dir, e);
    if (!rc) rc = bert_html_save(t, dir, e);
    return rc;
}

int bert_trainer_save(bert_trainer *t, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e)) return BERT_EINVAL;
    const char *dir = t->args.output_dir;
    if (!*dir) return bert_fail(e, BERT_EINVAL, "the trainer has no output_dir to save to");
    if (t->is_whole) return BERT_OK;
    int rc = bert_trainer_writes(t) ? save_all(t, dir, e) : BERT_OK;
    return bert_group_agree(t->group, rc, e);
}
