#include "state.h"

model_set *server_models(server *s) {
    pthread_mutex_lock(&s->lock);
    model_set *set = models_hold(s->models);
    pthread_mutex_unlock(&s->lock);
    return set;
}
