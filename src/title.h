/*
 * title.h
 *		What a job title says: seniority and department.
 */
#ifndef LR_TITLE_H
#define LR_TITLE_H

extern void lr_title_init(void);

#endif /* LR_TITLE_H */
