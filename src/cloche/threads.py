"""What keeps the libraries of a model from starting threads. Standard library only: the supervisor imports it."""

from __future__ import annotations

#: Read by the libraries when they load: threads do not survive a fork, and more of them than one fight over the cores
#: where several engines serve. pyarrow's allocator would start a thread of its own.
ONE_THREAD = {
    "BLIS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",  # and TensorFlow tells of errors, not of the processor it has found
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
