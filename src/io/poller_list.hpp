// All pollers of the process. Who closes a descriptor goes through them, so that is not to lock
// others out: it only counts itself as inside, and who takes a poller out waits until nobody is.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/spin_lock.hpp"

namespace weft::detail {

template <class Poller>
class poller_list {
 public:
  constexpr poller_list() noexcept = default;

  void add(Poller& p) noexcept {
    std::lock_guard guard(lock_);
    p.next_poller.store(first_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    first_.store(&p, std::memory_order_seq_cst);
  }
  // When it returns, nobody is in there with p.
  void remove(Poller& p) noexcept {
    {
      std::lock_guard guard(lock_);
      std::atomic<Poller*>* at = &first_;
      while (at->load(std::memory_order_relaxed) != &p) at = &at->load(std::memory_order_relaxed)->next_poller;
      at->store(p.next_poller.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    }
    // Seq_cst: who counted itself after this look finds p out of the list.
    for (backoff b; inside_.load(std::memory_order_seq_cst) != 0;) b.wait();
  }
  template <class Visit>
  void for_each(Visit visit) noexcept {
    inside_.fetch_add(1, std::memory_order_seq_cst);
    for (Poller* p = first_.load(std::memory_order_seq_cst); p != nullptr;
         p = p->next_poller.load(std::memory_order_seq_cst)) {
      visit(*p);
    }
    inside_.fetch_sub(1, std::memory_order_seq_cst);
  }

 private:
  spin_lock lock_;
  std::atomic<Poller*> first_{nullptr};
  std::atomic<std::uint32_t> inside_{0};
};

}  // namespace weft::detail
