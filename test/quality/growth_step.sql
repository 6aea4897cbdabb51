CALL growth.add(:from, :target - 1000);
CALL leadroute.find_duplicates('growth');
CALL growth.add(:target - 999, :target);
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT growth.buffers() AS before, clock_timestamp() AS started \gset
CALL leadroute.find_duplicates('growth');
SELECT extract(epoch FROM clock_timestamp() - :'started') AS seconds, pg_stat_force_next_flush() \gset
INSERT INTO growth.measured SELECT :target, r.compared / 1000.0, (growth.buffers() - :before) / 1000, :seconds FROM leadroute.match_runs r WHERE r.flow = 'growth';
