/*
 * phone_sql.h
 *		What the library does about phone numbers when it is loaded.
 */
#ifndef LR_PHONE_SQL_H
#define LR_PHONE_SQL_H

extern void lr_phone_init(void);

#endif
