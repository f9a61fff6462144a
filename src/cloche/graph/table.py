"""The closed table of operators: a graph names no other."""

from __future__ import annotations

from cloche.graph.operators import columns, encode, heads, inputs, numeric, text, trees

AnyOperator = (
    columns.Check
    | columns.Concat
    | columns.Dense
    | columns.Fill
    | columns.FillObjects
    | columns.Missing
    | columns.Select
    | encode.Encode
    | encode.Expand
    | heads.Above
    | heads.Argmax
    | heads.Complement
    | heads.Distances
    | heads.Gaussian
    | heads.Linear
    | heads.Mean
    | heads.Share
    | heads.Softmax
    | heads.Vote
    | inputs.Numbers
    | inputs.Objects
    | numeric.Bin
    | numeric.Binarize
    | numeric.Function
    | numeric.Interpolate
    | numeric.Normalize
    | numeric.Polynomial
    | numeric.Power
    | numeric.Quantile
    | numeric.Scale
    | text.HashedTerms
    | text.Sublinear
    | text.Terms
    | trees.Median
    | trees.Trees
)
