// node: pg, pg-copy-streams, knex, sequelize, each with its own way to insert and to read back. Prints what stands in the end.
const assert = require('assert');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const { Client, Pool } = require('pg');
const { from: copyFrom } = require('pg-copy-streams');
const settings = { host: process.env.PGHOST, port: +process.env.PGPORT, user: process.env.PGUSER, database: process.env.PGDATABASE };

async function pg() {
	const client = new Client(settings);
	await client.connect();
	for (let i = 1; i <= 20; i++) {
		const { rows } = await client.query({ name: 'insert', text: 'INSERT INTO leads (id, email, country) VALUES ($1, $2, $3) RETURNING *', values: [i, `pg${i}`, 'US'] });
		assert(rows[0].owner && rows[0].route_reason);
	}
	const stream = client.query(copyFrom("COPY leads (id, email, country) FROM STDIN (FORMAT csv)"));
	await pipeline(Readable.from(Array.from({ length: 200 }, (_, i) => `${i + 21},copy${i},US\n`)), stream);
	await client.end();
	const pool = new Pool({ ...settings, max: 5 });
	const owners = await Promise.all(Array.from({ length: 50 }, (_, i) =>
		pool.query('INSERT INTO leads (id, email) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET owner = EXCLUDED.owner RETURNING owner', [i + 201, `pool${i}`])));
	assert(owners.every((answer) => answer.rows[0].owner));
	await pool.end();
}

async function knex() {
	const db = require('knex')({ client: 'pg', connection: settings });
	const rows = await db('leads').insert(Array.from({ length: 40 }, (_, i) => ({ id: i + 301, email: `knex${i}`, country: 'US' }))).returning(['id', 'owner']);
	assert(rows.length === 40 && rows.every((row) => row.owner));
	const again = await db('leads').insert({ id: 301, email: 'knex again' }).onConflict('id').merge().returning('*');
	assert.strictEqual(again[0].owner, rows[0].owner);
	await db.batchInsert('leads', Array.from({ length: 100 }, (_, i) => ({ id: i + 341, email: `batch${i}` })), 30);
	await db.transaction(async (trx) => { await trx('leads').insert({ id: 999, email: 'lost' }); throw new Error('back'); }).catch((e) => assert.strictEqual(e.message, 'back'));
	await db.destroy();
}

async function sequelize() {
	const { Sequelize, DataTypes } = require('sequelize');
	const db = new Sequelize(settings.database, settings.user, '', { host: settings.host, port: settings.port, dialect: 'postgres', logging: false });
	const Lead = db.define('Lead', { id: { type: DataTypes.BIGINT, primaryKey: true }, email: DataTypes.TEXT, country: DataTypes.TEXT, owner: DataTypes.TEXT, route_reason: DataTypes.TEXT },
		{ tableName: 'leads', timestamps: false });
	const lead = await Lead.create({ id: 501, email: 'sequelize', country: 'US' });
	assert(lead.owner && lead.route_reason);
	const many = await Lead.bulkCreate(Array.from({ length: 60 }, (_, i) => ({ id: i + 502, email: `bulk${i}` })), { returning: true });
	assert(many.every((row) => row.owner));
	await Lead.upsert({ id: 501, email: 'upsert', country: 'US' });
	lead.set('email', 'saved');
	await lead.save();
	await lead.reload();
	const owner = lead.owner;
	await Lead.bulkCreate([{ id: 501, email: 'third', owner: null }], { updateOnDuplicate: ['email', 'owner'] });
	await lead.reload();
	assert.strictEqual(lead.owner, owner);
	await db.close();
}

(async () => {
	await pg();
	await knex();
	await sequelize();
	const client = new Client(settings);
	await client.connect();
	console.log((await client.query('SELECT count(*) FROM leads WHERE owner IS NOT NULL')).rows[0].count);
	await client.end();
})().catch((error) => { console.error(error); process.exit(1); });
