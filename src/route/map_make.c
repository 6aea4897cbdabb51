/*
 * map_make.c
 *		The image of a map, from its territories.
 *
 * They are gathered one by one (MapMaker), sorted in the order in which they win, and parted side by side (map_part.c) until a few are left together.
 *
 * Memory: the maker's, in the context that it began in, grows to the size of the image; parting takes some hundred bytes an area more, which are free when it
 * is made.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "map_part.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"

#define FEW 4					  /* areas are asked one by one */
#define BUFFER_LIMIT 0xFFFF0000UL /* offsets are of four bytes */

typedef struct Text
{
	uint64 hash;
	uint32 at;
} Text;

static bool read_during(MapMaker *maker, struct varlena *during, TimestampTz *from, TimestampTz *to);
static uint32 put_text(MapMaker *maker, const char *text);
static void note_sides(MapMaker *maker, struct varlena *area);
static uint32 put_bytes(MapBuffer *buffer, const void *data, Size len, Size align);
static Link put_group(MapMaker *maker, uint32 *areas, int n);
static Link put_list(MapMaker *maker, const uint32 *areas, int n);
static Link put_node(MapMaker *maker, const Parting *parting);
static void fill_innermost(const Parting *parting, uint32 *innermost);
static uint32 *by_span(const Parting *parting, int **starts);
static int compare_numbers(const void *a, const void *b);

/* ---- gathering ---- */

MapMaker *
lr_map_maker_begin(void)
{
	HASHCTL info = {.keysize = sizeof(uint64), .entrysize = sizeof(Text), .hcxt = CurrentMemoryContext};
	MapMaker *maker = palloc0(sizeof(MapMaker));

	maker->mcxt = CurrentMemoryContext;
	maker->range = lookup_type_cache(TSTZRANGEOID, TYPECACHE_RANGE_INFO);
	maker->texts = hash_create("leadroute map texts", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	maker->bytes.room = maker->areas.room = maker->sides.room = maker->groups.room = 1024;
	maker->bytes.data = palloc(maker->bytes.room);
	maker->areas.data = palloc(maker->areas.room);
	maker->sides.data = palloc(maker->sides.room);
	maker->groups.data = palloc(maker->groups.room);
	/* no offset is 0 */
	maker->bytes.len = maker->groups.len = MAXIMUM_ALIGNOF;
	memset(maker->bytes.data, 0, MAXIMUM_ALIGNOF);
	memset(maker->groups.data, 0, MAXIMUM_ALIGNOF);
	return maker;
}

bool
lr_map_maker_add(MapMaker *maker, const TerritoryHit *territory, struct varlena *during)
{
	ImageArea area = {.precedence = territory->precedence};

	if (LR_IS_EMPTY(territory->area) || !read_during(maker, during, &area.from, &area.to))
		return true;
	if (lr_map_maker_size(maker) + VARSIZE_ANY(territory->area) > BUFFER_LIMIT / 2)
		return false;
	area.area = put_bytes(&maker->bytes, territory->area, VARSIZE_ANY(territory->area), sizeof(int32));
	area.territory = put_bytes(&maker->bytes, territory->territory, strlen(territory->territory) + 1, 1);
	area.team = put_text(maker, territory->team);
	area.rep = put_text(maker, territory->rep);
	note_sides(maker, territory->area);
	put_bytes(&maker->areas, &area, sizeof(area), MAXIMUM_ALIGNOF);
	return true;
}

/* Half-open: bounds are whole microseconds. False where it never holds. */
static bool
read_during(MapMaker *maker, struct varlena *during, TimestampTz *from, TimestampTz *to)
{
	RangeBound lower;
	RangeBound upper;
	bool empty;

	range_deserialize(maker->range, (RangeType *) during, &lower, &upper, &empty);
	if (empty)
		return false;
	*from = lower.infinite ? PG_INT64_MIN : DatumGetTimestampTz(lower.val);
	if (!lower.infinite && !lower.inclusive && *from < PG_INT64_MAX)
		(*from)++;
	*to = upper.infinite ? PG_INT64_MAX : DatumGetTimestampTz(upper.val);
	if (!upper.infinite && upper.inclusive && *to < PG_INT64_MAX)
		(*to)++;
	return true;
}

static uint32
put_text(MapMaker *maker, const char *text)
{
	uint64 hash;
	Text *known;
	bool found;

	if (text == NULL)
		return 0;
	hash = hash_bytes_extended((const unsigned char *) text, (int) strlen(text), 0);
	known = hash_search(maker->texts, &hash, HASH_ENTER, &found);
	if (!found || strcmp(maker->bytes.data + known->at, text) != 0)
		known->at = put_bytes(&maker->bytes, text, strlen(text) + 1, 1);
	return known->at;
}

/* Each name once. */
static void
note_sides(MapMaker *maker, struct varlena *area)
{
	LrSideWalk walk;
	LrSideView view;

	lr_side_walk(area, &walk);
	while (lr_side_walk_next(&walk, &view))
	{
		const ImageSide *sides = (const ImageSide *) maker->sides.data;
		int n = (int) (maker->sides.len / sizeof(ImageSide));
		ImageSide side = {.len = view.name_len};
		int i;

		for (i = 0; i < n; i++)
			if (sides[i].len == side.len && memcmp(maker->bytes.data + sides[i].name, view.name, side.len) == 0)
				break;
		if (i < n)
			continue;
		side.name = put_bytes(&maker->bytes, view.name, view.name_len, 1);
		put_bytes(&maker->sides, &side, sizeof(side), sizeof(uint32));
	}
}

/* Where it lies now. */
static uint32
put_bytes(MapBuffer *buffer, const void *data, Size len, Size align)
{
	Size at = TYPEALIGN(align, buffer->len);

	if (at + len > BUFFER_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("map of territories is too large for memory")));
	if (at + len > buffer->room)
	{
		buffer->room = Max(at + len, buffer->room * 2);
		buffer->data = repalloc_huge(buffer->data, buffer->room);
	}
	memset(buffer->data + buffer->len, 0, at - buffer->len);
	if (data)
		memcpy(buffer->data + at, data, len);
	else
		memset(buffer->data + at, 0, len);
	buffer->len = at + len;
	return (uint32) at;
}

