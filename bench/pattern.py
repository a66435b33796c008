"""The application's own way to write: find each entity, add it or set its properties, save after every 100."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session, registry, relationship

from cdc.core.mapping import Mapper, Row
from cdc.postgres.rows import name_values
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES

SAVE_EVERY = 100


class _Entity:
    children: list["_Entity"]

    def __init__(self, **values: Any) -> None:
        self.assign(values)

    def assign(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Pattern:
    """Write the documents of one container with SQLAlchemy's object-relational mapper, without a ledger."""

    def __init__(self, dsn: str, mapper: Mapper[Any]) -> None:
        self._engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
        self._mapper = mapper
        self._root, self._child = _ENTITIES[mapper.container]
        self._key = [column.name for column in mapper.tables[1].primary_key.columns]

    def apply(self, text: str) -> None:
        """Write one batch of JSON text."""
        with Session(self._engine) as session:
            for number, document in enumerate(json.loads(text), 1):
                rows = self._mapper.map(document)
                if rows.root is not None:
                    root, child = self._mapper.tables
                    children = [name_values(child, row) for row in rows.children[child.name]]
                    self._save(session, name_values(root, rows.root), children)
                if number % SAVE_EVERY == 0:
                    session.commit()
                    session.expunge_all()
            session.commit()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _save(self, session: Session, root: Row, children: Any) -> None:
        entity = session.get(self._root, root["id"])
        if entity is None:
            session.add(self._root(**root, children=[self._child(**row) for row in children]))
            return
        entity.assign(root)
        held = {self._key_of(child.__dict__): child for child in entity.children}
        for row in children:
            child = held.pop(self._key_of(row), None)
            if child is None:
                entity.children.append(self._child(**row))
            else:
                child.assign(row)
        for child in held.values():
            entity.children.remove(child)

    def _key_of(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(values[name] for name in self._key)


def _map_entities(mapper: Mapper[Any]) -> tuple[type[_Entity], type[_Entity]]:
    root, child = (type(table.name, (_Entity,), {}) for table in mapper.tables)
    parent_key, child_key = mapper.tables[0].primary_key.columns[0], mapper.tables[1].primary_key.columns[0]
    children = relationship(
        child,
        primaryjoin=parent_key == child_key,
        foreign_keys=[child_key],
        cascade="all, delete-orphan",
    )
    _map: Callable[..., Any] = registry().map_imperatively
    _map(child, mapper.tables[1])
    _map(root, mapper.tables[0], properties={"children": children})
    return root, child


_ENTITIES = {mapper.container: _map_entities(mapper) for mapper in (ACCOUNTS, USER_PROFILES)}
