"""Connection strings of StackExchange.Redis are read as the application's library reads them."""

import pytest

from cdc.config.settings import Settings
from cdc.config.stackexchange import RedisServer, read
from cdc.core.errors import SettingsError
from tests.unit.config.test_settings import VALID

GUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        (
            "mys-dev-core-cache.redis.cache.windows.net:6380,password=abc+/1=,ssl=True,abortConnect=False",
            RedisServer("mys-dev-core-cache.redis.cache.windows.net", 6380, tls=True, password="abc+/1="),
        ),
        ("a.redis.cache.windows.net", RedisServer("a.redis.cache.windows.net", 6380, tls=True)),
        ("a.redis.cache.windows.net:6379", RedisServer("a.redis.cache.windows.net", 6379, tls=False)),
        (
            "a.southafricanorth.redis.azure.net:10000,password=p",
            RedisServer("a.southafricanorth.redis.azure.net", 10000, tls=True, password="p"),
        ),
        ("localhost", RedisServer("localhost", 6379, tls=False)),
        (
            " localhost:7000 , User = app , PASSWORD = p , defaultDatabase=3 , syncTimeout=500 ,, name=x",
            RedisServer("localhost", 7000, tls=False, user="app", password="p", database=3),
        ),
        ("cache.example.net,ssl=true", RedisServer("cache.example.net", 6380, tls=True)),
        ("[::1]:7000,password=", RedisServer("::1", 7000, tls=False)),
    ],
)
def test_what_the_library_accepts_is_read(text, server):
    """Azure's caches are reached over TLS without saying so; options of .NET change nothing."""
    assert read(text) == server


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name one server"),
        ("password=s3cret", "must name one server"),
        ("one:6379,other:6379", "must name one server"),
        ("redis://:s3cret@localhost:6379", "must name one server"),
        ("localhost,password=s3,cret", "must name one server"),
        ("localhost,password=s3,cret=", "does not know"),
        ("localhost,serviceName=mymaster", "does not know"),
        ("localhost:s3cret", "a port that is no number"),
        ("localhost:66000", "a port that is no number"),
        ("localhost,ssl=yes", "neither True nor False"),
        ("localhost,defaultDatabase=s3cret", "a defaultDatabase that is no number"),
    ],
)
def test_what_cannot_be_used_is_refused_without_quoting_it(text, message):
    """A part of it may be the password."""
    with pytest.raises(ValueError, match=message) as error:
        read(text)

    assert "s3" not in str(error.value)
    assert "cret" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"REDIS_CONNECTION": "one,other"}, "REDIS_CONNECTION: must name one server"),
        ({"REDIS_IDENTITY": "default"}, "REDIS_IDENTITY: is set without REDIS_CONNECTION"),
        ({"REDIS_CONNECTION": "localhost", "REDIS_IDENTITY": "app"}, "REDIS_IDENTITY: must be `default` or the client"),
        ({"REDIS_CONNECTION": "localhost,password=s3cret", "REDIS_IDENTITY": GUID}, "remove one of them"),
        ({"REDIS_CONNECTION": "cache.example.net", "REDIS_IDENTITY": "default"}, "add ssl=True to REDIS_CONNECTION"),
        ({"REDIS_ENTRY_SECONDS": "0"}, "REDIS_ENTRY_SECONDS"),
    ],
)
def test_settings_of_the_cache_are_checked_with_all_others(values, message):
    """Each problem names its setting, and none a secret."""
    with pytest.raises(SettingsError) as error:
        Settings.read(VALID | values | {"COSMOS_DATABASE": ""})

    assert message in str(error.value)
    assert "COSMOS_DATABASE" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_without_a_connection_there_is_no_cache():
    """An empty setting counts as missing; the password is never shown."""
    settings = Settings.read(VALID | {"REDIS_CONNECTION": "", "REDIS_INSTANCE_NAME": ""})
    assert (settings.redis_connection, settings.redis_instance_name) == (None, "")

    settings = Settings.read(VALID | {"REDIS_CONNECTION": "a.redis.azure.net,password=s3cret", "REDIS_IDENTITY": ""})
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(read("localhost,password=s3cret"))
