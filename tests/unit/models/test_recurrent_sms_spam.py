"""Chapter 08 on real messages: a small LSTM tells ham from spam, beside what needs no network."""

import torch
import torch.nn.functional as F

from mmlearn.data import Vocabulary
from mmlearn.data.sms_spam import sms_spam
from mmlearn.models import TextRNN
from mmlearn.training import fit


def test_an_lstm_reads_real_messages_and_finds_the_spam(real):
    from sklearn.linear_model import LogisticRegression

    parts = sms_spam(real("text_small") / "sms_spam", seed=0)
    words = Vocabulary.from_texts(parts.train.texts, min_count=2)
    train, test = (words.encode(part.texts, length=60, truncate=True) for part in (parts.train, parts.test))
    answers = parts.test.labels
    torch.manual_seed(0)
    model = TextRNN(len(words), 2, features=32, hidden=32, pool="max", dropout=0.3)
    fit(model, (*train, parts.train.labels), epochs=6, lr=5e-3, seed=0, progress=False)
    model.eval()
    with torch.no_grad():
        found = model(*test).argmax(1)
    counts = [F.one_hot(part.ids, len(words)).sum(1)[:, 1:] for part in (train, test)]
    bag = torch.tensor(LogisticRegression(max_iter=1000).fit(counts[0], parts.train.labels).predict(counts[1]))
    accuracy = {name: (given == answers).double().mean().item() for name, given in {"lstm": found, "bag": bag}.items()}
    majority = (answers == 0).double().mean().item()
    assert accuracy["lstm"] >= 0.97
    assert accuracy["bag"] >= 0.97  # single words give most spam away
    assert majority < 0.92
    assert (found[answers == 1] == 1).double().mean() > 0.8  # of the spam
