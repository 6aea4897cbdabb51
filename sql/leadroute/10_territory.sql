
/*
 * The type territory.
 */
CREATE TYPE leadroute.territory;

CREATE FUNCTION leadroute.territory_in(cstring) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_out(leadroute.territory) RETURNS cstring
	AS 'MODULE_PATHNAME', 'lr_territory_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_recv(internal) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_send(leadroute.territory) RETURNS bytea
	AS 'MODULE_PATHNAME', 'lr_territory_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE leadroute.territory (
	INPUT = leadroute.territory_in,
	OUTPUT = leadroute.territory_out,
	RECEIVE = leadroute.territory_recv,
	SEND = leadroute.territory_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE leadroute.territory IS
'a box: sides of labels or numbers, as in ''country: us; region: ca, or; postal_code: 94*, 95000..95199; employees: [1,500)''; ''{}'' is everywhere, ''empty'' nowhere. At most 32 sides, 10,000 intervals a side, 255 bytes a label, 248 digits before and after the decimal point, 1 MB in all';

COMMENT ON FUNCTION leadroute.territory_in(cstring) IS 'I/O';
COMMENT ON FUNCTION leadroute.territory_out(leadroute.territory) IS 'I/O';
COMMENT ON FUNCTION leadroute.territory_recv(internal) IS 'I/O';
COMMENT ON FUNCTION leadroute.territory_send(leadroute.territory) IS 'I/O';

