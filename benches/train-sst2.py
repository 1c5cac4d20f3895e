"""Trains the sentiment model of RESULTS.md on SST-2: the mean of word embeddings, a hidden layer, two logits.

    python benches/train-sst2.py TEXT_FOLDER OUT_FOLDER

TEXT_FOLDER holds sst2_sentence_{train,dev,test}.txt.gz ("label text" lines). OUT_FOLDER gets sst2.onnx, vocabulary.txt (a token a
line, numbered from 0) and target.toml. Needs torch and onnx; takes about a minute on one core. Tokens are what stands between white
space, small letters; those seen once in training are unknown. Padding has row 0 of the embedding, which stays 0.
"""

import collections
import gzip
import pathlib
import sys

import torch
from torch import nn

LENGTH, WIDTH, HIDDEN, EPOCHS, SEED = 50, 64, 64, 12, 0
PADDING, UNKNOWN = 0, 1


def read(folder, split):
    with gzip.open(folder / f"sst2_sentence_{split}.txt.gz", "rt", encoding="utf-8") as lines:
        pairs = [line.strip().split(" ", 1) for line in lines if line.strip()]
    return [int(label) for label, _ in pairs], [text for _, text in pairs]


def vocabulary(texts):
    counts = collections.Counter(word for text in texts for word in text.lower().split())
    return ["<pad>", "<unk>"] + sorted(word for word, count in counts.items() if count > 1)


def encode(texts, ids):
    rows = []
    for text in texts:
        row = [ids.get(word, UNKNOWN) for word in text.lower().split()][:LENGTH]
        rows.append(row + [PADDING] * (LENGTH - len(row)))
    return torch.tensor(rows)


class Net(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.embedding = nn.Embedding(words, WIDTH, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[PADDING] = 0.0
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Linear(WIDTH, HIDDEN)
        self.out = nn.Linear(HIDDEN, 2)

    def forward(self, ids):
        words = (ids != PADDING).float()
        total = self.embedding(ids).sum(1)
        mean = total / words.sum(1, keepdim=True).clamp(min=1.0)
        return self.out(self.drop(torch.relu(self.hidden(self.drop(mean)))))


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def train(net, x, y, dev):
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-5)
    best, kept = 0.0, None
    for epoch in range(EPOCHS):
        net.train()
        for batch in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        now = accuracy(net, *dev)
        print(f"epoch {epoch + 1}: dev {now:.4f}")
        if now > best:
            best, kept = now, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)


def main(folder, out):
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    splits = {split: read(folder, split) for split in ("train", "dev", "test")}
    words = vocabulary(splits["train"][1])
    ids = {word: at for at, word in enumerate(words)}
    data = {name: (encode(texts, ids), torch.tensor(labels)) for name, (labels, texts) in splits.items()}
    net = Net(len(words))
    train(net, *data["train"], data["dev"])
    for name, (x, y) in data.items():
        print(f"{name}: {accuracy(net, x, y):.4f} of {len(y)}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocabulary.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    torch.onnx.export(
        net.eval(),
        (data["dev"][0][:2],),
        out / "sst2.onnx",
        input_names=["ids"],
        output_names=["logits"],
        dynamic_axes={"ids": {0: "n"}, "logits": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    (out / "target.toml").write_text(
        '[model]\npath = "sst2.onnx"\nclasses = ["negative", "positive"]\n\n'
        '[text]\ntokenizer = "vocab"\nvocabulary = "vocabulary.txt"\n'
        f"unknown = {UNKNOWN}\npadding = {PADDING}\nlength = {LENGTH}\nlower = true\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
