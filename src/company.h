/*
 * company.h
 *		Names of companies in one spelling.
 */
#ifndef LR_COMPANY_H
#define LR_COMPANY_H

extern char *lr_company_key(const char *data, int len);

#endif
