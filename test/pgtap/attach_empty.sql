-- An empty table leaves nothing to catch up, and health does not ask for it; one with rows does.
BEGIN;
SELECT plan(4);
CREATE TABLE empty (id bigint PRIMARY KEY, email text);
CREATE TABLE filled (id bigint PRIMARY KEY, email text);
INSERT INTO filled VALUES (1, 'a@one.example');

SELECT matches(leadroute.attach('empty'), 'no row stands there', 'attach says that no row stands there');
SELECT is(status, 'ok', 'an empty table has nothing to catch up') FROM leadroute.health WHERE check_name = 'catch-up';

SELECT matches(leadroute.attach('filled', flow => 'other'), '1 row stands there', 'attach says that a row stands there');
SELECT is(status, 'warn', 'a table with rows is to be caught up') FROM leadroute.health WHERE check_name = 'catch-up';

SELECT * FROM finish();
ROLLBACK;
