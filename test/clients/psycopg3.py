"""psycopg 3: executemany in a pipeline with RETURNING, COPY, a batch that fails half way. Prints what it read back."""
import psycopg

with psycopg.connect() as connection:
    cursor = connection.cursor()
    cursor.executemany(
        "INSERT INTO leads (id, email, country) VALUES (%s, %s, %s) RETURNING id, owner, route_reason IS NOT NULL",
        [(i, f"psycopg{i}@x.example", "US" if i % 2 else "DE") for i in range(1, 101)],
        returning=True,
    )
    rows = []
    while True:
        rows.append(cursor.fetchone())
        if not cursor.nextset():
            break
    assert [row[0] for row in rows] == list(range(1, 101)), rows
    assert all(row[1] and row[2] for row in rows), rows
    with connection.pipeline():
        answers = [
            connection.execute("INSERT INTO leads (id, email, country) VALUES (%s, %s, 'US') RETURNING owner", (i, f"pipe{i}@x.example"))
            for i in range(101, 151)
        ]
    owners = [answer.fetchone()[0] for answer in answers]
    assert all(owners) and len(set(owners)) > 1, owners
    with cursor.copy("COPY leads (id, email, country) FROM STDIN") as copy:
        for i in range(151, 251):
            copy.write_row((i, f"copy{i}@x.example", None))
    with cursor.copy("COPY leads (id, email, country) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "text", "text"])
        for i in range(251, 301):
            copy.write_row((i, f"binary{i}@x.example", "us"))

with psycopg.connect() as connection:
    try:
        connection.cursor().executemany("INSERT INTO leads (id, email) VALUES (%s, 'again')", [(301,), (302,), (1,)])
        raise SystemExit("a duplicate key was taken")
    except psycopg.errors.UniqueViolation:
        connection.rollback()
    with connection.transaction():
        connection.execute("INSERT INTO leads (id, email) VALUES (301, 'kept')", prepare=True)
        try:
            with connection.transaction():
                connection.execute("INSERT INTO leads (id, email) VALUES (302, 'lost')", prepare=True)
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
    count = connection.execute("SELECT count(*) FROM leads WHERE owner IS NOT NULL").fetchone()[0]
    print(count)
