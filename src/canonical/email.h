/*
 * email.h
 *		E-mail addresses in one spelling.
 */
#ifndef LR_EMAIL_H
#define LR_EMAIL_H

/* bytes; an address has at most 64 + 1 + 255, more stands around it as "Name <address>" */
#define LR_EMAIL_MAX_INPUT 2048

/* What lr_email_key leaves out of the local part. */
#define LR_EMAIL_TAGS 0x01 /* "+tag" */
#define LR_EMAIL_DOTS 0x02 /* dots, for the providers that ignore them */

extern char *lr_email_key(const char *data, int len, int options, const char **problem);

#endif
