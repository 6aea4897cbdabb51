/*
 * company.h
 *		Names of companies in one spelling.
 */
#ifndef LR_COMPANY_H
#define LR_COMPANY_H

/* bytes; a longer text is no name, but a story */
#define LR_COMPANY_MAX_INPUT 1000

extern char *lr_company_key(const char *data, int len);

#endif
