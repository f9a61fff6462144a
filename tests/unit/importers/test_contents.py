"""What a file is, by its content; suffixes do not count."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zlib
from pathlib import Path

import joblib
import pytest
import skops.io

import artifacts
import foreign
from cloche.errors import ImportRefusedError, NotAFileError
from cloche.importers.contents import format_of

_ONNX = b"\x08\x08\x12\x0cskl2onnx-1.2\x1a"
_R = b"X\n\x00\x00\x00\x03"


def _dumped(protocol: int) -> bytes:
    return pickle.dumps({"a": [1.5, "text"]}, protocol=protocol)


def _joblib(**how: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(artifacts.linear(), buffer, **how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *(pytest.param(lambda p=p: _dumped(p), "pickle", id=f"pickle-protocol-{p}") for p in range(6)),
        pytest.param(lambda: foreign.named("os", "system", "true"), "pickle", id="pickle-of-a-call-as-text"),
        pytest.param(lambda: _joblib(), "pickle", id="joblib"),
        *(
            pytest.param(lambda how=how: _joblib(compress=(how, 3)), "pickle", id=f"joblib-{how}")
            for how in ("zlib", "gzip", "bz2", "xz", "lzma")
        ),
        pytest.param(
            lambda: b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "PyTorch", id="torch-before-1.6"
        ),
        pytest.param(lambda: gzip.compress(_dumped(4)), "pickle", id="gzip-of-a-pickle"),
        pytest.param(lambda: skops.io.dumps(artifacts.linear()), "skops", id="skops"),
        pytest.param(lambda: b"tree\nversion=v4\nnum_class=1\n", "LightGBM", id="lightgbm"),
        pytest.param(lambda: b"CBM1\x00\x01\x02\x03", "CatBoost", id="catboost"),
        pytest.param(lambda: b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L", "XGBoost", id="xgboost-ubj"),
        pytest.param(lambda: b'{"learner":{"attributes":{}}}', "XGBoost JSON", id="xgboost-json"),
        pytest.param(lambda: b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5", id="hdf5"),
        pytest.param(lambda: struct.pack("<Q", 2) + b"{}" + bytes(8), "safetensors", id="safetensors"),
        pytest.param(lambda: _ONNX, "ONNX", id="onnx"),
        pytest.param(lambda: _R, "R", id="r"),
        pytest.param(lambda: gzip.compress(_R), "R", id="r-gzip"),
        pytest.param(lambda: bz2.compress(_R), "R", id="r-bzip2"),
        pytest.param(lambda: lzma.compress(_R), "R", id="r-xz"),
    ],
)
def test_a_format_is_told_by_content(make: object, name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_bytes(make())  # type: ignore[operator]
    assert format_of(path).name == name


@pytest.mark.parametrize(
    ("members", "name"),
    [
        pytest.param({"schema.json": b"{}"}, "skops", id="skops"),
        pytest.param({"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b""}, "Keras", id="keras"),
        pytest.param({"archive/data.pkl": b"", "archive/version": b"3"}, "PyTorch", id="torch"),
        pytest.param({"m/archive_version": b"0", "m/models/model.json": b"{}"}, "PyTorch export", id="torch-export"),
        pytest.param({"MLmodel": b""}, "zip archive", id="a-folder"),
    ],
)
def test_what_a_zip_archive_holds(members: dict[str, bytes], name: str, tmp_path: Path) -> None:
    assert format_of(foreign.zipped(tmp_path / "m", members)).name == name


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"hello, this is a text\n", id="text"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 64, id="zeros"),
        pytest.param(zlib.compress(b"neither this nor that"), id="compressed-text"),
        pytest.param(b"\x1f\x8b\x08broken", id="a-broken-stream"),
        pytest.param(b"%PDF-1.7", id="pdf"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    with pytest.raises(ImportRefusedError, match=r"model\.pkl: not a model file that is known here"):
        format_of(path)


def test_a_stream_that_cannot_be_read_here_says_how_it_could(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"\x04\x22\x4d\x18" + bytes(16))
    with pytest.raises(ImportRefusedError, match="an LZ4 stream"):
        format_of(tmp_path / "m")


def test_a_device_is_not_read() -> None:
    with pytest.raises(NotAFileError):
        format_of(Path("/dev/zero"))
