// What a segment answers; opening and checking it is in segment.cpp.
#include <algorithm>
#include <functional>
#include <numeric>

#include "stillhouse/cooccurrence.hpp"
#include "stillhouse/longest_suffix.hpp"
#include "stillhouse/matching.hpp"
#include "stillhouse/pool.hpp"
#include "stillhouse/segment.hpp"

namespace stillhouse {
namespace {

// Ragged queries as symbols; unknown tokens are 0.
template <class Symbol>
class Queries {
  public:
    Queries(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets, const Alphabet& alphabet)
        : offsets_(offsets), symbols_(offsets.back() - offsets.front()) {
        const auto used = values.subspan(offsets.front(), symbols_.size());
        std::transform(used.begin(), used.end(), symbols_.begin(),
                       [&](std::uint32_t id) { return static_cast<Symbol>(alphabet.symbol(id)); });
    }

    std::size_t size() const { return offsets_.size() - 1; }

    std::span<const Symbol> operator[](std::size_t i) const {
        return std::span<const Symbol>(symbols_).subspan(offsets_[i] - offsets_.front(), offsets_[i + 1] - offsets_[i]);
    }

  private:
    std::span<const std::uint64_t> offsets_;
    std::vector<Symbol> symbols_;
};

// Symbol 0, an unknown token, would match the ends of documents.
template <class Symbol>
bool all_known(std::span<const Symbol> symbols) {
    return std::find(symbols.begin(), symbols.end(), Symbol{0}) == symbols.end();
}

template <class Symbol>
void find_all(const SuffixArray<Symbol>& array, const Queries<Symbol>& queries, const Stop* stop,
              std::span<Range> ranges) {
    if (queries.size() == 1) {
        if (stop) stop->check();
        ranges[0] = all_known(queries[0]) ? run(array, queries[0], Goal::whole).range() : Range{};
        return;
    }
    std::vector<std::uint32_t> known;  // queries whose tokens all occur
    known.reserve(queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
        if (all_known(queries[i]))
            known.push_back(static_cast<std::uint32_t>(i));
        else
            ranges[i] = {};
    }
    if (known.size() == queries.size()) {
        find_many(array, queries.size(), stop, [&](std::size_t i) { return queries[i]; }, ranges);
        return;
    }
    std::vector<Range> found(known.size());
    find_many(array, known.size(), stop, [&](std::size_t i) { return queries[known[i]]; }, std::span<Range>(found));
    for (std::size_t i = 0; i < known.size(); ++i) ranges[known[i]] = found[i];
}

// The context that counts, with its occurrences: all of it, or its longest suffix
// that occurs. The range is empty if it does not occur.
template <class Symbol>
Suffix used_context(const SuffixArray<Symbol>& array, std::span<const Symbol> context, bool longest_suffix,
                    const Stop* stop) {
    if (longest_suffix) {
        const auto unknown = std::find(context.rbegin(), context.rend(), Symbol{0});
        return longest_suffix_of(array, context.last(static_cast<std::size_t>(unknown - context.rbegin())), stop);
    }
    if (stop) stop->check();
    return {context.size(), all_known(context) ? run(array, context, Goal::whole).range() : Range{}};
}

// The empty context stands before all tokens and before all ends of documents.
template <class Symbol>
Probability context_of(const SuffixArray<Symbol>& array, const Suffix& context) {
    Probability out;
    out.suffix_length = context.length;
    if (context.length == 0) {
        out.context_count = array.text.size();
        // Where there is a token there is an end as well, so that makes two kinds.
        out.sparse = out.context_count > 0 && array.suffixes.empty();
    } else {
        out.context_count = context.range.count();
        out.sparse = out.context_count > 0 && continues_alike(array, context.range, context.length);
    }
    return out;
}

template <class Symbol>
std::uint64_t count_next(const SuffixArray<Symbol>& array, const Suffix& context, std::span<const Symbol> symbols,
                         Symbol next) {
    if (context.length == 0)
        return next == 0 ? array.text.size() - array.suffixes.size() : array.bucket(next).count();
    if (context.range.count() == 0) return 0;
    if (context.length == 1 && next != 0 && array.bigrams) return array.bigrams->find(symbols.back(), next).count();
    return narrow(array, context.range, context.length, next).count();
}

// Sorts the last distribution by falling count and keeps the first `top`.
void keep_top(Distributions& out, std::uint64_t top) {
    const std::size_t from = out.offsets.back();
    std::vector<std::size_t> order(out.tokens.size() - from);
    std::iota(order.begin(), order.end(), from);
    const std::size_t kept = std::min<std::uint64_t>(top, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      [&](std::size_t a, std::size_t b) {
                          return out.counts[a] != out.counts[b] ? out.counts[a] > out.counts[b] : a < b;
                      });
    std::vector<NextToken> tokens;
    std::vector<std::uint64_t> counts;
    for (std::size_t i = 0; i < kept; ++i) {
        tokens.push_back(out.tokens[order[i]]);
        counts.push_back(out.counts[order[i]]);
    }
    out.tokens.resize(from);
    out.counts.resize(from);
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    out.counts.insert(out.counts.end(), counts.begin(), counts.end());
}

// The stretches of known tokens of ragged queries, cut into groups of pieces with
// about `size` positions each.
template <class Symbol>
std::vector<std::vector<typename Matcher<Symbol>::Piece>> known_pieces(std::span<const Symbol> symbols,
                                                                      std::span<const std::uint64_t> offsets,
                                                                      std::size_t size) {
    std::vector<std::vector<typename Matcher<Symbol>::Piece>> groups(1);
    std::size_t room = size;
    for (std::size_t q = 0; q + 1 < offsets.size(); ++q) {
        const auto query_end = symbols.begin() + static_cast<std::ptrdiff_t>(offsets[q + 1]);
        for (std::size_t begin = offsets[q]; begin < offsets[q + 1];) {
            const auto at = symbols.begin() + static_cast<std::ptrdiff_t>(begin);
            const auto limit = static_cast<std::size_t>(std::find(at, query_end, Symbol{0}) - symbols.begin());
            while (begin < limit) {
                if (room == 0) {
                    groups.emplace_back();
                    room = size;
                }
                const std::size_t taken = std::min(room, limit - begin);
                groups.back().push_back({begin, begin + taken, limit});
                begin += taken;
                room -= taken;
            }
            ++begin;  // past the unknown token
        }
    }
    return groups;
}

template <class Symbol>
void match_all(const SuffixArray<Symbol>& array, std::span<const Symbol> symbols,
               std::span<const std::uint64_t> offsets, const CallOptions& options, std::span<std::uint32_t> lengths,
               std::span<std::uint64_t> counts) {
    const unsigned threads = options.threads == 0 ? available_threads() : options.threads;
    const std::size_t size = threads == 1 ? std::max<std::size_t>(1, symbols.size())
                                          : std::max<std::size_t>(2048, symbols.size() / (std::size_t{4} * threads));
    std::fill(lengths.begin(), lengths.end(), 0);
    std::fill(counts.begin(), counts.end(), 0);
    const auto groups = known_pieces(symbols, offsets, size);
    run_parallel(groups.size(), threads, [&](std::size_t group) {
        Matcher<Symbol>(array, options.stop).match(symbols, groups[group], lengths, counts);
    });
}

// The ranges of contexts symbols[starts[i], i), i in [0, n], which all occur.
// Short ones side by side; long ones that continue the one before from its range.
template <class Symbol>
std::vector<Range> context_ranges(const SuffixArray<Symbol>& array, std::span<const Symbol> symbols,
                                  std::span<const std::size_t> starts, const Stop* stop) {
    constexpr std::size_t longest_searched = 32;
    std::vector<std::size_t> searched;
    for (std::size_t i = 0; i < starts.size(); ++i) {
        if (i - starts[i] <= longest_searched || starts[i] != starts[i - 1]) searched.push_back(i);
    }
    std::vector<Range> found(searched.size());
    find_many(
        array, searched.size(), stop,
        [&](std::size_t k) { return symbols.subspan(starts[searched[k]], searched[k] - starts[searched[k]]); },
        std::span<Range>(found));
    std::vector<Range> ranges(starts.size());
    Pacer pacer(stop, 256);
    for (std::size_t i = 0, k = 0; i < starts.size(); ++i) {
        pacer.step();
        if (k < searched.size() && searched[k] == i)
            ranges[i] = found[k++];
        else
            ranges[i] = narrow(array, ranges[i - 1], i - 1 - starts[i], symbols[i - 1]);
    }
    return ranges;
}

}  // namespace

void Distributions::append(const Distributions& more) {
    const std::uint64_t base = tokens.size();
    tokens.insert(tokens.end(), more.tokens.begin(), more.tokens.end());
    counts.insert(counts.end(), more.counts.begin(), more.counts.end());
    for (std::size_t i = 1; i < more.offsets.size(); ++i) offsets.push_back(base + more.offsets[i]);
    context_counts.insert(context_counts.end(), more.context_counts.begin(), more.context_counts.end());
    suffix_lengths.insert(suffix_lengths.end(), more.suffix_lengths.begin(), more.suffix_lengths.end());
    sparse.insert(sparse.end(), more.sparse.begin(), more.sparse.end());
}

NextToken Segment::next_token(std::uint32_t symbol) const {
    if (symbol == 0) return end_of_document;
    if (symbol > alphabet_.ids().size()) fail(Role::text, "an unknown symbol; the index is corrupt, run verify()");
    return alphabet_.ids()[symbol - 1];
}

template <class Symbol>
std::optional<Symbol> Segment::next_symbol(NextToken token) const {
    if (token == end_of_document) return Symbol{0};
    const std::uint32_t symbol = alphabet_.symbol(static_cast<std::uint32_t>(token));
    if (symbol == 0) return std::nullopt;
    return static_cast<Symbol>(symbol);
}

void Segment::find_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                         const Stop* stop, std::span<Range> ranges) const {
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            find_all(array, Queries<Symbol>(values, offsets, alphabet_), stop, ranges);
        },
        array_);
}