/* predicates */
CREATE FUNCTION leadroute.territory_contains(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_contains_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_contained(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_contained_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_overlaps(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_overlaps_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_crosses(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_crosses_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_eq(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_ne(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_lt(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_le(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_gt(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_ge(leadroute.territory, leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_cmp(leadroute.territory, leadroute.territory) RETURNS integer
	AS 'MODULE_PATHNAME', 'lr_territory_cmp_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_hash(leadroute.territory) RETURNS integer
	AS 'MODULE_PATHNAME', 'lr_territory_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_hash_extended(leadroute.territory, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'lr_territory_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

/* functions that people call */
CREATE FUNCTION leadroute.territory_shared(a leadroute.territory, b leadroute.territory) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_intersect_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.territory_shared(leadroute.territory, leadroute.territory) IS
'what two territories share, as the operator * gives it; empty where they are apart';
CREATE FUNCTION leadroute.isempty(leadroute.territory) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_isempty' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.isempty(leadroute.territory) IS 'whether no point lies in the territory';
CREATE FUNCTION leadroute.side(territory leadroute.territory, side text) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_side' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.side(leadroute.territory, text) IS
'the territory cut down to one side: {} where it does not constrain it, empty where it is empty; the name is taken exactly';
CREATE FUNCTION leadroute.sides(territory leadroute.territory) RETURNS SETOF text
	AS 'MODULE_PATHNAME', 'lr_territory_side_names' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 3;
COMMENT ON FUNCTION leadroute.sides(leadroute.territory) IS 'the names of the sides that the territory constrains, in byte order';
CREATE FUNCTION leadroute.territory(side text, labels text[]) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_from_labels' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.territory(text, text[]) IS
'a territory of one side that holds exactly these labels; no character in them has a meaning, no label at all is empty';
CREATE FUNCTION leadroute.territory(side text, ranges numrange[]) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_from_ranges' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.territory(text, numrange[]) IS
'a territory of one side that holds the numbers of these ranges; bounds must be finite, infinite ends are left out';
CREATE FUNCTION leadroute.territory(jsonb) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.territory(jsonb) IS
'a territory from {"side": item or [items]}; an item is a string as in a territory''s text, or a number; names are taken exactly; "empty" is empty';
CREATE FUNCTION leadroute.territory_point(lead jsonb) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_point_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.territory_point(jsonb) IS
'the point that a lead fills, as in area @> leadroute.territory_point(to_jsonb(lead)): strings and booleans are labels, numbers numbers; what is null, an array or an object is left out';
CREATE FUNCTION leadroute.jsonb(leadroute.territory) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'lr_territory_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.jsonb(leadroute.territory) IS
'the territory as {"side": [items]}, the items as in its text; "empty" for the empty one';

CREATE CAST (jsonb AS leadroute.territory) WITH FUNCTION leadroute.territory(jsonb);
/* INSERT ... SELECT from a list that was loaded as text */
CREATE CAST (text AS leadroute.territory) WITH INOUT AS ASSIGNMENT;
CREATE CAST (leadroute.territory AS jsonb) WITH FUNCTION leadroute.jsonb(leadroute.territory);

/* selectivity */
CREATE FUNCTION leadroute.territory_sel(internal, oid, internal, integer) RETURNS double precision
	AS 'MODULE_PATHNAME', 'lr_territory_sel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.territory_joinsel(internal, oid, internal, smallint, internal) RETURNS double precision
	AS 'MODULE_PATHNAME', 'lr_territory_joinsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.territory_sel(internal, oid, internal, integer) IS 'restriction selectivity of the operators on territories';
COMMENT ON FUNCTION leadroute.territory_joinsel(internal, oid, internal, smallint, internal) IS 'join selectivity of the operators on territories';

/* operators */
CREATE OPERATOR leadroute.@> (FUNCTION = leadroute.territory_contains, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.<@), RESTRICT = leadroute.territory_sel, JOIN = leadroute.territory_joinsel);
CREATE OPERATOR leadroute.<@ (FUNCTION = leadroute.territory_contained, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.@>), RESTRICT = leadroute.territory_sel, JOIN = leadroute.territory_joinsel);
CREATE OPERATOR leadroute.&& (FUNCTION = leadroute.territory_overlaps, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.&&), RESTRICT = leadroute.territory_sel, JOIN = leadroute.territory_joinsel);
CREATE OPERATOR leadroute.?# (FUNCTION = leadroute.territory_crosses, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.?#), RESTRICT = leadroute.territory_sel, JOIN = leadroute.territory_joinsel);
CREATE OPERATOR leadroute.= (FUNCTION = leadroute.territory_eq, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.=), NEGATOR = OPERATOR(leadroute.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR leadroute.<> (FUNCTION = leadroute.territory_ne, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.<>), NEGATOR = OPERATOR(leadroute.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR leadroute.< (FUNCTION = leadroute.territory_lt, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.>), NEGATOR = OPERATOR(leadroute.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR leadroute.<= (FUNCTION = leadroute.territory_le, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.>=), NEGATOR = OPERATOR(leadroute.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR leadroute.> (FUNCTION = leadroute.territory_gt, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.<), NEGATOR = OPERATOR(leadroute.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR leadroute.>= (FUNCTION = leadroute.territory_ge, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.<=), NEGATOR = OPERATOR(leadroute.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR leadroute.* (FUNCTION = leadroute.territory_shared, LEFTARG = leadroute.territory, RIGHTARG = leadroute.territory,
	COMMUTATOR = OPERATOR(leadroute.*));

COMMENT ON OPERATOR leadroute.@> (leadroute.territory, leadroute.territory) IS 'contains';
COMMENT ON OPERATOR leadroute.<@ (leadroute.territory, leadroute.territory) IS 'is contained by';
COMMENT ON OPERATOR leadroute.&& (leadroute.territory, leadroute.territory) IS 'share points';
COMMENT ON OPERATOR leadroute.?# (leadroute.territory, leadroute.territory) IS 'cross: share points and neither lies strictly inside the other';
COMMENT ON OPERATOR leadroute.= (leadroute.territory, leadroute.territory) IS 'equal';
COMMENT ON OPERATOR leadroute.<> (leadroute.territory, leadroute.territory) IS 'not equal';
COMMENT ON OPERATOR leadroute.< (leadroute.territory, leadroute.territory) IS 'sorts before; an area sorts before every larger one that contains it';
COMMENT ON OPERATOR leadroute.<= (leadroute.territory, leadroute.territory) IS 'sorts before or equal';
COMMENT ON OPERATOR leadroute.> (leadroute.territory, leadroute.territory) IS 'sorts after';
COMMENT ON OPERATOR leadroute.>= (leadroute.territory, leadroute.territory) IS 'sorts after or equal';
COMMENT ON OPERATOR leadroute.* (leadroute.territory, leadroute.territory) IS 'what both share';
COMMENT ON FUNCTION leadroute.territory_contains(leadroute.territory, leadroute.territory) IS 'implementation of the operator @>';
COMMENT ON FUNCTION leadroute.territory_contained(leadroute.territory, leadroute.territory) IS 'implementation of the operator <@';
COMMENT ON FUNCTION leadroute.territory_overlaps(leadroute.territory, leadroute.territory) IS 'implementation of the operator &&';
COMMENT ON FUNCTION leadroute.territory_crosses(leadroute.territory, leadroute.territory) IS 'implementation of the operator ?#';
COMMENT ON FUNCTION leadroute.territory_eq(leadroute.territory, leadroute.territory) IS 'implementation of the operator =';
COMMENT ON FUNCTION leadroute.territory_ne(leadroute.territory, leadroute.territory) IS 'implementation of the operator <>';
COMMENT ON FUNCTION leadroute.territory_lt(leadroute.territory, leadroute.territory) IS 'implementation of the operator <';
COMMENT ON FUNCTION leadroute.territory_le(leadroute.territory, leadroute.territory) IS 'implementation of the operator <=';
COMMENT ON FUNCTION leadroute.territory_gt(leadroute.territory, leadroute.territory) IS 'implementation of the operator >';
COMMENT ON FUNCTION leadroute.territory_ge(leadroute.territory, leadroute.territory) IS 'implementation of the operator >=';
COMMENT ON FUNCTION leadroute.territory_cmp(leadroute.territory, leadroute.territory) IS 'less than, equal to or greater than 0 as the first sorts before, with or after the second';
COMMENT ON FUNCTION leadroute.territory_hash(leadroute.territory) IS 'hash';
COMMENT ON FUNCTION leadroute.territory_hash_extended(leadroute.territory, bigint) IS 'hash with a seed';

/* operator classes */
CREATE OPERATOR CLASS leadroute.territory_ops DEFAULT FOR TYPE leadroute.territory USING btree AS
	OPERATOR 1 leadroute.<,
	OPERATOR 2 leadroute.<=,
	OPERATOR 3 leadroute.=,
	OPERATOR 4 leadroute.>=,
	OPERATOR 5 leadroute.>,
	FUNCTION 1 leadroute.territory_cmp(leadroute.territory, leadroute.territory),
	FUNCTION 4 pg_catalog.btequalimage(oid);

CREATE OPERATOR CLASS leadroute.territory_hash_ops DEFAULT FOR TYPE leadroute.territory USING hash AS
	OPERATOR 1 leadroute.=,
	FUNCTION 1 leadroute.territory_hash(leadroute.territory),
	FUNCTION 2 leadroute.territory_hash_extended(leadroute.territory, bigint);

CREATE FUNCTION leadroute.gist_territory_consistent(internal, leadroute.territory, smallint, oid, internal) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lr_territory_gist_consistent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.gist_territory_union(internal, internal) RETURNS leadroute.territory
	AS 'MODULE_PATHNAME', 'lr_territory_gist_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.gist_territory_compress(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'lr_territory_gist_compress' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.gist_territory_penalty(internal, internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'lr_territory_gist_penalty' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.gist_territory_picksplit(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'lr_territory_gist_picksplit' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadroute.gist_territory_same(leadroute.territory, leadroute.territory, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'lr_territory_gist_same' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadroute.gist_territory_consistent(internal, leadroute.territory, smallint, oid, internal) IS 'GiST support';
COMMENT ON FUNCTION leadroute.gist_territory_union(internal, internal) IS 'GiST support';
COMMENT ON FUNCTION leadroute.gist_territory_compress(internal) IS 'GiST support';
COMMENT ON FUNCTION leadroute.gist_territory_penalty(internal, internal, internal) IS 'GiST support';
COMMENT ON FUNCTION leadroute.gist_territory_picksplit(internal, internal) IS 'GiST support';
COMMENT ON FUNCTION leadroute.gist_territory_same(leadroute.territory, leadroute.territory, internal) IS 'GiST support';

CREATE OPERATOR CLASS leadroute.gist_territory_ops DEFAULT FOR TYPE leadroute.territory USING gist AS
	OPERATOR 3 leadroute.&&,
	OPERATOR 6 leadroute.=,
	OPERATOR 7 leadroute.@>,
	OPERATOR 8 leadroute.<@,
	OPERATOR 30 leadroute.?#,
	FUNCTION 1 leadroute.gist_territory_consistent(internal, leadroute.territory, smallint, oid, internal),
	FUNCTION 2 leadroute.gist_territory_union(internal, internal),
	FUNCTION 3 leadroute.gist_territory_compress(internal),
	FUNCTION 5 leadroute.gist_territory_penalty(internal, internal, internal),
	FUNCTION 6 leadroute.gist_territory_picksplit(internal, internal),
	FUNCTION 7 leadroute.gist_territory_same(leadroute.territory, leadroute.territory, internal);
COMMENT ON OPERATOR CLASS leadroute.territory_ops USING btree IS 'order of territories: inside before outside';
COMMENT ON OPERATOR CLASS leadroute.territory_hash_ops USING hash IS 'hash of territories';
COMMENT ON OPERATOR CLASS leadroute.gist_territory_ops USING gist IS 'bounding boxes of territories, for @> <@ && = ?#';
