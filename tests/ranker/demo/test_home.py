"""What lies in a prepared home, short of training, which the demo's own test does."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as parquet
import pytest

from ranker.demo.fixtures import read_log
from ranker.demo.home import ADULT, adult_catalogue, adult_fields, fashion_fields, training_table
from ranker.scoring.schema import FeatureSchema
from ranker.scoring.schema_file import schema_from_object


def _schema(schema_id: str, label: str, fields: tuple[dict[str, object], ...]) -> FeatureSchema:
    return schema_from_object({"schema_id": schema_id, "label": label, "fields": list(fields)}, "test")


def test_training_uses_every_row_of_the_other_log_and_none_of_the_judged_one() -> None:
    table = training_table()
    assert table.num_rows == 10_000
    assert table["click"].to_numpy().sum() == 42
    np.testing.assert_array_equal(table["seconds"].to_numpy(), read_log("bts").seconds)
    assert not np.isin(read_log("random").seconds, table["seconds"].to_numpy()).any()


def test_every_value_of_the_logs_is_in_the_schemas_vocabulary() -> None:
    schema, table = _schema("fashion", "click", fashion_fields()), training_table()
    for field in schema.categorical_fields:
        assert (field.encode(table[field.name].to_pylist()) > 0).all()
    # Vocabularies count from 1 in order, so a level is its own id.
    for i, name in enumerate(schema.context_categorical):
        users = read_log("random").users[:, i]
        np.testing.assert_array_equal(schema.field(name).encode(map(str, users.tolist())), users)


def test_the_catalogue_takes_the_ids_of_the_census_schema() -> None:
    schema, catalogue = _schema(ADULT, "right", adult_fields()), adult_catalogue()
    sizes = {field.name: field.size for field in catalogue.context_fields}
    assert sizes == {field.name: field.num_ids for field in schema.categorical_fields}


@pytest.mark.parametrize("column", ["price", "affinity"])
def test_the_training_tables_numbers_are_finite(column: str) -> None:
    assert np.isfinite(training_table()[column].to_numpy()).all()


def test_the_training_table_survives_parquet(tmp_path) -> None:
    parquet.write_table(training_table(), tmp_path / "table.parquet")
    assert parquet.read_table(tmp_path / "table.parquet").equals(training_table())