void Segment::match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                                  const CallOptions& options, std::span<std::uint32_t> lengths,
                                  std::span<std::uint64_t> counts) const {
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            std::vector<Symbol> symbols(values.size());
            std::transform(values.begin(), values.end(), symbols.begin(),
                           [&](std::uint32_t id) { return static_cast<Symbol>(alphabet_.symbol(id)); });
            match_all(array, std::span<const Symbol>(symbols), offsets, options, lengths, counts);
        },
        array_);
}

void Segment::prob_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                         std::span<const NextToken> next, bool longest_suffix, const Stop* stop,
                         std::span<Probability> out) const {
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            const Queries<Symbol> contexts(values, offsets, alphabet_);
            std::vector<Range> found;  // of whole contexts, all side by side
            if (!longest_suffix) {
                found.resize(contexts.size());
                find_all(array, contexts, stop, std::span<Range>(found));
            }
            for (std::size_t i = 0; i < contexts.size(); ++i) {
                const Suffix context = longest_suffix ? used_context(array, contexts[i], true, stop)
                                                      : Suffix{contexts[i].size(), found[i]};
                out[i] = context_of(array, context);
                const std::optional<Symbol> symbol = next_symbol<Symbol>(next[i]);
                if (symbol) out[i].count = count_next(array, context, contexts[i], *symbol);
            }
        },
        array_);
}

