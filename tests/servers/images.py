"""What lies in stores at one moment, to be put back as often as a test wants."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pymysql
import redis
from pymongo import MongoClient

from rerund.stores.mongodb_indexes import RERUNS, VALUES
from rerund.stores.schema import metadata
from rerund.stores.settings import MongodbSettings, MysqlSettings, RedisSettings, StoreSettings

PutBack = Callable[[], None]


def image(settings: StoreSettings, spare: Path) -> PutBack:
    """Remember everything, embedded files as copies in `spare`; the answer puts it back.

    To be called back while nobody has the stores open.
    """
    parts = [_files(Path(settings.path), spare)]
    if settings.mysql is not None:
        parts.append(_tables(settings.mysql))
    if settings.mongodb is not None:
        parts.append(_documents(settings.mongodb))
    if settings.redis is not None:
        parts.append(_numbers(settings.redis))

    def put_back() -> None:
        for part in parts:
            part()

    return put_back


def _files(folder: Path, spare: Path) -> PutBack:
    shutil.copytree(folder, spare)

    def put_back() -> None:
        shutil.rmtree(folder)
        shutil.copytree(spare, folder)

    return put_back


def _connected(settings: MysqlSettings) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        database=settings.database,
        ssl_disabled=True,
    )


def _tables(settings: MysqlSettings) -> PutBack:
    rows = {}
    with _connected(settings) as connection, connection.cursor() as cursor:
        for table in metadata.tables:
            cursor.execute(f"SELECT * FROM {table}")
            rows[table] = list(cursor.fetchall())

    def put_back() -> None:
        with _connected(settings) as connection, connection.cursor() as cursor:
            for table, found in rows.items():
                cursor.execute(f"DELETE FROM {table}")
                if found:
                    places = ", ".join(["%s"] * len(found[0]))
                    cursor.executemany(f"INSERT INTO {table} VALUES ({places})", found)
            connection.commit()

    return put_back


def _documents(settings: MongodbSettings) -> PutBack:
    with MongoClient(settings.url) as client:
        found = {name: list(client[settings.database][name].find()) for name in (RERUNS, VALUES)}

    def put_back() -> None:
        with MongoClient(settings.url) as client:
            for name, documents in found.items():
                client[settings.database][name].delete_many({})
                if documents:
                    client[settings.database][name].insert_many(documents)

    return put_back


def _numbers(settings: RedisSettings) -> PutBack:
    def connected() -> "redis.Redis":
        return redis.Redis(settings.host, settings.port)

    with closing(connected()) as client:
        found = {key: client.hgetall(key) for key in client.scan_iter()}

    def put_back() -> None:
        with closing(connected()) as client:
            client.flushall()
            for key, fields in found.items():
                client.hset(key, mapping=fields)

    return put_back
