/*
 * What people do with one lead. Each function exists for a key that is text, a number or a uuid. Everybody may call
 * them; who is no member of leadroute_operator must be allowed to UPDATE the lead's row (src/lifecycle/hand.c).
 */
CREATE FUNCTION leadroute.close(lead text, outcome text DEFAULT 'closed', value numeric DEFAULT NULL, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_close';
COMMENT ON FUNCTION leadroute.close(text, text, numeric, text) IS
	'Closes a lead with an outcome (''won'' counts as won) and its value; its owner''s place is free when the transaction commits. Called again it changes outcome and value. Answers whether anything changed; NULL for a NULL lead. What the row says has no say any more until reopen(). Needs leadroute_operator, or UPDATE on the row. Errors: no_data_found for a lead that is not in the table, insufficient_privilege.';

CREATE FUNCTION leadroute.reopen(lead text, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_reopen';
COMMENT ON FUNCTION leadroute.reopen(text, text) IS
	'Opens a closed lead again: its owner has it, and it counts, also where he is full. Answers whether it was closed. A row that says closed_when or won_when closes it again only when it turns true anew. Rights and errors as close().';

CREATE FUNCTION leadroute.reassign(lead text, rep text, reason text DEFAULT NULL, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_reassign';
COMMENT ON FUNCTION leadroute.reassign(text, text, text, text) IS
	'Gives a lead to another rep, of whatever team, full or not; the row, the state, the places and an event with the reason say so. False where he has it already; NULL for a NULL lead. Errors: object_not_in_prerequisite_state where it has changed hands since the statement began, where the rep is not active or has let the lead lapse before; undefined_object for no rep. Rights as close().';

CREATE FUNCTION leadroute.claim(lead text, rep text, flow text DEFAULT 'default') RETURNS boolean
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_claim';
COMMENT ON FUNCTION leadroute.claim(text, text, text) IS
	'A rep takes a lead that waits in a queue. True: it is his. False: somebody else has it or is about to: of two who claim it one wins, and nobody waits. Errors and rights as reassign(), and an error where the lead is closed or neither waits nor has an owner.';

CREATE FUNCTION leadroute.release(lead text, reason text DEFAULT NULL, flow text DEFAULT 'default') RETURNS text
LANGUAGE c CALLED ON NULL INPUT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_release';
COMMENT ON FUNCTION leadroute.release(text, text, text) IS
	'The owner gives a lead back: the rules decide again, and it never goes by itself to him or to any who let it lapse before; when nobody else of the team is left it waits in the team''s overflow queue, code all_tried. Answers who has it now; NULL where it waits. Errors and rights as reassign(), and an error where the lead is closed or has no owner.';

CREATE FUNCTION leadroute.reroute(lead text, flow text DEFAULT 'default') RETURNS text
LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lr_sql_reroute';
COMMENT ON FUNCTION leadroute.reroute(text, text) IS
	'The rules decide about a lead again, as it is now and as if it were new; who let it lapse before is not asked. Where they say the same nothing changes. Answers who has it now; NULL where it waits or was discarded. Errors and rights as release(), and an error where it cannot be routed (its flow is off).';

SELECT leadroute.for_other_keys('close', 'reopen', 'reassign', 'claim', 'release', 'reroute');