void Segment::ntd_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                        std::uint64_t top, bool longest_suffix, const Stop* stop, Distributions& out) const {
    const auto add = [&](std::uint32_t symbol, std::uint64_t count) {
        if (count == 0) return;
        out.tokens.push_back(next_token(symbol));
        out.counts.push_back(count);
    };
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            const Queries<Symbol> contexts(values, offsets, alphabet_);
            BorderFinder<Symbol> finder;
            for (std::size_t i = 0; i < contexts.size(); ++i) {
                const Suffix context = used_context(array, contexts[i], longest_suffix, stop);
                if (context.length == 0) {
                    add(0, array.text.size() - array.suffixes.size());
                    for (std::size_t s = 1; s + 1 < array.buckets.size(); ++s)
                        add(static_cast<std::uint32_t>(s), array.bucket(static_cast<Symbol>(s)).count());
                } else {
                    const auto& borders = finder.find(array, context.range, context.length, stop);
                    for (std::size_t b = 0; b < borders.size(); ++b)
                        add(borders[b].symbol,
                            (b + 1 < borders.size() ? borders[b + 1].rank : context.range.hi) - borders[b].rank);
                }
                const Probability summary = context_of(array, context);
                if (top > 0) keep_top(out, top);
                out.offsets.push_back(out.tokens.size());
                out.context_counts.push_back(summary.context_count);
                out.suffix_lengths.push_back(summary.suffix_length);
                out.sparse.push_back(summary.sparse);
            }
        },
        array_);
}

