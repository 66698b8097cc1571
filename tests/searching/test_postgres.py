"""Studies on a PostgreSQL server: the same searches, shared by processes, killed, and started from."""

import pytest
from postgres import find_program, postgres_server
from search_cases import accuracy_of, macs_of
from test_searching_processes import check_killed, check_together

from supple import search
from supple.searching import SearchConfig

pytestmark = pytest.mark.skipif(
    find_program("initdb") is None or find_program("pg_ctl") is None,
    reason="PostgreSQL's initdb and pg_ctl are not installed",
)

CONFIG = SearchConfig(budget=16, searcher="random", seed=1)


@pytest.fixture(scope="module")
def server():
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server, request):
    """Return the URL of a database of the test's own."""
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{abs(hash(request.node.name))}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def test_a_study_on_a_server_is_that_of_a_file_and_is_resumed(problem, evaluate, run, database):
    whole = run(problem, evaluate, CONFIG.model_copy(update={"budget": 24}))
    run(problem, evaluate, CONFIG, database)
    before = len(evaluate.calls)
    assert run(problem, evaluate, CONFIG.model_copy(update={"budget": 24}), database) == whole
    assert len(evaluate.calls) == before + 8


@pytest.mark.slow
def test_processes_that_share_a_study_on_a_server_may_be_killed(database, tmp_path):
    check_together(tmp_path, database, 3, 2)


@pytest.mark.slow
def test_a_killed_search_on_a_server_ends_as_one_that_was_not(database, tmp_path):
    check_killed(tmp_path, database, 40)


def test_a_search_starts_from_a_study_on_a_server(space, database):
    arguments = {"measures": {"accuracy": accuracy_of}, "costs": {"macs": macs_of}}
    earlier = search(space, config=CONFIG, study=database, **arguments)
    result = search(space, config=CONFIG.model_copy(update={"warm_start": database, "seed": 2}), **arguments)
    best = {entry.config for entry in earlier.front} - {space.max(), space.min()}
    assert result.searched[2].config in best | {entry.config for entry in earlier.baseline}
