"""The rpcs about n-grams and what follows them."""

from __future__ import annotations

import numpy as np

from services.index import continuations, ngrams, queries
from services.index.engine import Stop
from services.index.queries import Names, Work
from services.index.rpc_calls import COUNTS, NEVER, SHORT, Calls, Context, fitting
from stillhouse.index import answers, convert
from stillhouse.index.types import Distribution, Probabilities
from stillhouse.index.v1 import index_pb2 as pb

_TEXT, _TEXTS = Names("text", "text"), Names("texts", "texts[{}]")
_TOKENS = Names("tokens", "tokens")


class NgramCalls(Calls):
    """Counts, probabilities, distributions, scores, matches, tokens."""

    async def Count(self, request: pb.CountRequest, context: Context) -> pb.CountResponse:
        """Count one n-gram."""

        def work(work: Work) -> pb.CountResponse:
            return pb.CountResponse(count=int(ngrams.count(work)[0]))

        return await self._answer_one(request, context, work)

    async def CountBatch(
        self, request: pb.CountBatchRequest, context: Context
    ) -> pb.CountBatchResponse:
        """Count many n-grams."""

        def work(work: Work) -> pb.CountBatchResponse:
            return pb.CountBatchResponse(counts=ngrams.count(work).tolist())

        return await self._answer_many(request, context, work, short=COUNTS)

    async def Find(self, request: pb.FindRequest, context: Context) -> pb.FindResponse:
        """Find one n-gram."""

        def work(work: Work) -> pb.FindResponse:
            return _found(work)[0]

        return await self._answer_one(request, context, work)

    async def FindBatch(
        self, request: pb.FindBatchRequest, context: Context
    ) -> pb.FindBatchResponse:
        """Find many n-grams."""

        def work(work: Work) -> pb.FindBatchResponse:
            return pb.FindBatchResponse(results=_found(work))

        return await self._answer_many(request, context, work)

    async def Prob(self, request: pb.ProbRequest, context: Context) -> pb.ProbResponse:
        """How likely one token is."""
        return await self._prob(request, context, infgram=False)

    async def InfgramProb(
        self, request: pb.InfgramProbRequest, context: Context
    ) -> pb.InfgramProbResponse:
        """How likely one token is, with backing off."""
        return pb.InfgramProbResponse(result=await self._prob(request, context, infgram=True))

    async def _prob(
        self, request: pb.ProbRequest | pb.InfgramProbRequest, context: Context, infgram: bool
    ) -> pb.ProbResponse:
        def work(work: Work) -> pb.ProbResponse:
            return answers.probability_to_proto(ngrams.prob(work, request.end, infgram))

        return await self._answer_one(request, context, work)

    async def ProbBatch(
        self, request: pb.ProbBatchRequest, context: Context
    ) -> pb.ProbBatchResponse:
        """How likely many tokens are."""
        return await self._probs(request, context, infgram=False)

    async def InfgramProbBatch(
        self, request: pb.InfgramProbBatchRequest, context: Context
    ) -> pb.InfgramProbBatchResponse:
        """How likely many tokens are, with backing off."""
        results = await self._probs(request, context, infgram=True)
        return pb.InfgramProbBatchResponse(results=results)

    async def _probs(
        self,
        request: pb.ProbBatchRequest | pb.InfgramProbBatchRequest,
        context: Context,
        infgram: bool,
    ) -> pb.ProbBatchResponse:
        def work(work: Work) -> pb.ProbBatchResponse:
            found: Probabilities = ngrams.prob(work, request.end, infgram)
            return answers.probabilities_to_proto(found)

        return await self._answer_many(request, context, work)

    async def Ntd(self, request: pb.NtdRequest, context: Context) -> pb.NtdResponse:
        """What follows one context."""
        return await self._ntd(request, context, infgram=False)

    async def InfgramNtd(
        self, request: pb.InfgramNtdRequest, context: Context
    ) -> pb.InfgramNtdResponse:
        """What follows one context, with backing off."""
        return pb.InfgramNtdResponse(result=await self._ntd(request, context, infgram=True))

    async def _ntd(
        self, request: pb.NtdRequest | pb.InfgramNtdRequest, context: Context, infgram: bool
    ) -> pb.NtdResponse:
        def work(work: Work) -> pb.NtdResponse:
            return answers.distribution_to_proto(_distributions(work, request, infgram)[0])

        return await self._answer_one(request, context, work, short=NEVER)

    async def NtdBatch(self, request: pb.NtdBatchRequest, context: Context) -> pb.NtdBatchResponse:
        """What follows many contexts."""

        def work(work: Work) -> pb.NtdBatchResponse:
            found = _distributions(work, request, infgram=False)
            return pb.NtdBatchResponse(results=map(answers.distribution_to_proto, found))

        return await self._answer_many(request, context, work, short=NEVER)

    async def InfgramNtdBatch(
        self, request: pb.InfgramNtdBatchRequest, context: Context
    ) -> pb.InfgramNtdBatchResponse:
        """What follows many contexts, with backing off."""

        def work(work: Work) -> pb.InfgramNtdBatchResponse:
            found = _distributions(work, request, infgram=True)
            return pb.InfgramNtdBatchResponse(results=map(answers.distribution_to_proto, found))

        return await self._answer_many(request, context, work, short=NEVER)

    async def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        """Score one sequence."""

        def work(work: Work) -> pb.ScoreResponse:
            return answers.scores_to_proto(ngrams.score(work)[0])

        return await self._answer_one(request, context, work)

    async def ScoreBatch(
        self, request: pb.ScoreBatchRequest, context: Context
    ) -> pb.ScoreBatchResponse:
        """Score many sequences."""

        def work(work: Work) -> pb.ScoreBatchResponse:
            return pb.ScoreBatchResponse(results=map(answers.scores_to_proto, ngrams.score(work)))

        return await self._answer_many(request, context, work)

    async def MatchLengths(
        self, request: pb.MatchLengthsRequest, context: Context
    ) -> pb.MatchLengthsResponse:
        """Match one sequence."""

        def work(work: Work) -> pb.MatchLengthsResponse:
            return convert.match_to_proto(ngrams.match(work)[0])

        return await self._answer_one(request, context, work)

    async def MatchLengthsBatch(
        self, request: pb.MatchLengthsBatchRequest, context: Context
    ) -> pb.MatchLengthsBatchResponse:
        """Match many sequences."""

        def work(work: Work) -> pb.MatchLengthsBatchResponse:
            found = ngrams.match(work)
            return pb.MatchLengthsBatchResponse(matches=map(convert.match_to_proto, found))

        return await self._answer_many(request, context, work)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """Cut one text."""
        (answer,) = (await self._cut(request.index, [request.text], _TEXT, context)).results
        return answer

    async def TokenizeBatch(
        self, request: pb.TokenizeBatchRequest, context: Context
    ) -> pb.TokenizeBatchResponse:
        """Cut many texts."""
        return await self._cut(request.index, list(request.texts), _TEXTS, context)

    async def _cut(
        self, index: str, texts: list[str], names: Names, context: Context
    ) -> pb.TokenizeBatchResponse:
        tokenizer = self._registry.get(index).require_tokenizer()
        queries.check_asked(queries.Asked(names, texts), self._limits)

        def work(_stop: Stop) -> pb.TokenizeBatchResponse:
            found = queries.tokenize(names, texts, tokenizer, self._limits)
            results = map(convert.tokenization_to_proto, found)
            return fitting(pb.TokenizeBatchResponse(results=results), names.whole)

        return await self._run(context, work, sum(map(len, texts)) <= SHORT)

    async def Detokenize(
        self, request: pb.DetokenizeRequest, context: Context
    ) -> pb.DetokenizeResponse:
        """Turn ids into text."""
        ids = convert.ids_from_proto(request.tokens)
        asked = queries.Asked(_TOKENS, [ids])
        (answer,) = (await self._text(request.index, asked, context)).results
        return answer

    async def DetokenizeBatch(
        self, request: pb.DetokenizeBatchRequest, context: Context
    ) -> pb.DetokenizeBatchResponse:
        """Turn many sequences of ids into text."""
        values = convert.ids_from_proto(request.sequences)
        lengths = np.array(request.sequences.lengths, np.uint64)
        return await self._text(request.index, queries.sequences(values, lengths), context)

    async def _text(
        self, index: str, asked: queries.Asked, context: Context
    ) -> pb.DetokenizeBatchResponse:
        found = self._registry.get(index)
        tokenizer = found.require_tokenizer()
        queries.check_asked(asked, self._limits)

        def work(_stop: Stop) -> pb.DetokenizeBatchResponse:
            batch = queries.to_batch(asked, found, self._limits)
            sequences = [batch.query(number) for number in range(len(batch))]
            results = map(convert.detokenization_to_proto, tokenizer.detokenize(sequences))
            return fitting(pb.DetokenizeBatchResponse(results=results), asked.names.whole)

        return await self._run(context, work, asked.size <= SHORT)


def _found(work: Work) -> list[pb.FindResponse]:
    firsts, ends = ngrams.find(work)
    pairs = zip(firsts.tolist(), ends.tolist(), strict=True)
    return [answers.find_to_proto(list(zip(*pair, strict=True))) for pair in pairs]


def _distributions(
    work: Work,
    request: pb.NtdRequest | pb.InfgramNtdRequest | pb.NtdBatchRequest | pb.InfgramNtdBatchRequest,
    infgram: bool,
) -> list[Distribution]:
    return continuations.distributions(work, request.top, infgram, request.pieces)