Size
lr_map_maker_size(const MapMaker *maker)
{
	return maker->bytes.len + maker->areas.len + maker->groups.len;
}

/* ---- making ---- */

MapImage *
lr_map_image_make(MapMaker *maker)
{
	uint32 n = (uint32) (maker->areas.len / sizeof(ImageArea));
	ImageArea *areas = (ImageArea *) maker->areas.data;
	MemoryContext caller = MemoryContextSwitchTo(maker->mcxt);
	MapImage head = {.nareas = n, .nsides = (uint32) (maker->sides.len / sizeof(ImageSide))};
	uint32 *all = MemoryContextAllocHuge(maker->mcxt, Max(n, 1) * sizeof(uint32));
	MapImage *image;

	qsort_arg(areas, n, sizeof(ImageArea), lr_map_compare_areas, maker->bytes.data);
	for (uint32 i = 0; i < n; i++)
		all[i] = i;
	head.root = put_group(maker, all, (int) n);
	pfree(all);
	MemoryContextSwitchTo(caller);

	head.sides = sizeof(MapImage) + maker->areas.len;
	head.groups = MAXALIGN(head.sides + maker->sides.len);
	head.bytes = MAXALIGN(head.groups + maker->groups.len);
	head.size = MAXALIGN(head.bytes + maker->bytes.len);
	image = MemoryContextAllocExtended(caller, head.size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	*image = head;
	memcpy((char *) image + sizeof(MapImage), maker->areas.data, maker->areas.len);
	memcpy((char *) image + head.sides, maker->sides.data, maker->sides.len);
	memcpy((char *) image + head.groups, maker->groups.data, maker->groups.len);
	memcpy((char *) image + head.bytes, maker->bytes.data, maker->bytes.len);
	return image;
}

int
lr_map_compare_areas(const void *a, const void *b, void *arg)
{
	const ImageArea *left = a;
	const ImageArea *right = b;
	char *bytes = arg;

	if (left->precedence != right->precedence)
		return left->precedence > right->precedence ? -1 : 1;
	return lr_territory_cmp((struct varlena *) (bytes + left->area), (struct varlena *) (bytes + right->area));
}

/* The areas' numbers in order. */
static Link
put_group(MapMaker *maker, uint32 *areas, int n)
{
	MemoryContext scratch;
	MemoryContext caller;
	Parting parting;
	Link node;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	if (n == 0)
		return 0;
	if (n == 1)
		return areas[0] * 2 + 1;
	if (n <= FEW)
		return put_list(maker, areas, n);

	scratch = AllocSetContextCreate(CurrentMemoryContext, "leadroute map group", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	node = lr_map_part(maker, areas, n, &parting) ? put_node(maker, &parting) : put_list(maker, areas, n);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return node;
}

static Link
put_list(MapMaker *maker, const uint32 *areas, int n)
{
	uint32 count = (uint32) n;
	Link list = put_bytes(&maker->groups, &count, sizeof(count), MAXIMUM_ALIGNOF);

	put_bytes(&maker->groups, areas, n * sizeof(uint32), sizeof(uint32));
	return list;
}

/* The node, and the groups that hang on it. */
static Link
put_node(MapMaker *maker, const Parting *parting)
{
	ImageNode head = {.side = (uint32) parting->side, .ncuts = (uint32) parting->ncuts, .nspans = (uint32) parting->nspans};
	Link node = put_bytes(&maker->groups, &head, sizeof(head), MAXIMUM_ALIGNOF);
	int ncuts = parting->ncuts;
	uint32 keys = put_bytes(&maker->groups, NULL, ncuts * sizeof(uint64), 1);
	uint32 cuts = put_bytes(&maker->groups, NULL, ncuts * sizeof(ImageCut), 1);
	uint32 spans = put_bytes(&maker->groups, NULL, parting->nspans * sizeof(ImageSpan), 1);
	uint32 innermost = put_bytes(&maker->groups, NULL, (ncuts + 1) * sizeof(uint32), 1);
	int *starts;
	uint32 *areas;
	Link rest;

	for (int i = 0; i < ncuts; i++)
	{
		LrCut cut = parting->cuts[i];

		((uint64 *) (maker->groups.data + keys))[i] = lr_map_key(cut);
		((ImageCut *) (maker->groups.data + cuts))[i] = (ImageCut){.at = (uint32) ((const char *) cut.data - maker->bytes.data), .len = (uint32) cut.len};
	}
	fill_innermost(parting, (uint32 *) (maker->groups.data + innermost));
	areas = by_span(parting, &starts);
	for (int i = 0; i < parting->nspans; i++)
	{
		Link group = put_group(maker, areas + starts[i], starts[i + 1] - starts[i]);

		((ImageSpan *) (maker->groups.data + spans))[i] = (ImageSpan){.group = group, .around = (uint32) (parting->spans[i].around + 1)};
	}
	rest = put_group(maker, parting->rest, parting->nrest);
	((ImageNode *) (maker->groups.data + node))->rest = rest;
	return node;
}

/* Zeros before; the spans come in order of where they begin, the larger first. */
static void
fill_innermost(const Parting *parting, uint32 *innermost)
{
	int at = 0;
	int last = -1;

	for (int i = 0; i <= parting->nspans; i++)
	{
		int from = i < parting->nspans ? parting->spans[i].from : parting->ncuts + 1;

		while (last >= 0 && parting->spans[last].to <= from)
		{
			while (at < parting->spans[last].to)
				innermost[at++] = (uint32) (last + 1);
			last = parting->spans[last].around;
		}
		while (at < from)
			innermost[at++] = (uint32) (last + 1);
		if (i < parting->nspans)
			last = i;
	}
}

/* The areas in order of their spans, and of their numbers; *starts has one more than there are spans. */
static uint32 *
by_span(const Parting *parting, int **starts)
{
	uint32 *areas = MemoryContextAllocHuge(CurrentMemoryContext, parting->nplaced * sizeof(uint32));
	int *filled = MemoryContextAllocHuge(CurrentMemoryContext, parting->nspans * sizeof(int));
	int at = 0;

	*starts = MemoryContextAllocHuge(CurrentMemoryContext, (parting->nspans + 1) * sizeof(int));
	for (int i = 0; i < parting->nspans; i++)
	{
		(*starts)[i] = filled[i] = at;
		at += parting->spans[i].n;
	}
	(*starts)[parting->nspans] = at;
	for (int i = 0; i < parting->nplaced; i++)
		areas[filled[parting->placed_span[i]]++] = parting->placed_area[i];
	for (int i = 0; i < parting->nspans; i++)
		qsort(areas + (*starts)[i], parting->spans[i].n, sizeof(uint32), compare_numbers);
	pfree(filled);
	return areas;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32 left = *(const uint32 *) a;
	uint32 right = *(const uint32 *) b;

	return left < right ? -1 : left > right;
}
