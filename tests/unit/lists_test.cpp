// The intrusive lists against a std::deque that does the same.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "park/park.hpp"
#include "sched/goroutine.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"

using namespace weft::detail;

namespace {

constexpr int items = 40;

std::deque<goroutine*> contents(const goroutine_list& l) {
  std::deque<goroutine*> all;
  for (goroutine* g = l.first; g != nullptr; g = g->next) all.push_back(g);
  return all;
}

// Oldest first; checks the links of the other direction.
std::deque<seed*> contents(const seed_list& l) {
  std::deque<seed*> all;
  for (seed* s = l.oldest; s != nullptr; s = s->prev) all.push_back(s);
  std::deque<seed*> backward;
  for (seed* s = l.newest; s != nullptr; s = s->next) backward.push_front(s);
  CHECK(all == backward);
  return all;
}

std::deque<wait_node*> contents(const node_list& l) {
  std::deque<wait_node*> all;
  for (wait_node* n = l.first; n != nullptr; n = n->next) all.push_back(n);
  std::deque<wait_node*> backward;
  for (wait_node* n = l.last; n != nullptr; n = n->previous) backward.push_front(n);
  CHECK(all == backward);
  return all;
}

template <class T>
std::deque<T> cut_front(std::deque<T>& from, std::uint32_t n) {
  const auto end = from.begin() + std::ptrdiff_t(std::min<std::size_t>(n, from.size()));
  std::deque<T> part(from.begin(), end);
  from.erase(from.begin(), end);
  return part;
}

}  // namespace

TEST_CASE("a goroutine list is a FIFO with cut and append") {
  const auto memory = std::make_unique<goroutine[]>(items);
  weft_test::chance pick(1);
  for (int round = 0; round < 200; ++round) {
    goroutine_list list;
    std::deque<goroutine*> model;
    int used = 0;
    while (used < items) {
      if (pick.one_in(4)) {
        goroutine* const expected = model.empty() ? nullptr : model.front();
        if (!model.empty()) model.pop_front();
        REQUIRE(list.pop_front() == expected);
      } else {
        list.push_back(&memory[used]);
        model.push_back(&memory[used++]);
      }
    }
    const auto n = std::uint32_t(pick.below(items + 5));
    goroutine_list part = list.cut(n);
    const auto model_part = cut_front(model, n);
    REQUIRE(contents(part) == model_part);
    REQUIRE(contents(list) == model);
    REQUIRE(part.count == model_part.size());
    list.append(part);
    model.insert(model.end(), model_part.begin(), model_part.end());
    REQUIRE(contents(list) == model);
    REQUIRE(list.count == model.size());
    REQUIRE(part.first == nullptr);
    REQUIRE(part.count == 0);
  }
}

TEST_CASE("a seed list gives its newest or its oldest, with cut and append") {
  const auto memory = std::make_unique<seed[]>(items);
  weft_test::chance pick(2);
  for (int round = 0; round < 200; ++round) {
    seed_list list;
    std::deque<seed*> model;  // oldest first
    int used = 0;
    while (used < items) {
      if (pick.one_in(5)) {
        seed* const expected = model.empty() ? nullptr : model.back();
        if (!model.empty()) model.pop_back();
        REQUIRE(list.pop_newest() == expected);
      } else if (pick.one_in(5)) {
        seed* const expected = model.empty() ? nullptr : model.front();
        if (!model.empty()) model.pop_front();
        REQUIRE(list.pop_oldest() == expected);
      } else {
        list.push_newest(&memory[used]);
        model.push_back(&memory[used++]);
      }
      REQUIRE(list.count == model.size());
    }
    const auto n = std::uint32_t(pick.below(items + 5));
    seed_list part = list.cut(n);
    auto model_part = cut_front(model, n);
    REQUIRE(contents(part) == model_part);
    REQUIRE(contents(list) == model);
    REQUIRE(part.count == model_part.size());
    // What is left of the cut becomes older than the part.
    part.append_older(list);
    model_part.insert(model_part.begin(), model.begin(), model.end());
    REQUIRE(contents(part) == model_part);
    REQUIRE(part.count == model_part.size());
    REQUIRE(list.count == 0);
    REQUIRE(list.newest == nullptr);
    REQUIRE(list.oldest == nullptr);
  }
}

TEST_CASE("nodes are linked at both ends and taken out anywhere") {
  std::vector<wait_node> memory(items);
  weft_test::chance pick(3);
  node_list list;
  std::deque<wait_node*> model;
  for (int step = 0; step < 5000; ++step) {
    wait_node* n = &memory[std::size_t(pick.below(items))];
    if (n->where == wait_node::place::linked) {
      list.remove(n);
      model.erase(std::find(model.begin(), model.end(), n));
      REQUIRE(n->where == wait_node::place::outside);
    } else if (pick.one_in(3)) {
      list.push_front(n);
      model.push_front(n);
    } else {
      list.push_back(n);
      model.push_back(n);
    }
    REQUIRE(contents(list) == model);
    REQUIRE(list.empty() == model.empty());
  }
}
