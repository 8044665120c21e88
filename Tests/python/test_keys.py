"""What `keys` lists, beside what the program itself keeps in the caches."""

import pytest

from caller import Talk


@pytest.fixture
def talk(caller):
    with Talk(caller) as talk:
        yield talk


def test_what_was_deleted_is_not_listed(talk):
    """`spotify` keeps it, and serves it stale."""
    assert talk.value("[m.get_spotify_cache().set(key, 1) for key in ('list:kept', 'list:gone')]") == [True, True]
    assert talk.value("m.get_spotify_cache().delete('list:gone')") is True
    assert talk.value("m.get_spotify_cache().keys('list:*')") == ["list:kept"]
    assert talk.value("m.get_dragonfly_client().keys('spotify:list:*')") == ["spotify:list:kept"]


def test_the_catalogs_records_are_neither_listed_nor_gone_through(house, talk):
    """However many they are: the time is for the caller's own keys."""
    house.learn(3000)
    records = house.admin("GET", "/cache/spotify?prefix=catalog:&limit=1000").json()
    assert records["next"] and len(records["keys"]) == 1000
    assert talk.value("[m.get_spotify_cache().set(key, 1) for key in ('a', 'catalog', 'catalog;', 'z')]") == [True] * 4
    house.post("/api/catalog/search", {"query": "listed", "type": "tracks"})
    asked = talk.value("[connection.__dict__.update(LIMIT=20.0), (program := m.program()), (ask := program.ask), (asked := []),"
                       " setattr(program, 'ask', lambda *a, **b: (asked.append(1), ask(*a, **b))[1]),"
                       " sorted(k for k in m.get_spotify_cache().keys() if not k.startswith('list:')), len(asked),"
                       " any('catalog:' in k for k in m.get_dragonfly_client().keys('*'))][-3:]")
    assert asked == [["a", "catalog", "catalog;", "z"], 2, False]