void Segment::score(std::span<const std::uint32_t> tokens, const Stop* stop, std::span<Probability> out) const {
    const std::size_t n = tokens.size();
    std::vector<std::uint32_t> lengths(n);
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            const std::array<std::uint64_t, 2> whole = {0, n};
            const Queries<Symbol> queries(tokens, whole, alphabet_);
            const std::span<const Symbol> symbols = queries[0];
            std::vector<std::uint64_t> counts(n);
            match_all(array, symbols, whole, {1, stop}, lengths, counts);
            // The longest suffix before i starts at the first match that reaches i.
            std::vector<std::size_t> starts(n + 1);
            for (std::size_t i = 0, start = 0; i <= n; ++i) {
                while (start < i && start + lengths[start] < i) ++start;
                starts[i] = start;
            }
            const std::vector<Range> ranges = context_ranges(array, symbols, starts, stop);
            for (std::size_t i = 0; i < n; ++i) {
                out[i] = context_of(array, {i - starts[i], ranges[i]});
                // Longer by one token and still there, or the token never follows.
                out[i].count = starts[i + 1] == starts[i] ? ranges[i + 1].count() : 0;
            }
        },
        array_);
}

std::uint64_t Segment::cooccurrences(const Cnf& cnf, std::uint64_t max_distance, const Stop* stop,
                                     std::vector<std::uint64_t>* positions) const {
    return std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) -> std::uint64_t {
            const Queries<Symbol> ngrams(cnf.values, cnf.offsets, alphabet_);
            std::vector<Range> ranges(ngrams.size());
            find_all(array, ngrams, stop, std::span<Range>(ranges));
            std::vector<Clause<Symbol>> clauses;
            std::size_t anchor = 0;
            std::uint64_t fewest = UINT64_MAX;
            for (std::size_t c = 0; c + 1 < cnf.clauses.size(); ++c) {
                Clause<Symbol>& clause = clauses.emplace_back();
                for (std::size_t i = cnf.clauses[c]; i < cnf.clauses[c + 1]; ++i)
                    clause.push_back({ngrams[i], ranges[i]});
                const std::uint64_t occurrences = Cooccurrence<Symbol>::reduce(clause);
                if (occurrences < fewest) {
                    fewest = occurrences;
                    anchor = c;
                }
            }
            if (fewest == 0) return 0;
            if (cnf.anchor) anchor = *cnf.anchor;
            if (clauses.size() == 1 && !positions) return fewest;
            std::vector<const Clause<Symbol>*> others;
            for (std::size_t c = 0; c < clauses.size(); ++c) {
                if (c != anchor) others.push_back(&clauses[c]);
            }
            std::uint64_t count = 0;
            Cooccurrence<Symbol>(array, static_cast<std::size_t>(std::min<std::uint64_t>(max_distance, UINT32_MAX)))
                .run(clauses[anchor], others, stop, [&](std::size_t at) {
                    ++count;
                    if (positions) positions->push_back(at);
                });
            if (positions) {
                for (std::uint64_t& at : *positions) {
                    const auto [document, offset] = locate_text(at);
                    at = document_offsets_[document] + offset;
                }
            }
            return count;
        },
        array_);
}

}  // namespace stillhouse
