/*
 * condition.h
 *		Conditions: SQL expressions over a lead's columns and the row "facts".
 *
 * A condition is text. In it the row's columns stand bare under their real
 * names; what leadroute knows stands as facts.x and answers to nothing else.
 * Names of functions, operators and types resolve as the extension's owner
 * under "pg_catalog, leadroute, <schemas of the allowed extensions>, pg_temp",
 * and literals are read under fixed settings (TimeZone UTC, DateStyle
 * 'ISO, MDY'), whoever runs it. doc/conditions.md is the user's page.
 *
 * Memory: analysis works in a context of its own and leaves nothing but its
 * result; a compiled condition is one memory context under the one it was
 * asked for, and goes with it.
 *
 * Errors: everything is thrown with ereport, in the current (sub)transaction.
 * User and settings are switched for the analysis and are put back by the
 * abort of that (sub)transaction: catch in a subtransaction, never by a bare
 * PG_TRY. Positions point into the condition's text (internalerrposition).
 *
 * Locks: none is left. Catalogs are read, no relation is opened.
 */
#ifndef LR_CONDITION_H
#define LR_CONDITION_H

#include "access/tupdesc.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/primnodes.h"

/* What a condition may name. Read during the call only; nothing in it is kept. */
typedef struct LrConditionScope
{
	TupleDesc row;					 /* the lead's columns: of a relation or a composite type; dropped ones are skipped */
	TupleDesc facts;				 /* the row "facts": lr_facts_desc() or a descriptor like it; NULL if there is none */
	Oid relid;						 /* the row's relation, for hints; may be InvalidOid */
	const char *const *outputs;		 /* names of columns that leadroute fills: refused bare */
	const char *const *output_names; /* their canonical names (owner, score, ...), parallel; NULL if the same */
	int noutputs;
} LrConditionScope;

typedef struct LrCondition LrCondition;

/*
 * Parse, check and simplify a condition. result_type BOOLOID asks for what a
 * WHERE clause asks for; another type coerces to it as assignment does;
 * InvalidOid takes any type (an untyped literal is text). The result lies in
 * the current memory context; its Vars of the row bear varno OUTER_VAR, those
 * of facts INNER_VAR, and their attribute numbers are those of the scope.
 */
extern Expr *lr_condition_analyze(const char *text, const LrConditionScope *scope, Oid result_type);

/* A boolean condition (or an expression of another type), ready to run, in a context under mcxt. */
extern LrCondition *lr_condition_compile(const char *text, const LrConditionScope *scope, MemoryContext mcxt);
extern LrCondition *lr_condition_compile_as(const char *text, const LrConditionScope *scope, Oid result_type,
											MemoryContext mcxt);
/*
 * The same of what lr_condition_analyze gave, as lr_expression_put() writes it: nothing is parsed, resolved or checked. The caller knows that
 * all it refers to is still what it was, and whether it cannot fail.
 */
extern LrCondition *lr_condition_revive(const char *text, const char *nodes, bool cannot_fail, MemoryContext mcxt);

/*
 * Evaluate. econtext->ecxt_outertuple is the row's slot and ecxt_innertuple the
 * slot of facts, of any slot kind and with the attribute numbers compiled for;
 * a slot that the condition does not read may be NULL. Results by reference and
 * garbage lie in econtext's per-tuple memory, which the caller resets. Nothing
 * else of econtext is used. Functions run as the current user.
 * lr_condition_holds: NULL counts as false.
 */
extern bool lr_condition_holds(LrCondition *condition, ExprContext *econtext);
extern Datum lr_condition_value(LrCondition *condition, ExprContext *econtext, bool *isnull);

/* Attribute numbers (as they are, no offset) of the row, and of facts, that are read; owned by the condition. */
extern Bitmapset *lr_condition_columns(const LrCondition *condition);
extern Bitmapset *lr_condition_facts(const LrCondition *condition);

/* True if everything it calls is leakproof, so no value can make it fail and no subtransaction is needed. */
extern bool lr_condition_cannot_fail(const LrCondition *condition);

/* The expression as it was analysed (see lr_condition_analyze); the condition's. */
extern const Expr *lr_condition_expr(const LrCondition *condition);

extern const char *lr_condition_text(const LrCondition *condition);

/* A copy of the row type leadroute.facts, not reference-counted, in the current memory context. */
extern TupleDesc lr_facts_desc(void);

/*
 * A part of a condition's expression, compiled in the current context to be evaluated by itself, over a row in the outer slot. The part must stay. Errors: those
 * of the executor.
 */
extern ExprState *lr_condition_part(Expr *part);

/* The attributes that an analysed expression reads: varno is OUTER_VAR (the row) or INNER_VAR (facts). */
extern Bitmapset *lr_condition_attributes(const Expr *expr, int varno);

#endif /* LR_CONDITION_H */
