/* Lets compiled AMX kernels run where the processor has no tiles: a handler of SIGILL executes the
 * tile instructions on a software state of the thread, and goes on behind them. It is stricter than
 * a processor needs to be: what would be undefined, or raise a fault, is named on standard error
 * and ends like any other illegal instruction, which are passed on to the handler that was there.
 */
#ifndef BERT_TILE_EMULATOR_H
#define BERT_TILE_EMULATOR_H
#include <stdbool.h>

/* Whether tile instructions are illegal here and the emulator can do its work (Linux on x86-64 with
 * AVX-512 and its BF16, which code around the tiles uses as well). */
bool tiles_can_be_emulated(void);
/* Installs the handler, for all threads. Again after anybody (cmocka before every test) has
 * installed another. */
void tiles_emulate(void);
/* Whether this thread has configured tiles and not released them. */
bool tiles_are_configured(void);
#endif
