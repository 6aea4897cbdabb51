"""SQLAlchemy: insert().returning(), many rows, an upsert that takes its columns from EXCLUDED. Prints what it read back."""
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

engine = sa.create_engine("postgresql+psycopg2://")
leads = sa.Table("leads", sa.MetaData(), sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("email", sa.Text),
                 sa.Column("country", sa.Text), sa.Column("owner", sa.Text), sa.Column("route_reason", sa.Text))
with engine.begin() as connection:
    row = connection.execute(sa.insert(leads).values(id=1, email="one", country="US").returning(leads.c.owner, leads.c.route_reason)).one()
    assert row.owner and row.route_reason, row
    rows = connection.execute(
        sa.insert(leads).values([{"id": i, "email": f"many{i}", "country": "US"} for i in range(2, 52)]).returning(leads.c.id, leads.c.owner)
    ).all()
    assert len(rows) == 50 and all(row.owner for row in rows), rows
    connection.execute(sa.insert(leads), [{"id": i, "email": f"batch{i}", "country": None} for i in range(52, 102)])
    before = dict(connection.execute(sa.select(leads.c.id, leads.c.owner)).all())
with engine.begin() as connection:
    upsert = insert(leads).values([{"id": i, "email": f"upsert{i}", "country": "US"} for i in range(50, 121)])
    rows = connection.execute(
        upsert.on_conflict_do_update(index_elements=["id"], set_={"email": upsert.excluded.email, "owner": upsert.excluded.owner})
        .returning(leads.c.id, leads.c.owner)
    ).all()
    assert all(row.owner == before.get(row.id, row.owner) for row in rows), rows
    print(connection.execute(sa.select(sa.func.count()).where(leads.c.owner.is_not(None))).scalar_one())
