"""
Film reviews: a small net of PyTorch that reads texts, trained in a second, saved with its tokenizer.

    python examples/torch_reviews.py && cloche serve reviews
    curl -d '{"text": "I loved this movie!"}' http://127.0.0.1:8000/predict
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import torch
from torch import nn

import cloche

CORPUS = Path(__file__).with_name("reviews.csv")
LABELS = ["negative", "positive"]


def words(text: str) -> list[str]:
    """The rule that cloche follows for a vocabulary, unless it is told another."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def read() -> tuple[list[str], list[str]]:
    """Texts and labels."""
    with CORPUS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def train(texts: list[str], labels: list[str], vocabulary: dict[str, int]) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The mean of the words' vectors, and a line between two kinds of it: PyTorch's own layers, no class to ship."""
    torch.manual_seed(7)
    net = nn.Sequential(nn.EmbeddingBag(len(vocabulary), 24, mode="mean", padding_idx=0), nn.Linear(24, len(LABELS)))
    numbers = [torch.tensor([vocabulary.get(word, 1) for word in words(text)]) for text in texts]
    ids = nn.utils.rnn.pad_sequence(numbers, batch_first=True)
    truth = torch.tensor([LABELS.index(label) for label in labels])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03, weight_decay=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(ids), truth).backward()
        optimizer.step()
    return net, optimizer


def main() -> None:
    texts, labels = read()
    rows = list(zip(texts, labels, strict=True))  # one of each kind in turn
    held_out = [row for place, row in enumerate(rows) if place % 8 < 2]
    known = [row for place, row in enumerate(rows) if place % 8 >= 2]
    fitted, truth = [text for text, _ in known], [label for _, label in known]
    found = sorted({word for text in fitted for word in words(text)})
    vocabulary = {"<pad>": 0, "<unk>": 1} | {word: place for place, word in enumerate(found, start=2)}
    net, optimizer = train(fitted, truth, vocabulary)
    cloche.save(
        net,
        "reviews",
        inputs=fitted,
        targets=truth,
        test=([text for text, _ in held_out], [label for _, label in held_out]),
        classes=LABELS,
        tokenizer=vocabulary,
        max_length=64,
        training_state={"optimizer": optimizer, "epoch": 60},
    )


if __name__ == "__main__":
    main()
