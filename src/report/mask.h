/*
 * mask.h
 *		A value about a person, shown so that it does not tell whom it is about.
 */
#ifndef LR_MASK_H
#define LR_MASK_H

/* kind: email, phone, name; anything else is a text. In the current context. */
extern char *lr_mask(const char *kind, const char *value);

#endif /* LR_MASK_H */
