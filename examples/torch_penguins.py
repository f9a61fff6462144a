"""
Penguins again: a net of PyTorch on a table of numbers, trained in a second.

    python examples/torch_penguins.py && cloche serve penguins-net
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import nn

import cloche
import cloche.demo

FIELDS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


def main() -> None:
    torch.manual_seed(7)
    table = pd.read_csv(cloche.demo.CSV).dropna(subset=FIELDS)
    train, test = table.iloc[::2], table.iloc[1::2]
    x = torch.tensor(train[FIELDS].to_numpy(), dtype=torch.float32)
    y = torch.tensor([SPECIES.index(name) for name in train["species"]])
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    cloche.save(
        net,
        "penguins-net",
        inputs=train[FIELDS],
        targets=train["species"],
        test=(test[FIELDS], test["species"]),
        classes=SPECIES,
    )


if __name__ == "__main__":
    main()
