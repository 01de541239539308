"""Answers of the engine and of infini-gram to the same questions, on the same tokens."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bench.engine.corpus import Array
from bench.engine.measure import Engines, cnf_queries, ngrams


def mixed(held_out: Array, tokens: Array) -> list[list[int]]:
    """n-grams of many lengths, from text that was indexed and text that was not."""
    return [
        q for n in (1, 2, 3, 4, 6, 9, 20) for s in (held_out, tokens) for q in ngrams(s, n, 150)
    ]


def counts(engines: Engines, queries: list[list[int]]) -> str:
    """count, and the width of what find tells."""
    wrong = 0
    for query in queries:
        lo, hi = engines.ours.find(query)
        theirs = engines.infini_gram.find(query)
        wrong += not (
            engines.ours.count(query)
            == hi - lo
            == engines.infini_gram.count(query)["count"]
            == theirs["cnt"]
            == sum(b - a for a, b in theirs["segment_by_shard"])
        )
    return f"count and find: {len(queries):,} n-grams, {wrong} differ from infini-gram"


def probabilities(engines: Engines, queries: list[list[int]]) -> Iterator[str]:
    """prob and infgram_prob."""
    long = [q for q in queries if len(q) > 1]
    wrong = 0
    for *context, token in long:
        ours, theirs = engines.ours.prob(context, token), engines.infini_gram.prob(context, token)
        wrong += (ours.context_count, ours.count) != (theirs["prompt_cnt"], theirs["cont_cnt"])
    yield f"prob: {len(long):,} contexts, {wrong} differ"
    wrong = 0
    for *context, token in long:
        found = engines.ours.infgram_prob(context, token)
        other = engines.infini_gram.infgram_prob(context, token)
        if found.suffix_length != other["suffix_len"]:
            wrong += 1
        elif found.suffix_length > 0:
            expected = (other["prompt_cnt"], other["cont_cnt"])
            wrong += (found.context_count, found.count) != expected
    yield f"infgram_prob: {len(long):,} contexts, {wrong} differ"


def by_reading(tokens: Array, offsets: Array, context: list[int]) -> Counter[int]:
    """What follows a context of two tokens, by looking at the whole corpus."""
    a, b = context
    at = np.flatnonzero((tokens[:-1] == a) & (tokens[1:] == b)) + 2
    ends = set(offsets[1:].tolist())
    at = at[~np.isin(at - 1, offsets)]
    return Counter(-1 if i in ends else int(tokens[i]) for i in at.tolist())


def distributions(engines: Engines, tokens: Array, offsets: Array) -> Iterator[str]:
    """ntd of the last two tokens of documents, against reading the corpus."""
    random = np.random.default_rng(1)
    ends = offsets[1:][np.diff(offsets.astype(np.int64)) > 2]
    picked = random.choice(ends, 60, replace=False).astype(np.int64)
    # The last document's end is the shard's end, where infini-gram's shortcut goes wrong.
    picked[0] = len(tokens)
    ours, theirs = 0, 0
    for end in picked.tolist():
        context = tokens[end - 2 : end].tolist()
        expected = by_reading(tokens, offsets, context)
        found = engines.ours.ntd(context)
        ours += dict(zip(found.tokens.tolist(), found.counts.tolist(), strict=True)) != expected
        answer = engines.infini_gram.ntd(context, max_support=10**9)["result_by_token_id"]
        theirs += {t: c["cont_cnt"] for t, c in answer.items()} != {
            (2 if t == -1 else t): c for t, c in expected.items()
        }
    yield (
        f"ntd at the ends of {len(picked)} documents, against reading the corpus: "
        f"ours wrong {ours} times, infini-gram (support 10^9) {theirs} times"
    )


def cnf(engines: Engines, held_out: Array) -> str:
    """count_cnf within documents."""
    queries = cnf_queries(engines.ours, held_out)
    pairs = [
        (engines.ours.count_cnf(*q), engines.infini_gram.count_cnf(*q, max_clause_freq=10**9))
        for q in queries
    ]
    fewer = sum(theirs["count"] < ours for ours, theirs in pairs)
    more = sum(theirs["count"] > ours for ours, theirs in pairs)
    return (
        f"count_cnf of {len(pairs)} pairs: infini-gram counts fewer in {fewer} (it drops "
        f"occurrences near document borders), more in {more}"
    )


def compare(engines: Engines, tokens: Array, offsets: Array, held_out: Array) -> list[str]:
    """A line for each comparison."""
    queries = mixed(held_out, tokens)
    return [
        counts(engines, queries),
        *probabilities(engines, queries),
        *distributions(engines, tokens, offsets),
        cnf(engines, held_out),
    ]
