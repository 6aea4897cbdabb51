/*
 * progress.h
 *		Telling others how far a long call has come.
 */
#ifndef LR_PROGRESS_H
#define LR_PROGRESS_H

/*
 * Between these two, lr_progress shows its text in front of the session's query in pg_stat_activity (at most once a second, and where the format is another), and
 * to the client as a NOTICE every ten seconds. Interrupts are looked at by it too: it may error. lr_progress_end puts the query back.
 */
extern void lr_progress_begin(const char *what);
extern void lr_progress(const char *format, ...) pg_attribute_printf(1, 2);
extern void lr_progress_end(void);

#endif /* LR_PROGRESS_H */
