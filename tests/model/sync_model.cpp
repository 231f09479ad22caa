// Synchronisation (src/sync), between plain threads: nobody inside together, nobody left waiting,
// and each object may be destroyed as soon as the last wait on it has returned, even while the one
// that released it is still returning (last_touch).
#include <chrono>
#include <memory>
#include <mutex>

#include "model/check.hpp"
#include "weft/sync.hpp"

namespace m = weft_model;

namespace {

constexpr std::chrono::nanoseconds soon{1};  // passes when the model's clock jumps

template <class T>
struct owned {
  T* object;
  template <class... A>
  explicit owned(A&&... a) : object(new T(std::forward<A>(a)...)) {}
  void destroy() { delete std::exchange(object, nullptr); }
};

}  // namespace

TEST_CASE("model: a wait group is destroyed when its wait has returned", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<owned<weft::wait_group>>();
    auto data = std::make_shared<std::array<int, 2>>();
    w->object->add(2);
    for (unsigned i = 0; i < 2; ++i) {
      s.thread([=, group = w->object] {
        m::plain_access(&(*data)[i]);
        group->done();
      });
    }
    s.thread([=] {
      w->object->wait();
      w->destroy();
      for (int& d : *data) m::plain_access(&d);
    });
  });
}

TEST_CASE("model: a wait group, two wait and one gives up", "[model]") {
  m::check({.preemptions = 2}, [](m::scenario& s) {
    auto w = std::make_shared<weft::wait_group>();
    w->add(1);
    s.thread([=] { w->done(); });
    s.thread([=] { w->wait(); });
    s.thread([=] {
      if (!w->wait_for(soon)) w->wait();
    });
  });
}

TEST_CASE("model: a mutex excludes and is destroyed by the second to have it", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<owned<weft::mutex>>();
    auto first_is_through = std::make_shared<bool>(false);
    for (int i = 0; i < 2; ++i) {
      s.thread([=, mutex = w->object] {
        mutex->lock();
        m::plain_access(first_is_through.get());
        const bool second = std::exchange(*first_is_through, true);
        mutex->unlock();
        if (second) w->destroy();
      });
    }
  });
}

// Three, so that one who was woken loses to who came later, and gets the mutex handed over.
TEST_CASE("model: a mutex, three have it and the last destroys it", "[model]") {
  struct state {
    owned<weft::mutex> mutex;
    int inside = 0;
    int missing = 2;
  };
  m::check({.preemptions = 3, .delayed_stores = 0}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    w->mutex.object->lock();
    s.thread([mutex = w->mutex.object] { mutex->unlock(); });
    for (int i = 0; i < 2; ++i) {
      s.thread([=, mutex = w->mutex.object] {
        mutex->lock();
        m::plain_access(&w->inside);
        m::require(++w->inside == 1, "two are inside");
        --w->inside;
        const bool last = --w->missing == 0;
        mutex->unlock();
        if (last) w->mutex.destroy();
      });
    }
  });
}

TEST_CASE("model: a semaphore is destroyed when its acquire has returned", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<owned<weft::semaphore>>(1);
    w->object->acquire();
    auto data = std::make_shared<int>(0);
    s.thread([=, semaphore = w->object] {
      m::plain_access(data.get());
      semaphore->release();
    });
    s.thread([=] {
      w->object->acquire();
      w->destroy();
      m::plain_access(data.get());
    });
  });
}

TEST_CASE("model: a semaphore, who gives up serves those behind", "[model]") {
  m::check({.preemptions = 2, .timeouts = 2}, [](m::scenario& s) {
    auto w = std::make_shared<weft::semaphore>(2);
    w->acquire(2);
    s.thread([=] { w->release(); });
    s.thread([=] {  // asks for more than there will be
      if (w->try_acquire_for(2, soon)) w->release(2);
    });
    s.thread([=] { w->acquire(1); });
  });
}

TEST_CASE("model: a latch is destroyed when its wait has returned", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<owned<weft::latch>>(2);
    for (int i = 0; i < 2; ++i) {
      s.thread([latch = w->object] { latch->count_down(); });
    }
    s.thread([=] {
      w->object->wait();
      w->destroy();
    });
  });
}

TEST_CASE("model: once runs once, and is destroyed by who waited", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<owned<weft::once>>();
    auto runs = std::make_shared<int>(0);
    auto ran_by = std::make_shared<int>(-1);
    for (int i = 0; i < 2; ++i) {
      s.thread([=, once = w->object] {
        once->call([&] {
          m::plain_access(runs.get());
          m::require(++*runs == 1, "ran twice");
          *ran_by = i;
        });
        if (*ran_by != i) {
          m::plain_access(runs.get());
          w->destroy();
        }
      });
    }
  });
}

TEST_CASE("model: a condition variable is destroyed when its wait has returned", "[model]") {
  struct state {
    owned<weft::condition_variable> changed;
    weft::mutex mutex;
    bool ready = false;
  };
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=, changed = w->changed.object] {
      {
        const std::lock_guard guard(w->mutex);
        m::plain_access(&w->ready);
        w->ready = true;
        changed->notify_one();
      }
    });
    s.thread([=] {
      std::unique_lock lock(w->mutex);
      w->changed.object->wait(lock, [&] {
        m::plain_access(&w->ready);
        return w->ready;
      });
      w->changed.destroy();
    });
  });
}

TEST_CASE("model: a condition variable, one of two gives up and no notification is lost", "[model]") {
  struct state {
    weft::condition_variable changed;
    weft::mutex mutex;
    int tokens = 0;
  };
  m::check({.preemptions = 2}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      const std::lock_guard guard(w->mutex);
      ++w->tokens;
      w->changed.notify_one();
    });
    s.thread([=] {
      std::unique_lock lock(w->mutex);
      w->changed.wait(lock, [&] { return w->tokens > 0; });
    });
    s.thread([=] {  // takes none, so its notification must go to the other
      std::unique_lock lock(w->mutex);
      if (w->tokens == 0 && w->changed.wait_for(lock, soon) == std::cv_status::no_timeout) {
        w->changed.notify_one();
      }
    });
  });
}

TEST_CASE("model: a shared mutex, two read and one writes", "[model]") {
  struct state {
    weft::shared_mutex mutex;
    int readers = 0;
    int writers = 0;
  };
  m::check({.preemptions = 2}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    for (int i = 0; i < 2; ++i) {
      s.thread([=] {
        w->mutex.lock_shared();
        ++w->readers;
        m::require(w->writers == 0, "a writer beside a reader");
        --w->readers;
        w->mutex.unlock_shared();
      });
    }
    s.thread([=] {
      w->mutex.lock();
      ++w->writers;
      m::require(w->writers == 1 && w->readers == 0, "a writer is not alone");
      --w->writers;
      w->mutex.unlock();
    });
  });
}

TEST_CASE("model: a barrier is destroyed by who waited", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<owned<weft::barrier<>>>(2);
    s.thread([barrier = w->object] { static_cast<void>(barrier->arrive()); });
    s.thread([=] {
      w->object->arrive_and_wait();
      w->destroy();
    });
  });
}
