"""The results file as xarray sees it, with both engines and no further argument, also while ranks have it open."""

import os
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import xarray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402
from store_runs import Tool, read_pids, wait_for_rows  # noqa: E402

TOOL = Tool(sys.argv[1], sys.argv[2])
FOLDER = tempfile.TemporaryDirectory(prefix="test xarray ")
ENGINES = ("h5netcdf", "netcdf4")
WHOLE = Path(FOLDER.name, "whole.h5")
TOOL.run("create", WHOLE)
TOOL.written(WHOLE)


@sentence
def dimensions_are_the_axes_by_name_and_labels_select():
    for engine in ENGINES:
        with xarray.open_dataset(WHOLE, engine=engine) as data:
            assert dict(data.sizes) == {"size": 2, "tokens": 3, "variety": 2, "pair": 3, "seed": 2, "task": 3, "domain": 6,
                                        "layer": 5, "point": 15, "restored": 5, "prompt": 3, "noise": 4, "block": 3,
                                        "probed": 3, "progress": 9}
            assert data.forgetting.dims == ("size", "tokens", "variety", "pair", "seed")
            assert data.first_accuracy.dims == ("size", "tokens", "variety", "task", "seed")
            assert data.second_displacement.dims == ("size", "tokens", "variety", "pair", "seed", "layer")
            assert list(data["size"].values) == ["nano", "mini"] and data.tokens.dtype == np.int64
            chosen = data.forgetting.mean("seed").sel(size="mini", tokens=640, pair="topic>tense")
            assert chosen.dims == ("variety",) and chosen.notnull().all()


@sentence
def coordinates_go_with_the_variables():
    for engine in ENGINES:
        with xarray.open_dataset(WHOLE, engine=engine) as data:
            assert {"pair_first", "pair_second", "pair_third", "parameters", "pretraining_tokens"} <= set(data.coords)
            assert data.pretraining_tokens.dims == ("size", "tokens") and "domain_read" not in data.coords
            assert list(data.pair_first.values) == ["tense", "topic", "agreement"]
            learnt_first = data.forgetting.where(data.pair_first == "topic", drop=True)
            assert learnt_first.sizes["pair"] == 1


@sentence
def variables_say_what_they_are():
    for engine in ENGINES:
        with xarray.open_dataset(WHOLE, engine=engine) as data:
            for name, variable in data.data_vars.items():
                assert variable.attrs.get("long_name"), name
            assert {"units", "formula", "source"} <= set(data.forgetting.attrs)
            assert data.status_first.dtype == np.int8
            words = data.status_first.attrs["flag_meanings"].split()
            assert words == "pending running done diverged failed skipped excluded".split()
            assert words[int(data.status_third.sel(pair="tense>topic")[0, 0, 0, 0])] == "excluded"


@sentence
def both_engines_read_the_same_numbers():
    with xarray.open_dataset(WHOLE, engine=ENGINES[0]) as one, xarray.open_dataset(WHOLE, engine=ENGINES[1]) as other:
        xarray.testing.assert_equal(one.load(), other.load())


@sentence
def zip_groups_are_one_dimension_with_their_members_along_it():
    zipped = Path(FOLDER.name, "zipped.h5")
    TOOL.run("create", zipped, "zipped")
    for engine in ENGINES:
        with xarray.open_dataset(zipped, engine=engine) as data:
            assert list(data["shape"].values) == ["nano/2", "mini/4"]
            assert list(data["size"].values) == ["nano", "mini"] and data["size"].dims == ("shape",)
            assert list(data.pretrain_batch.values) == [2, 4] and data.pretrain_batch.dims == ("shape",)
            assert list(data.tokens.values) == ["0", "320", "2.5x"]
            assert list(data.model_objective.values) == ["causal", "masked"]
            assert data.forgetting.dims == ("shape", "tokens", "variety", "pair", "seed", "model_objective")


@sentence
def a_file_that_ranks_are_writing_opens_and_shows_what_is_there():
    for options in ((), ("--mca", "io", "romio321")):
        path = Path(FOLDER.name, "open.h5")
        TOOL.run("create", path)
        job = TOOL.write(path, seconds=1, options=options)
        read_pids(job, 3)
        for engine in ENGINES * 2:  # in the middle
            with xarray.open_dataset(path, engine=engine) as data:
                data.load()
        wait_for_rows(job, 3)
        for engine in ENGINES:  # all rows there, the file still open
            with xarray.open_dataset(path, engine=engine) as data, xarray.open_dataset(WHOLE, engine=engine) as right:
                xarray.testing.assert_equal(data.load(), right.load())
        assert job.poll() is None
        job.communicate(timeout=30)
        assert job.returncode == 0


@sentence
def tables_beside_the_root_are_plain_to_h5py():
    with h5py.File(WHOLE) as file:
        assert file["sweep/yaml"][()].decode().startswith("name: fixture # gr\u00fcn")
        assert file["sweep/claims/alpha"][0] == 0.05
        assert file["stages/state_id"].shape == (file["stages/mark"].shape[0], 16)
        parents = file["stages/parent"][:]
        assert all(parent < row for row, parent in enumerate(parents)) and parents[0] == -1
        stage = file["provenance/stage"][0]
        assert stage["host"] == b"here" and stage["seconds"] == 0.5
        assert file["provenance/certificate"]["ranks"].sum() == 0


@sentence
def netcdf_tools_can_append_and_the_rest_stays():
    copy = Path(FOLDER.name, "appended.h5")
    copy.write_bytes(WHOLE.read_bytes())
    extra = xarray.Dataset({"mine": ("seed", [1.0, 2.0])})
    extra.to_netcdf(copy, mode="a", engine="netcdf4")
    with xarray.open_dataset(copy, engine="netcdf4") as data:
        assert list(data.mine.values) == [1.0, 2.0] and data.forgetting.notnull().any()


os.environ["HDF5_USE_FILE_LOCKING"] = "BEST_EFFORT"
run_sentences()
