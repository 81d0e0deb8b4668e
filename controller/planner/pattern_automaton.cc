#include "controller/planner/pattern_automaton.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "controller/planner/pattern_regex.h"

namespace databuild {
namespace {

constexpr size_t kMaxNfaStates = 20'000;

// Thompson's construction: a state reads one of `bytes` and goes to `out`, or splits without
// reading to `out` and `alternative`.
struct NfaState {
  ByteSet bytes;
  bool splits = false;
  int out = -1;
  int alternative = -1;
};

// A piece of automaton with one entry and one exit (a split state whose `out` is still open).
struct Fragment {
  int entry = -1;
  int exit = -1;
};

struct Nfa {
  std::vector<NfaState> states;
  int start = -1;
  int accept = -1;
};

class NfaBuilder {
 public:
  // Nothing if it would be too large.
  static std::optional<Nfa> Build(const RegexNode& root) {
    NfaBuilder builder;
    Fragment whole = builder.Add(root);
    if (builder.too_large_) return std::nullopt;
    builder.nfa_.start = whole.entry;
    builder.nfa_.accept = whole.exit;
    return std::move(builder.nfa_);
  }

 private:
  int State() {
    if (nfa_.states.size() >= kMaxNfaStates) too_large_ = true;
    if (too_large_) return 0;
    nfa_.states.push_back({.bytes = {}, .splits = true});
    return static_cast<int>(nfa_.states.size()) - 1;
  }
  NfaState& At(int state) { return nfa_.states[static_cast<size_t>(state)]; }

  Fragment Empty() {
    int state = State();
    return {state, state};
  }

  Fragment Concat(Fragment left, Fragment right) {
    At(left.exit).out = right.entry;
    return {left.entry, right.exit};
  }

  Fragment Add(const RegexNode& node) {
    if (too_large_) return Empty();
    switch (node.kind) {
      case RegexNode::Kind::kBytes:
        return AddBytes(node.bytes);
      case RegexNode::Kind::kConcat: {
        Fragment all = Empty();
        for (const RegexNode& child : node.children) all = Concat(all, Add(child));
        return all;
      }
      case RegexNode::Kind::kAlternate: {
        Fragment all = Add(node.children[0]);
        for (size_t i = 1; i < node.children.size(); ++i) all = Either(all, Add(node.children[i]));
        return all;
      }
      case RegexNode::Kind::kRepeat:
        return AddRepeat(node);
    }
    return Empty();
  }

  Fragment AddBytes(const ByteSet& bytes) {
    int entry = State();
    int exit = State();
    At(entry) = {.bytes = bytes, .splits = false, .out = exit};
    return {entry, exit};
  }

  Fragment Either(Fragment left, Fragment right) {
    int entry = State();
    int exit = State();
    At(entry).out = left.entry;
    At(entry).alternative = right.entry;
    At(left.exit).out = exit;
    At(right.exit).out = exit;
    return {entry, exit};
  }

  Fragment AddRepeat(const RegexNode& node) {
    const RegexNode& child = node.children[0];
    Fragment all = Empty();
    for (int i = 0; i < node.least && !too_large_; ++i) all = Concat(all, Add(child));
    for (int i = node.least; i < node.most && !too_large_; ++i) {
      all = Concat(all, Either(Add(child), Empty()));
    }
    return node.most < 0 ? Concat(all, Star(Add(child))) : all;
  }

  Fragment Star(Fragment inner) {
    int entry = State();
    int exit = State();
    At(entry).out = inner.entry;
    At(entry).alternative = exit;
    At(inner.exit).out = entry;
    return {entry, exit};
  }

  Nfa nfa_;
  bool too_large_ = false;
};

}  // namespace

// Subset construction, then states from which nothing can be accepted become the dead one.
class DfaBuilder {
 public:
  explicit DfaBuilder(const Nfa& nfa) : nfa_(nfa) {}

  // Nothing if it has more than kMaxDfaStates states.
  std::optional<Dfa> Build() {
    ClassifyBytes();
    Find({});  // dead
    Find(Closure({nfa_.start}));
    for (size_t done = 0; done < sets_.size(); ++done) {
      if (sets_.size() > kMaxDfaStates) return std::nullopt;
      for (uint16_t c = 0; c < dfa_.class_count_; ++c) {
        dfa_.next_.push_back(c == 0 ? Dfa::kDead : Find(Step(sets_[done], representative_[c])));
      }
    }
    RedirectHopeless();
    return std::move(dfa_);
  }

