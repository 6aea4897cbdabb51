/*
 * hint.h
 *		What to do about errors of the server's own that leadroute's triggers cause.
 */
#ifndef LR_HINT_H
#define LR_HINT_H

extern void lr_hint_init(void);

#endif /* LR_HINT_H */
