"""A shard comes back as it was written, or not at all."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import ReplayError
from backend.replay import records, schema
from backend.replay.provenance import SELFPLAY, Source
from backend.replay.shardformat import ShardMetadata, encode_shard
from backend.replay.shards import (
    ShardWriter,
    build_columns,
    list_shards,
    read_metadata,
    read_shard,
)
from tests.backend.replay.games import (
    black_mates,
    cut_game,
    white_mates,
    writable,
    write,
    write_columns,
)

TARGETS = ("value_wdl", "value_source")
"""Columns that the third schema did not have."""
NEW = (
    *("game_source", "game_number", "game_rating", "game_theme_offset", "game_themes"),
    *TARGETS,
)
"""Columns that the second schema did not have."""


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("shards"), [white_mates(), cut_game(), black_mates()])


def test_every_column_comes_back_as_it_was(shard: Path) -> None:
    games = [white_mates(), cut_game(), black_mates()]
    read, wanted = read_shard(shard), build_columns(games)
    assert read.columns.keys() == wanted.keys()
    for name, column in wanted.items():
        np.testing.assert_array_equal(read.columns[name], column, err_msg=name)
        assert read.columns[name].dtype == column.dtype
    assert (read.num_games, read.num_positions) == (3, 7 + 3 + 4)
    assert [read.moves(number).tolist() for number in range(3)] == [list(g.moves) for g in games]
    assert read.game_id(2) == f"{shard.name.removesuffix('.safetensors')}:2"


@pytest.mark.parametrize("num_games", [0, 1, 3])
def test_a_shard_is_written_as_safetensors_writes_it(num_games: int) -> None:
    columns = build_columns([white_mates(), cut_game(), black_mates()][:num_games])
    odd = Source(name='ä "\\/ \x01\n\x7f\u2028😀', kind="pgn", sha256="")
    said = ShardMetadata(
        schema=schema.SCHEMA_VERSION,
        producer="sp0",
        network="",
        orientation="mover",
        created=0.5,
        sources=(odd,) * num_games,
    )
    text = {"matrix0": msgspec.json.encode(said).decode()}
    assert b"".join(encode_shard(columns, said)) == safetensors.numpy.save(columns, text)


def test_policies_of_one_move_are_checked_too() -> None:
    columns = writable(build_columns([white_mates()]))
    prob, offset = columns["policy_prob"], columns["policy_offset"]
    prob[:] = 0
    prob[offset[1:] - 1] = 1
    schema.check_targets(columns)
    for place, value, reason in (
        (offset[1], 1.0, "game 0, ply 1: the policy does not sum to 1"),
        (offset[1] - 1, 0.5, "game 0, ply 0: the policy does not sum to 1"),
        (offset[3] - 1, np.nan, "game 0, ply 2: the policy is not finite"),
        (offset[3], -1.0, "game 0, ply 3: the policy has a negative probability"),
    ):
        before, prob[place] = prob[place], value
        with pytest.raises(ReplayError, match=reason):
            schema.check_targets(columns)
        prob[place] = before
    prob[offset[1] - 1], prob[offset[1]] = 0, 1
    with pytest.raises(ReplayError, match="game 0, ply 0: the policy does not sum to 1"):
        schema.check_targets(columns)


def test_the_policies_of_a_ragged_column_belong_to_their_positions(shard: Path) -> None:
    read = read_shard(shard)
    samples = [s for game in (white_mates(), cut_game(), black_mates()) for s in game.samples]
    offset = read.columns["policy_offset"]
    for number, sample in enumerate(samples):
        own = slice(offset[number], offset[number + 1])
        assert (read.columns["policy_index"][own] == sample.policy_index).all()
        np.testing.assert_allclose(read.columns["policy_prob"][own], sample.policy_prob, atol=5e-4)
        assert (read.columns["positions"][number] == sample.position).all()


def test_what_was_read_cannot_be_changed(shard: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_shard(shard).columns["game_result"][0] = 0


def test_metadata_is_read_from_the_header_alone(shard: Path) -> None:
    assert read_metadata(shard) == read_shard(shard).metadata
    assert read_metadata(shard).producer == "selfplay-0"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_noticed(shard: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(shard.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    damaged = tmp_path / shard.name
    damaged.write_bytes(content)
    with pytest.raises(ReplayError, match="damaged: SHA-256 begins"):
        read_shard(damaged)


def test_a_file_that_was_cut_is_noticed(shard: Path, tmp_path: Path) -> None:
    short = tmp_path / shard.name
    short.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ReplayError, match="damaged"):
        read_shard(short)


def test_the_error_names_the_file_and_both_hashes(shard: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "sp-selfplay-0-000000-0123456789abcdef.safetensors"
    renamed.write_bytes(shard.read_bytes())
    real = shard.name.split("-")[-1].removesuffix(".safetensors")
    with pytest.raises(ReplayError) as refused:
        read_shard(renamed)
    assert str(refused.value) == (
        f"{renamed}: damaged: SHA-256 begins {real}, the name says 0123456789abcdef"
    )


def test_a_missing_file_and_a_strange_name_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"cannot be read: No such file"):
        read_shard(tmp_path / "sp-x-000000-0123456789abcdef.safetensors")
    (tmp_path / "games.safetensors").write_bytes(b"")
    with pytest.raises(ReplayError, match="not a shard's name"):
        read_shard(tmp_path / "games.safetensors")


def test_a_header_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sp-x-000000-0123456789abcdef.safetensors"
    for header in (b'{"__metadata__":{"\xff":1}}', b"[" * 5000):
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(ReplayError, match="not a shard of Matrix0"):
            read_metadata(path)


def test_a_shard_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = write_columns(tmp_path, build_columns([white_mates()]), schema=5)
    with pytest.raises(ReplayError, match="schema 5; this program reads schemas 1 to 4"):
        read_shard(path)


def test_a_shard_of_the_first_schema_is_read_with_weight_1_everywhere(tmp_path: Path) -> None:
    columns = build_columns([white_mates(), cut_game()])
    for name in ("policy_weight", "value_weight", "game_origin", "game_opening_plies", *NEW):
        del columns[name]
    read = read_shard(write_columns(tmp_path, columns, schema=1))
    assert read.columns["policy_weight"].tolist() == [1] * 10
    assert read.columns["value_weight"].tolist() == [1] * 10
    assert read.columns["game_origin"].tolist() == [records.FROM_START] * 2
    del columns["game_result"]
    with pytest.raises(ReplayError, match="columns missing"):
        read_shard(write_columns(tmp_path, columns, schema=1))


def test_a_shard_of_the_second_schema_has_the_source_that_its_producer_is(tmp_path: Path) -> None:
    columns = build_columns([white_mates(), cut_game()])
    for name in NEW:
        del columns[name]
    for producer, source in (("sp0", SELFPLAY), ("pgn", Source(name="pgn", kind="pgn"))):
        path = write_columns(tmp_path, columns, schema=2, producer=producer, sources=())
        read = read_shard(path)
        assert read.metadata.sources == read_metadata(path).sources == (source,)
        assert read.columns["game_source"].tolist() == [0, 0]
        assert read.columns["game_theme_offset"].tolist() == [0, 0, 0]


def test_a_shard_of_the_third_schema_leaves_all_value_targets_to_training(tmp_path: Path) -> None:
    columns = build_columns([white_mates()])
    for name in TARGETS:
        del columns[name]
    read = read_shard(write_columns(tmp_path, columns, schema=3))
    assert set(read.columns["value_source"].tolist()) == {records.TARGET_OPEN}
    assert np.isnan(read.columns["value_wdl"]).all()


def test_a_value_target_is_a_distribution_and_has_somebody_who_decided_it(tmp_path: Path) -> None:
    taught = np.array([0.2, 0.5, 0.3], np.float32)
    game = white_mates()
    first = replace(game.samples[0], value_wdl=taught, value_source=records.TARGET_TEACHER)
    writer = ShardWriter(tmp_path, "train-teacher", producer="teacher", orientation="mover")
    read = read_shard(writer.write([replace(game, samples=[first, *game.samples[1:]])]).path)
    assert read.columns["value_wdl"][0].tolist() == taught.tolist()
    assert read.columns["value_source"].tolist() == [records.TARGET_TEACHER] + [0] * 6
    for wrong, message in (
        ({"value_wdl": None}, "nobody, or two, decided the value target"),
        ({"value_source": records.TARGET_OPEN}, "nobody, or two, decided the value target"),
        ({"value_wdl": taught * 2}, "the value target is not a distribution"),
        ({"value_source": 9}, "column value_source holds a value that is none of"),
    ):
        with pytest.raises(ReplayError, match=message):
            writer.write([replace(game, samples=[replace(first, **wrong)])])


def test_games_keep_where_they_came_from(tmp_path: Path) -> None:
    sources = (Source(name="a.pgn", kind="pgn", sha256="0" * 64), SELFPLAY)
    games = [
        replace(white_mates(), source=0, number=7, rating=2400, themes=(0, 2)),
        replace(cut_game(), source=1),
    ]
    writer = ShardWriter(tmp_path, "train-pgn", producer="pgn", orientation="mover")
    path = writer.write(games, sources=sources, themes=("pin", "fork", "mate")).path
    read = read_shard(path)
    assert read.metadata.sources == sources
    assert read.columns["game_source"].tolist() == [0, 1]
    assert read.columns["game_number"].tolist() == [7, 0]
    assert read.columns["game_rating"].tolist() == [2400, 0]
    assert read.columns["game_theme_offset"].tolist() == [0, 2, 2]
    assert [read.metadata.themes[theme] for theme in read.columns["game_themes"]] == ["pin", "mate"]
    with pytest.raises(ReplayError, match="a game is from none of the 1 sources"):
        writer.write(games, sources=sources[:1], themes=("pin", "fork", "mate"))
    with pytest.raises(ReplayError, match="a game has none of the 2 themes"):
        writer.write(games, sources=sources, themes=("pin", "fork"))
    with pytest.raises(ReplayError, match="number or rating is negative"):
        writer.write([replace(cut_game(), rating=-1)])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("policy_prob", 0, np.nan, "game 0, ply 0: the policy is not finite"),
        ("policy_prob", 0, -0.5, "game 0, ply 0: the policy has a negative probability"),
        ("policy_prob", 0, 1.0, "game 0, ply 0: the policy does not sum to 1"),
        ("policy_index", 25, 4672, "game 0, ply 1: a policy index is outside"),
        ("root_wdl", (3, 1), np.inf, "game 0, ply 3: the search value is not a distribution"),
        ("root_wdl", 3, np.nan, "game 0, ply 3: the search value is missing"),
        ("result_wdl", (8, 0), 0.0, "game 1, ply 1: the result is not a distribution"),
        ("policy_offset", 1, 19, "num_moves and policy_offset disagree"),
        ("policy_offset", 1, -1, "policy_offset does not rise from 0"),
        ("game_of_position", 10, 0, "game_of_position does not rise within 0..1"),
        ("ply", 6, 7, "a position's ply lies outside its game"),
        ("ply", 6, 2, "the positions of a game are not in the order of play"),
        ("kind", 0, 5, "column kind holds a value that is none of"),
        ("game_outcome", 0, 9, "column game_outcome holds a value that is none of"),
        ("game_origin", 0, 9, "column game_origin holds a value that is none of"),
        ("game_opening_plies", 0, 1, "a position of an opening, which no search chose"),
        ("policy_weight", 3, -0.5, "game 0, ply 3: policy_weight is out of range"),
        ("policy_weight", 3, np.inf, "game 0, ply 3: policy_weight is out of range"),
        ("value_weight", 8, 0, "game 1, ply 1: value_weight is out of range"),
    ],
)
def test_columns_that_make_no_sense_are_refused(
    tmp_path: Path, name: str, row: object, value: float, message: str
) -> None:
    columns = writable(build_columns([white_mates(), black_mates()]))
    columns[name][row] = value
    with pytest.raises(ReplayError) as refused:
        read_shard(write_columns(tmp_path, columns))
    assert message in str(refused.value)


def test_a_column_of_another_type_length_or_name_is_refused(tmp_path: Path) -> None:
    good = build_columns([white_mates()])
    for change, message in (
        ({"ply": good["ply"].astype(np.int32)}, "column ply is int32, not int16"),
        ({"ply": good["ply"][:-1]}, "column ply has length 6, not 7"),
        ({"extra": good["ply"]}, r"unknown \['extra'\]"),
    ):
        with pytest.raises(ReplayError, match=message):
            schema.check_columns(good | change)
    del good["kind"]
    with pytest.raises(ReplayError, match=r"columns missing \['kind'\]"):
        schema.check_columns(good)


def test_a_policy_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    game = white_mates()
    unfit = np.full(len(game.samples[4].policy_index), np.nan, np.float32)
    bad = replace(game.samples[4], policy_prob=unfit)
    with pytest.raises(ReplayError, match="game 1, ply 4: the policy is not finite"):
        write(tmp_path, [black_mates(), replace(game, samples=[*game.samples[:4], bad])])
    assert list(tmp_path.iterdir()) == []


def test_numbering_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    def writer(prefix: str) -> ShardWriter:
        return ShardWriter(tmp_path, prefix, producer=prefix, orientation="mover")

    first = writer("sp-selfplay-1")
    names = [first.write([white_mates()]).name, first.write([black_mates()]).name]
    names.append(writer("sp-selfplay-1").write([cut_game()]).name)
    other = writer("sp-selfplay-10").write([white_mates()]).name
    assert [name.split("-")[3] for name in names] == ["000000", "000001", "000002"]
    assert other.split("-")[3] == "000000"
    (tmp_path / f"{names[0]}.tmp.12.01234567").write_bytes(b"")
    assert [path.name for path in list_shards(tmp_path, "sp-selfplay-1-")] == names


def test_a_shard_without_samples_keeps_its_games(tmp_path: Path) -> None:
    silent = replace(white_mates(), samples=[])
    read = read_shard(write(tmp_path, [silent]))
    assert (read.num_games, read.num_positions) == (1, 0)
    assert read.columns["game_result"].tolist() == [records.WHITE_WON]