 private:
  using Set = std::vector<int>;

  // Bytes that every state of the automaton treats alike share a class.
  void ClassifyBytes() {
    std::map<std::vector<bool>, uint8_t> classes;
    representative_.push_back(0);
    std::vector<const ByteSet*> sets;
    for (const NfaState& state : nfa_.states) {
      bool known = std::any_of(sets.begin(), sets.end(),
                               [&](const ByteSet* set) { return *set == state.bytes; });
      if (!state.splits && !known) sets.push_back(&state.bytes);
    }
    for (int byte = kFirstRefByte; byte <= kLastRefByte; ++byte) {
      std::vector<bool> key;
      for (const ByteSet* set : sets) key.push_back(set->test(static_cast<size_t>(byte)));
      auto [it, added] = classes.emplace(std::move(key), static_cast<uint8_t>(classes.size() + 1));
      if (added) representative_.push_back(static_cast<unsigned char>(byte));
      dfa_.class_of_[static_cast<size_t>(byte)] = it->second;
    }
    dfa_.class_count_ = static_cast<uint16_t>(representative_.size());
  }

  Set Closure(Set pending) const {
    std::vector<bool> seen(nfa_.states.size());
    Set closed;
    while (!pending.empty()) {
      int state = pending.back();
      pending.pop_back();
      if (state < 0 || seen[static_cast<size_t>(state)]) continue;
      seen[static_cast<size_t>(state)] = true;
      const NfaState& at = nfa_.states[static_cast<size_t>(state)];
      if (at.splits) {
        pending.push_back(at.out);
        pending.push_back(at.alternative);
      }
      if (!at.splits || state == nfa_.accept) closed.push_back(state);
    }
    std::sort(closed.begin(), closed.end());
    return closed;
  }

  Set Step(const Set& from, unsigned char byte) const {
    Set reached;
    for (int state : from) {
      const NfaState& at = nfa_.states[static_cast<size_t>(state)];
      if (!at.splits && at.bytes.test(byte)) reached.push_back(at.out);
    }
    return Closure(std::move(reached));
  }

  Dfa::State Find(const Set& set) {
    auto [it, added] = ids_.emplace(set, static_cast<Dfa::State>(sets_.size()));
    if (added) {
      sets_.push_back(set);
      dfa_.accepts_.push_back(std::binary_search(set.begin(), set.end(), nfa_.accept));
    }
    return it->second;
  }

  void RedirectHopeless() {
    size_t count = dfa_.states();
    std::vector<uint8_t> hopeful = dfa_.accepts_;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t state = count; state-- > 0;) {
        if (hopeful[state]) continue;
        for (size_t c = 0; c < dfa_.class_count_ && !hopeful[state]; ++c) {
          hopeful[state] = hopeful[dfa_.next_[state * dfa_.class_count_ + c]];
        }
        changed = changed || hopeful[state];
      }
    }
    for (Dfa::State& next : dfa_.next_) {
      if (!hopeful[next]) next = Dfa::kDead;
    }
  }

  const Nfa& nfa_;
  Dfa dfa_;
  std::vector<unsigned char> representative_;  // by class
  std::deque<Set> sets_;                       // by state
  std::map<Set, Dfa::State> ids_;
};

bool Dfa::Matches(std::string_view text) const {
  State state = kStart;
  for (char c : text) {
    state = Next(state, static_cast<unsigned char>(c));
    if (state == kDead) return false;
  }
  return Accepts(state);
}

bool Dfa::IsEmpty() const {
  for (size_t c = 0; c < class_count_; ++c) {
    if (next_[kStart * size_t{class_count_} + c] != kDead) return false;
  }
  return !Accepts(kStart);
}

Result<Dfa> CompileRegex(std::string_view regex) {
  ASSIGN_OR_RETURN(RegexNode root, ParseRegex(regex));
  std::optional<Nfa> nfa = NfaBuilder::Build(root);
  std::optional<Dfa> dfa = nfa ? DfaBuilder(*nfa).Build() : std::nullopt;
  if (!dfa) {
    return Error{Errc::kTooLarge, "regular expression \"" + std::string(regex) +
                                      "\" needs an automaton of more than " +
                                      std::to_string(kMaxDfaStates) +
                                      " states; use fewer or smaller repetitions"};
  }
  if (dfa->IsEmpty()) {
    return Error{Errc::kInvalidArgument, "regular expression \"" + std::string(regex) +
                                             "\" matches no printable text; correct its classes"};
  }
  return std::move(*dfa);
}

}  // namespace databuild
